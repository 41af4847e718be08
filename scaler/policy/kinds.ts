/**
 * One kind of work (activities, workflow tasks, Nexus tasks), as its queue and the workers' slots show it: its service time, its rate,
 * the slots that it holds now, and the slots that a task really has.
 *
 * The readings are old (queues some 5 s, heartbeats up to a minute), so the estimates carry them forward: of the slots a
 * heartbeat saw in use, e^(-age / service time) still are, and what has left the queue since is in use besides. Work that is
 * shorter than any heartbeat can see shows in what the workers have processed.
 */
import { arrivalRate, arrivalsReported, countedTwice, within } from './arrivals.ts';
import { INTERVALS_KEPT_SECONDS, type Interval, type Kind, type KindMemory } from './memory.ts';
import {
  capacityOfTask,
  isServing,
  isUnheard,
  likelySeconds,
  serviceTime,
  throughputOf,
  workDone,
  workShown,
} from './service.ts';
import { busyNow, MUCH_LESS, slotsLearned, slotsOfOthers, useOf } from './slots.ts';
import { known, type Policy, type QueueReading, type Reading } from './types.ts';

/** Rates are of the last minute. */
const RATE_SECONDS = 60;
/** With any free slot, the head of a queue is taken sooner than this. */
const STANDING_SECONDS = 5;
/** If work waits and this many pieces should have finished but none has, no task takes the work. */
const MISSED_COMPLETIONS = 3;
/** Work that arrives or finishes at this rate is a flow. */
const FLOW_A_SECOND = 0.1;

/** A worker's slots for this kind. */
export interface WorkerSlots {
  task: string | null;
  /** It belongs to the pool, not to another service on the same queue. */
  isOwn: boolean;
  ageSeconds: number;
  usedSlots: number;
  slots: number | null;
  /** Their number follows the load. */
  elastic?: boolean;
  processed: number;
  /** What it had processed, and held, at the tick before; absent for a worker seen for the first time, which has run for `ranSeconds`. */
  before: { processed: number; usedSlots: number } | undefined;
  ranSeconds: number;
}

export interface KindSeen {
  kind: Kind;
  queue: Reading<QueueReading>;
  /** Undefined where the workers could not be read. */
  workers: WorkerSlots[] | undefined;
  /** The pool's running tasks that take work; for how many seconds each has run; their count at the tick before. */
  active: string[];
  ranSeconds: (task: string) => number;
  activeBefore: number;
  /** Tasks of earlier deployments: what they run is not replaced when it ends. */
  outdated: ReadonlySet<string>;
  runningTasks: number;
  /** Work of another kind that is known to become work of this kind. */
  following: number;
  /** Slots that tasks held which are gone. */
  lostSlots: number;
  /** Since the tick before. */
  seconds: number;
  now: number;
}

export interface KindLoad {
  queued: number;
  headAge: number;
  /** Part of the queue may be in flight already, and is left out. */
  isAgain: boolean;
  /** As reported by the heartbeats of the pool's workers and of others. */
  reportedBusy: number;
  /** Of all workers, carried forward to now. */
  busy: number;
  /** For work that was lost, or fails, and will be retried. */
  slotsAwaitingRetry: number;
  /** What a task really has. */
  slotsPerTask: number;
  /** As configured or reported, where that is more. */
  statedSlots: number | undefined;
  /** Free slots of an active task, on average. */
  freePerTask: number;
  /** Of workers that are not the pool's: what they have, and have free. */
  foreign: { slots: number; free: number };
  /** Work waits although there was time to take it. */
  full: boolean;
  /** The queue's own limits hold back some of what waits; and whether slots are free, so that they hold back all of it. */
  rateLimited: boolean;
  limited: boolean;
  /** Pieces a second that the queue's own limit lets through. */
  rateLimit: number | undefined;
  serviceSeconds: number;
  /** The same, without any assumption: as finished work has shown, or as long as the running work has lasted so far. */
  shownSeconds: number;
  /** Arrivals a second. */
  rate: number;
  /** Work has arrived or finished recently. */
  flows: boolean;
  /** For how long the tasks have taken none of what waits, or finished nothing; else 0. */
  stalledSeconds: number;
  /** Finished a second, over the last intervals. */
  throughput: number;
  /** Finished since the last tick. */
  processed: number;
  /** Something is taken or finished, as far as can be seen. */
  serving: boolean;
  intervals: Interval[];
}

/** Nothing waits, and nothing comes. */
export const EMPTY_QUEUE: QueueReading = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };

export function estimateKind(
  seen: KindSeen,
  before: KindMemory,
  policy: Policy,
): { load: KindLoad; memory: KindMemory } {
  const waiting = waitingWork(seen, before, policy);
  const work = workAtHand(seen, waiting, before, policy);
  return { load: loadOf(seen, waiting, work), memory: memoryOf(seen, waiting, work, before) };
}

