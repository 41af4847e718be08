/**
 * Tasks that ended although the scaler did not remove them: killed, crashed, reclaimed, or never placed. No figure includes the work of
 * such a task until it times out and is retried: until then its slots are kept. When one task after another ends like that, new tasks
 * would end the same way.
 */
import type { Load } from './load.ts';
import { FOLLOWED, REPORTS_WITHIN_SECONDS, type Memory } from './memory.ts';
import { faded, sum } from './sums.ts';
import type { TasksReading } from './types.ts';

/** Lost work is retried after its timeout: usually a few times its own length, less if it heartbeats. */
const BACK_AFTER_LENGTHS = 3;
const BACK_AFTER_SECONDS = { least: 120, most: 600 };
/** After this many tasks in a row that did not start, the next will not either. */
export const FAILED_STARTS = 3;
const MOST_FAILED_STARTS = 1000;
/** With this many recent crashes in this share of the fleet, the cause is the work or the image. */
const CRASHES = 2.5;
const CRASHED_SHARE = 0.5;
const CRASH_MEMORY_SECONDS = 600;
/** Queue readings are late: work that a task took may disappear from them some ticks before or after the task's end. */
const TAKEN_BEFORE_TICKS = 3;
const TAKEN_AFTER_MS = 15_000;

type LostTasksMemory = Pick<
  Memory,
  'slotsAwaitingRetry' | 'awaitingRetryUntil' | 'failedStarts' | 'lostAt' | 'crashes'
>;

/** The slots that lost work will need again, and how often tasks ended. */
export function learnLostTasks(before: Memory, load: Load, tasks: TasksReading, now: number): LostTasksMemory {
  const { lostTasks } = load;
  const { intervals, serviceSeconds, rate } = load.kinds.activities;
  const { came = 0, seconds = 0 } = intervals.at(-1) ?? {};
  const taken = takenByUnreported(before, load, now);
  const lost = Math.max(taken, sum(lostTasks.map(({ slots }) => slots ?? 0)));
  // What arrives beyond the usual flow is what was lost.
  const left =
    now < before.awaitingRetryUntil ? Math.max(0, before.slotsAwaitingRetry - Math.max(0, came - rate * seconds)) : 0;
  const { least, most } = BACK_AFTER_SECONDS;
  const backAfterSeconds = Math.min(most, Math.max(least, BACK_AFTER_LENGTHS * serviceSeconds));
  return {
    slotsAwaitingRetry: left + lost,
    awaitingRetryUntil: lost > 0 ? Math.round(now + backAfterSeconds * 1000) : before.awaitingRetryUntil,
    ...countLosses(before, load, tasks, taken > 0, now),
  };
}

/** Work that left the queue around the end of tasks that never reported, while no other worker reports: they had taken it. */
function takenByUnreported(before: Memory, { lostTasks, live, kinds }: Load, now: number): number {
  const { intervals } = kinds.activities;
  if (live?.length !== 0) return 0;
  if (lostTasks.length > 0) return sum(intervals.slice(-TAKEN_BEFORE_TICKS).map(({ begun }) => begun));
  return now - before.lostAt <= TAKEN_AFTER_MS ? (intervals.at(-1)?.begun ?? 0) : 0;
}

function countLosses(before: Memory, load: Load, tasks: TasksReading, taken: boolean, now: number) {
  const { lostTasks, live } = load;
  const keep = faded((now - before.at) / 1000, CRASH_MEMORY_SECONDS);
  const { failedStarts, lostAt } = before;
  const crashes = before.crashes * keep;
  // Without heartbeats it is unknown which tasks have come up; a deployment, or a lower count, ends tasks by itself.
  const explained = tasks.desired < before.count || (tasks.outdated?.length ?? 0) > 0 || now < before.deployingUntil;
  if (live === undefined || explained) return { failedStarts, lostAt, crashes };
  const silent = lostTasks.filter(({ slots }) => slots === null).length;
  // A task that took work had started, even if that shows only now.
  const atStart = taken ? -Math.sign(failedStarts) : silent;
  const atWork = lostTasks.length > 0 ? lostTasks.length - Math.max(0, atStart) : Number(taken);
  const up = new Set(tasks.running.filter((task) => isUp(task, load, before, now)));
  const cameUp = [...up].some((task) => (before.held[task] ?? null) === null);
  const allUp = up.size === tasks.running.length && tasks.pending.length === 0 && up.size >= tasks.desired;
  return {
    failedStarts: cameUp || allUp ? 0 : Math.min(MOST_FAILED_STARTS, failedStarts + atStart),
    lostAt: taken ? 0 : silent > 0 ? now : lostAt,
    crashes: crashes + atWork,
  };
}

/** It has reported, or has run for so long that it is of a kind that never reports. */
export function isUp(task: string, { live = [] }: Load, before: Memory, now: number): boolean {
  const since = before.runningSince[task] ?? now;
  return live.some((worker) => worker.task === task) || now - since > REPORTS_WITHIN_SECONDS * 1000;
}

/** Why more tasks would not help while tasks do not stay up. */
export function whyTasksAreLost(
  { failedStarts, crashes }: LostTasksMemory,
  { desired, running, pending }: TasksReading,
): 'not-starting' | 'crashing' | undefined {
  // At zero there is nothing to judge by: the first task is always ordered.
  if (desired === 0) return undefined;
  if (failedStarts >= FAILED_STARTS) return 'not-starting';
  return crashes >= CRASHES && crashes >= CRASHED_SHARE * (running.length + pending.length) ? 'crashing' : undefined;
}

/** What each task holds, as last reported, or null before its first report. Tasks to be removed are left out. */
export function holdings(
  before: Memory,
  load: Load,
  { running, pending }: TasksReading,
  leaving: string[],
  now: number,
): Memory['held'] {
  const held: Memory['held'] = {};
  const told = new Set(leaving);
  const staying = [...running, ...pending].filter((task) => !told.has(task)).slice(0, FOLLOWED);
  for (const task of staying) held[task] = before.held[task] ?? (isUp(task, load, before, now) ? 0 : null);
  if (load.live === undefined) return held;
  for (const task of staying) if (held[task] !== null) held[task] = 0;
  for (const { task, usedSlots } of load.live) {
    // The name of the task is the worker's own word.
    if (task !== null && Object.hasOwn(held, task)) held[task] = (held[task] ?? 0) + usedSlots;
  }
  return held;
}

/** Drained tasks are not missed when they are gone. */
export function withoutHoldings(memory: Memory, tasks: string[] = []): Memory {
  if (tasks.length === 0) return memory;
  const held = Object.entries(memory.held).filter(([task]) => !tasks.includes(task));
  return { ...memory, held: Object.fromEntries(held) };
}
