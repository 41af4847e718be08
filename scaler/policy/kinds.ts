/**
 * One kind of work, as its queue and the workers' slots for it show it: activities, workflow tasks, Nexus tasks. How long a
 * piece takes, how fast they come, how many slots they hold right now, and how many a task really has.
 *
 * The readings are old (queues some 5 s, heartbeats up to a minute), so the estimates carry them forward: of the slots a
 * heartbeat saw in use, e^(-age / service time) still are, and what has left the queue since is in use besides. Work that is
 * shorter than any heartbeat can see shows in what the workers have processed.
 */
import { INTERVALS_KEPT_SECONDS, REPORTS_WITHIN_SECONDS, type Interval, type Kind, type KindMemory } from './memory.ts';
import { known, type Policy, type QueueReading, type Reading } from './types.ts';

/**
 * Before anything has finished, a piece of work is taken to last this long. For activities it is a compromise: a first burst
 * gets too many tasks when they turn out to be short, and too few when long (test/simulate/first-bursts.test.ts).
 */
const UNKNOWN_SERVICE_SECONDS = { activities: 25, workflowTasks: 0.1, nexusTasks: 1 };
/** An activity of unknown length that has left the queue is taken to be at work for so long at least. */
const UNKNOWN_LASTING_SECONDS = 60;
/** How many finished attempts outweigh the assumption. */
const ASSUMED_ATTEMPTS = 2;
/** And how many tell without it. */
const ENOUGH_ATTEMPTS = 5;
const SERVICE_MEMORY_SECONDS = 600;
/** What a full task gets done is known when as many tasks have been full for this long; and it is believed for this long. */
const FULL_SECONDS = 60;
const CAPACITY_MEMORY_SECONDS = 3600;
const CAPACITY_WEIGHT = 0.2;
/** A queue that was silent for so long reports false rates at first, for about so long. */
const SILENT_SECONDS = 120;
const FALSE_RATES_SECONDS = 40;
/** Rates are of the last minute; what a server queues again after a restart, it queues within less. */
const RATE_SECONDS = 60;
const QUEUED_AGAIN_SECONDS = 40;
/** Heartbeats up to this age, as a queue's reading, are of now. */
const FRESH_SECONDS = 6;
/** The head of a queue with a free slot before it is gone sooner than this. */
const STANDING_SECONDS = 5;
/** Work has waited for this long, and the slots in use stayed as they were: the task has no more. */
const TAKES_NO_MORE_SECONDS = 20;
const NO_MORE_WEIGHT = 0.3;
/** Work that waits although so many pieces should have been finished meanwhile, and none was, is not being taken. */
const MISSED_COMPLETIONS = 3;
/** Of the slots that the workers say they have, fewer than this part were taken. */
const MUCH_LESS = 0.9;
/** A queue is read so late at the most. */
const QUEUE_LAG_SECONDS = 10;
/** Its rates are means over half a minute: what comes in so much of it is no less than the rate says. */
const LEAST_RATE_SECONDS = 10;

/** A worker's slots for this kind. */
export interface WorkerSlots {
  task: string | null;
  /** It belongs to the pool, and not to somebody else who serves the same queue. */
  isOwn: boolean;
  ageSeconds: number;
  usedSlots: number;
  slots: number | null;
  /** Their number follows its load. */
  elastic?: boolean;
  processed: number;
  /** What it had processed, and held, at the tick before; absent for a worker new to us, which has worked `ranSeconds`. */
  before: { processed: number; usedSlots: number } | undefined;
  ranSeconds: number;
}

export interface KindSeen {
  kind: Kind;
  queue: Reading<QueueReading>;
  /** Undefined where the workers could not be read. */
  workers: WorkerSlots[] | undefined;
  /** The pool's running tasks that take work, and for how many seconds each has run; the count at the tick before. */
  active: string[];
  ranSeconds: (task: string) => number;
  activeBefore: number;
  /** Tasks of earlier deployments: what they hold ends with them. */
  outdated: ReadonlySet<string>;
  runningTasks: number;
  /** Work that is known to become work of this kind when it is done. */
  following: number;
  /** Slots of tasks that are gone. */
  lostSlots: number;
  /** Since the tick before. */
  seconds: number;
  now: number;
}

