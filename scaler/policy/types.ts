/** What the policy is given, what it answers, and the words it uses. */

/** A value that was read, or why it could not be: no data is not zero. */
export type Reading<T> = T | Unknown;
export interface Unknown {
  unknown: string;
}

export function known<T>(reading: Reading<T>): reading is T {
  return typeof reading !== 'object' || reading === null || !('unknown' in reading);
}

/** One task queue of one type, as Temporal's DescribeTaskQueue reports it. Rates are per second, over some 30 seconds. */
export interface QueueReading {
  backlog: number;
  ageSeconds: number;
  addRate: number;
  dispatchRate: number;
  rateLimited: boolean;
  /** Tasks a second that the queue's own rate limit lets through; absent where there is none. */
  rateLimit?: number | undefined;
}

/** A worker's slots for one kind of work. */
export interface SlotsReading {
  usedSlots: number;
  /** Used and free; null from a worker that does not say how many are free. */
  slots: number | null;
  /** Total since the worker started. */
  processed: number;
}

/** One worker's heartbeat. `task` is the ECS task it runs in, or null where that is not known. */
export interface WorkerReading {
  key: string;
  task: string | null;
  /** Since its newest heartbeat. */
  ageSeconds: number;
  usedSlots: number;
  /** Used and free; null from a worker that does not say how many are free. */
  slots: number | null;
  /** Their number follows the worker's load: it is what the worker can hold as far as it has tried. */
  elastic?: true | undefined;
  /** Totals of activity attempts since the worker started. */
  processed: number;
  failed: number;
  /** Total of workflow tasks that failed: their code is broken, or not there. */
  workflowFailed?: number | undefined;
  /** Slots for workflow tasks and for Nexus tasks; absent where the record is older, or the worker does not say. */
  workflowTasks?: SlotsReading | undefined;
  nexusTasks?: SlotsReading | undefined;
  /** Local activities at work: they hold the worker as others do, and have slots of their own. */
  localActivities?: number | undefined;
}

/** The service's tasks by id. `running` and `pending` include the cordoned; tasks being stopped are in neither. */
export interface TasksReading {
  desired: number;
  running: string[];
  pending: string[];
  cordoned: string[];
  /** The id of the service's newest deployment. */
  deployment?: string | undefined;
  /** Tasks that earlier deployments started, while the newest replaces them. */
  outdated?: string[];
  /** Tasks that a person drains: they are removed, whatever the policy makes of the rest. */
  drained?: string[] | undefined;
  /** Cordoned tasks that can take no work again: they are removed, whatever the policy makes of the rest. */
  final?: string[] | undefined;
  /** Tasks on Fargate Spot. */
  spot?: string[] | undefined;
  /** The tasks of each availability zone, where there is more than one. */
  zones?: string[][] | undefined;
}

export interface Signals {
  activityQueue: Reading<QueueReading>;
  workflowQueue: Reading<QueueReading>;
  /** Read only while the pool has no tasks. */
  nexusQueue?: Reading<QueueReading> | undefined;
  workers: Reading<WorkerReading[]>;
  tasks: Reading<TasksReading>;
}

export interface Policy {
  minTasks: number;
  maxTasks: number;
  /** What a task that has not reported yet is expected to have. */
  slotsPerTask: number;
  /**
   * How long queued work may wait before it starts. It is also the exchange rate between waiting and paying: a piece of
   * work that waits so long is as bad as one that costs twice its share of the fleet.
   */
  targetWaitSeconds: number;
  /** The fleet stays at least so long after it was needed; longer where the learned gaps between needs say so. */
  scaleInAfterSeconds: number;
  /** While true the fleet stays as it is. */
  paused: boolean;
  /** Dollars an hour (by the clock) after which the fleet grows no more; null for no cap. Needs `taskDollarsPerHour`. */
  spendCapDollarsPerHour: number | null;
  taskDollarsPerHour: number;
}

export const DEFAULT_POLICY: Policy = {
  minTasks: 0,
  maxTasks: 10,
  slotsPerTask: 20,
  targetWaitSeconds: 30,
  scaleInAfterSeconds: 0,
  paused: false,
  spendCapDollarsPerHour: null,
  taskDollarsPerHour: 0.04937, // 1 vCPU and 2 GB on Fargate, Linux on x86, us-east-1
};

/** Why the fleet has the size it has; the words that metrics, logs and pages print. */
export const REASONS = [
  'idle', // nothing queued, nothing busy: the fleet is at its minimum
  'steady', // the fleet fits the need
  'backlog', // more tasks, for work that waits
  'busy', // more tasks, for slots that are taken
  'expected', // more tasks, for work that has come at such a time, or gone so far, before
  'minimum', // more tasks, for minTasks alone
  'probing', // one task for a pool at zero, to see whether its new revision starts
  'cooling', // fewer are needed, but the need may come back sooner than a task could
  'scale-in', // fewer tasks
  'deploying', // fewer are needed, but nobody of the new revision leaves before the old one has
  'maximum', // more are needed than maxTasks allows
  'rate-limited', // the queue is throttled: more workers cannot help
  'failing', // most attempts fail: more workers only fail faster
  'workflow-failures', // most of what fails is workflow code: nothing it would start comes to be
  'not-starting', // tasks that were ordered do not come up, or are never placed: more would not either
  'crashing', // workers die at work, one after another: more would only die of it too
  'no-gain', // more tasks have not brought more throughput
  'not-serving', // tasks run, but nothing is taken from the queue
  'spend-cap', // the hour's budget is spent
  'paused', // the owner's word
  'unknown', // something could not be read, or running tasks report nothing: the fleet does not shrink
] as const;
export type Reason = (typeof REASONS)[number];

export interface Decision {
  /** What UpdateService gets: the tasks that shall take work. */
  desired: number;
  /** All tasks that shall be cordoned from now on; one left out is taken back. */
  cordon: string[];
  reason: Reason;
  /** The numbers behind the reason, in one line. */
  detail: string;
}

/** What the policy measured on the way to its decision; an unknown figure is null. */
export interface Figures {
  busySlots: number | null;
  slots: number | null;
  queued: number | null;
  ageSeconds: number | null;
  /** Workers with a fresh heartbeat. */
  liveWorkers: number | null;
  /** Running tasks that should have reported, and have not: what they do is unknown. */
  unreportedTasks: number | null;
  /** The newest deployment's first task has not come up, again and again or for minutes. */
  revisionFailing: boolean;
  /** Activity attempts since the tick before, and workflow tasks that failed. */
  processed: number;
  failed: number;
}
