/**
 * Work that is done: how much of it, and how long a piece takes. Where workers report late, or never, or their heartbeats are too
 * rare for work as short as this, the queue shows it.
 */
import type { Adds } from './arrivals.ts';
import type { KindSeen, WorkerSlots } from './kinds.ts';
import { REPORTS_WITHIN_SECONDS, type Interval, type KindMemory } from './memory.ts';
import { faded, sum } from './sums.ts';
import type { Policy } from './types.ts';

/**
 * The assumed length of a piece of work before any has finished. For activities it is a compromise: a first burst gets too
 * many tasks if they turn out to be short, and too few if long (test/simulate/first-bursts.test.ts).
 */
const UNKNOWN_SERVICE_SECONDS = { activities: 25, workflowTasks: 0.1, nexusTasks: 1 };
/** Owners set a maximum that is enough: a flow, unlike a single burst, is likely to fill no more than this part of it. */
const LIKELY_FILL = 0.1;
const LEAST_LIKELY_SECONDS = 0.5;
/** The assumption counts as this many finished attempts. */
const ASSUMED_ATTEMPTS = 2;
/** From this many on, the length is known without it. */
const ENOUGH_ATTEMPTS = 5;
const SERVICE_MEMORY_SECONDS = 600;
/** A full task's throughput is known when as many tasks have been full for this long, and believed for an hour. */
const FULL_SECONDS = 60;
const CAPACITY_MEMORY_SECONDS = 3600;
const CAPACITY_WEIGHT = 0.2;
/** A worker is new until its first report, which may be late. */
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
 * Slot-seconds worked and work done, as the queue shows them where workers report late or never. While work waits, every slot is
 * taken, and what leaves the queue takes the place of work that is done. Where nothing arrives, all that leaves is seen.
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
  /** Finished, as far as remembered. */
  completed: number;
  /** Without the assumption; undefined before enough was finished to say. */
  shown: number | undefined;
  memory: Pick<KindMemory, 'slotSeconds' | 'completed'>;
}

/** Slot-seconds over attempts: how long one attempt holds a slot. `done` is what workers reported, `shown` what the queue showed. */
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
 * What a full task finishes in a second. Where the processor is the limit, that is less than its slots promise; as a fleet is sized to
 * be nearly full, it is what counts. Tasks that finish more have shown that the limit is gone.
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

/** As workers report it; where they never do, as the queue shows it. */
export function throughputOf(intervals: Interval[], unheard: boolean): number {
  const seconds = sum(intervals.map((each) => each.seconds));
  return seconds > 0 ? sum(intervals.map(({ done, begun }) => (unheard ? begun : done))) / seconds : 0;
}

export function isUnheard({ workers, active, ranSeconds }: KindSeen): boolean {
  return workers?.length === 0 && active.some((task) => ranSeconds(task) > REPORTS_WITHIN_SECONDS);
}

/** Workers report that they hold or finish something; or, where none reports, something leaves the queue. */
export function isServing(workers: WorkerSlots[] = [], intervals: Interval[]): boolean {
  const reports = workers.length > 0;
  return (
    workers.some(({ usedSlots }) => usedSlots > 0) || intervals.some(({ done, begun }) => (reports ? done : begun) > 0)
  );
}