export interface KindLoad {
  queued: number;
  headAge: number;
  /** There is more in the queue, which may be in flight already. */
  isAgain: boolean;
  /** As the heartbeats of the pool's workers, and of others, say. */
  reportedBusy: number;
  /** Of all workers, carried forward to now. */
  busy: number;
  /** For work that is lost, or fails, and will come back. */
  owed: number;
  /** What a task really takes. */
  slotsPerTask: number;
  /** What its owner or its workers say instead, where that is more. */
  statedSlots: number | undefined;
  /** Free slots of an active task, on average. */
  freePerTask: number;
  /** Of workers that are not the pool's: what they have, and have free. */
  foreign: { slots: number; free: number };
  /** Work waits although it has had time to be taken. */
  full: boolean;
  /** The queue's own limits hold some of what waits; and all that could be taken, as there are slots free for it. */
  rateLimited: boolean;
  limited: boolean;
  /** Pieces a second that the queue's own limit lets through. */
  rateLimit: number | undefined;
  serviceSeconds: number;
  /** The same, without any assumption: as finished work has shown, or as long as the work at hand has lasted so far. */
  shownSeconds: number;
  /** Arrivals a second. */
  rate: number;
  /** Something came or was done of late. */
  flows: boolean;
  /** For how long the tasks have taken none of what waits, or finished nothing; 0 while they do. */
  stalledSeconds: number;
  /** Finished a second, over the last intervals. */
  throughput: number;
  /** Finished since the last tick. */
  processed: number;
  /** Something is being taken or done, as far as can be seen. */
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
  const { workers, seconds, now } = seen;
  const isRead = known(seen.queue);
  const queue = isRead ? (seen.queue as QueueReading) : { ...EMPTY_QUEUE, backlog: before.queued };
  const use = useOf(seen, before, policy);
  const done = workDone(workers, seconds);
  const again = countedTwice({ queue, isRead, use }, { before, processed: done.processed, now });
  const queued = Math.max(0, queue.backlog - again);
  const adds = arrivalsReported(again > 0 ? { unknown: 'of a queue just loaded' } : seen.queue, before, now);
  const limited = queue.rateLimited && queued > 0 && !use.isFull;
  const waits = queued > 0 && queue.ageSeconds >= STANDING_SECONDS && !limited;
  const slots = slotsLearned(seen, use, { waits, headAge: queue.ageSeconds }, before);
  const full = waits && seen.active.length > 0;

  const interval: Interval = {
    at: now,
    seconds,
    came: queued - before.queued + done.processed + use.reportedBusy - (before.busySlots - seen.lostSlots),
    begun: Math.max(0, before.queued - queued + adds.rate * seconds),
    done: done.processed,
  };
  const intervals = within(INTERVALS_KEPT_SECONDS, [...before.intervals, interval], now);
  const lastMinute = within(RATE_SECONDS, intervals, now);
  const looksFree = slots.witnessed && use.perActive < MUCH_LESS * use.stated;
  const shown = workShown({
    before,
    interval,
    queued: waits && !looksFree ? queued : 0,
    adds,
    seen,
    slotsPerTask: slots.perTask,
  });
  const waiting = { queued: queued + seen.following, headAge: queue.ageSeconds };
  const rate = arrivalRate(lastMinute, adds);
  const service = serviceTime(before, seen, done, shown, likelySeconds(rate, policy));
  const throughput = throughputOf(lastMinute, isUnheard(seen));
  const busy = busyNow(seen, intervals, service);
  const doneAt = done.processed > 0 || before.doneAt === 0 ? now : before.doneAt;
  const undoneSeconds = (now - doneAt) / 1000;
  const busySince = use.reportedBusy > 0 && before.busySince > 0 ? before.busySince : now;
  const waitSeconds = Math.min(queue.ageSeconds, undoneSeconds, Math.max(0, ...seen.active.map(seen.ranSeconds)));
  const missed = service.shown === undefined ? 0 : (waitSeconds * use.reportedBusy) / service.shown;
  const isStalled = full && looksFree && (use.reportedBusy === 0 || missed >= MISSED_COMPLETIONS);
  const capacity = capacityOfTask(before, seen, throughput, full && slots.witnessed && !isStalled);
  // Slots that follow the load do not outnumber what the processor can do.
  const isScarce = capacity.capacity > 0 && use.able === 0;
  const serviceSeconds = Math.max(service.seconds, isScarce ? slots.perTask / capacity.capacity : 0);

