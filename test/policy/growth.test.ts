/** How the fleet scales out. */
import { decide } from '../../scaler/policy.ts';
import { policy, second, queue, worker, running, signals, experienced } from './fixtures.ts';

describe('scaling out', () => {
  test('a burst at zero gets its whole fleet in one decision, and nothing is ordered twice', () => {
    let memory = experienced(60, -700 * second);
    const burst = signals({ activityQueue: queue(95) });
    const first = decide(burst, memory, policy, 0);
    expect(first.decision).toMatchObject({ cordon: [], reason: 'backlog' });
    const { desired } = first.decision;
    expect(desired).toBeGreaterThan(5);
    const pending = Array.from({ length: desired }, (_, i) => `p${i}`);
    const tasks = { desired, running: [], pending, cordoned: [] };
    memory = first.memory;
    for (let at = 10; at <= 40; at += 10) {
      const next = decide({ ...burst, tasks }, memory, policy, at * second);
      expect(next.decision).toMatchObject({ desired, cordon: [], reason: 'steady' });
      memory = next.memory;
    }
  });

  test('the shorter the work, the fewer tasks a backlog needs', () => {
    const burst = signals({ activityQueue: queue(400) });
    const fleets = [600, 60, 6, 0.6].map(
      (seconds) => decide(burst, experienced(seconds, -700 * second), policy, 0).decision.desired,
    );
    expect(fleets).toEqual(fleets.toSorted((a, b) => b - a));
    expect(fleets[0]).toBeGreaterThanOrEqual(40);
    expect(fleets[3]).toBeLessThan(6);
  });

  test('a task is not ordered if the current fleet empties the queue before it could start', () => {
    const workers = ['x', 'y'].map((task) => ({ ...worker(task, 10), processed: 10_000 }));
    const read = signals({ activityQueue: { ...queue(60), ageSeconds: 6 }, workers, tasks: running('x', 'y') });
    expect(decide(read, experienced(2), policy, 10 * second).decision).toMatchObject({ desired: 2, reason: 'steady' });
  });

  test('slots that hold long work are not available to waiting work, which gets more tasks', () => {
    let memory = experienced(600);
    let desired = 0;
    for (let at = 10; at <= 120; at += 10) {
      const workers = [worker('x', 10), worker('y', 10)].map((each) => ({ ...each, processed: 10 }));
      const read = signals({
        activityQueue: { ...queue(30), ageSeconds: at },
        workers,
        tasks: running('x', 'y'),
      });
      const outcome = decide(read, memory, policy, at * second);
      ({ desired } = outcome.decision);
      memory = outcome.memory;
    }
    expect(desired).toBeGreaterThanOrEqual(4);
    expect(desired).toBeLessThanOrEqual(6);
  });

  test('a fleet whose slots are nearly full gets another task, even without a backlog', () => {
    const memory = experienced(60);
    const workers = [worker('x', 10), worker('y', 10)].map((each) => ({ ...each, processed: 100 }));
    expect(decide(signals({ workers, tasks: running('x', 'y') }), memory, policy, 10 * second).decision).toMatchObject({
      desired: 3,
      reason: 'busy',
    });
  });

  test('a waiting workflow task counts as the activity that it will schedule', () => {
    const memory = experienced(600, -700 * second);
    const { decision } = decide(signals({ workflowQueue: queue(30) }), memory, policy, 0);
    expect(decision).toMatchObject({ desired: 3, reason: 'backlog' });
  });

  test('stops at the maximum, and the reason says so', () => {
    const { decision } = decide(signals({ activityQueue: queue(5000) }), experienced(600, -700 * second), policy, 0);
    expect(decision).toMatchObject({ desired: 100, reason: 'maximum' });
  });

  test('a queue’s first rate after silence is ignored: one task can be reported as two hundred per second', () => {
    const fresh = { ...queue(1), addRate: 212, dispatchRate: 212 };
    expect(decide(signals({ activityQueue: fresh }), experienced(60, -700 * second), policy, 0).decision.desired).toBe(
      1,
    );
  });

  test('cordoned tasks are uncordoned before new ones are started', () => {
    const tasks = { desired: 1, running: ['a', 'b', 'c'], pending: [], cordoned: ['b', 'c'] };
    const workers = [worker('a', 10), worker('b', 4), worker('c', 1)];
    const { decision } = decide(signals({ workers, tasks }), experienced(60, -700 * second), policy, 0);
    expect(decision).toMatchObject({ desired: 2, cordon: ['c'] });
  });
});
