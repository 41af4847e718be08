/**
 * Tags on a pool's ECS service with which a person overrides its policy and schedules until the tag is removed:
 * `aws ecs tag-resource --resource-arn <service> --tags key=elastic-workers:paused,value=true`. A deployment leaves them alone.
 */
export const SERVICE_TAGS = {
  /** `true` leaves the service's count as it is. */
  paused: 'elastic-workers:paused',
  /** Whole numbers. */
  minTasks: 'elastic-workers:min-tasks',
  maxTasks: 'elastic-workers:max-tasks',
} as const;

/**
 * The prefix of a tag key with which a person drains one task; the rest of the key is the task's id, and the value is the time.
 * The task is removed when its work is done, and its cordon is never taken back.
 */
export const DRAIN_TAG = 'elastic-workers:drain:';

/** The stack and pool of a service and its tasks: a task may change protection only within its pool. */
export const STACK_TAG = 'elastic-workers:stack';
export const POOL_TAG = 'elastic-workers:pool';