  return {
    load: {
      ...waiting,
      isAgain: again > 0,
      reportedBusy: use.reportedBusy,
      busy: Math.min(busy, Math.max(use.reportedBusy, seen.runningTasks * slots.perTask)),
      owed: 0,
      slotsPerTask: slots.perTask,
      statedSlots: slots.perTask < use.stated ? use.stated : undefined,
      freePerTask: full ? 0 : Math.max(0, slots.perTask - use.perActive),
      foreign: slotsOfOthers(workers, waits),
      full,
      rateLimited: queue.rateLimited,
      limited,
      rateLimit: queue.rateLimit,
      serviceSeconds,
      // Of work that has only begun, the short pieces end first.
      shownSeconds: Math.min(service.shown ?? undoneSeconds, (now - busySince) / 1000),
      rate,
      flows: Math.max(queue.addRate, throughput) >= FLOW_A_SECOND,
      stalledSeconds: isStalled ? waitSeconds : 0,
      throughput,
      processed: done.processed,
      serving: isServing(workers, intervals),
      intervals,
    },
    memory: {
      queued,
      again,
      wasUnread: isRead ? 0 : 1,
      busySlots: use.reportedBusy,
      busySince,
      doneAt,
      emptyAt: isRead && queue.backlog === 0 ? now : before.emptyAt,
      // What takes nothing at all any more says nothing of the slots that others have.
      slots: throughput > 0 ? slots.learned : before.slots,
      noMoreSeconds: slots.noMoreSeconds,
      intervals,
      addsSince: adds.since,
      addsUntil: adds.until,
      ...service.memory,
      ...capacity,
    },
  };
}

/** After its start and its first report, which may be late. */
const NEW_FOR_SECONDS = 2 * REPORTS_WITHIN_SECONDS;
/** Work flows that comes or is done at this rate at least. */
const FLOW_A_SECOND = 0.1;

/**
 * After a restart a server queues again what is in flight, and this cannot be told from new work but by signs: its head has
 * waited for longer than the queue was seen empty, or the rate is that of a queue just loaded, or the server could not be
 * read a moment ago. While all slots are full and none changes hands, so much is counted once, among the busy slots; the
 * first slot that is free shows what it is, since the server drops all of it then.
 */
