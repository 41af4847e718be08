/**
 * What the signals say of a pool: the tasks that take work and those that start, who serves it, and the load of each kind
 * of work (kinds.ts).
 */
import { EMPTY_QUEUE, estimateKind, type KindLoad, sum, type WorkerSlots } from './kinds.ts';
import { FOLLOWED, KINDS, REPORTS_WITHIN_SECONDS, type Kind, type Memory, type WorkerTotals } from './memory.ts';
import {
  known,
  type Policy,
  type QueueReading,
  type Reading,
  type Signals,
  type SlotsReading,
  type TasksReading,
  type WorkerReading,
} from './types.ts';

const COST_MEMORY_SECONDS = 3600;
const ASSUMED_JOBS = 100;
const FAILURE_MEMORY_SECONDS = 60;
/** What is remembered weighs as so many attempts at the most: the end of an outage is seen as soon as it is there. */
const FAILURE_MEMORY_ATTEMPTS = 20;
/** What is billed for a task that has hardly worked. */
const LEAST_BILLED_SECONDS = 60;
/** A heartbeat older than this says nothing about a worker whose task is not known. */
const HEARTBEAT_STALE_SECONDS = 180;
/** Work that waits for so long, although tasks run, is not being taken. */
const UNSERVED_SECONDS = 30;
/** Work must have been watched for this long before it can be said that no task takes it. Memory covers more at every tick that a stack allows. */
const SEEN_FOR_SECONDS = 30;
/** A task that has not come up after so many of the usual start-ups, and so long, has not been placed. */
const STARTS_WAITED_FOR = 3;
const PLACED_WITHIN_SECONDS = 180;
/** How long a task is kept for a query or a Nexus operation that found no worker, so that it can be sent again. */
const ASKS_AGAIN_SECONDS = 60;

export interface Load {
  /** Tasks that take work, by id, and the seconds until the pending ones will, soonest first. */
  active: string[];
  startingIn: number[];
  /** The pool's own workers. */
  live: WorkerReading[] | undefined;
  /** Running tasks that have reported before, or have run for long enough to, and do not report now. */
  unreported: string[];
  /** Tasks that are gone unasked, and the slots each held, or null where it had not reported. */
  fallen: { task: string; slots: number | null }[];
  kinds: Record<Kind, KindLoad>;
  /** Of all kinds: what waits, and how long its head has; the slots that the pool's workers report to be in use. */
  queued: number;
  headAge: number;
  reportedBusy: number;
  startUpSeconds: number;
  /** Tasks that were ordered long ago and have not come up: they are no capacity, and cost nothing. */
  unplaced: number;
  /** What one second of waiting of one piece of work is worth, in task-seconds. */
  waitWorth: number;
  /** Attempts finished and failed since the last tick. */
  processed: number;
  failed: number;
  /** Share of failures among the attempts of the last minutes; null while there were too few. */
  failing: number | null;
  /** Of the failures, most are of workflow tasks. */
  workflowsFail: boolean;
  /** Tasks run for long enough, and work waits, but none of them takes it. */
  notServing: boolean;
  /** A query or a Nexus operation found no worker, and is likely to be sent again. */
  asked: boolean;
}

