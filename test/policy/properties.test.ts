/** What holds for any readings: safety and liveness. */
import fc from 'fast-check';
import { decide, DEFAULT_POLICY, type Policy, type Signals } from '../../scaler/policy.ts';
import { policy, second, queue, worker, running, signals } from './fixtures.ts';

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

/** Runs a history through the policy and passes each step to `check`. */
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

describe('for any readings', () => {
  test('desired stays within the limits, except for what a deployment holds', () => {
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

  test('unknown readings never scale in the fleet, unless a limit requires it', () => {
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

  test('only existing tasks are cordoned, each once, and never more than the surplus', () => {
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

  test('outside a deployment exactly the surplus tasks are cordoned', () => {
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

  test('busy slots keep their tasks, or the reason says why not', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (read, { decision, figures }) => {
          if (figures.busySlots === null || 'unknown' in read.tasks || decision.reason !== 'scale-in') return;
          expect(decision.desired).toBeGreaterThanOrEqual(figures.busySlots > 0 ? 1 : 0);
        }),
      ),
    );
  });

  test('with waiting work and a maximum above zero, the fleet is never at zero', () => {
    fc.assert(
      fc.property(history, anyPolicy, (steps, with_) =>
        eachStep(steps, with_, (_, { decision, figures }) => {
          if (['rate-limited', 'failing', 'not-serving', 'unknown'].includes(decision.reason)) return;
          expect(decision.desired).toBeGreaterThanOrEqual((figures.queued ?? 0) > 0 ? 1 : 0);
        }),
      ),
    );
  });

  test('after any history, quiet and known signals bring the fleet to its minimum', () => {
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

  test('slots are kept for the work of killed tasks until it can have timed out, and released in the end', () => {
    const held = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(held, fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }), (slotsHeld, killed) => {
        const with_ = { ...policy, minTasks: 0, maxTasks: 12, scaleInAfterSeconds: 0 };
        const ids = slotsHeld.map((_, index) => `t${index}`);
        const dead = new Set(killed.map((index) => `t${index}`));
        const atWork = signals({ workers: ids.map((id, i) => worker(id, slotsHeld[i]!)), tasks: running(...ids) });
        let { memory, decision } = decide(atWork, undefined, with_, 0);
        const lost = slotsHeld.reduce((sum, slots, index) => sum + (dead.has(`t${index}`) ? slots : 0), 0);
        // The minimum wait is two minutes; the rest of the fleet has nothing to do.
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

  test('memory is bounded, and survives a round trip through JSON', () => {
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