function countedTwice(
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

/** What the workers report of their slots. */
interface Use {
  reportedBusy: number;
  /** By active task of the pool: slots in use, those that it says it has, and the age of its oldest heartbeat. */
  tasks: { used: number; slots: number; ageSeconds: number }[];
  /** Slots of a task as its workers say, or else its owner; and whether it was the workers. */
  stated: number;
  isReported: boolean;
  /** What an active task has come to hold, where that follows its load; 0 elsewhere. */
  able: number;
  /** In use, of an active task on average; and whether that is all that it has, as far as known. */
  perActive: number;
  isFull: boolean;
}

function useOf({ workers, active }: KindSeen, before: KindMemory, { slotsPerTask }: Policy): Use {
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
  const stated = isReported ? middle(reported)! : slotsPerTask;
  const most = before.slots > 0 ? (isReported ? Math.min(before.slots, stated) : before.slots) : stated;
  const tasks = active.flatMap((task) => byTask.get(task) ?? []);
  const perActive = sum(tasks.map(({ used }) => used)) / Math.max(1, active.length);
  return {
    reportedBusy: workers === undefined ? before.busySlots : sum(workers.map(({ usedSlots }) => usedSlots)),
    tasks,
    stated,
    isReported,
    able: isElastic ? (middle(reported) ?? 0) : 0,
    perActive,
    isFull: active.length > 0 && perActive >= MUCH_LESS * most,
  };
}

/** Attempts finished since the last tick, and the slot-seconds that tasks worked for them. */
interface WorkDone {
  processed: number;
  slotSeconds: number;
}

interface TaskSlots {
  perTask: number;
  /** To be remembered: 0 where what is stated is right as far as one knows. */
  learned: number;
  noMoreSeconds: number;
  /** The workers' heartbeats are younger than the wait. */
  witnessed: boolean;
}

/**
 * While work waits, the slots in use are those that a task has, whatever its owner or its workers say. Slots that follow the
 * load are as many as a task has come to hold: a new task, which has not held any yet, will come to that.
 */
function slotsLearned(
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
 * Finished since the last tick, and the slot-seconds worked. A worker new to us has worked since its task ran; one that has run
 * for long was only not listed for a while, and its totals are a beginning, not progress.
 */
function workDone(workers: WorkerSlots[] | undefined, seconds: number): WorkDone {
  let [processed, slotSeconds] = [0, 0];
  // With nothing remembered, totals are a beginning, not progress.
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

type Adds = ReturnType<typeof arrivalsReported>;

/**
 * Slot-seconds worked and work done, as the queue shows it, whose workers report late or never. While work waits, every
 * slot is taken, and what leaves the queue follows on work that is done; where nothing comes, all that leaves is seen.
 */
function workShown(parts: {
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

/**
 * The queue's own rate of arrivals, once it has been reporting for long enough to be believed; 0 before. `none`: nothing
 * came of late, says a queue that has told of arrivals before.
 */
function arrivalsReported(queue: Reading<QueueReading>, before: KindMemory, now: number) {
  const adding = known(queue) && queue.addRate > 0;
  const until = adding ? now : before.addsUntil;
  const wasSilent = before.addsUntil === 0 || now - before.addsUntil > SILENT_SECONDS * 1000;
  const since = adding && wasSilent ? now : before.addsSince;
  const trusted = adding && now - since >= FALSE_RATES_SECONDS * 1000;
  const none = known(queue) && queue.addRate === 0 && until > 0;
  return { since, until, trusted, none, rate: trusted ? queue.addRate : 0 };
}

/** From counts, without the interval in which most came: one burst is no flow. The queue's own rate counts where it is higher. */
function arrivalRate(recent: Interval[], adds: Adds): number {
  const perSecond = ({ came, seconds }: Interval) => came / (seconds || 1);
  const counted = recent.toSorted((a, b) => perSecond(b) - perSecond(a)).slice(recent.length > 2 ? 1 : recent.length);
  const seconds = sum(counted.map((each) => each.seconds));
  const rate = seconds > 0 ? Math.max(0, sum(counted.map(({ came }) => came)) / seconds) : 0;
  return Math.max(rate, adds.rate);
}

interface Service {
  seconds: number;
  /** Finished, as far as remembered. */
  completed: number;
  /** Without the assumption; undefined before enough was finished to say. */
  shown: number | undefined;
  memory: Pick<KindMemory, 'slotSeconds' | 'completed'>;
}

/** Slot-seconds over attempts: how long one attempt takes a slot. `done` is what workers reported, `shown` what the queue showed. */
function serviceTime(
  before: KindMemory,
  { kind, seconds }: KindSeen,
  done: WorkDone,
  shown: WorkDone,
  likely: number,
): Service {
  const slotSeconds = before.slotSeconds + done.slotSeconds + shown.slotSeconds;
  const completed = before.completed + done.processed + shown.processed;
  // Only work fades what earlier work has taught: after a quiet night its length is still known.
  const worked = done.slotSeconds + done.processed > 0;
  const keep = worked ? Math.exp(-seconds / SERVICE_MEMORY_SECONDS) : 1;
  return {
    seconds:
      (Math.min(UNKNOWN_SERVICE_SECONDS[kind], likely) * ASSUMED_ATTEMPTS + slotSeconds) /
      (ASSUMED_ATTEMPTS + completed),
    completed,
    shown: completed >= ENOUGH_ATTEMPTS ? slotSeconds / completed : undefined,
    memory: { slotSeconds: slotSeconds * keep, completed: completed * keep },
  };
}

/** Owners set a maximum that suffices: a flow, unlike a single burst, is likely to fill no more than this part of it. */
const LIKELY_FILL = 0.1;
const LEAST_LIKELY_SECONDS = 0.5;

function likelySeconds(rate: number, { maxTasks, slotsPerTask }: Policy): number {
  return rate > 0 ? Math.max(LEAST_LIKELY_SECONDS, (LIKELY_FILL * maxTasks * slotsPerTask) / rate) : Infinity;
}

type Capacity = Pick<KindMemory, 'capacity' | 'capacityAt' | 'fullSeconds'>;

/**
 * What a full task gets done a second. It may be less than its slots would, where the processor is what is scarce: a fleet
 * is sized to be nearly full, so that is what counts. Tasks that get more done have shown that it is not so any more.
 */
function capacityOfTask(before: KindMemory, seen: KindSeen, throughput: number, full: boolean): Capacity {
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

function busyNow(
  { kind, workers = [], active, outdated, ranSeconds, now }: KindSeen,
  intervals: Interval[],
  service: Service,
): number {
  // Of work whose length is not known yet, nothing is taken to be done already.
  const isUnknown = kind === 'activities' && service.completed < ASSUMED_ATTEMPTS;
  const lasting = isUnknown ? Math.max(service.seconds, UNKNOWN_LASTING_SECONDS) : service.seconds;
  const left = (seconds: number) => Math.exp(-Math.max(0, seconds) / lasting);
  const reported = new Map(workers.map(({ task, ageSeconds }) => [task, ageSeconds]));
  const ages = active.map((task) => reported.get(task) ?? ranSeconds(task));
  const staying = workers.filter(({ task }) => task === null || !outdated.has(task));
  const seen = sum(staying.map(({ usedSlots, ageSeconds }) => usedSlots * left(ageSeconds - FRESH_SECONDS)));
  const unseen = intervals.map(({ at, seconds, begun }) => {
    const ago = (now - at) / 1000 + seconds / 2;
    const unreported = ages.filter((age) => age - FRESH_SECONDS > ago).length / Math.max(1, ages.length);
    return begun * left(ago) * unreported;
  });
  return seen + sum(unseen);
}

/**
 * The intervals that lie in this many seconds before now, however far apart the ticks are; the newest in any case. The first
 * tick's interval has no length, since it holds what was there before, and is left out.
 */
function within(seconds: number, intervals: Interval[], now: number): Interval[] {
  const isWithin = (each: Interval) => each.seconds > 0 && (now - each.at) / 1000 + each.seconds <= seconds;
  return intervals.filter((each, index) => index === intervals.length - 1 || isWithin(each));
}

/** As workers report it; of workers that never do, as the queue shows it. */
function throughputOf(intervals: Interval[], unheard: boolean): number {
  const seconds = sum(intervals.map((each) => each.seconds));
  return seconds > 0 ? sum(intervals.map(({ done, begun }) => (unheard ? begun : done))) / seconds : 0;
}

function isUnheard({ workers, active, ranSeconds }: KindSeen): boolean {
  return workers?.length === 0 && active.some((task) => ranSeconds(task) > REPORTS_WITHIN_SECONDS);
}

/** Something is held or done, as the workers say; or taken, where none reports. */
function isServing(workers: WorkerSlots[] = [], intervals: Interval[]): boolean {
  const reports = workers.length > 0;
  return (
    workers.some(({ usedSlots }) => usedSlots > 0) || intervals.some(({ done, begun }) => (reports ? done : begun) > 0)
  );
}

/** While work waits, others take no more of it than they hold. */
function slotsOfOthers(workers: WorkerSlots[] | undefined, waits: boolean): { slots: number; free: number } {
  const others = workers?.filter(({ isOwn }) => !isOwn) ?? [];
  const used = sum(others.map(({ usedSlots }) => usedSlots));
  const slots = waits ? used : Math.max(used, sum(others.map((each) => each.slots ?? each.usedSlots)));
  return { slots, free: slots - used };
}

function mean(values: number[]): number {
  return sum(values) / Math.max(1, values.length);
}

function middle(values: number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