export type LoadMemory = Pick<
  Memory,
  | 'at'
  | 'kinds'
  | 'activeTasks'
  | 'matched'
  | 'workers'
  | 'pendingSince'
  | 'runningSince'
  | 'startUpSeconds'
  | 'shortSince'
  | 'taskSeconds'
  | 'jobs'
  | 'attempts'
  | 'failures'
  | 'workflowFailures'
  | 'askedAt'
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
  const ages = followTasks(tasks, before, now);
  const ran = (task: string) => (now - (ages.runningSince[task] ?? now)) / 1000;
  const all = serversOf(signals.workers, tasks, before, ran);
  const live = all?.filter(({ isOwn }) => isOwn).map(({ worker }) => worker);
  const matched = live?.some(({ task }) => task !== null) ? 1 : before.matched;
  const cordoned = new Set(tasks.cordoned);
  const active = tasks.running.filter((task) => !cordoned.has(task));
  const fallen = fallenTasks(before, tasks);
  const queues: Record<Kind, Reading<QueueReading>> = {
    activities: signals.activityQueue,
    workflowTasks: signals.workflowQueue,
    // Temporal tells nothing of the Nexus tasks that wait.
    nexusTasks: EMPTY_QUEUE,
  };
  const kindOf = (kind: Kind) =>
    estimateKind(
      {
        kind,
        queue: queues[kind],
        workers: all && slotsOfKind(all, kind),
        active,
        ranSeconds: ran,
        activeBefore: before.activeTasks,
        outdated: new Set(tasks.outdated),
        runningTasks: tasks.running.length,
        following: kind === 'activities' ? activitiesToFollow(signals.workflowQueue, live) : 0,
        lostSlots: kind === 'activities' ? sum(fallen.map(({ slots }) => slots ?? 0)) : 0,
        seconds,
        now,
      },
      before.kinds[kind],
      policy,
    );
  const estimates = {
    activities: kindOf('activities'),
    workflowTasks: kindOf('workflowTasks'),
    nexusTasks: kindOf('nexusTasks'),
  };
  const kinds = mapKinds((kind) => estimates[kind].load);
  const { activities, workflowTasks } = kinds;

  const short = shortage(tasks, active.length, before, ages.startUpSeconds, now);
  const starting = short.unplaced > 0 ? [] : tasks.pending;
  const startingIn = starting
    .filter((task) => !cordoned.has(task))
    .map((task) => Math.max(0, ages.startUpSeconds - (now - (ages.pendingSince[task] ?? now)) / 1000))
    .sort((a, b) => a - b);
  const keep = (memorySeconds: number) => Math.exp(-seconds / memorySeconds);
  const failed = failuresOf(live, before, seconds);
  const tried = activities.processed + failed.workflowTasks;
  const kept = keep(FAILURE_MEMORY_SECONDS) * Math.min(1, FAILURE_MEMORY_ATTEMPTS / before.attempts);
  const attempts = before.attempts * kept + tried;
  const failures = before.failures * kept + failed.activities + failed.workflowTasks;
  const workflowFailures = before.workflowFailures * kept + failed.workflowTasks;
  const taskSeconds =
    before.taskSeconds * keep(COST_MEMORY_SECONDS) + (tasks.running.length + starting.length) * seconds;
  const jobs = before.jobs * keep(COST_MEMORY_SECONDS) + Math.max(activities.processed, workflowTasks.processed);
  // Work at hand counts as well: what is paid before anything is done is paid for it. No work costs less than its slot.
  const { serviceSeconds, slotsPerTask, queued, busy } = activities;
  const costPerJob = Math.max(
    serviceSeconds / slotsPerTask,
    ((ASSUMED_JOBS * LEAST_BILLED_SECONDS) / slotsPerTask + taskSeconds) / (ASSUMED_JOBS + jobs + queued + busy),
  );
  const headAge = Math.max(activities.headAge, workflowTasks.headAge);
  const foundNobody = active.length === 0 && [signals.workflowQueue, signals.nexusQueue].some(hasUndispatched);
  const askedAt = foundNobody ? now : before.askedAt;
  const longRunning = tasks.running.some((task) => ran(task) > REPORTS_WITHIN_SECONDS);

  return {
    load: {
      active,
      startingIn,
      live,
      unreported: live === undefined ? [] : unreportedTasks(active, live, { held: before.held, matched }, ran),
      fallen,
      kinds,
      queued: [signals.activityQueue, signals.workflowQueue].some(known)
        ? sum([signals.activityQueue, signals.workflowQueue].filter(known).map(({ backlog }) => backlog))
        : before.kinds.activities.queued + before.kinds.workflowTasks.queued,
      headAge,
      reportedBusy: live === undefined ? before.kinds.activities.busySlots : sum(live.map(atWork)),
      startUpSeconds: ages.startUpSeconds,
      unplaced: short.unplaced,
      waitWorth: costPerJob / policy.targetWaitSeconds,
      processed: tried,
      failed: failed.activities + failed.workflowTasks,
      workflowsFail: 2 * workflowFailures > failures,
      failing: attempts < 5 ? null : failures / attempts,
      notServing:
        live !== undefined &&
        headAge >= UNSERVED_SECONDS &&
        longRunning &&
        sum(activities.intervals.map(({ seconds }) => seconds)) >= SEEN_FOR_SECONDS &&
        !KINDS.some((kind) => kinds[kind].serving),
      asked: askedAt > 0 && now - askedAt < (ages.startUpSeconds + ASKS_AGAIN_SECONDS) * 1000,
    },
    memory: {
      at: now,
      kinds: mapKinds((kind) => estimates[kind].memory),
      activeTasks: active.length,
      matched,
      workers: known(signals.workers) ? totalsOf(signals.workers, all ?? [], before) : before.workers,
      pendingSince: ages.pendingSince,
      runningSince: ages.runningSince,
      startUpSeconds: ages.startUpSeconds,
      shortSince: short.since,
      taskSeconds,
      jobs,
      attempts,
      failures,
      workflowFailures,
      askedAt,
      count: tasks.desired,
    },
  };
}

