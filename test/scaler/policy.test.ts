import fc from 'fast-check';
import {
  decide,
  DEFAULT_POLICY,
  type Outcome,
  type Policy,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from '../../scaler/policy.ts';

const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100, slotsPerTask: 10 };
const second = 1000;

const queue = (backlog: number, rateLimited = false) => ({
  backlog,
  ageSeconds: backlog > 0 ? 2 : 0,
  addRate: 0,
  dispatchRate: 0,
  rateLimited,
});
const worker = (task: string, usedSlots: number): WorkerReading => ({
  key: `${task}-worker`,
  task,
  ageSeconds: 3,
  usedSlots,
  slots: 10,
  processed: 0,
  failed: 0,
});
const running = (...ids: string[]): TasksReading => ({ desired: ids.length, running: ids, pending: [], cordoned: [] });

function signals(changes: Partial<Signals> = {}): Signals {
  return { activityQueue: queue(0), workflowQueue: queue(0), workers: [], tasks: running(), ...changes };
}

/** A memory that has seen work of so many seconds, ten slots busy in each of two tasks, for ten minutes until `until`. */
function experienced(serviceSeconds: number, until = 0): unknown {
  let memory: unknown;
  for (let at = -600; at <= 0; at += 10) {
    const processed = Math.floor(((at + 600) * 10) / serviceSeconds);
    const workers = ['x', 'y'].map((task) => ({ ...worker(task, 10), processed }));
    memory = decide(signals({ workers, tasks: running('x', 'y') }), memory, policy, until + at * second).memory;
  }
  return memory;
}

