/**
 * The state table: one DynamoDB table through which the scaler tells tasks to leave, and remembers.
 * One item per key, keyed by the string attribute `id`; there are four kinds of item.
 */

export const PARTITION_KEY = 'id';

/** The attribute DynamoDB's time-to-live reads, in epoch seconds: cordons of tasks long gone delete themselves. */
export const TIME_TO_LIVE = 'expiresAt';

/** Present while the task shall take no new work. The worker's role can read the item under its own key only. */
export interface CordonItem {
  id: string;
  pool: string;
  /** Epoch milliseconds. */
  cordonedAt: number;
  /** Epoch seconds. */
  expiresAt: number;
}

/** Written once a minute by the scaler, and when a deployment begins or ends: workers go by it, and by its age. */
export interface ScalerItem {
  id: typeof SCALER_KEY;
  /** Epoch milliseconds of the newest tick. */
  tickAt: number;
  /** It only looks on, and will never tell a worker to leave: to workers it is as if it were gone. */
  observing?: true;
  /**
   * The pools whose service is being deployed, and how many tasks each has: new ones work although ECS may refuse to protect
   * them meanwhile, and the more there are, the less often each asks again.
   */
  deploying?: Record<string, number>;
}

export const SCALER_KEY = 'scaler';

/** An invocation of the scaler: the newest one, and the one that ticks (none where `invocation` is empty). */
export interface InvocationItem {
  id: typeof NEWEST_INVOCATION_KEY | typeof TICKING_INVOCATION_KEY;
  invocation: string;
  /** Epoch milliseconds of when it began to tick. */
  since?: number;
}

export const NEWEST_INVOCATION_KEY = 'invocation#newest';
export const TICKING_INVOCATION_KEY = 'invocation#ticking';

/**
 * The key of a task's cordon: what `aws:userid` resolves to in a session of the pool's task role, so that the role's
 * policy (`dynamodb:LeadingKeys`) confines each task to its own cordon.
 * Source: IAM user guide, "aws:userid" (`role-id:session-name`); ECS names a task's session after the task's id.
 */
export function cordonKey(taskRoleId: string, taskId: string): string {
  return `${taskRoleId}:${taskId}`;
}

/** The key of what the scaler remembers of one pool. */
export function poolKey(pool: string): string {
  return `pool#${pool}`;
}