/**
 * Queries and Nexus operations wait in no queue. One that finds no worker shows for half a minute in the queue's rates: it was
 * added, was not dispatched, and is not there.
 */
function hasUndispatched(queue: Reading<QueueReading> | undefined): boolean {
  return queue !== undefined && known(queue) && queue.backlog === 0 && queue.addRate > 2 * queue.dispatchRate;
}

/** What holds a worker: local activities and Nexus tasks as well as activities. */
export function atWork({ usedSlots, localActivities = 0, nexusTasks }: WorkerReading): number {
  return usedSlots + localActivities + (nexusTasks?.usedSlots ?? 0);
}

/** A worker that serves the queue, and what was known of it at the tick before. */
interface Server {
  worker: WorkerReading;
  isOwn: boolean;
  before: WorkerTotals | undefined;
  ranSeconds: number;
}

/**
 * Who serves the queue: the workers of tasks that ECS lists; and others, as long as they report: the pool's where the task of
 * none of its workers is known, or else somebody else's. A worker of a task that is gone is a ghost.
 */
function serversOf(
  workers: Reading<WorkerReading[]>,
  tasks: TasksReading,
  { matched, workers: totals }: Memory,
  ran: (task: string) => number,
): Server[] | undefined {
  if (!known(workers)) return undefined;
  const listed = new Set([...tasks.running, ...tasks.pending]);
  const isListed = ({ task }: WorkerReading) => task !== null && listed.has(task);
  // Of tasks that have run for so long some worker would be known by now, if any of theirs could be.
  const isLong = (task: string) => ran(task) > REPORTS_WITHIN_SECONDS;
  const anyMatched = matched > 0 || workers.some(isListed) || !tasks.running.some(isLong);
  return workers.flatMap((worker) => {
    const before = totalsFor(worker.key, totals);
    const isOwn = isListed(worker) || (worker.task === null && !anyMatched);
    const isFresh = worker.ageSeconds <= (isOwn ? HEARTBEAT_STALE_SECONDS : REPORTS_WITHIN_SECONDS);
    const isGhost = !isOwn && before?.[0] === 1;
    if (isGhost || (!isListed(worker) && !isFresh)) return [];
    return [{ worker, isOwn, before, ranSeconds: worker.task === null ? 0 : ran(worker.task) }];
  });
}

/** A worker chooses its key itself, and may choose a name that every object has. */
function totalsFor(key: string, totals: Memory['workers']): WorkerTotals | undefined {
  return Object.hasOwn(totals, key) ? totals[key] : undefined;
}

function slotsOfKind(servers: Server[], kind: Kind): WorkerSlots[] {
  const index = 3 + 2 * KINDS.indexOf(kind);
  return servers.flatMap(({ worker, isOwn, before, ranSeconds }) => {
    const slots = readingOf(worker, kind);
    if (slots === undefined) return [];
    return {
      task: worker.task,
      isOwn,
      ageSeconds: worker.ageSeconds,
      ...slots,
      before: before && { processed: before[index]!, usedSlots: before[index + 1]! },
      ranSeconds,
    };
  });
}

function readingOf(worker: WorkerReading, kind: Kind): (SlotsReading & { elastic?: true }) | undefined {
  if (kind !== 'activities') return worker[kind];
  const { usedSlots, slots, elastic = false, processed } = worker;
  return { usedSlots, slots, processed, ...(elastic && { elastic }) };
}