describe('scaling out', () => {
  test('from zero, a burst gets its whole fleet in one decision, and nothing is ordered a second time', () => {
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

  test('the shorter the work, the fewer tasks a queue of it needs', () => {
    const burst = signals({ activityQueue: queue(400) });
    const fleets = [600, 60, 6, 0.6].map(
      (seconds) => decide(burst, experienced(seconds, -700 * second), policy, 0).decision.desired,
    );
    expect(fleets).toEqual(fleets.toSorted((a, b) => b - a));
    expect(fleets[0]).toBeGreaterThanOrEqual(40);
    expect(fleets[3]).toBeLessThan(6);
  });

  test('a task that could only be up after the fleet at hand has emptied the queue is not ordered', () => {
    const workers = ['x', 'y'].map((task) => ({ ...worker(task, 10), processed: 10_000 }));
    const read = signals({ activityQueue: { ...queue(60), ageSeconds: 6 }, workers, tasks: running('x', 'y') });
    expect(decide(read, experienced(2), policy, 10 * second).decision).toMatchObject({ desired: 2, reason: 'steady' });
  });

  test('slots that hold long work are no slots for what waits: it gets tasks of its own', () => {
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

  test('slots that are nearly all taken get company although nothing waits', () => {
    const memory = experienced(60);
    const workers = [worker('x', 10), worker('y', 10)].map((each) => ({ ...each, processed: 100 }));
    expect(decide(signals({ workers, tasks: running('x', 'y') }), memory, policy, 10 * second).decision).toMatchObject({
      desired: 3,
      reason: 'busy',
    });
  });

  test('a waiting workflow task is counted as the activity it will schedule', () => {
    const memory = experienced(600, -700 * second);
    const { decision } = decide(signals({ workflowQueue: queue(30) }), memory, policy, 0);
    expect(decision).toMatchObject({ desired: 3, reason: 'backlog' });
  });

  test('never above the maximum, and says so', () => {
    const { decision } = decide(signals({ activityQueue: queue(5000) }), experienced(600, -700 * second), policy, 0);
    expect(decision).toMatchObject({ desired: 100, reason: 'maximum' });
  });

  test('a queue’s first rate after silence is not believed: one task can read as two hundred a second', () => {
    const fresh = { ...queue(1), addRate: 212, dispatchRate: 212 };
    expect(decide(signals({ activityQueue: fresh }), experienced(60, -700 * second), policy, 0).decision.desired).toBe(
      1,
    );
  });

  test('cordoned tasks are taken back before new ones are launched', () => {
    const tasks = { desired: 1, running: ['a', 'b', 'c'], pending: [], cordoned: ['b', 'c'] };
    const workers = [worker('a', 10), worker('b', 4), worker('c', 1)];
    const { decision } = decide(signals({ workers, tasks }), experienced(60, -700 * second), policy, 0);
    expect(decision).toMatchObject({ desired: 2, cordon: ['c'] });
  });
});

describe('growth that would not help', () => {
  const memory = experienced(60, -700 * second);

  test('a rate-limited queue does not grow the fleet', () => {
    const limited = { activityQueue: { ...queue(500, true), ageSeconds: 60 } };
    expect(decide(signals(limited), memory, policy, 0).decision).toMatchObject({ desired: 1 });
    const half = signals({ ...limited, workers: ['a', 'b'].map((task) => worker(task, 5)), tasks: running('a', 'b') });
    expect(decide(half, memory, policy, 0).decision).toMatchObject({ desired: 2, reason: 'rate-limited' });
  });

  test('while most attempts fail the fleet stays as it is, and recovers when they succeed again', () => {
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

  test('a long outage is over with the first attempts that succeed', () => {
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
    // With few attempts in the next tick after that, and with nothing more to do.
    const { memory: few } = decide(failingAt(6008, 6000), later, policy, 610 * second);
    expect(decide(failingAt(6016, 6000, 0), few, policy, 620 * second).decision.reason).not.toBe('failing');
  });

  test('work that stays in the queue while the tasks run is told, although no more tasks are needed for it', () => {
    const read = (at: number) => signals({ activityQueue: { ...queue(1), ageSeconds: at }, tasks: running('x') });
    let outcome = decide(read(0), memory, policy, 0);
    for (let at = 10; at <= 200; at += 10) outcome = decide(read(at), outcome.memory, policy, at * second);
    expect(outcome.decision).toMatchObject({ desired: 1, cordon: [], reason: 'not-serving' });
  });

  test.each([2, 12, 20, 30, 40, 50])('work that no task takes is reported at ticks of %d s, too', (tickSeconds) => {
    const read = (at: number) => signals({ activityQueue: { ...queue(1), ageSeconds: at }, tasks: running('x') });
    let outcome = decide(read(0), undefined, policy, 0);
    for (let at = tickSeconds; at <= 200; at += tickSeconds)
      outcome = decide(read(at), outcome.memory, policy, at * second);
    expect(outcome.decision.reason).toBe('not-serving');
  });

  test('a pool in which all fails keeps its tasks: work in back-off is in no count', () => {
    const read = (processed: number) =>
      signals({ workers: [{ ...worker('x', 0), processed, failed: processed }], tasks: running('x') });
    let outcome = decide(read(100), memory, policy, 0);
    for (let at = 10; at <= 300; at += 10) {
      outcome = decide(read(100 + at), outcome.memory, policy, at * second);
      expect(outcome.decision).toMatchObject({ desired: 1, cordon: [], reason: 'failing' });
    }
  });

  test('tasks that run but never take anything from the queue are not joined by more', () => {
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

  test('tasks that have brought no throughput are not followed by more, until that is tried again', () => {
    // One task at work does four a second, and so do two: something behind them is the limit.
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

  test('growth that has not helped is tried again a quarter at a time: slower work is not taken for longer work', () => {
    // Four a second are done by however many: with each task more, all of them only take longer.
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

  test('long work is given its time before growth is said not to have helped', () => {
    // Half an hour of work each. The first four tasks fill up before they report, four more come, and none ends anything.
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

  test('the hour’s budget spent, the fleet grows no more until the next hour', () => {
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

  test('paused, the fleet stays whatever happens', () => {
    const paused = { ...policy, paused: true };
    const read = signals({ activityQueue: queue(500), tasks: running('x') });
    expect(decide(read, memory, paused, 0).decision).toMatchObject({ desired: 1, cordon: [], reason: 'paused' });
  });
});

describe('scaling in', () => {
  const idle = signals({ workers: [worker('a', 0), worker('b', 0)], tasks: running('a', 'b') });
  const patient = { ...policy, scaleInAfterSeconds: 60 };

  test('waits at least as long as the owner says, then goes to the minimum', () => {
    const first = decide(idle, undefined, patient, 0);
    expect(first.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const later = decide(idle, first.memory, patient, 59 * second);
    expect(later.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const last = decide(idle, later.memory, patient, 61 * second);
    expect(last.decision).toMatchObject({ desired: 0, reason: 'scale-in' });
    expect(last.decision.cordon.toSorted()).toEqual(['a', 'b']);
  });

  test('a blind spell is not quiet time', () => {
    const first = decide(idle, undefined, patient, 0);
    const blind = decide({ ...idle, workers: { unknown: 'down' } }, first.memory, patient, 50 * second);
    expect(blind.decision).toMatchObject({ desired: 2, reason: 'unknown' });
    const after = decide(idle, blind.memory, patient, 61 * second);
    expect(after.decision.desired).toBe(2);
    expect(decide(idle, after.memory, patient, 111 * second).decision.desired).toBe(0);
  });

  test('where work always came back soon, tasks are kept for it; where it never did, they leave at once', () => {
    const keptFor = (gapSeconds: number) => {
      const busy = signals({ workers: [worker('a', 8)], tasks: running('a') });
      const quiet = signals({ workers: [worker('a', 0)], tasks: running('a') });
      let memory: unknown;
      let at = 0;
      for (let round = 0; round < 20; round += 1) {
        for (let tick = 0; tick < 3; tick += 1) ({ memory } = decide(busy, memory, policy, (at += 10) * second));
        for (let gap = 0; gap < gapSeconds; gap += 10)
          ({ memory } = decide(quiet, memory, policy, (at += 10) * second));
      }
      ({ memory } = decide(busy, memory, policy, (at += 10) * second));
      for (let seconds = 10; ; seconds += 10) {
        const { decision, memory: next } = decide(quiet, memory, policy, (at += 10) * second);
        if (decision.desired === 0) return seconds;
        memory = next;
      }
    };
    expect(keptFor(20)).toBeGreaterThanOrEqual(20);
    expect(keptFor(600)).toBeLessThanOrEqual(20);
  });

  test('a namespace whose workers report nothing keeps its tasks: absence is not idleness', () => {
    const tasks = running(...'abcdefghijkl');
    let memory: unknown;
    for (let at = 0; at <= 3600; at += 10) {
      const outcome = decide(signals({ tasks }), memory, policy, at * second);
      memory = outcome.memory;
      if (at <= 80) continue;
      expect(outcome.decision).toMatchObject({ desired: 12, cordon: [], reason: 'unknown' });
      expect(outcome.figures.unreportedTasks).toBe(12);
    }
  });

  test('tasks that have reported before and do not any more are kept, and those that report idleness are removed', () => {
    const ids = [...'abcdefghij'];
    const all = ids.map((id) => worker(id, 5));
    let { memory } = decide(signals({ workers: all, tasks: running(...ids) }), undefined, policy, 0);
    const forgotten = ids.slice(0, 5);
    const idle = ids.slice(5).map((id) => worker(id, 0));
    let tasks = running(...ids);
    for (let at = 10; at <= 3600; at += 10) {
      const outcome = decide(signals({ workers: idle, tasks }), memory, policy, at * second);
      memory = outcome.memory;
      expect(forgotten.filter((task) => outcome.decision.cordon.includes(task))).toEqual([]);
      const left = tasks.running.filter((task) => !outcome.decision.cordon.includes(task));
      tasks = { ...running(...left), desired: outcome.decision.desired };
    }
    expect(tasks.running.toSorted()).toEqual(forgotten);
  });

  test('tasks that report nothing are no reason to grow', () => {
    const tasks = running(...'abcdef');
    let memory: unknown;
    for (let at = 0; at <= 600; at += 10) {
      const { decision, memory: next } = decide(
        signals({ workers: [worker('a', 2)], tasks }),
        memory,
        policy,
        at * second,
      );
      memory = next;
      expect(decision.desired).toBeLessThanOrEqual(6);
    }
  });

  test('workers whose task is not known may be those of tasks that seem to report nothing', () => {
    const tasks = running('a', 'b');
    const workers = ['a', 'b'].map((task) => ({ ...worker(task, 0), task: null }));
    let memory: unknown;
    let desired = 2;
    for (let at = 0; at <= 600; at += 10) {
      const outcome = decide(signals({ workers, tasks: { ...tasks, desired } }), memory, policy, at * second);
      ({ memory } = outcome);
      ({ desired } = outcome.decision);
    }
    expect(desired).toBe(0);
  });

  test('tasks not yet running leave first, then those already leaving, then the least busy', () => {
    const tasks = { desired: 5, running: ['a', 'b', 'c', 'd'], pending: ['e'], cordoned: ['d'] };
    const workers = [worker('a', 9), worker('b', 2), worker('c', 5), worker('d', 7)];
    const { decision } = decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks: 3 }, 0);
    expect(decision).toMatchObject({ desired: 3, cordon: ['e', 'd'] });
  });

  test('Spot tasks are removed before others, so that the on-demand base stays as it is', () => {
    const tasks = { ...running('base', 'spot1', 'spot2', 'spot3'), spot: ['spot1', 'spot2', 'spot3'] };
    const workers = [worker('base', 0), worker('spot1', 4), worker('spot2', 2), worker('spot3', 6)];
    const most = (maxTasks: number) => decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks }, 0);
    expect(most(2).decision.cordon).toEqual(['spot2', 'spot1']);
    expect(most(1).decision.cordon).toEqual(['spot2', 'spot1', 'spot3']);
  });

  test('a Spot task that should have reported and has not is kept before an idle on-demand task', () => {
    const tasks = { ...running('base', 'spot1', 'spot2'), spot: ['spot1', 'spot2'] };
    const workers = [worker('base', 0), worker('spot1', 0)];
    const most = (maxTasks: number) => decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks }, 0);
    expect(most(1).decision.cordon).toEqual(['spot1', 'base']);
  });

  test('among equals, tasks of the fullest availability zone are removed', () => {
    const ids = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'];
    const zones = [ids.slice(0, 4), ids.slice(4, 6), ids.slice(6)];
    const left = (maxTasks: number, busy: Record<string, number> = {}) => {
      const workers = ids.map((id) => worker(id, busy[id] ?? 1));
      const read = signals({ workers, tasks: { ...running(...ids), zones } });
      const { cordon } = decide(read, undefined, { ...policy, maxTasks }, 0).decision;
      return zones.map((zone) => zone.filter((id) => !cordon.includes(id)).length);
    };
    expect(left(5)).toEqual([2, 2, 1]);
    expect(left(3)).toEqual([1, 1, 1]);
    // What they hold counts before their zone.
    expect(left(6, { a1: 5, a2: 5, a3: 5, a4: 5, b1: 5, b2: 5, c1: 0 })).toEqual([4, 2, 0]);
  });

  test('a task that has not reported is the last to leave: what it holds is not known', () => {
    const read = signals({ workers: [worker('a', 9)], tasks: running('a', 'silent') });
    expect(decide(read, undefined, { ...policy, maxTasks: 1 }, 0).decision).toMatchObject({
      desired: 1,
      cordon: ['a'],
    });
  });

  test('in a deployment only the old revision leaves, and only as the new one comes up', () => {
    const workers = [worker('old1', 10), worker('old2', 8), worker('new1', 0)];
    const tasks = {
      desired: 2,
      running: ['old1', 'old2', 'new1'],
      pending: ['new2'],
      cordoned: [],
      outdated: ['old1', 'old2'],
    };
    const paused = { ...policy, paused: true };
    expect(decide(signals({ workers, tasks }), undefined, paused, 0).decision.cordon).toEqual(['old2']);
    const none = { ...tasks, running: ['old1', 'old2'], pending: ['new1', 'new2'] };
    expect(decide(signals({ workers, tasks: none }), undefined, paused, 0).decision.cordon).toEqual([]);
  });

  test('in a deployment the fleet does not shrink below the new revision, which may be unprotected until the old one is gone', () => {
    const workers = [worker('old', 5), worker('new1', 1), worker('new2', 1)];
    const tasks = { desired: 2, running: ['old', 'new1', 'new2'], pending: [], cordoned: ['old'], outdated: ['old'] };
    const early = decide(signals({ workers, tasks }), undefined, policy, 0);
    const idle = signals({ workers: [worker('old', 1), worker('new1', 0), worker('new2', 0)], tasks });
    let memory: unknown = early.memory;
    let held = early.decision;
    for (let tick = 1; tick <= 200; tick++) ({ decision: held, memory } = decide(idle, memory, policy, tick * 10_000));
    expect(held).toMatchObject({ desired: 2, cordon: ['old'], reason: 'deploying' });
    const over = signals({ workers: idle.workers, tasks: { ...tasks, running: ['new1', 'new2'], outdated: [] } });
    const lower = { ...policy, maxTasks: 1 };
    expect(decide(over, memory, lower, 2_010_000).decision).toMatchObject({ desired: 2, reason: 'deploying' });
    expect(decide(over, memory, policy, 2_160_000).decision).toMatchObject({ desired: 0, reason: 'scale-in' });
  });

  test('shortly after a deployment the fleet keeps its size when a task ends by itself, since ECS may have replaced it unseen', () => {
    const workers = [worker('new1', 1), worker('new2', 1)];
    const tasks = { desired: 2, running: ['old', 'new1', 'new2'], pending: [], cordoned: ['old'], outdated: ['old'] };
    const { memory } = decide(signals({ workers: [...workers, worker('old', 1)], tasks }), undefined, policy, 0);
    const one = { desired: 2, running: ['new1'], pending: [], cordoned: [] };
    const lower = { ...policy, maxTasks: 1 };
    const after = decide(signals({ workers: workers.slice(0, 1), tasks: one }), memory, lower, 10_000);
    expect(after.decision).toMatchObject({ desired: 2, cordon: [], reason: 'deploying' });
  });
});

describe('a new revision of a pool at zero', () => {
  const at = (deployment: string, tasks: Partial<TasksReading> = {}): TasksReading => ({
    ...running(),
    deployment,
    ...tasks,
  });
  /** A pool at zero, of whose first deployment all is known, gets the second. */
  const deployed = () => {
    const { memory } = decide(signals({ tasks: at('first') }), undefined, policy, 0);
    return decide(signals({ tasks: at('second') }), memory, policy, 10 * second);
  };

  test('gets one task at once, which goes when it has come up', () => {
    const order = deployed();
    expect(order.decision).toMatchObject({ desired: 1, reason: 'probing' });
    const starting = at('second', { desired: 1, pending: ['probe'] });
    let { decision, memory } = decide(signals({ tasks: starting }), order.memory, policy, 40 * second);
    expect(decision).toMatchObject({ desired: 1, cordon: [] });
    const up = signals({ workers: [worker('probe', 0)], tasks: at('second', { ...running('probe'), desired: 1 }) });
    for (let seconds = 50; seconds <= 350 && decision.desired > 0; seconds += 10)
      ({ decision, memory } = decide(up, memory, policy, seconds * second));
    expect(decision).toMatchObject({ desired: 0, cordon: ['probe'], reason: 'scale-in' });
    expect(decide(signals({ tasks: at('second') }), memory, policy, 400 * second).decision.desired).toBe(0);
  });

  test('whose task does not come up is reported, whether it goes again and again or stays and says nothing', () => {
    const states: ((tick: number) => Partial<TasksReading>)[] = [
      (tick) => ({ desired: 1, pending: [`probe${tick}`] }),
      () => ({ desired: 1, pending: ['probe'] }),
    ];
    for (const state of states) {
      let { memory, figures, decision } = deployed();
      expect(figures.revisionFailing).toBe(false);
      for (let tick = 2; tick <= 40; tick += 1) {
        ({ memory, figures, decision } = decide(
          signals({ tasks: at('second', state(tick)) }),
          memory,
          policy,
          tick * 10 * second,
        ));
        expect(decision.desired).toBe(1);
      }
      expect(figures.revisionFailing).toBe(true);
      const mended = { desired: 1, running: ['good'], pending: [] };
      const up = signals({ workers: [worker('good', 0)], tasks: at('third', mended) });
      expect(decide(up, memory, policy, 410 * second).figures.revisionFailing).toBe(false);
    }
  });

  test('is not ordered where the owner allows no tasks, or has paused the pool', () => {
    for (const [with_, most] of [
      [{ ...policy, maxTasks: 0 }, 0],
      [{ ...policy, paused: true }, 0],
    ] as const) {
      const { memory } = decide(signals({ tasks: at('first') }), undefined, with_, 0);
      expect(decide(signals({ tasks: at('second') }), memory, with_, second).decision.desired).toBe(most);
    }
  });

  test('is not assumed where nothing is remembered', () => {
    expect(decide(signals({ tasks: at('any') }), undefined, policy, second).decision.desired).toBe(0);
  });
});

describe('tasks that are gone unasked', () => {
  /** Ticks of ten seconds; `step` gives what each reads. */
  function runs(ticks: number, step: (tickNumber: number, desired: number) => Signals, memory?: unknown) {
    const outcomes: Outcome[] = [];
    for (let number = 0; number < ticks; number += 1) {
      const { decision, memory: last } = outcomes.at(-1) ?? { memory };
      outcomes.push(decide(step(number, decision?.desired ?? 0), last, policy, number * 10 * second));
    }
    return outcomes;
  }
  const reasons = (outcomes: Outcome[]) => outcomes.map(({ decision }) => decision.reason);

  /** One of two tasks goes at the third tick; ECS has another one ready, for which there is no work yet. */
  function oneGoes(slots: number, back: (tickNumber: number) => number = () => 0) {
    return runs(90, (number) => {
      const other = number < 3 ? worker('gone', slots) : worker('new', 0);
      const [workers, tasks] = [[worker('x', 4), other], running('x', other.task!)];
      return signals({ activityQueue: queue(back(number)), workers, tasks });
    });
  }

  test('are followed by others for what they held, for which nobody asks until it has timed out', () => {
    const needlessFrom = (slots: number) => reasons(oneGoes(slots)).findIndex((reason) => reason !== 'steady');
    expect(needlessFrom(0)).toBeLessThanOrEqual(3);
    expect(needlessFrom(8)).toBeGreaterThanOrEqual(3 + 12);
    expect(needlessFrom(8)).toBeLessThanOrEqual(3 + 60);
  });

  test('are owed no longer what has come back to the queue', () => {
    const outcomes = oneGoes(8, (number) => (number === 6 ? 8 : 0));
    const owed = outcomes.map(({ memory }) => memory.owedSlots);
    expect(owed.slice(3, 7)).toEqual([8, 8, 8, 0]);
  });

  test('are owed nothing when they were told to leave: they had finished, whatever they last reported', () => {
    const read = signals({ workers: [worker('x', 4), worker('gone', 3)], tasks: running('x', 'gone') });
    const first = decide(read, undefined, { ...policy, maxTasks: 1 }, 0);
    expect(first.decision.cordon).toEqual(['gone']);
    const next = decide({ ...read, tasks: running('x') }, first.memory, policy, 10 * second);
    expect(next.memory.owedSlots).toBe(0);
  });

  test('are owed nothing when a person has drained them', () => {
    const workers = [worker('x', 4), worker('gone', 3)];
    const tasks = running('x', 'gone');
    const first = decide(signals({ workers, tasks }), undefined, policy, 0);
    const drained = decide(
      signals({ workers, tasks: { ...tasks, drained: ['gone'] } }),
      first.memory,
      policy,
      10 * second,
    );
    const next = decide(signals({ workers, tasks: running('x') }), drained.memory, policy, 20 * second);
    expect([drained.memory.owedSlots, next.memory.owedSlots]).toEqual([0, 0]);
  });

  test('never make the fleet grow by what they held', () => {
    const read = signals({ workers: [worker('x', 10)], tasks: running('x') });
    const [first] = runs(1, () => read);
    const { decision } = decide({ ...read, tasks: running('y') }, first!.memory, policy, 10 * second);
    expect(decision.desired).toBe(1);
  });

  test('before they have come up, again and again, are not joined by more; one that comes up ends that', () => {
    const failing = (number: number) =>
      signals({
        activityQueue: { ...queue(30 + 40 * number), ageSeconds: 10 * number },
        tasks:
          number === 0 ? running() : { ...running(), desired: 3, pending: [1, 2, 3].map((n) => `p${number}-${n}`) },
      });
    const outcomes = runs(12, failing, experienced(60, -700 * second));
    expect(reasons(outcomes).slice(3)).toEqual(Array.from({ length: 9 }, () => 'not-starting'));
    expect(outcomes.at(-1)!.decision.desired).toBe(3);
    const up = {
      ...failing(12),
      workers: [worker('up', 0)],
      tasks: { ...running('up'), desired: 3, pending: ['p', 'q'] },
    };
    expect(decide(up, outcomes.at(-1)!.memory, policy, 120 * second).decision).toMatchObject({ reason: 'backlog' });
    const none = decide(signals(), outcomes.at(-1)!.memory, policy, 120 * second);
    expect(decide(failing(0), none.memory, policy, 130 * second).decision.desired).toBeGreaterThan(0);
  });

  test('that are never placed are no capacity and cost nothing, and the reason says so until one comes up', () => {
    const cap = { ...policy, spendCapDollarsPerHour: 0.1, taskDollarsPerHour: 1 };
    const waiting = (seconds: number, pending: string[]) =>
      signals({
        activityQueue: { ...queue(400), ageSeconds: seconds },
        tasks: { ...running(), desired: 4, pending },
      });
    const { startUpSeconds } = decide(signals(), undefined, cap, 0).memory;
    const needs: (string | undefined)[] = [];
    for (const pending of [['a', 'b'], []]) {
      let outcome = decide(waiting(0, pending), undefined, cap, 0);
      let mostSpent = 0;
      const told: [number, string][] = [];
      for (let seconds = 10; seconds <= 3600; seconds += 10) {
        outcome = decide(waiting(seconds, pending), outcome.memory, cap, seconds * second);
        told.push([seconds, outcome.decision.reason]);
        mostSpent = Math.max(mostSpent, outcome.memory.spent);
      }
      const [since] = told.find(([, reason]) => reason === 'not-starting') ?? [Infinity];
      expect(since).toBeLessThan(300);
      expect(new Set(told.filter(([seconds]) => seconds >= since).map(([, reason]) => reason)).size).toBe(1);
      expect(outcome.decision).toMatchObject({ desired: 4, reason: 'not-starting' });
      expect(outcome.decision.detail).toContain('4 of the tasks that were ordered do not come up');
      // As long as they may still come up, two tasks are paid for; an hour of them would be two dollars.
      expect(mostSpent).toBeLessThanOrEqual((2 * since) / 3600);
      expect(outcome.memory.taskSeconds).toBeLessThanOrEqual(2 * since);
      needs.push(/need \d+/.exec(outcome.decision.detail)?.[0]);
      const up = { ...waiting(3610, ['b']), workers: [worker('a', 0)], tasks: { ...running('a'), desired: 4 } };
      const placed = decide(up, outcome.memory, cap, 3610 * second);
      expect(placed.decision.reason).not.toBe('not-starting');
      expect(placed.memory.startUpSeconds).toBeLessThan(2 * startUpSeconds);
    }
    expect(needs[0]).toBe(needs[1]);
  });

  test('because somebody has lowered the count, say nothing of those to come', () => {
    const outcomes = runs(2, (number) =>
      signals({
        activityQueue: queue(100),
        tasks: { ...running(), desired: 6 - 5 * number, pending: number === 0 ? [...'abcdef'] : ['a'] },
      }),
    );
    expect(outcomes[1]!.decision.reason).toBe('backlog');
  });

  test('in mid-work, one after another, are not joined by more', () => {
    const outcomes = runs(12, (number) => {
      const task = `t${Math.floor(number / 2)}`;
      return signals({ activityQueue: queue(300), workers: [worker(task, 10)], tasks: running(task) });
    });
    expect(reasons(outcomes).at(-1)).toBe('crashing');
    expect(outcomes.at(-1)!.decision.desired).toBe(1);
    // At zero the first one is ordered all the same.
    const none = decide(signals({ activityQueue: queue(300) }), outcomes.at(-1)!.memory, policy, 120 * second);
    expect(none.decision.desired).toBeGreaterThan(0);
  });

  test('with what they had taken from the queue, before they could tell of it, have gone in mid-work', () => {
    // Each comes up, takes the one piece of work and dies of it; and the work comes back.
    const outcomes = runs(20, (number) => {
      const [phase, task] = [number % 4, `t${Math.floor(number / 4)}`];
      return signals({
        activityQueue: queue(phase === 2 ? 0 : 1),
        tasks: phase === 0 ? { ...running(), desired: 1, pending: [task] } : running(task),
      });
    });
    expect(reasons(outcomes)).toContain('crashing');
    expect(reasons(outcomes)).not.toContain('not-starting');
  });

  test('with what is seen to have left the queue only after their end, are owed it too', () => {
    // The queue's reading is old: it shows the work for some seconds after it was taken.
    const outcomes = runs(5, (number) => {
      const gone = { ...running(), desired: 1 };
      const tasks = [running(), running('dies'), running('dies'), gone, running('next')][number]!;
      return signals({ activityQueue: queue(number < 4 ? 1 : 0), tasks });
    });
    expect(outcomes.at(-1)).toMatchObject({
      decision: { desired: 1, reason: 'steady' },
      memory: { owedSlots: 1, failedStarts: 0, crashes: 1 },
    });
  });

  test('a few of many are what happens on Spot, and growth goes on', () => {
    const fleet = Array.from({ length: 30 }, (_, index) => `t${index}`);
    const outcomes = runs(6, (number) => {
      const tasks = [...fleet.slice(number), ...Array.from({ length: number }, (_, index) => `n${index}`)];
      return signals({
        activityQueue: { ...queue(300), ageSeconds: 10 },
        workers: tasks.map((task) => worker(task, 10)),
        tasks: running(...tasks),
      });
    });
    expect(reasons(outcomes)).not.toContain('crashing');
  });
});

test('while workflow code fails the fleet stays as it is, by a reason of its own', () => {
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

describe('memory', () => {
  test.each([[null], ['text'], [{ version: 99 }], [{ version: 6, levels: 'x' }], [{ version: 6, desired: null }]])(
    'a memory like %j starts afresh instead of failing',
    (memory) => {
      const read = signals({ workers: [worker('a', 0)], tasks: running('a') });
      expect(decide(read, memory, policy, 0)).toEqual(decide(read, undefined, policy, 0));
    },
  );

  test('ghosts of tasks that ECS no longer lists hold nothing', () => {
    const read = signals({ workers: [worker('gone', 10)], tasks: running() });
    expect(decide(read, undefined, policy, 0).decision).toMatchObject({ desired: 0, reason: 'idle' });
  });

  test('attempts are counted from tick to tick, and a restarted worker from nothing', () => {
    const at = (processed: number, failed: number) =>
      signals({ workers: [{ ...worker('a', 1), processed, failed }], tasks: running('a') });
    const first = decide(at(100, 10), undefined, policy, 0);
    expect(first.figures).toMatchObject({ processed: 0, failed: 0 });
    expect(decide(at(120, 15), first.memory, policy, second).figures).toMatchObject({ processed: 20, failed: 5 });
  });
});

const counts = fc.integer({ min: 0, max: 3000 });
const unknown = fc.constant({ unknown: 'down' });
const queues = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(counts, fc.boolean()).map(([n, limited]) => queue(n, limited)) },
  { weight: 1, arbitrary: unknown },
);
const taskIds = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 30 });
const someTasks = fc
  .tuple(taskIds, fc.nat(30), fc.nat(30), fc.nat(30), fc.nat(30))
  .map(([ids, desired, split, cordoned, outdated]) => ({
    desired,
    running: ids.slice(0, split),
    pending: ids.slice(split),
    cordoned: ids.slice(0, cordoned),
    outdated: outdated > 20 ? ids.slice(0, outdated) : [],
  }));
const someWorkers = fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,3}$/), fc.nat(10)), { maxLength: 30 });
const anySignals: fc.Arbitrary<Signals> = fc.record({
  activityQueue: queues,
  workflowQueue: queues,
  workers: fc.oneof(
    { weight: 5, arbitrary: someWorkers.map((all) => all.map(([task, used]) => worker(task, used))) },
    { weight: 1, arbitrary: unknown },
  ),
  tasks: fc.oneof({ weight: 9, arbitrary: someTasks }, { weight: 1, arbitrary: unknown }),
});
const anyPolicy = fc
  .tuple(fc.nat(10), fc.nat(40), fc.integer({ min: 1, max: 50 }), fc.nat(120))
  .map(([minTasks, more, slotsPerTask, scaleInAfterSeconds]) => ({
    ...DEFAULT_POLICY,
    minTasks,
    maxTasks: Math.max(1, minTasks + more),
    slotsPerTask,
    scaleInAfterSeconds,
  }));
const history = fc.array(fc.tuple(anySignals, fc.integer({ min: 1, max: 90 })), { minLength: 1, maxLength: 12 });

/** Runs a history through the policy and hands each step to `check`. */
function replay(
  steps: [Signals, number][],
  with_: Policy,
  check: (read: Signals, outcome: ReturnType<typeof decide>) => void,
) {
  let memory: unknown;
  let now = 0;
  for (const [read, seconds] of steps) {
    now += seconds * second;
    const outcome = decide(read, memory, with_, now);
    check(read, outcome);
    memory = JSON.parse(JSON.stringify(outcome.memory));
  }
  return { memory, now };
}

function eachStep(...args: Parameters<typeof replay>): void {
  replay(...args);
}

describe('whatever is read', () => {
  test('desired stays within the limits, but for what a deployment holds', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) => {
        let deployed = false;
        eachStep(steps, with_, ({ tasks }, { decision }) => {
          const present = 'unknown' in tasks ? 0 : tasks.desired;
          deployed ||= !('unknown' in tasks) && (tasks.outdated ?? []).length > 0;
          expect(decision.desired).toBeGreaterThanOrEqual(with_.minTasks);
          expect(decision.desired).toBeLessThanOrEqual(Math.max(with_.maxTasks, deployed ? present : 0));
        });
      }),
    );
  });

  test('the unknown never shrinks the fleet, but for a limit that says so', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (read, { decision }) => {
          const blind = Object.values(read).some((reading) => 'unknown' in reading);
          if (!blind || 'unknown' in read.tasks) return;
          expect(decision.desired).toBeGreaterThanOrEqual(Math.min(read.tasks.desired, with_.maxTasks));
        }),
      ),
    );
  });

  test('only tasks that exist are cordoned, each once, and never more than are too many', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (read, { decision }) => {
          const tasks = 'unknown' in read.tasks ? [] : [...read.tasks.running, ...read.tasks.pending];
          expect(new Set(decision.cordon).size).toBe(decision.cordon.length);
          expect(tasks).toEqual(expect.arrayContaining(decision.cordon));
          expect(decision.cordon.length).toBeLessThanOrEqual(Math.max(0, tasks.length - decision.desired));
        }),
      ),
    );
  });

  test('outside a deployment exactly those tasks are cordoned that are too many', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (read, { decision }) => {
          if ('unknown' in read.tasks || (read.tasks.outdated ?? []).length > 0) return;
          const total = read.tasks.running.length + read.tasks.pending.length;
          expect(decision.cordon.length).toBe(Math.max(0, total - decision.desired));
        }),
      ),
    );
  });

  test('what holds work keeps its slots, or the reason says why not', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (read, { decision, figures }) => {
          if (figures.busySlots === null || 'unknown' in read.tasks || decision.reason !== 'scale-in') return;
          expect(decision.desired).toBeGreaterThanOrEqual(figures.busySlots > 0 ? 1 : 0);
        }),
      ),
    );
  });

  test('with work waiting and room for it, the fleet is never at zero', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { decision, figures }) => {
          if (['rate-limited', 'failing', 'not-serving', 'unknown'].includes(decision.reason)) return;
          expect(decision.desired).toBeGreaterThanOrEqual((figures.queued ?? 0) > 0 ? 1 : 0);
        }),
      ),
    );
  });

  test('after any past, quiet and known signals bring the fleet to its minimum', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) => {
        const past = replay(steps, with_, () => {});
        let desired = with_.maxTasks;
        let { memory } = past;
        for (let tickNumber = 1; tickNumber <= 150; tickNumber += 1) {
          const ids = Array.from({ length: desired }, (_, i) => `t${i}`);
          const quiet = signals({ workers: ids.map((id) => worker(id, 0)), tasks: running(...ids) });
          const outcome = decide(quiet, memory, with_, past.now + tickNumber * 10 * second);
          ({ desired } = outcome.decision);
          memory = outcome.memory;
        }
        expect(desired).toBe(with_.minTasks);
      }),
    );
  });

  test('slots are kept for what killed tasks held until it can have timed out, and given up in the end', () => {
    const held = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(held, fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }), (slotsHeld, killed) => {
        const with_ = { ...policy, minTasks: 0, maxTasks: 12, scaleInAfterSeconds: 0 };
        const ids = slotsHeld.map((_, index) => `t${index}`);
        const dead = new Set(killed.map((index) => `t${index}`));
        const atWork = signals({ workers: ids.map((id, i) => worker(id, slotsHeld[i]!)), tasks: running(...ids) });
        let { memory, decision } = decide(atWork, undefined, with_, 0);
        const lost = slotsHeld.reduce((sum, slots, index) => sum + (dead.has(`t${index}`) ? slots : 0), 0);
        // Two minutes is the least that is waited; the others of the fleet have nothing more to do.
        for (let seconds = 10; seconds <= 3600; seconds += seconds < 130 ? 10 : 60) {
          const left = ids.filter((id) => !dead.has(id));
          const replaced = Array.from({ length: Math.max(0, decision.desired - left.length) }, (_, i) => `new${i}`);
          const tasks = [...left, ...replaced].slice(0, decision.desired);
          const idle = signals({ workers: tasks.map((id) => worker(id, 0)), tasks: running(...tasks) });
          ({ memory, decision } = decide(idle, memory, with_, seconds * second));
          const owed = seconds < 130 ? Math.ceil(lost / 10) : 0;
          expect(decision.desired).toBeGreaterThanOrEqual(owed);
        }
        expect(decision.desired).toBe(0);
      }),
    );
  });

  test('memory is bounded and survives being written as JSON', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { memory }) => {
          expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
          expect(memory.levels.length).toBeLessThanOrEqual(80);
          expect(JSON.stringify(memory).length).toBeLessThan(100_000);
        }),
      ),
    );
  });
});

