/**
 * Finished work, and the service time. Where workers report late or never, or their heartbeats are too rare for short work, both are
 * inferred from the queue.
 */
import type { Adds } from './arrivals.ts';
import type { KindSeen, WorkerSlots } from './kinds.ts';
import { REPORTS_WITHIN_SECONDS, type Interval, type KindMemory } from './memory.ts';
import { faded, sum } from './sums.ts';
import type { Policy } from './types.ts';

/**
 * The assumed service time before any work has finished. For activities it is a compromise: a first burst gets too many tasks if they
 * turn out to be short, and too few if they are long (test/simulate/first-bursts.test.ts).
 */
const UNKNOWN_SERVICE_SECONDS = { activities: 25, workflowTasks: 0.1, nexusTasks: 1 };
/** Owners set a maximum that is enough: a flow, unlike a single burst, is likely to fill at most this share of it. */
const LIKELY_FILL = 0.1;
const LEAST_LIKELY_SECONDS = 0.5;
/** The assumption counts as this many finished attempts. */
const ASSUMED_ATTEMPTS = 2;
/** From this many finished attempts on, the service time is known without the assumption. */
const ENOUGH_ATTEMPTS = 5;
const SERVICE_MEMORY_SECONDS = 600;
/** A full task's throughput is known once the same number of tasks has been full for this long, and is used for an hour. */
const FULL_SECONDS = 60;
const CAPACITY_MEMORY_SECONDS = 3600;
const CAPACITY_WEIGHT = 0.2;
/** A worker counts as new for this long, because its first report may be late. */
const NEW_FOR_SECONDS = 2 * REPORTS_WITHIN_SECONDS;

/** Attempts finished since the last tick, and the slot-seconds that tasks worked for them. */
interface WorkDone {
  processed: number;
  slotSeconds: number;
}

/**
 * Finished since the last tick, and the slot-seconds worked. A worker seen for the first time has worked since its task started. If
 * that is long ago, it was only missing from the list for a while, and its totals are not progress.
 */
export function workDone(workers: WorkerSlots[] | undefined, seconds: number): WorkDone {
  let [processed, slotSeconds] = [0, 0];
  // With nothing remembered, totals are not progress.
  if (seconds === 0) return { processed, slotSeconds };
  for (const worker of workers ?? []) {
    const { before, usedSlots, isOwn, ranSeconds } = worker;
    if (before === undefined && (!isOwn || ranSeconds > NEW_FOR_SECONDS)) continue;
    processed += Math.max(0, worker.processed - (before?.processed ?? 0));
    slotSeconds +=
      before === undefined
        ? usedSlots * Math.max(0, ranSeconds - worker.ageSeconds)
        : ((usedSlots + before.usedSlots) / 2) * seconds;
  }
  return { processed, slotSeconds };
}

/**
 * Slot-seconds worked and work finished, inferred from the queue where workers report late or never. While work waits, every slot is
 * busy, and work that leaves the queue replaces finished work. Where nothing arrives, all work that leaves is visible.
 */
export function workShown(parts: {
  before: KindMemory;
  interval: Interval;
  queued: number;
  adds: Adds;
  seen: KindSeen;
  slotsPerTask: number;
}): WorkDone {
  const { before, interval, queued, adds, slotsPerTask } = parts;
  const { active, activeBefore } = parts.seen;
  const slotSeconds = activeBefore * slotsPerTask * interval.seconds;
  if (activeBefore > 0 && before.queued > 0 && queued > 0) {
    if (adds.trusted) return { slotSeconds, processed: interval.begun };
    const filled = Math.max(0, active.length - activeBefore) * slotsPerTask;
    if (adds.none && queued < before.queued) return { slotSeconds, processed: Math.max(0, interval.begun - filled) };
  }
  return { slotSeconds: 0, processed: 0 };
}

export interface Service {
  seconds: number;
  /** Finished attempts, as far as remembered. */
  completed: number;
  /** Without the assumption; undefined before enough attempts have finished. */
  shown: number | undefined;
  memory: Pick<KindMemory, 'slotSeconds' | 'completed'>;
}

/** Slot-seconds divided by attempts: how long one attempt holds a slot. `done` is reported by workers, `shown` inferred from the queue. */
export function serviceTime(
  before: KindMemory,
  { kind, seconds }: KindSeen,
  done: WorkDone,
  shown: WorkDone,
  likely: number,
): Service {
  const slotSeconds = before.slotSeconds + done.slotSeconds + shown.slotSeconds;
  const completed = before.completed + done.processed + shown.processed;
  const keep = faded(seconds, SERVICE_MEMORY_SECONDS);
  return {
    seconds:
      (Math.min(UNKNOWN_SERVICE_SECONDS[kind], likely) * ASSUMED_ATTEMPTS + slotSeconds) /
      (ASSUMED_ATTEMPTS + completed),
    completed,
    shown: completed >= ENOUGH_ATTEMPTS ? slotSeconds / completed : undefined,
    memory: { slotSeconds: slotSeconds * keep, completed: completed * keep },
  };
}

export function likelySeconds(rate: number, { maxTasks, slotsPerTask }: Policy): number {
  return rate > 0 ? Math.max(LEAST_LIKELY_SECONDS, (LIKELY_FILL * maxTasks * slotsPerTask) / rate) : Infinity;
}

type Capacity = Pick<KindMemory, 'capacity' | 'capacityAt' | 'fullSeconds'>;

/**
 * A full task's throughput per second. Where the processor is the limit, it is less than the slots promise; it counts because a fleet is
 * sized to be nearly full. Tasks that finish more show that the limit is gone.
 */
export function capacityOfTask(before: KindMemory, seen: KindSeen, throughput: number, full: boolean): Capacity {
  const { active, activeBefore, seconds, now } = seen;
  const each = active.length > 0 ? throughput / active.length : 0;
  const fullSeconds = full && active.length === activeBefore ? before.fullSeconds + seconds : 0;
  const isOld = now - before.capacityAt > CAPACITY_MEMORY_SECONDS * 1000;
  const known = isOld ? 0 : before.capacity;
  if (fullSeconds < FULL_SECONDS) {
    return { fullSeconds, capacity: known > 0 ? Math.max(known, each) : 0, capacityAt: before.capacityAt };
  }
  const capacity = known > each ? known + CAPACITY_WEIGHT * (each - known) : each;
  return { fullSeconds, capacity, capacityAt: now };
}

/** As workers report it, or inferred from the queue where they never report. */
export function throughputOf(intervals: Interval[], unheard: boolean): number {
  const seconds = sum(intervals.map((each) => each.seconds));
  return seconds > 0 ? sum(intervals.map(({ done, begun }) => (unheard ? begun : done))) / seconds : 0;
}

export function isUnheard({ workers, active, ranSeconds }: KindSeen): boolean {
  return workers?.length === 0 && active.some((task) => ranSeconds(task) > REPORTS_WITHIN_SECONDS);
}

/** Workers report that they hold or finish work; where none reports, work leaves the queue. */
export function isServing(workers: WorkerSlots[] = [], intervals: Interval[]): boolean {
  const reports = workers.length > 0;
  return (
    workers.some(({ usedSlots }) => usedSlots > 0) || intervals.some(({ done, begun }) => (reports ? done : begun) > 0)
  );
}
