/**
 * Arrivals of a queue: their rate, and which of them were counted before. Rates that a server has only begun to report are ignored, and
 * work that a restarted server queues again is not counted twice.
 */
import type { Interval, KindMemory } from './memory.ts';
import type { Use } from './slots.ts';
import { sum } from './sums.ts';
import { known, type QueueReading, type Reading } from './types.ts';

/** A queue that was silent for the first of these reports false rates for the second. */
const SILENT_SECONDS = 120;
const FALSE_RATES_SECONDS = 40;
/** After a restart, a server queues work again within this time. */
const QUEUED_AGAIN_SECONDS = 40;
/** A reading of a queue is at most this old. */
const QUEUE_LAG_SECONDS = 10;
/** Rates are means over half a minute: within this part of it, the full rate may have arrived. */
const LEAST_RATE_SECONDS = 10;

/**
 * The queue's own arrival rate, once it has been reporting for long enough; 0 before. `none`: a queue that has reported arrivals
 * before reports none now.
 */
export function arrivalsReported(queue: Reading<QueueReading>, before: KindMemory, now: number) {
  const adding = known(queue) && queue.addRate > 0;
  const until = adding ? now : before.addsUntil;
  const wasSilent = before.addsUntil === 0 || now - before.addsUntil > SILENT_SECONDS * 1000;
  const since = adding && wasSilent ? now : before.addsSince;
  const trusted = adding && now - since >= FALSE_RATES_SECONDS * 1000;
  const none = known(queue) && queue.addRate === 0 && until > 0;
  return { since, until, trusted, none, rate: trusted ? queue.addRate : 0 };
}

export type Adds = ReturnType<typeof arrivalsReported>;

/** From counts, without the busiest interval, because one burst is not a flow. The queue's own rate counts where it is higher. */
export function arrivalRate(recent: Interval[], adds: Adds): number {
  const perSecond = ({ came, seconds }: Interval) => came / (seconds || 1);
  const counted = recent.toSorted((a, b) => perSecond(b) - perSecond(a)).slice(recent.length > 2 ? 1 : recent.length);
  const seconds = sum(counted.map((each) => each.seconds));
  const rate = seconds > 0 ? Math.max(0, sum(counted.map(({ came }) => came)) / seconds) : 0;
  return Math.max(rate, adds.rate);
}

/**
 * After a restart a server queues again what is in flight. Only signs distinguish this from new work: its head is older than the
 * last time that the queue was empty, or its rate is that of a queue just loaded, or the server could not be read a moment ago.
 * While every slot is full and nothing finishes, this work counts once, among the busy slots. The first free slot settles it: the
 * server drops all of it then.
 */
export function countedTwice(
  { queue, isRead, use }: { queue: QueueReading; isRead: boolean; use: Use },
  { before, processed, now }: { before: KindMemory; processed: number; now: number },
): number {
  const { isFull, reportedBusy: busySlots } = use;
  if (!isRead || !isFull || processed > 0) return 0;
  if (before.again > 0) return Math.min(before.again, queue.backlog);
  const more = queue.backlog - before.queued;
  const came = Math.max(more, sum(within(QUEUED_AGAIN_SECONDS, before.intervals, now).map((each) => each.came)));
  const isOlder = before.emptyAt > 0 && queue.ageSeconds > (now - before.emptyAt) / 1000 + QUEUE_LAG_SECONDS;
  const isJustLoaded = queue.addRate * LEAST_RATE_SECONDS > came;
  return isOlder || isJustLoaded || before.wasUnread > 0 ? Math.max(0, Math.min(more, busySlots)) : 0;
}

/**
 * The intervals that lie in this many seconds before now, however far apart the ticks are; the newest in any case. The first
 * tick's interval has no length, since it holds what was there before, and is left out.
 */
export function within(seconds: number, intervals: Interval[], now: number): Interval[] {
  const isWithin = (each: Interval) => each.seconds > 0 && (now - each.at) / 1000 + each.seconds <= seconds;
  return intervals.filter((each, index) => index === intervals.length - 1 || isWithin(each));
}
