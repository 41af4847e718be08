import fc from 'fast-check';
import {
  decide,
  DEFAULT_POLICY,
  type Policy,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from '../../scaler/policy.ts';

const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100, slotsPerTask: 10, scaleInAfterSeconds: 60 };
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

describe('scaling out', () => {
  test('from zero, a burst gets its whole fleet in one decision', () => {
    const { decision } = decide(signals({ activityQueue: queue(95) }), undefined, policy, 0);
    expect(decision).toMatchObject({ desired: 10, cordon: [], reason: 'backlog' });
  });

  test('tasks that are starting are not ordered a second time', () => {
    const tasks = { desired: 10, running: [], pending: 'abcdefghij'.split(''), cordoned: [] };
    const { decision } = decide(signals({ activityQueue: queue(95), tasks }), undefined, policy, 0);
    expect(decision).toMatchObject({ desired: 10, reason: 'steady' });
  });

  test('full slots count although nothing waits', () => {
    const workers = [worker('a', 10), worker('b', 10)];
    const { decision } = decide(
      signals({ activityQueue: queue(1), workers, tasks: running('a', 'b') }),
      undefined,
      policy,
      0,
    );
    expect(decision).toMatchObject({ desired: 3, reason: 'backlog' });
  });

  test('a waiting workflow task is counted as the activity it will schedule', () => {
    expect(decide(signals({ workflowQueue: queue(11) }), undefined, policy, 0).decision.desired).toBe(2);
  });

  test('never above the maximum, and says so', () => {
    const { decision } = decide(signals({ activityQueue: queue(5000) }), undefined, policy, 0);
    expect(decision).toMatchObject({ desired: 100, reason: 'maximum' });
  });

  test('a rate-limited queue does not grow the fleet: more workers cannot help', () => {
    const { decision } = decide(signals({ activityQueue: queue(500, true) }), undefined, policy, 0);
    expect(decision).toMatchObject({ desired: 0, reason: 'rate-limited' });
  });

  test('cordoned tasks are taken back before new ones are launched', () => {
    const tasks = { desired: 1, running: ['a', 'b', 'c'], pending: [], cordoned: ['b', 'c'] };
    const workers = [worker('a', 10), worker('b', 4), worker('c', 1)];
    const { decision } = decide(signals({ activityQueue: queue(3), workers, tasks }), undefined, policy, 0);
    expect(decision).toMatchObject({ desired: 2, cordon: ['c'] });
  });
});

describe('scaling in', () => {
  const idle = signals({ workers: [worker('a', 0), worker('b', 0)], tasks: running('a', 'b') });

  test('waits until the need has been lower for long enough, then goes to the minimum', () => {
    const first = decide(idle, undefined, policy, 0);
    expect(first.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const later = decide(idle, first.memory, policy, 59 * second);
    expect(later.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const last = decide(idle, later.memory, policy, 61 * second);
    expect(last.decision).toMatchObject({ desired: 0, reason: 'scale-in' });
    expect(last.decision.cordon.toSorted()).toEqual(['a', 'b']);
  });

  test('a blind spell is not quiet time', () => {
    const first = decide(idle, undefined, policy, 0);
    const blind = decide({ ...idle, workers: { unknown: 'down' } }, first.memory, policy, 50 * second);
    expect(blind.decision).toMatchObject({ desired: 2, reason: 'unknown' });
    expect(decide(idle, blind.memory, policy, 61 * second).decision.desired).toBe(2);
    expect(decide(idle, blind.memory, policy, 111 * second).decision.desired).toBe(0);
  });

  test('tasks not yet running leave first, then those already leaving, then the least busy', () => {
    const tasks = { desired: 5, running: ['a', 'b', 'c', 'd'], pending: ['e'], cordoned: ['d'] };
    const workers = [worker('a', 9), worker('b', 2), worker('c', 5), worker('d', 7)];
    const read = signals({ workers, tasks });
    const { memory } = decide(read, undefined, policy, 0);
    const { decision } = decide(read, memory, policy, 61 * second);
    expect(decision).toMatchObject({ desired: 3, cordon: ['e', 'd'] });
  });

  test('a task that has not reported is the last to leave: what it holds is not known', () => {
    const read = signals({ workers: [worker('a', 9)], tasks: running('a', 'silent') });
    const { memory } = decide(read, undefined, policy, 0);
    expect(decide(read, memory, policy, 61 * second).decision).toMatchObject({ desired: 1, cordon: ['a'] });
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
    expect(decide(signals({ workers, tasks }), undefined, policy, 0).decision.cordon).toEqual(['old2']);
    const none = { ...tasks, running: ['old1', 'old2'], pending: ['new1', 'new2'] };
    expect(decide(signals({ workers, tasks: none }), undefined, policy, 0).decision.cordon).toEqual([]);
  });
});

describe('memory', () => {
  test.each([[null], ['text'], [{ version: 99 }], [{ version: 1, needs: 'x' }], [{ version: 1, desired: NaN }]])(
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
  test('desired stays within the limits', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { decision }) => {
          expect(decision.desired).toBeGreaterThanOrEqual(with_.minTasks);
          expect(decision.desired).toBeLessThanOrEqual(with_.maxTasks);
        }),
      ),
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

  test('what holds work and what waits gets its slots, or the reason says why not', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { decision, figures }) => {
          const slots = (figures.busySlots ?? 0) + (figures.queued ?? 0);
          if (['maximum', 'rate-limited', 'unknown'].includes(decision.reason)) return;
          expect(decision.desired * with_.slotsPerTask).toBeGreaterThanOrEqual(slots);
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
        for (let tickNumber = 1; tickNumber <= 20; tickNumber += 1) {
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

  test('memory is bounded and survives being written as JSON', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { memory }) => {
          expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
          expect(memory.needs.length).toBeLessThanOrEqual(60);
        }),
      ),
    );
  });
});
