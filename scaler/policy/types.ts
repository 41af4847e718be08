/** The policy's input, its result, and its terms. */

/** A value, or why it could not be read: no data is not zero. */
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
  /** The queue's own rate limit, in tasks per second; absent where there is none. */
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
  /** Total of failed workflow tasks: their code is broken or missing. */
  workflowFailed?: number | undefined;
  /** Slots for workflow tasks and for Nexus tasks; absent where the record is older, or the worker does not say. */
  workflowTasks?: SlotsReading | undefined;
  nexusTasks?: SlotsReading | undefined;
  /** Running local activities: they hold the worker like others, and have their own slots. */
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
  /** Tasks that a person drains: they are removed regardless of the policy. */
  drained?: string[] | undefined;
  /** Cordoned tasks that cannot take work again: they are removed regardless of the policy. */
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
   * How long queued work may wait before it starts. It is also the exchange rate between waiting and cost: a piece of work that waits
   * for this long is as bad as one that costs twice its share of the fleet.
   */
  targetWaitSeconds: number;
  /** The fleet stays for at least this long after it was needed; longer where the learned gaps make that worthwhile. */
  scaleInAfterSeconds: number;
  /** While true the fleet stays as it is. */
  paused: boolean;
  /** Dollars per clock hour, after which the fleet does not scale out; null for no cap. Needs `taskDollarsPerHour`. */
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
  'expected', // more tasks, for recurring load, or for a jump as large as earlier ones
  'minimum', // more tasks, for minTasks alone
  'probing', // one task for a pool at zero, to see whether its new revision starts
  'cooling', // fewer are needed, but demand is likely to return before a new task could start
  'scale-in', // fewer tasks
  'deploying', // fewer are needed, but tasks of the new revision stay until the old ones are gone
  'maximum', // more are needed than maxTasks allows
  'rate-limited', // the queue is throttled: more workers cannot help
  'failing', // most attempts fail: more workers only fail faster
  'workflow-failures', // most failures are of workflow code: the work that it would start never arrives
  'not-starting', // ordered tasks do not come up, or are never placed: more would not either
  'crashing', // workers crash in mid-work, one after another: more would crash, too
  'no-gain', // more tasks did not increase the throughput
  'not-serving', // tasks run, but nothing is taken from the queue
  'spend-cap', // the hour's budget is spent
  'paused', // by the owner
  'unknown', // a signal could not be read, or running tasks report nothing: the fleet does not scale in
] as const;
export type Reason = (typeof REASONS)[number];

export interface Decision {
  /** The count for UpdateService. */
  desired: number;
  /** All tasks to cordon from now on; a cordoned task that is not in the list is uncordoned. */
  cordon: string[];
  reason: Reason;
  /** The numbers behind the reason, in one line. */
  detail: string;
}

/** What the policy measured for its decision; an unknown figure is null. */
export interface Figures {
  busySlots: number | null;
  slots: number | null;
  queued: number | null;
  ageSeconds: number | null;
  /** Workers with a fresh heartbeat. */
  liveWorkers: number | null;
  /** Running tasks that should have reported and have not: their load is unknown. */
  unreportedTasks: number | null;
  /** The newest deployment's first task has not come up, again and again or for minutes. */
  revisionFailing: boolean;
  /** Activity attempts since the tick before, and workflow tasks that failed. */
  processed: number;
  failed: number;
}
