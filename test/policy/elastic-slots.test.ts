/** The policy for workers with slots that follow their load: a task counts for what it can hold now, not at its start. */
import {
  decide,
  DEFAULT_POLICY,
  type Decision,
  type Policy,
  type QueueReading,
  type Signals,
  type WorkerReading,
} from '../../scaler/policy.ts';

const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100, slotsPerTask: 5 };
const TICK_SECONDS = 10;
const SERVICE_SECONDS = 3;
const EMPTY: QueueReading = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };

/** What one task's worker reports. */
interface Held {
  used: number;
  slots: number;
}

interface Seen {
  tasks: Held[];
  waiting?: number;
}

interface Played {
  decisions: Decision[];
  memory: unknown;
  ticks: number;
}

/** One tick each: what the tasks hold, with three seconds per piece of work, and what waits. */
function play(seen: Seen[], { elastic = true, from }: { elastic?: boolean; from?: Played } = {}): Played {
  const decisions: Decision[] = [];
  let { memory, ticks } = from ?? { memory: undefined, ticks: 0 };
  for (const { tasks, waiting = 0 } of seen) {
    const seconds = ticks * TICK_SECONDS;
    const workers = tasks.map(({ used, slots }, index): WorkerReading => ({
      key: `worker${index}`,
      task: `task${index}`,
      ageSeconds: 3,
      usedSlots: used,
      slots: elastic ? slots : null,
      ...(elastic && { elastic }),
      processed: (seconds * used) / SERVICE_SECONDS,
      failed: 0,
    }));
    const signals: Signals = {
      activityQueue: { ...EMPTY, backlog: waiting, ageSeconds: waiting > 0 ? 8 : 0 },
      workflowQueue: EMPTY,
      workers,
      tasks: { desired: tasks.length, running: workers.map(({ task }) => task!), pending: [], cordoned: [] },
    };
    const outcome = decide(signals, memory, policy, seconds * 1000);
    memory = JSON.parse(JSON.stringify(outcome.memory));
    ticks += 1;
    decisions.push(outcome.decision);
  }
  return { decisions, memory, ticks };
}

const times = (count: number, seen: Seen): Seen[] => Array.from({ length: count }, () => seen);
const tasksOf = (count: number, held: Held): Held[] => Array.from({ length: count }, () => held);
const slotsOf = ({ detail }: Decision) => Number(/ of (\d+) a task/.exec(detail)?.[1]);

describe('slots that follow the load', () => {
  const growing = Array.from({ length: 30 }, (_, tick): Seen => {
    const used = 2 + 2 * tick;
    return { tasks: [{ used, slots: Math.max(5, 2 * used) }] };
  });

  test('keep a growing load on the one task that has room for it', () => {
    expect(new Set(play(growing).decisions.map(({ desired }) => desired))).toEqual(new Set([1]));
  });

  test('save tasks: with fixed slots the same load needs more', () => {
    expect(play(growing, { elastic: false }).decisions.at(-1)!.desired).toBeGreaterThan(1);
  });

  test('are remembered for the first order after a period without tasks', () => {
    const before = play([...times(10, { tasks: [{ used: 60, slots: 100 }] }), ...times(60, { tasks: [] })]);
    const burst = play(times(2, { tasks: [], waiting: 400 }), { from: before });
    const unknown = play(times(2, { tasks: [], waiting: 400 }));
    expect(slotsOf(burst.decisions.at(-1)!)).toBe(100);
    expect(slotsOf(unknown.decisions.at(-1)!)).toBe(5);
    expect(burst.decisions.at(-1)!.desired).toBeLessThan(unknown.decisions.at(-1)!.desired / 4);
  });

  test('of new tasks that hold little so far do not lower the estimate for all', () => {
    const full = tasksOf(4, { used: 80, slots: 80 });
    const before = play(times(10, { tasks: full, waiting: 200 }));
    const joined = play([{ tasks: [...full, ...tasksOf(4, { used: 7, slots: 7 })], waiting: 200 }], { from: before });
    expect(slotsOf(joined.decisions.at(-1)!)).toBeGreaterThan(60);
    const held = play([{ tasks: tasksOf(8, { used: 80, slots: 80 }), waiting: 20 }], { from: joined });
    expect(slotsOf(held.decisions.at(-1)!)).toBeGreaterThan(65);
  });

  test('are estimated lower with heavier work: waiting work shows that the tasks hold no more', () => {
    const before = play(times(10, { tasks: tasksOf(2, { used: 60, slots: 100 }) }));
    const heavier = play(times(15, { tasks: tasksOf(2, { used: 20, slots: 20 }), waiting: 100 }), { from: before });
    expect(slotsOf(heavier.decisions.at(-1)!)).toBeLessThan(25);
  });

  test('are estimated lower without waiting work, too, when the tasks are at their limits', () => {
    const before = play(times(10, { tasks: tasksOf(4, { used: 60, slots: 100 }) }));
    const heavier = play(times(15, { tasks: tasksOf(4, { used: 20, slots: 20 }) }), { from: before });
    expect(slotsOf(heavier.decisions.at(-1)!)).toBeLessThan(25);
    expect(heavier.decisions.at(-1)!.desired).toBeGreaterThanOrEqual(4);
  });

  test('that have increased do not make the work seem longer than it is', () => {
    const before = play(times(12, { tasks: tasksOf(2, { used: 20, slots: 20 }), waiting: 100 }));
    const grown = play(times(6, { tasks: tasksOf(2, { used: 25, slots: 100 }) }), { from: before });
    const seconds = Number(/ of ([\d.]+) s:/.exec(grown.decisions.at(-1)!.detail)?.[1]);
    expect(seconds).toBeLessThan(2 * SERVICE_SECONDS);
  });

  test('of idle tasks do not lower the estimate: they had no more work to hold', () => {
    const before = play(times(10, { tasks: [{ used: 60, slots: 100 }] }));
    const quiet = play(times(15, { tasks: tasksOf(3, { used: 1, slots: 5 }) }), { from: before });
    expect(slotsOf(quiet.decisions.at(-1)!)).toBe(100);
  });

  test('of one full task among idle ones keep the estimate high', () => {
    const before = play(times(10, { tasks: [{ used: 60, slots: 100 }] }));
    const uneven = times(15, { tasks: [{ used: 100, slots: 100 }, ...tasksOf(4, { used: 0, slots: 5 })] });
    expect(slotsOf(play(uneven, { from: before }).decisions.at(-1)!)).toBe(100);
  });
});
