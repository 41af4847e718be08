/**
 * Slots: how many a task really has, regardless of what is configured or reported, how many are in use now, and the slots of workers
 * that are not the pool's.
 */
import type { KindSeen, WorkerSlots } from './kinds.ts';
import type { Interval, KindMemory } from './memory.ts';
import type { Service } from './service.ts';
import { faded, mean, median, sum } from './sums.ts';
import type { Policy } from './types.ts';

/** A task that uses less than this share of its reported slots has fewer. */
export const MUCH_LESS = 0.9;
/** If work has waited for this long while the slots in use stayed the same, the task has no more. */
const TAKES_NO_MORE_SECONDS = 20;
const NO_MORE_WEIGHT = 0.3;
/** Heartbeats up to this age count as current, like a queue's reading. */
const FRESH_SECONDS = 6;

/** The slots that workers report. */
export interface Use {
  reportedBusy: number;
  /** By active task of the pool: slots in use, reported slots, and the age of its oldest heartbeat. */
  tasks: { used: number; slots: number; ageSeconds: number }[];
  /** Slots of a task as its workers report, or else as configured; and whether the workers reported them. */
  stated: number;
  isReported: boolean;
  /** Slots of an active task where they follow its load; 0 elsewhere. */
  able: number;
  /** In use per active task, on average; and whether that is all that a task has, as far as known. */
  perActive: number;
  isFull: boolean;
}

export function useOf({ workers, active }: KindSeen, before: KindMemory, { slotsPerTask }: Policy): Use {
  const byTask = new Map<string, { used: number; slots: number; ageSeconds: number }>();
  const own = (workers ?? []).filter(({ isOwn }) => isOwn);
  for (const { task, usedSlots, slots, ageSeconds } of own) {
    if (task === null) continue;
    const of = byTask.get(task) ?? { used: 0, slots: 0, ageSeconds: 0 };
    const used = of.used + usedSlots;
    byTask.set(task, { used, slots: of.slots + (slots ?? 0), ageSeconds: Math.max(of.ageSeconds, ageSeconds) });
  }
  const reported = [...byTask.values()].map(({ slots }) => slots).filter((slots) => slots > 0);
  const isElastic = own.some(({ elastic }) => elastic);
  const isReported = reported.length > 0 && !isElastic;
  const stated = isReported ? median(reported)! : slotsPerTask;
  const most = before.slots > 0 ? (isReported ? Math.min(before.slots, stated) : before.slots) : stated;
  const tasks = active.flatMap((task) => byTask.get(task) ?? []);
  const perActive = sum(tasks.map(({ used }) => used)) / Math.max(1, active.length);
  return {
    reportedBusy: workers === undefined ? before.busySlots : sum(workers.map(({ usedSlots }) => usedSlots)),
    tasks,
    stated,
    isReported,
    able: isElastic ? (median(reported) ?? 0) : 0,
    perActive,
    isFull: active.length > 0 && perActive >= MUCH_LESS * most,
  };
}

interface TaskSlots {
  perTask: number;
  /** To remember: 0 where the stated slots are right as far as known. */
  learned: number;
  noMoreSeconds: number;
  /** The workers' heartbeats are younger than the wait. */
  witnessed: boolean;
}

/**
 * While work waits, the slots in use are all that a task has, regardless of what is configured or reported. Where slots follow the load,
 * a task will reach as many as the others have.
 */
export function slotsLearned(
  { active, seconds }: KindSeen,
  { tasks, stated, isReported, able }: Use,
  { waits, headAge }: { waits: boolean; headAge: number },
  before: KindMemory,
): TaskSlots {
  const atLimit = able > 0 ? tasks.filter((task) => task.used >= MUCH_LESS * task.slots) : [];
  const witnesses = waits ? tasks.filter(({ ageSeconds }) => ageSeconds < headAge) : atLimit;
  const suffice = witnesses.length > 0 && 2 * witnesses.length >= active.length;
  const used = mean((suffice ? witnesses : tasks).map((each) => each.used));
  const takesNoMore = suffice && used > 0;
  const noMoreSeconds = takesNoMore ? before.noMoreSeconds + seconds : waits ? before.noMoreSeconds : 0;
  const known = Math.max(before.slots, able);
  let learned = known > 0 ? Math.max(known, used) : 0;
  if (takesNoMore && noMoreSeconds >= TAKES_NO_MORE_SECONDS)
    learned = before.slots > 0 ? before.slots + NO_MORE_WEIGHT * (used - before.slots) : used;
  const isLess = learned > 0 && (!isReported || learned < MUCH_LESS * stated);
  return { perTask: isLess ? Math.max(1, learned) : stated, learned, noMoreSeconds, witnessed: waits && suffice };
}

/**
 * The slots in use now: the share of those in the heartbeat that is likely still in use, plus work that has left the queue since. In
 * tasks that are being replaced, finished work is not followed by new work.
 */
export function busyNow(
  { workers = [], active, outdated, ranSeconds, now }: KindSeen,
  intervals: Interval[],
  service: Service,
): number {
  const reported = new Map(workers.map(({ task, ageSeconds }) => [task, ageSeconds]));
  const ages = active.map((task) => reported.get(task) ?? ranSeconds(task));
  const staying = workers.filter(({ task }) => task === null || !outdated.has(task));
  const seen = staying.map(
    ({ usedSlots, ageSeconds }) => usedSlots * faded(ageSeconds - FRESH_SECONDS, service.seconds),
  );
  const unseen = intervals.map(({ at, seconds, begun }) => {
    const ago = (now - at) / 1000 + seconds / 2;
    const unreported = ages.filter((age) => age - FRESH_SECONDS > ago).length / Math.max(1, ages.length);
    return begun * faded(ago, service.seconds) * unreported;
  });
  return sum(seen) + sum(unseen);
}

/** While work waits, other workers take no more than they already hold. */
export function slotsOfOthers(workers: WorkerSlots[] | undefined, waits: boolean): { slots: number; free: number } {
  const others = workers?.filter(({ isOwn }) => !isOwn) ?? [];
  const used = sum(others.map(({ usedSlots }) => usedSlots));
  const slots = waits ? used : Math.max(used, sum(others.map((each) => each.slots ?? each.usedSlots)));
  return { slots, free: slots - used };
}
