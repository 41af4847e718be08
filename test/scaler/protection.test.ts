import type { ECSClient, Failure, UpdateTaskProtectionCommand } from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { idleTasks, taskOf, TaskProtection } from '../../scaler/protection.ts';
import type { ReportedWorker } from '../../scaler/signals/workers.ts';

const worker = (about: Partial<ReportedWorker>): ReportedWorker => ({
  key: 'w',
  task: null,
  names: [],
  ageSeconds: 1,
  busy: false,
  usedSlots: 0,
  slots: 1,
  processed: 0,
  failed: 0,
  ...about,
});

describe('the task of a worker', () => {
  const gone = 'f'.repeat(32);
  const addresses = new Map([['10.0.1.2', 'a']]);

  test.each<[string, Partial<ReportedWorker>, string | null]>([
    ['its identity', { task: 'a' }, 'a'],
    ['its host’s name', { task: '7@x', names: ['7', 'x', 'ip-10-0-1-2.eu-central-1.compute.internal'] }, 'a'],
    ['its host’s short name', { task: 'x', names: ['ip-10-0-1-2'] }, 'a'],
    ['its address', { task: '7@10.0.1.2', names: ['7', '10.0.1.2'] }, 'a'],
    ['a part of its identity', { task: 'worker-b', names: ['worker', 'b'] }, 'b'],
  ])('is found by %s', (_, about, task) => {
    expect(taskOf(worker(about), new Set(['a', 'b']), addresses)).toBe(task);
  });

  test.each<[string, Partial<ReportedWorker>, string | null]>([
    ['another address', { task: '7@y', names: ['ip-10-0-1-20.ec2.internal'] }, null],
    ['a name that only begins so', { task: '7@y', names: ['ip-10-0-1-2x'] }, null],
    ['no name', {}, null],
    ['the id of a task that is gone', { task: gone }, gone],
    ['the id of a task that is gone, in its host’s name', { task: '7@x', names: ['7', gone] }, gone],
    ['an id that is too short for a task’s', { task: 'f'.repeat(12), names: ['f'.repeat(12)] }, null],
  ])('is not taken for one at hand by %s', (_, about, task) => {
    expect(taskOf(worker(about), new Set(['a', 'b']), addresses)).toBe(task);
  });
});

describe('an idle task', () => {
  test('is one all of whose workers have just said so', () => {
    const workers = [
      worker({ task: 'idle' }),
      worker({ task: 'busy', busy: true }),
      worker({ task: 'partly' }),
      worker({ task: 'partly', busy: true }),
      worker({ task: 'silent', ageSeconds: 16 }),
      worker({ task: null }),
    ];
    expect([...idleTasks(workers)]).toEqual(['idle']);
    expect([...idleTasks(workers.toReversed())]).toEqual(['idle']);
  });

  test('is none when the workers could not be read', () => {
    expect(idleTasks({ unknown: 'Temporal is down' }).size).toBe(0);
  });
});

describe('protection', () => {
  const pool = { pool: 'fast', cluster: 'c' } as PoolConfig;
  const names = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);

  /** ECS's answers, and what it was asked: `+` to protect and `-` to lift. */
  function ecs(failures: Record<string, Failure> = {}) {
    const asked: string[] = [];
    const send = async ({ input }: UpdateTaskProtectionCommand) => {
      const { tasks = [], protectionEnabled } = input;
      asked.push(`${protectionEnabled ? '+' : '-'}${tasks.join(' ')}`);
      const refused = tasks.filter((task) => task in failures);
      return {
        protectedTasks: tasks.filter((task) => !(task in failures)).map((task) => ({ taskArn: `arn/${task}` })),
        failures: refused.map((task) => ({ arn: `arn/${task}`, ...failures[task] })),
      };
    };
    return { asked, protection: new TaskProtection({ send } as unknown as ECSClient) };
  }

  /** Ticks every ten seconds for so many seconds. */
  async function hold(protection: TaskProtection, tasks: string[], from: number, seconds: number) {
    for (let at = from; at < from + seconds; at += 10) await protection.protect(pool, tasks, at * 1000);
  }

  test('is asked for once, ten tasks a call, and renewed minutes before it ends', async () => {
    const { asked, protection } = ecs();
    await hold(protection, names(12), 0, 300);
    expect(asked).toEqual(['+t0 t1 t2 t3 t4 t5 t6 t7 t8 t9', '+t10 t11']);
    await hold(protection, names(12), 300, 20);
    expect(asked).toHaveLength(4);
  });

  test('is lifted once, and set again when it is wanted again', async () => {
    const { asked, protection } = ecs();
    await protection.protect(pool, ['a'], 0);
    for (const at of [10, 20, 30]) await protection.lift(pool, ['a'], at * 1000);
    await protection.protect(pool, ['a'], 40_000);
    expect(asked).toEqual(['+a', '-a', '+a']);
  });

  test('is not taken for granted after a silence in which another process may have lifted it', async () => {
    const { asked, protection } = ecs();
    await protection.protect(pool, ['a'], 0);
    await protection.protect(pool, ['a'], 60_000);
    expect(asked).toEqual(['+a', '+a']);
  });

  test('of a very large fleet is asked for over some ticks, and who has none yet is known', async () => {
    const { asked, protection } = ecs();
    expect((await protection.protect(pool, names(250), 0)).unprotected).toHaveLength(50);
    expect((await protection.protect(pool, names(250), 10_000)).unprotected).toEqual([]);
    expect(asked).toHaveLength(25);
  });

  test('that is refused is a problem, but for a task that is going anyway or has to wait for others to go', async () => {
    const refusals = { a: { reason: 'OTHER' }, b: { reason: 'TASK_NOT_VALID' }, d: { reason: 'DEPLOYMENT_BLOCKED' } };
    const { protection } = ecs(refusals);
    expect(await protection.protect(pool, ['a', 'b', 'c', 'd'], 0)).toEqual({
      unprotected: ['a', 'd'],
      problems: ['protection of task a: OTHER'],
    });
  });

  test('that ECS does not answer for is unknown: a task may have lost it', async () => {
    const send = () => Promise.reject(new Error('ThrottlingException'));
    const protection = new TaskProtection({ send } as unknown as ECSClient);
    const { unprotected, problems } = await protection.protect(pool, ['a'], 0);
    expect(unprotected).toEqual(['a']);
    expect(problems).toEqual(['protection of 1 tasks: Error: ThrottlingException']);
    expect(await protection.lift(pool, ['a'], 0)).toHaveLength(1);
  });
});