describe('work that comes by the clock', () => {
  /** Ten busy seconds of 80 slots every `minutes(round)` minutes; returns the tick's decisions between the last two. */
  function between(rounds: number, minutes: (round: number) => number) {
    let memory: unknown = experienced(10, -1000 * second);
    let at = 0;
    const decisions: { at: number; reason: string; desired: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const start = at;
      for (; at < start + minutes(round) * 60; at += 10) {
        const tasks = running(...(at - start < 20 ? 'abcdefghij' : ''));
        const workers = tasks.running.map((task) => worker(task, 8));
        const { decision, memory: next } = decide(signals({ workers, tasks }), memory, policy, at * second);
        if (round === rounds - 1) decisions.push({ at: at - start, ...decision });
        memory = next;
      }
    }
    return decisions;
  }

  test('finds its tasks up, once it has come at equal distances often enough', () => {
    const expected = between(6, () => 10).filter(({ reason }) => reason === 'expected');
    expect(expected.length).toBeGreaterThan(0);
    for (const { at, desired } of expected) {
      expect(at).toBeGreaterThan(600 - 90);
      expect(desired).toBeGreaterThan(5);
    }
  });

  test('or in jumps that went far before, gets their whole fleet at the first sign of the next', () => {
    const sizeOfLast = (rounds: number) => {
      let memory: unknown = experienced(10, -1000 * second);
      let at = 0;
      for (let round = 0; round < rounds; round += 1) {
        for (const slots of [10, 80, 80]) {
          const tasks = running(...'abcdefghij'.slice(0, slots / 8));
          const workers = tasks.running.map((task) => worker(task, 8));
          ({ memory } = decide(signals({ workers, tasks }), memory, policy, (at += 10) * second));
        }
        const minutes = [4, 11, 7, 15][round % 4]!;
        for (let quiet = 0; quiet < minutes; quiet += 1)
          for (let tick = 0; tick < 6; tick += 1) ({ memory } = decide(signals(), memory, policy, (at += 10) * second));
      }
      return decide(signals({ activityQueue: queue(5) }), memory, policy, (at + 10) * second).decision;
    };
    expect(sizeOfLast(1).desired).toBeLessThan(4);
    expect(sizeOfLast(5)).toMatchObject({ reason: 'expected' });
    expect(sizeOfLast(5).desired).toBeGreaterThan(7);
  });

  test('is not expected where the distances differ, nor before they were seen', () => {
    expect(between(8, (round) => [4, 11, 7, 15][round % 4] ?? 4).map(({ reason }) => reason)).not.toContain('expected');
    expect(between(3, () => 10).map(({ reason }) => reason)).not.toContain('expected');
  });
});
