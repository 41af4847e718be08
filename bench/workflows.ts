/** The load of the worker's benchmark: many activities at once, which wait or do nothing at all. */
import { proxyActivities } from '@temporalio/workflow';

export async function fanOut(count: number, milliseconds: number, allowEagerDispatch: boolean): Promise<void> {
  const { nap } = proxyActivities<{ nap(milliseconds: number): Promise<void> }>({
    startToCloseTimeout: '1 minute',
    // A mistake of the benchmark ends it, instead of being tried again for ever.
    retry: { maximumAttempts: 1 },
    allowEagerDispatch,
  });
  await Promise.all(Array.from({ length: count }, () => nap(milliseconds)));
}