/** What waits, why, and how many slots a task turns out to have. */
function waitingWork(seen: KindSeen, before: KindMemory, policy: Policy) {
  const { now } = seen;
  const isRead = known(seen.queue);
  const queue = isRead ? (seen.queue as QueueReading) : { ...EMPTY_QUEUE, backlog: before.queued };
  const use = useOf(seen, before, policy);
  const done = workDone(seen.workers, seen.seconds);
  const again = countedTwice({ queue, isRead, use }, { before, processed: done.processed, now });
  const queued = Math.max(0, queue.backlog - again);
  const adds = arrivalsReported(again > 0 ? { unknown: 'of a queue just loaded' } : seen.queue, before, now);
  const limited = queue.rateLimited && queued > 0 && !use.isFull;
  const waits = queued > 0 && queue.ageSeconds >= STANDING_SECONDS && !limited;
  const slots = slotsLearned(seen, use, { waits, headAge: queue.ageSeconds }, before);
  const full = waits && seen.active.length > 0;
  const looksFree = slots.witnessed && use.perActive < MUCH_LESS * use.stated;
  return { isRead, queue, use, done, again, queued, adds, limited, waits, slots, full, looksFree };
}

type WaitingWork = ReturnType<typeof waitingWork>;

/** How fast work comes and finishes, how long a piece takes, and the slots it holds now. */
function workAtHand(seen: KindSeen, waiting: WaitingWork, before: KindMemory, policy: Policy) {
  const { seconds, now } = seen;
  const { queue, use, done, queued, adds, waits, slots, full, looksFree } = waiting;
  const interval: Interval = {
    at: now,
    seconds,
    came: queued - before.queued + done.processed + use.reportedBusy - (before.busySlots - seen.lostSlots),
    begun: Math.max(0, before.queued - queued + adds.rate * seconds),
    done: done.processed,
  };
  const intervals = within(INTERVALS_KEPT_SECONDS, [...before.intervals, interval], now);
  const lastMinute = within(RATE_SECONDS, intervals, now);
  const standing = waits && !looksFree ? queued : 0;
  const shown = workShown({ before, interval, queued: standing, adds, seen, slotsPerTask: slots.perTask });
  const rate = arrivalRate(lastMinute, adds);
  const service = serviceTime(before, seen, done, shown, likelySeconds(rate, policy));
  const throughput = throughputOf(lastMinute, isUnheard(seen));
  const busy = busyNow(seen, intervals, service);

  const doneAt = done.processed > 0 || before.doneAt === 0 ? now : before.doneAt;
  const undoneSeconds = (now - doneAt) / 1000;
  const waitSeconds = Math.min(queue.ageSeconds, undoneSeconds, Math.max(0, ...seen.active.map(seen.ranSeconds)));
  const missed = service.shown === undefined ? 0 : (waitSeconds * use.reportedBusy) / service.shown;
  const isStalled = full && looksFree && (use.reportedBusy === 0 || missed >= MISSED_COMPLETIONS);
  const capacity = capacityOfTask(before, seen, throughput, full && slots.witnessed && !isStalled);
  const busySince = use.reportedBusy > 0 && before.busySince > 0 ? before.busySince : now;
  const stalledSeconds = isStalled ? waitSeconds : 0;
  return { intervals, rate, service, throughput, busy, doneAt, busySince, undoneSeconds, stalledSeconds, capacity };
}

type WorkAtHand = ReturnType<typeof workAtHand>;

function loadOf(seen: KindSeen, waiting: WaitingWork, work: WorkAtHand): KindLoad {
  const { queue, use, slots, full } = waiting;
  const { service, capacity, throughput, busySince } = work;
  // Slots that follow the load do not outnumber what the processor can do.
  const isScarce = capacity.capacity > 0 && use.able === 0;
  return {
    queued: waiting.queued + seen.following,
    headAge: queue.ageSeconds,
    isAgain: waiting.again > 0,
    reportedBusy: use.reportedBusy,
    busy: Math.min(work.busy, Math.max(use.reportedBusy, seen.runningTasks * slots.perTask)),
    slotsAwaitingRetry: 0,
    slotsPerTask: slots.perTask,
    statedSlots: slots.perTask < use.stated ? use.stated : undefined,
    freePerTask: full ? 0 : Math.max(0, slots.perTask - use.perActive),
    foreign: slotsOfOthers(seen.workers, waiting.waits),
    full,
    rateLimited: queue.rateLimited,
    limited: waiting.limited,
    rateLimit: queue.rateLimit,
    serviceSeconds: Math.max(service.seconds, isScarce ? slots.perTask / capacity.capacity : 0),
    // Of work that has just begun, the short pieces finish first.
    shownSeconds: Math.min(service.shown ?? work.undoneSeconds, (seen.now - busySince) / 1000),
    rate: work.rate,
    flows: Math.max(queue.addRate, throughput) >= FLOW_A_SECOND,
    stalledSeconds: work.stalledSeconds,
    throughput,
    processed: waiting.done.processed,
    serving: isServing(seen.workers, work.intervals),
    intervals: work.intervals,
  };
}

function memoryOf(seen: KindSeen, waiting: WaitingWork, work: WorkAtHand, before: KindMemory): KindMemory {
  const { isRead, queue, use, slots, adds } = waiting;
  return {
    queued: waiting.queued,
    again: waiting.again,
    wasUnread: isRead ? 0 : 1,
    busySlots: use.reportedBusy,
    busySince: work.busySince,
    doneAt: work.doneAt,
    emptyAt: isRead && queue.backlog === 0 ? seen.now : before.emptyAt,
    // What takes nothing at all any more says nothing of the slots that others have.
    slots: work.throughput > 0 ? slots.learned : before.slots,
    noMoreSeconds: slots.noMoreSeconds,
    intervals: work.intervals,
    addsSince: adds.since,
    addsUntil: adds.until,
    ...work.service.memory,
    ...work.capacity,
  };
}
