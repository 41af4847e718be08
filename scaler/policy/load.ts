/**
 * What the signals say of the load: how long work takes, how fast it comes, and how many slots it holds right now.
 * The readings are old (queues some 5 s, heartbeats up to a minute), so the estimates carry them forward: of the slots a
 * heartbeat saw in use, e^(-age / service time) still are, and what has left the queue since is in use besides.
 */
import { FOLLOWED, INTERVALS, REPORTS_WITHIN_SECONDS, type Interval, type Memory } from './memory.ts';
import {
  known,
  type Policy,
  type QueueReading,
  type Reading,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from './types.ts';

/** Before anything was finished, work is taken to last so long, or less where so much comes that it cannot. */
const UNKNOWN_SERVICE_SECONDS = 20;
const LEAST_UNKNOWN_SERVICE_SECONDS = 0.5;
/** The share of the largest fleet that a load of unknown service time is taken to fill. */
const LIKELY_FILL = 0.1;
/** How many finished attempts outweigh the assumption. */
const ASSUMED_ATTEMPTS = 2;
const SERVICE_MEMORY_SECONDS = 600;
const COST_MEMORY_SECONDS = 3600;
const ASSUMED_JOBS = 100;
const FAILURE_MEMORY_SECONDS = 60;
/** What is remembered weighs as so many attempts at the most: the end of an outage is seen as soon as it is there. */
const FAILURE_MEMORY_ATTEMPTS = 20;
/** What is billed for a task that has hardly worked. */
const LEAST_BILLED_SECONDS = 60;
/** A queue that was silent for so long reports false rates at first, for about so long. */
const SILENT_SECONDS = 120;
const FALSE_RATES_SECONDS = 40;
/** A heartbeat older than this says nothing about a worker whose task is not known. */
const HEARTBEAT_STALE_SECONDS = 180;
/** Heartbeats up to this age, as a queue's reading, are of now. */
const FRESH_SECONDS = 6;
/** The head of a queue with a free slot before it is gone sooner than this. */
const STANDING_SECONDS = 5;
/** Work that waits for so long, although tasks run, is not being taken. */
const UNSERVED_SECONDS = 30;

export interface Load {
  /** Tasks that take work, by id, and the seconds until the pending ones will, soonest first. */
  active: string[];
  startingIn: number[];
  live: WorkerReading[] | undefined;
  /** Running tasks that have reported before, or have run for long enough to, and do not report now. */
  unreported: string[];
  /** Tasks that are gone unasked, and the slots each held, or null where it had not reported. */
  fallen: { task: string; slots: number | null }[];
  intervals: Interval[];
  queued: number;
  /** As the heartbeats say. */
  reportedBusy: number;
  /** Carried forward to now. */
  busy: number;
  slotsPerTask: number;
  /** Free slots of an active task, on average. */
  freePerTask: number;
  /** Work waits although it has had time to be taken: every slot is taken. */
  full: boolean;
  serviceSeconds: number;
  /** Arrivals a second. */
  rate: number;
  startUpSeconds: number;
  /** What one second of waiting of one piece of work is worth, in task-seconds. */
  waitWorth: number;
  /** Attempts finished and failed since the last tick. */
  processed: number;
  failed: number;
  /** Share of failures among the attempts of the last minutes; null while there were too few. */
  failing: number | null;
  /** Of the failures, most are of workflow tasks. */
  workflowsFail: boolean;
  /** Attempts finished a second, over the last intervals. */
  throughput: number;
  /** Tasks run for long enough, and work waits, but none of them takes it. */
  notServing: boolean;
}

export type LoadMemory = Pick<
  Memory,
  | 'at'
  | 'queued'
  | 'busySlots'
  | 'activeTasks'
  | 'matched'
  | 'workers'
  | 'pendingSince'
  | 'runningSince'
  | 'intervals'
  | 'addsSince'
  | 'addsUntil'
  | 'startUpSeconds'
  | 'slotSeconds'
  | 'completed'
  | 'taskSeconds'
  | 'jobs'
  | 'attempts'
  | 'failures'
  | 'workflowFailures'
  | 'count'
>;

/** Estimates the load; `tasks` must be known. Returns what to remember of it beside it. */
export function estimate(
  signals: Signals,
  tasks: TasksReading,
  before: Memory,
  policy: Policy,
  now: number,
): { load: Load; memory: LoadMemory } {
  const seconds = Math.max(0, (now - before.at) / 1000);
  const live = liveWorkers(signals.workers, tasks);
  const queues = [signals.activityQueue, signals.workflowQueue].filter(known);
  const queued = queues.length === 0 ? before.queued : sum(queues.map(({ backlog }) => backlog));
  const headAge = Math.max(0, ...queues.map(({ ageSeconds }) => ageSeconds));
  const matched = live?.some(({ task }) => task !== null) ? 1 : before.matched;
  const ages = followTasks(tasks, before, now);
  const slotsPerTask = slotsOf(live, policy);
  const work = workDone(live, before, ages.runningSince, seconds, now);
  const adds = arrivalsReported(signals.activityQueue, before, now);

  const fallen = fallenTasks(before, tasks);
  const lost = sum(fallen.map(({ slots }) => slots ?? 0));
  const reportedBusy = live === undefined ? before.busySlots : sum(live.map(({ usedSlots }) => usedSlots));
  const interval: Interval = {
    at: now,
    seconds,
    came: queued - before.queued + work.processed + reportedBusy - (before.busySlots - lost),
    begun: Math.max(0, before.queued - queued + adds.rate * seconds),
    done: work.processed,
  };
  const intervals = [...before.intervals, interval].slice(-INTERVALS);
  const cordoned = new Set(tasks.cordoned);
  const active = tasks.running.filter((task) => !cordoned.has(task));
  const unheard =
    live?.length === 0 && active.some((task) => now - ages.runningSince[task]! > REPORTS_WITHIN_SECONDS * 1000);
  const shown = workShown({ before, interval, queued, adds, active: active.length, slotsPerTask });
  const slotSeconds = before.slotSeconds + work.slotSeconds + shown.slotSeconds;
  const completed = before.completed + work.processed + shown.completed;
  const serviceSeconds = serviceTime(slotSeconds, completed, queued, headAge, adds.rate, policy);

  const startingIn = tasks.pending
    .filter((task) => !cordoned.has(task))
    .map((task) => Math.max(0, ages.startUpSeconds - (now - (ages.pendingSince[task] ?? now)) / 1000))
    .sort((a, b) => a - b);
  const full = queued > 0 && headAge >= STANDING_SECONDS && active.length > 0;
  const busy = busyNow({
    live,
    active,
    intervals,
    completed,
    serviceSeconds,
    runningSince: ages.runningSince,
    now,
  });
  const used = sum(
    (live ?? []).filter(({ task }) => task !== null && !cordoned.has(task)).map(({ usedSlots }) => usedSlots),
  );

  const keep = (memorySeconds: number) => Math.exp(-seconds / memorySeconds);
  const tried = work.processed + work.workflowFailed;
  const kept = keep(FAILURE_MEMORY_SECONDS) * Math.min(1, FAILURE_MEMORY_ATTEMPTS / before.attempts);
  const attempts = before.attempts * kept + tried;
  const failures = before.failures * kept + work.failed + work.workflowFailed;
  const workflowFailures = before.workflowFailures * kept + work.workflowFailed;
  const taskSeconds =
    before.taskSeconds * keep(COST_MEMORY_SECONDS) + (tasks.running.length + tasks.pending.length) * seconds;
  const jobs = before.jobs * keep(COST_MEMORY_SECONDS) + work.processed;
  // Work at hand counts as well: what is paid before anything is done is paid for it. No work costs less than its slot.
  const costPerJob = Math.max(
    serviceSeconds / slotsPerTask,
    ((ASSUMED_JOBS * LEAST_BILLED_SECONDS) / slotsPerTask + taskSeconds) / (ASSUMED_JOBS + jobs + queued + busy),
  );

  return {
    load: {
      active,
      startingIn,
      live,
      unreported:
        live === undefined ? [] : unreportedTasks(active, live, { held: before.held, matched }, ages.runningSince, now),
      fallen,
      intervals,
      queued,
      reportedBusy,
      busy: Math.min(busy, Math.max(reportedBusy, tasks.running.length * slotsPerTask)),
      slotsPerTask,
      freePerTask: full || active.length === 0 ? 0 : Math.max(0, slotsPerTask - used / active.length),
      full,
      serviceSeconds,
      rate: arrivalRate(intervals.slice(-6), live, adds),
      startUpSeconds: ages.startUpSeconds,
      waitWorth: costPerJob / policy.targetWaitSeconds,
      processed: tried,
      failed: work.failed + work.workflowFailed,
      workflowsFail: 2 * workflowFailures > failures,
      failing: attempts < 5 ? null : failures / attempts,
      throughput: throughputOf(intervals.slice(-6), unheard),
      notServing: headAge >= UNSERVED_SECONDS && notServing(tasks, live, intervals, ages.runningSince, now),
    },
    memory: {
      at: now,
      queued,
      busySlots: reportedBusy,
      activeTasks: active.length,
      matched,
      workers: live === undefined ? before.workers : followed(live.map((each) => [each.key, totalsOf(each)])),
      pendingSince: ages.pendingSince,
      runningSince: ages.runningSince,
      intervals,
      addsSince: adds.since,
      addsUntil: adds.until,
      startUpSeconds: ages.startUpSeconds,
      // Only work fades what earlier work has taught: after a quiet night its length is still known.
      slotSeconds: slotSeconds * (reportedBusy > 0 ? keep(SERVICE_MEMORY_SECONDS) : 1),
      completed: completed * (reportedBusy > 0 ? keep(SERVICE_MEMORY_SECONDS) : 1),
      taskSeconds,
      jobs,
      attempts,
      failures,
      workflowFailures,
      count: tasks.desired,
    },
  };
}

/** The workers that can be counted on: of a task that ECS lists, or, where their task is not known, with a fresh heartbeat. */
function liveWorkers(workers: Reading<WorkerReading[]>, tasks: TasksReading): WorkerReading[] | undefined {
  if (!known(workers)) return undefined;
  const listed = new Set([...tasks.running, ...tasks.pending]);
  return workers.filter(({ task, ageSeconds }) =>
    task === null ? ageSeconds <= HEARTBEAT_STALE_SECONDS : listed.has(task),
  );
}

/**
 * A running task without a report is unknown, not idle: heartbeats may be switched off, lost on their way, or forgotten by
 * the server. Where no worker's task has ever been known, each of the workers may be in any of the tasks.
 */
function unreportedTasks(
  active: string[],
  live: WorkerReading[],
  { held, matched }: Pick<Memory, 'held' | 'matched'>,
  runningSince: Record<string, number>,
  now: number,
): string[] {
  const reported = new Set(live.map(({ task }) => task));
  const unmatched = matched > 0 ? 0 : live.length;
  const isLate = (task: string) => now - (runningSince[task] ?? now) > REPORTS_WITHIN_SECONDS * 1000;
  const silent = active.filter((task) => !reported.has(task) && ((held[task] ?? null) !== null || isLate(task)));
  return silent.slice(unmatched);
}

/** Those that were there at the last tick, were not told to leave, and are not there any more. */
function fallenTasks({ held }: Memory, { running, pending }: TasksReading): Load['fallen'] {
  const present = new Set([...running, ...pending]);
  return Object.entries(held)
    .filter(([task]) => !present.has(task))
    .map(([task, slots]) => ({ task, slots }));
}

/** A task's slots as the middle one of those that report reports them; before any has, the owner's word. */
function slotsOf(live: WorkerReading[] | undefined, { slotsPerTask }: Policy): number {
  const byTask = new Map<string, number>();
  for (const { task, slots } of live ?? []) {
    if (task !== null && slots !== null) byTask.set(task, (byTask.get(task) ?? 0) + slots);
  }
  const reported = [...byTask.values()].filter((slots) => slots > 0).sort((a, b) => a - b);
  return reported[Math.floor(reported.length / 2)] ?? slotsPerTask;
}

function followTasks(tasks: TasksReading, before: Memory, now: number) {
  const pendingSince = followed(tasks.pending.map((task) => [task, before.pendingSince[task] ?? before.at]));
  const runningSince = followed(tasks.running.map((task) => [task, before.runningSince[task] ?? now]));
  let { startUpSeconds } = before;
  for (const task of tasks.running) {
    const since = before.pendingSince[task];
    if (since !== undefined) startUpSeconds += 0.1 * (Math.max(0, now - since) / 1000 - startUpSeconds);
  }
  return { pendingSince, runningSince, startUpSeconds };
}

/** Attempts finished since the last tick, and the slot-seconds worked. A worker new to us has worked since its task ran. */
function workDone(
  live: WorkerReading[] | undefined,
  before: Memory,
  runningSince: Record<string, number>,
  seconds: number,
  now: number,
) {
  let [processed, failed, workflowFailed, slotSeconds] = [0, 0, 0, 0];
  // With nothing remembered, totals are a beginning, not progress.
  if (seconds === 0) return { processed, failed, workflowFailed, slotSeconds };
  for (const worker of live ?? []) {
    // A worker chooses its key itself, and may choose a name that every object has.
    const last = Object.hasOwn(before.workers, worker.key) ? before.workers[worker.key] : undefined;
    processed += Math.max(0, worker.processed - (last?.[0] ?? 0));
    failed += Math.max(0, worker.failed - (last?.[1] ?? 0));
    workflowFailed += Math.max(0, (worker.workflowFailed ?? 0) - (last?.[3] ?? 0));
    const ran = (now - (runningSince[worker.task ?? ''] ?? now)) / 1000 - worker.ageSeconds;
    slotSeconds +=
      last === undefined ? worker.usedSlots * Math.max(0, ran) : ((worker.usedSlots + last[2]) / 2) * seconds;
  }
  return { processed, failed, workflowFailed, slotSeconds };
}

function totalsOf({ processed, failed, usedSlots, workflowFailed = 0 }: WorkerReading): Memory['workers'][string] {
  return [processed, failed, usedSlots, workflowFailed];
}

/**
 * Slot-seconds worked and work done, as the queue shows it, whose workers report late or never. While work waits, every
 * slot is taken, and what leaves the queue follows on work that is done; where nothing comes, all that leaves is seen.
 */
function workShown(parts: {
  before: Memory;
  interval: Interval;
  queued: number;
  adds: ReturnType<typeof arrivalsReported>;
  active: number;
  slotsPerTask: number;
}): { slotSeconds: number; completed: number } {
  const { before, interval, queued, adds, active, slotsPerTask } = parts;
  const slotSeconds = before.activeTasks * slotsPerTask * interval.seconds;
  if (before.activeTasks === 0) return { slotSeconds: 0, completed: 0 };
  if (before.queued > 0 && queued > 0) {
    if (adds.trusted) return { slotSeconds, completed: interval.begun };
    const filled = Math.max(0, active - before.activeTasks) * slotsPerTask;
    if (adds.none && queued < before.queued) return { slotSeconds, completed: Math.max(0, interval.begun - filled) };
  }
  return { slotSeconds: 0, completed: 0 };
}

/**
 * The queue's own rate of arrivals, once it has been reporting for long enough to be believed; 0 before. `none`: nothing
 * came of late, says a queue that has told of arrivals before.
 */
function arrivalsReported(queue: Reading<QueueReading>, before: Memory, now: number) {
  const adding = known(queue) && queue.addRate > 0;
  const until = adding ? now : before.addsUntil;
  const since = adding && now - before.addsUntil > SILENT_SECONDS * 1000 ? now : before.addsSince;
  const trusted = adding && now - since >= FALSE_RATES_SECONDS * 1000;
  const none = known(queue) && queue.addRate === 0 && until > 0;
  return { since, until, trusted, none, rate: trusted ? queue.addRate : 0 };
}

/** From counts, without the interval in which most came: one burst is no flow. With old heartbeats the queue knows better. */
function arrivalRate(
  recent: Interval[],
  live: WorkerReading[] | undefined,
  adds: { trusted: boolean; rate: number },
): number {
  const perSecond = ({ came, seconds }: Interval) => came / (seconds || 1);
  const counted = recent.toSorted((a, b) => perSecond(b) - perSecond(a)).slice(recent.length > 2 ? 1 : recent.length);
  const seconds = sum(counted.map((each) => each.seconds));
  const rate = seconds > 0 ? Math.max(0, sum(counted.map(({ came }) => came)) / seconds) : 0;
  if (!adds.trusted) return rate;
  const age =
    live === undefined || live.length === 0 ? Infinity : sum(live.map(({ ageSeconds }) => ageSeconds)) / live.length;
  return age > 2 * FRESH_SECONDS ? adds.rate : Math.max(rate, adds.rate);
}

function serviceTime(
  slotSeconds: number,
  completed: number,
  queued: number,
  headAge: number,
  addRate: number,
  { maxTasks, slotsPerTask }: Policy,
): number {
  const flow = Math.max(queued / Math.max(STANDING_SECONDS, headAge), addRate);
  const likely = flow > 0 ? (LIKELY_FILL * maxTasks * slotsPerTask) / flow : Infinity;
  const assumed = Math.min(UNKNOWN_SERVICE_SECONDS, Math.max(LEAST_UNKNOWN_SERVICE_SECONDS, likely));
  return (assumed * ASSUMED_ATTEMPTS + slotSeconds) / (ASSUMED_ATTEMPTS + completed);
}

function busyNow(parts: {
  live: WorkerReading[] | undefined;
  active: string[];
  intervals: Interval[];
  completed: number;
  serviceSeconds: number;
  runningSince: Record<string, number>;
  now: number;
}): number {
  const { live = [], active, intervals, completed, runningSince, now } = parts;
  // Of work whose length is not known yet, nothing is taken to be done already.
  const lasting = completed < ASSUMED_ATTEMPTS ? Math.max(parts.serviceSeconds, 60) : parts.serviceSeconds;
  const left = (seconds: number) => Math.exp(-Math.max(0, seconds) / lasting);
  const reported = new Map(live.map(({ task, ageSeconds }) => [task, ageSeconds]));
  const ages = active.map((task) => reported.get(task) ?? (now - (runningSince[task] ?? now)) / 1000);
  const seen = sum(live.map(({ usedSlots, ageSeconds }) => usedSlots * left(ageSeconds - FRESH_SECONDS)));
  const unseen = intervals.map(({ at, seconds, begun }) => {
    const ago = (now - at) / 1000 + seconds / 2;
    const unreported = ages.filter((age) => age - FRESH_SECONDS > ago).length / Math.max(1, ages.length);
    return begun * left(ago) * unreported;
  });
  return seen + sum(unseen);
}

/** As workers report it; of workers that never do, as the queue shows it. */
function throughputOf(intervals: Interval[], unheard: boolean): number {
  const seconds = sum(intervals.map((each) => each.seconds));
  return seconds > 0 ? sum(intervals.map(({ done, begun }) => (unheard ? begun : done))) / seconds : 0;
}

function notServing(
  tasks: TasksReading,
  live: WorkerReading[] | undefined,
  intervals: Interval[],
  runningSince: Record<string, number>,
  now: number,
): boolean {
  if (live === undefined) return false;
  const longRunning = tasks.running.some((task) => now - (runningSince[task] ?? now) > REPORTS_WITHIN_SECONDS * 1000);
  // Workers that report say themselves that they have had nothing; of others the queue tells.
  const serving =
    live.length > 0
      ? live.some(({ usedSlots }) => usedSlots > 0) || intervals.some(({ done }) => done > 0)
      : intervals.some(({ begun }) => begun > 0);
  return longRunning && intervals.length === INTERVALS && !serving;
}

function followed<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.slice(0, FOLLOWED));
}

export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
