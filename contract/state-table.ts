/**
 * The state table: one DynamoDB table with the scaler's cordons of tasks and its memory.
 * One item per key, keyed by the string attribute `id`; there are four kinds of item.
 */

export const PARTITION_KEY = 'id';

/** The attribute DynamoDB's time-to-live reads, in epoch seconds: cordons of tasks long gone delete themselves. */
export const TIME_TO_LIVE = 'expiresAt';

/** Present while the task must take no new work. A worker's role can read only the item under its own key. */
export interface CordonItem {
  id: string;
  pool: string;
  /** Epoch milliseconds. */
  cordonedAt: number;
  /** Epoch seconds. */
  expiresAt: number;
}

/** Written by the scaler once a minute, and when a deployment begins or ends. Workers rely on it and on its age. */
export interface ScalerItem {
  id: typeof SCALER_KEY;
  /** Epoch milliseconds of the newest tick. */
  tickAt: number;
  /** It only observes and never cordons a task: to workers it is as if it were gone. */
  observing?: true;
  /**
   * The pools whose service is being deployed, and how many tasks each has. New tasks work although ECS may refuse to protect
   * them meanwhile, and the more tasks there are, the less often each asks again.
   */
  deploying?: Record<string, number>;
}

export const SCALER_KEY = 'scaler';

/** How often a worker reads its cordon and the scaler's item: a cordon is obeyed after this long at most. */
export const CORDON_POLL_SECONDS = 3;

/** After this long without a tick a worker takes the scaler for gone, and no longer obeys its cordon. */
export const SCALER_GONE_SECONDS = 300;

/** An invocation of the scaler: the newest one, and the one that ticks (none if `invocation` is empty). */
export interface InvocationItem {
  id: typeof NEWEST_INVOCATION_KEY | typeof TICKING_INVOCATION_KEY;
  invocation: string;
  /** When it began to tick, in epoch milliseconds. */
  since?: number;
}

export const NEWEST_INVOCATION_KEY = 'invocation#newest';
export const TICKING_INVOCATION_KEY = 'invocation#ticking';

/**
 * The key of a task's cordon is what `aws:userid` resolves to in a session of the pool's task role, so that the role's policy
 * (`dynamodb:LeadingKeys`) confines each task to its own cordon.
 * Source: IAM user guide, "aws:userid" (`role-id:session-name`); ECS names a task's session after the task's id.
 */
export function cordonKey(taskRoleId: string, taskId: string): string {
  return `${taskRoleId}:${taskId}`;
}

/** The key of the scaler's memory of one pool. */
export function poolKey(pool: string): string {
  return `pool#${pool}`;
}
