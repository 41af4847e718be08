/**
 * Tags on a pool's ECS service with which a person overrules its policy and schedules, until the tag is taken off again:
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
 * Begins the key of a tag by which a person drains one task, whose id is the rest of it; the value says since when. The task
 * leaves when it holds nothing any more, and is not taken back.
 */
export const DRAIN_TAG = 'elastic-workers:drain:';

/** Say of a service, and of its tasks, to which pool of which stack they belong: who protects itself may do so within its pool. */
export const STACK_TAG = 'elastic-workers:stack';
export const POOL_TAG = 'elastic-workers:pool';
