/**
 * The load of a pool by its signals: the tasks that take work and those that start (tasks.ts), its workers (workers.ts), failed attempts
 * (failures.ts), and the load of each kind of work (kinds.ts).
 */
import { learnFailures } from './failures.ts';
import { EMPTY_QUEUE, estimateKind, type KindLoad } from './kinds.ts';
import { KINDS, REPORTS_WITHIN_SECONDS, type Kind, type Memory } from './memory.ts';
import { faded, sum } from './sums.ts';
import { tasksLost, followTasks, shortage } from './tasks.ts';
import {
  known,
  type Figures,
  type Policy,
  type QueueReading,
  type Reading,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from './types.ts';
import { atWork, serversOf, slotsOfKind, totalsOf, unreportedTasks, type Server } from './workers.ts';

const COST_MEMORY_SECONDS = 3600;
const ASSUMED_JOBS = 100;
/** The least that a task is billed. */
const LEAST_BILLED_SECONDS = 60;
/** Work that waits for this long, although tasks run, is not being taken. */
const UNSERVED_SECONDS = 30;
/** Work must have been watched for this long before it can be said that no task takes it. Memory covers more at every tick that a stack allows. */
const SEEN_FOR_SECONDS = 30;
/** How long a task is kept for a query or a Nexus operation that found no worker, so that it can be sent again. */
const ASKS_AGAIN_SECONDS = 60;
/** This many workflow tasks tell how many activities follow on one. */
const LEAST_TO_TELL = 20;

export interface Load {
  /** Tasks that take work, by id, and the seconds until the pending ones will, soonest first. */
  active: string[];
  startingIn: number[];
  /** The pool's own workers. */
  live: WorkerReading[] | undefined;
  /** Running tasks that have reported before, or have run for long enough to, and do not report now. */
  unreported: string[];
  /** Tasks that are gone unasked, and the slots each held, or null where it had not reported. */
  lostTasks: { task: string; slots: number | null }[];
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

/** Estimates the load; `tasks` must be known. Also returns what to remember. */
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
  const lostTasks = tasksLost(before, tasks);
  const short = shortage(tasks, active.length, before, ages.startUpSeconds, now);
  const starting = short.unplaced > 0 ? [] : tasks.pending;
  const estimates = estimateKinds({ signals, tasks, all, live, active, lostTasks, ran, seconds }, before, policy, now);
  const kinds = mapKinds((kind) => estimates[kind].load);
  const { activities, workflowTasks } = kinds;
  const failures = learnFailures(live, activities.processed, before, seconds);
  const cost = costOfWork(kinds, tasks.running.length + starting.length, before, seconds);
  const headAge = Math.max(activities.headAge, workflowTasks.headAge);
  const foundNobody = active.length === 0 && [signals.workflowQueue, signals.nexusQueue].some(hasUndispatched);
  const askedAt = foundNobody ? now : before.askedAt;
  return {
    load: {
      active,
      startingIn: starting
        .filter((task) => !cordoned.has(task))
        .map((task) => Math.max(0, ages.startUpSeconds - (now - (ages.pendingSince[task] ?? now)) / 1000))
        .sort((a, b) => a - b),
      live,
      unreported: live === undefined ? [] : unreportedTasks(active, live, { held: before.held, matched }, ran),
      lostTasks,
      kinds,
      queued: queueFigures(signals).queued ?? before.kinds.activities.queued + before.kinds.workflowTasks.queued,
      headAge,
      reportedBusy: live === undefined ? before.kinds.activities.busySlots : sum(live.map(atWork)),
      startUpSeconds: ages.startUpSeconds,
      unplaced: short.unplaced,
      waitWorth: cost.perJob / policy.targetWaitSeconds,
      ...failures.load,
      notServing:
        live !== undefined &&
        headAge >= UNSERVED_SECONDS &&
        tasks.running.some((task) => ran(task) > REPORTS_WITHIN_SECONDS) &&
        sum(activities.intervals.map((each) => each.seconds)) >= SEEN_FOR_SECONDS &&
        !KINDS.some((kind) => kinds[kind].serving),
      asked: askedAt > 0 && now - askedAt < (ages.startUpSeconds + ASKS_AGAIN_SECONDS) * 1000,
    },
    memory: {
      at: now,
      kinds: mapKinds((kind) => estimates[kind].memory),
      activeTasks: active.length,
      matched,
      workers: known(signals.workers) ? totalsOf(signals.workers, all ?? [], before) : before.workers,
      ...ages,
      shortSince: short.since,
      ...cost.memory,
      ...failures.memory,
      askedAt,
      count: tasks.desired,
    },
  };
}

interface Seen {
  signals: Signals;
  tasks: TasksReading;
  all: Server[] | undefined;
  live: WorkerReading[] | undefined;
  active: string[];
  lostTasks: Load['lostTasks'];
  ran: (task: string) => number;
  seconds: number;
}

function estimateKinds(seen: Seen, before: Memory, policy: Policy, now: number) {
  const { signals, tasks, all, live, active, lostTasks, ran, seconds } = seen;
  const queues: Record<Kind, Reading<QueueReading>> = {
    activities: signals.activityQueue,
    workflowTasks: signals.workflowQueue,
    // Temporal does not report the Nexus tasks that wait.
    nexusTasks: EMPTY_QUEUE,
  };
  const ofKind = (kind: Kind) => ({
    kind,
    queue: queues[kind],
    workers: all && slotsOfKind(all, kind),
    active,
    ranSeconds: ran,
    activeBefore: before.activeTasks,
    outdated: new Set(tasks.outdated),
    runningTasks: tasks.running.length,
    following: kind === 'activities' ? activitiesToFollow(signals.workflowQueue, live) : 0,
    lostSlots: kind === 'activities' ? sum(lostTasks.map(({ slots }) => slots ?? 0)) : 0,
    seconds,
    now,
  });
  return mapKinds((kind) => estimateKind(ofKind(kind), before.kinds[kind], policy));
}

/** In task-seconds. Unfinished work counts, too: the cost before the first completion is its cost. */
function costOfWork(kinds: Load['kinds'], paidTasks: number, before: Memory, seconds: number) {
  const { activities, workflowTasks } = kinds;
  const keep = faded(seconds, COST_MEMORY_SECONDS);
  const taskSeconds = before.taskSeconds * keep + paidTasks * seconds;
  const jobs = before.jobs * keep + Math.max(activities.processed, workflowTasks.processed);
  const { slotsPerTask, queued, busy } = activities;
  const assumed = (ASSUMED_JOBS * LEAST_BILLED_SECONDS) / slotsPerTask;
  const perJob = (assumed + taskSeconds) / (ASSUMED_JOBS + jobs + queued + busy);
  return { perJob, memory: { taskSeconds, jobs } };
}

/** What waits in both queues, and how long the older head has; null where neither could be read. */
export function queueFigures({ activityQueue, workflowQueue }: Signals): Pick<Figures, 'queued' | 'ageSeconds'> {
  const queues = [activityQueue, workflowQueue].filter(known);
  if (queues.length === 0) return { queued: null, ageSeconds: null };
  return {
    queued: sum(queues.map(({ backlog }) => backlog)),
    ageSeconds: Math.max(...queues.map(({ ageSeconds }) => ageSeconds)),
  };
}

/**
 * Queries and Nexus operations wait in no queue. One that finds no worker shows for half a minute in the queue's rates: it was
 * added, was not dispatched, and is not there.
 */
function hasUndispatched(queue: Reading<QueueReading> | undefined): boolean {
  return queue !== undefined && known(queue) && queue.backlog === 0 && queue.addRate > 2 * queue.dispatchRate;
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

function mapKinds<T>(of: (kind: Kind) => T): Record<Kind, T> {
  return { activities: of('activities'), workflowTasks: of('workflowTasks'), nexusTasks: of('nexusTasks') };
}