/** Of all that are listed, since the worker of a task that is gone is listed for minutes. */
function totalsOf(workers: WorkerReading[], servers: Server[], { workers: before }: Memory): Memory['workers'] {
  const inTasks = servers.filter(({ isOwn, worker }) => isOwn && worker.task !== null);
  const own = new Set(inTasks.map(({ worker }) => worker.key));
  const entries = workers.map((worker): [string, WorkerTotals] => {
    const wasOwn = totalsFor(worker.key, before)?.[0] === 1;
    const kinds = KINDS.flatMap((kind) => {
      const { processed, usedSlots } = readingOf(worker, kind) ?? { processed: 0, usedSlots: 0 };
      return [processed, usedSlots];
    });
    return [worker.key, [Number(own.has(worker.key) || wasOwn), worker.failed, worker.workflowFailed ?? 0, ...kinds]];
  });
  return followed(entries);
}

function failuresOf(live: WorkerReading[] | undefined, { workers }: Memory, seconds: number) {
  const since = (total: number, before: number | undefined) => Math.max(0, total - (before ?? 0));
  const counted = seconds === 0 ? [] : (live ?? []);
  return {
    activities: sum(counted.map(({ key, failed }) => since(failed, totalsFor(key, workers)?.[1]))),
    workflowTasks: sum(
      counted.map(({ key, workflowFailed = 0 }) => since(workflowFailed, totalsFor(key, workers)?.[2])),
    ),
  };
}

/**
 * A waiting workflow task is the activity that it will schedule. Of a workflow with one activity it is the first of two
 * tasks; workers that process fewer activities than that have shown how many follow.
 */
function activitiesToFollow(queue: Reading<QueueReading>, live: WorkerReading[] | undefined): number {
  if (!known(queue)) return 0;
  const workflowTasks = sum((live ?? []).map((worker) => worker.workflowTasks?.processed ?? 0));
  const activities = sum((live ?? []).map(({ processed }) => processed));
  const share = workflowTasks < LEAST_TO_TELL ? 1 : Math.min(1, (2 * activities) / workflowTasks);
  return Math.floor(queue.backlog * share);
}

const LEAST_TO_TELL = 20;

/**
 * A running task without a report is unknown, not idle: heartbeats may be switched off, lost on their way, or forgotten by
 * the server. Where no worker's task has ever been known, each of the workers may be in any of the tasks.
 */
function unreportedTasks(
  active: string[],
  live: WorkerReading[],
  { held, matched }: Pick<Memory, 'held' | 'matched'>,
  ran: (task: string) => number,
): string[] {
  const reported = new Set(live.map(({ task }) => task));
  const unmatched = matched > 0 ? 0 : live.length;
  const isLate = (task: string) => ran(task) > REPORTS_WITHIN_SECONDS;
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

function followTasks(tasks: TasksReading, before: Memory, now: number) {
  const pendingSince = followed(tasks.pending.map((task) => [task, before.pendingSince[task] ?? before.at]));
  // A scaler that was away for long has missed their start.
  const firstSeen = now - before.at > REPORTS_WITHIN_SECONDS * 1000 ? before.at : now;
  const runningSince = followed(tasks.running.map((task) => [task, before.runningSince[task] ?? firstSeen]));
  let { startUpSeconds } = before;
  for (const task of tasks.running) {
    const since = before.pendingSince[task];
    // What waited for capacity is no start-up.
    const most = Math.max(PLACED_WITHIN_SECONDS, STARTS_WAITED_FOR * startUpSeconds);
    const took = Math.min(most, (now - (since ?? now)) / 1000);
    if (since !== undefined) startUpSeconds += 0.1 * (Math.max(0, took) - startUpSeconds);
  }
  return { pendingSince, runningSince, startUpSeconds };
}

/** Since when fewer tasks take work than were ordered and none has come up, and the tasks that are missing for too long. */
function shortage({ desired }: TasksReading, active: number, before: Memory, startUpSeconds: number, now: number) {
  if (active >= desired) return { since: 0, unplaced: 0 };
  const since = before.shortSince > 0 && active <= before.activeTasks ? before.shortSince : now;
  const waited = (now - since) / 1000;
  const isLong = waited > Math.max(PLACED_WITHIN_SECONDS, STARTS_WAITED_FOR * startUpSeconds);
  return { since, unplaced: isLong ? desired - active : 0 };
}

function mapKinds<T>(of: (kind: Kind) => T): Record<Kind, T> {
  return { activities: of('activities'), workflowTasks: of('workflowTasks'), nexusTasks: of('nexusTasks') };
}

function followed<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.slice(0, FOLLOWED));
}
