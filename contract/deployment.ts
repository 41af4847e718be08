/** How ECS deploys a pool's service and stops its tasks: for the template, the worker, and stand-ins of ECS in tests. */

/** The longest that Fargate waits between SIGTERM and SIGKILL. Our stack sets it unless `stopTimeoutSeconds` is shorter. */
export const LONGEST_STOP_TIMEOUT_SECONDS = 120;

/** No old task stops before its successor is running. */
export const MINIMUM_HEALTHY_PERCENT = 100;

/**
 * Old tasks that still have work count against this limit, while new ones stay within the desired count: so the limit could only
 * keep a hot fix from starting. This one leaves room for 4,000 old tasks beside a desired count of 1. ECS documents no upper
 * bound; the product with a pool's largest possible count (5,000 tasks) still fits into 32 bits.
 */
export const MAXIMUM_PERCENT = 400_000;
