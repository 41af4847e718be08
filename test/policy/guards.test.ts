/** When the fleet must not scale out. */
import { decide } from '../../scaler/policy.ts';
import { policy, second, queue, worker, running, signals, experienced } from './fixtures.ts';

describe('scaling out that would not help', () => {
  const memory = experienced(60, -700 * second);

  test('a rate-limited queue does not scale out the fleet', () => {
    const limited = { activityQueue: { ...queue(500, true), ageSeconds: 60 } };
    expect(decide(signals(limited), memory, policy, 0).decision).toMatchObject({ desired: 1 });
    const half = signals({ ...limited, workers: ['a', 'b'].map((task) => worker(task, 5)), tasks: running('a', 'b') });
    expect(decide(half, memory, policy, 0).decision).toMatchObject({ desired: 2, reason: 'rate-limited' });
  });

  test('while most attempts fail the fleet stays the same size; once they succeed again it scales out', () => {
    const failingAt = (processed: number, failed: number) =>
      signals({ activityQueue: queue(300), workers: [{ ...worker('x', 10), processed, failed }], tasks: running('x') });
    const first = decide(failingAt(700, 0), undefined, policy, 0);
    const outage = decide(failingAt(740, 36), first.memory, policy, 10 * second);
    expect(outage.decision).toMatchObject({ desired: 1, reason: 'failing' });
    let { memory: later } = outage;
    let reason = '';
    for (let at = 20; at <= 200 && reason !== 'backlog'; at += 10) {
      const next = decide(failingAt(740 + at * 4, 36), later, policy, at * second);
      ({ reason } = next.decision);
      later = next.memory;
    }
    expect(reason).toBe('backlog');
  });

  test('a long outage ends with the first attempts that succeed', () => {
    const failingAt = (processed: number, failed: number, backlog = 300) =>
      signals({
        activityQueue: queue(backlog),
        workers: [{ ...worker('x', 10), processed, failed }],
        tasks: running('x'),
      });
    let { memory: later } = decide(failingAt(0, 0), undefined, policy, 0);
    let outcome;
    for (let at = 10; at <= 600; at += 10) {
      outcome = decide(failingAt(at * 10, at * 10), later, policy, at * second);
      later = outcome.memory;
    }
    expect(outcome?.decision.reason).toBe('failing');
    expect(decide(failingAt(6020, 6000), later, policy, 610 * second).decision.reason).toBe('backlog');
    // With few attempts in the following tick, and no more work.
    const { memory: few } = decide(failingAt(6008, 6000), later, policy, 610 * second);
    expect(decide(failingAt(6016, 6000, 0), few, policy, 620 * second).decision.reason).not.toBe('failing');
  });

  test('work that stays in the queue while tasks run is reported, even if it needs no more tasks', () => {
    const read = (at: number) => signals({ activityQueue: { ...queue(1), ageSeconds: at }, tasks: running('x') });
    let outcome = decide(read(0), memory, policy, 0);
    for (let at = 10; at <= 200; at += 10) outcome = decide(read(at), outcome.memory, policy, at * second);
    expect(outcome.decision).toMatchObject({ desired: 1, cordon: [], reason: 'not-serving' });
  });

  test.each([2, 12, 20, 30, 40, 50])('work that no task takes is reported with ticks of %d s, too', (tickSeconds) => {
    const read = (at: number) => signals({ activityQueue: { ...queue(1), ageSeconds: at }, tasks: running('x') });
    let outcome = decide(read(0), undefined, policy, 0);
    for (let at = tickSeconds; at <= 200; at += tickSeconds)
      outcome = decide(read(at), outcome.memory, policy, at * second);
    expect(outcome.decision.reason).toBe('not-serving');
  });

  test('a pool whose attempts all fail keeps its tasks: work waiting for its retry is not counted anywhere', () => {
    const read = (processed: number) =>
      signals({ workers: [{ ...worker('x', 0), processed, failed: processed }], tasks: running('x') });
    let outcome = decide(read(100), memory, policy, 0);
    for (let at = 10; at <= 300; at += 10) {
      outcome = decide(read(100 + at), outcome.memory, policy, at * second);
      expect(outcome.decision).toMatchObject({ desired: 1, cordon: [], reason: 'failing' });
    }
  });

  test('a fleet whose tasks run but take nothing from the queue gets no more tasks', () => {
    let outcome = decide(
      signals({ activityQueue: { ...queue(50), ageSeconds: 200 }, tasks: running('x') }),
      memory,
      policy,
      0,
    );
    for (let at = 10; at <= 200; at += 10) {
      const read = signals({ activityQueue: { ...queue(50), ageSeconds: 200 + at }, tasks: running('x') });
      outcome = decide(read, outcome.memory, policy, at * second);
    }
    expect(outcome.decision).toMatchObject({ desired: 1, reason: 'not-serving' });
  });

  test('if more tasks brought no throughput, no further ones are added until the next try', () => {
    // One task completes four per second, and so do two: something downstream is the limit.
    const doneBy = (task: string, at: number) => 2 * Math.max(0, at - 60) + (task === 'x' ? 4 * Math.min(at, 60) : 0);
    const read = (tasks: string[], at: number) =>
      signals({
        activityQueue: { ...queue(400 + at), ageSeconds: 60 },
        workers: tasks.map((task) => ({ ...worker(task, 10), processed: doneBy(task, at) })),
        tasks: running(...tasks),
      });
    let outcome = decide(read(['x'], 0), undefined, policy, 0);
    for (let at = 10; at <= 60; at += 10) outcome = decide(read(['x'], at), outcome.memory, policy, at * second);
    expect(outcome.decision.reason).toBe('backlog');
    const reasons: string[] = [];
    for (let at = 70; at <= 720; at += 10) {
      outcome = decide(read(['x', 'y'], at), outcome.memory, policy, at * second);
      reasons.push(outcome.decision.reason);
    }
    expect(reasons).toContain('no-gain');
    expect(reasons.lastIndexOf('no-gain')).toBeLessThan(reasons.length - 1);
  });

  test('scaling out that has not helped is retried a quarter at a time: slower work is not read as longer work', () => {
    // Any number of tasks completes four per second: with each additional one, all of them only take longer.
    const doneBy = (index: number, at: number) => 0.5 * Math.max(0, at - 100) + (index < 4 ? Math.min(at, 100) : 0);
    const read = (tasks: string[], at: number) =>
      signals({
        activityQueue: { ...queue(1000 + 10 * at), ageSeconds: 60 },
        workers: tasks.map((task, index) => ({ ...worker(task, 10), processed: doneBy(index, at) })),
        tasks: running(...tasks),
      });
    const fleet = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`);
    const desiredBy = new Map<number, number>();
    let outcome = decide(read(fleet(4), 0), undefined, policy, 0);
    for (let at = 10; at <= 1000; at += 10) {
      outcome = decide(read(fleet(at <= 100 ? 4 : 8), at), outcome.memory, policy, at * second);
      if (at >= 300) desiredBy.set(outcome.decision.desired, at);
    }
    expect([...desiredBy.keys()]).toEqual([8, 10]);
    expect(outcome.decision.reason).toBe('backlog');
  });

  test('long work gets enough time before scaling out is judged useless', () => {
    // Work of half an hour each. The first four tasks fill up before they report, four more start, and none finishes anything.
    let memory = experienced(600);
    const reasons = new Set<string>();
    for (let at = 10; at <= 300; at += 10) {
      const tasks = 'abcdefgh'.slice(0, at <= 60 ? 4 : 8).split('');
      const outcome = decide(
        signals({
          activityQueue: { ...queue(at <= 40 ? 200 - 2 * at : 120), ageSeconds: at },
          workers: at <= 60 ? [] : tasks.map((task) => worker(task, 10)),
          tasks: running(...tasks),
        }),
        memory,
        policy,
        at * second,
      );
      ({ memory } = outcome);
      reasons.add(outcome.decision.reason);
    }
    expect([...reasons]).not.toContain('no-gain');
  });

  test('once the hour’s budget is spent, the fleet does not scale out until the next hour', () => {
    const capped = { ...policy, spendCapDollarsPerHour: 0.05, taskDollarsPerHour: 6 };
    const read = (backlog: number) =>
      signals({ activityQueue: queue(backlog), workers: [worker('x', 10)], tasks: running('x') });
    let outcome = decide(read(0), undefined, capped, 0);
    for (let at = 10; at <= 60; at += 10) outcome = decide(read(0), outcome.memory, capped, at * second);
    expect(decide(read(500), outcome.memory, capped, 70 * second).decision).toMatchObject({
      desired: 1,
      reason: 'spend-cap',
    });
    expect(decide(read(500), outcome.memory, capped, 3600 * second).decision.reason).toBe('backlog');
  });

  test('a paused fleet always stays the same size', () => {
    const paused = { ...policy, paused: true };
    const read = signals({ activityQueue: queue(500), tasks: running('x') });
    expect(decide(read, memory, paused, 0).decision).toMatchObject({ desired: 1, cordon: [], reason: 'paused' });
  });
});

test('while workflow code fails the fleet stays the same size, with its own reason', () => {
  const read = (failed: number) =>
    signals({
      activityQueue: queue(0),
      workflowQueue: queue(40),
      workers: [{ ...worker('x', 0), processed: 50, workflowFailed: failed }],
      tasks: running('x'),
    });
  const first = decide(read(0), undefined, policy, 0);
  const { decision, figures } = decide(read(20), first.memory, policy, 10 * second);
  expect(decision).toMatchObject({ desired: 1, reason: 'workflow-failures' });
  expect(figures).toMatchObject({ processed: 20, failed: 20 });
});
