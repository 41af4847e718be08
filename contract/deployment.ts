/** How ECS deploys a pool's service, for the template and for everything that stands in for ECS in a test. */

/** No old task stops before its successor runs. */
export const MINIMUM_HEALTHY_PERCENT = 100;

/**
 * Old tasks that still hold work count against this limit, new ones stay within the desired count: so the limit only ever
 * keeps a hot fix from starting. This one leaves room for 4,000 old tasks beside a desired count of 1. ECS documents no
 * upper bound; the product with the largest count a pool may have (5,000 tasks) still fits into 32 bits.
 */
export const MAXIMUM_PERCENT = 400_000;
