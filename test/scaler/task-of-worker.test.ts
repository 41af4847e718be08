import { taskOf, type ReportedWorker } from '../../scaler/read/workers.ts';

type Named = Pick<ReportedWorker, 'task' | 'names'>;

const worker = (about: Partial<Named>): Named => ({ task: null, names: [], ...about });

describe('the task of a worker', () => {
  const gone = 'f'.repeat(32);
  const addresses = new Map([['10.0.1.2', 'a']]);

  test.each<[string, Partial<Named>, string | null]>([
    ['its identity', { task: 'a' }, 'a'],
    ['its host name', { task: '7@x', names: ['7', 'x', 'ip-10-0-1-2.eu-central-1.compute.internal'] }, 'a'],
    ['its short host name', { task: 'x', names: ['ip-10-0-1-2'] }, 'a'],
    ['its address', { task: '7@10.0.1.2', names: ['7', '10.0.1.2'] }, 'a'],
    ['part of its identity', { task: 'worker-b', names: ['worker', 'b'] }, 'b'],
  ])('is found by %s', (_, about, task) => {
    expect(taskOf(worker(about), new Set(['a', 'b']), addresses)).toBe(task);
  });

  test.each<[string, Partial<Named>, string | null]>([
    ['another address', { task: '7@y', names: ['ip-10-0-1-20.ec2.internal'] }, null],
    ['a name with the same beginning', { task: '7@y', names: ['ip-10-0-1-2x'] }, null],
    ['no name', {}, null],
    ['the id of a stopped task', { task: gone }, gone],
    ['the id of a stopped task in its host name', { task: '7@x', names: ['7', gone] }, gone],
    ['an id that is too short for a task', { task: 'f'.repeat(12), names: ['f'.repeat(12)] }, null],
  ])('is not a running task because of %s', (_, about, task) => {
    expect(taskOf(worker(about), new Set(['a', 'b']), addresses)).toBe(task);
  });
});
