/** The load of the worker's benchmark: many activities at once, which wait, compute, hold memory or do nothing at all. */
import { proxyActivities } from '@temporalio/workflow';

type Activities = Record<'nap' | 'compute' | 'hold', (milliseconds: number, mebibytes?: number) => Promise<void>>;

export async function fanOut(
  count: number,
  milliseconds: number,
  allowEagerDispatch: boolean,
  activity: keyof Activities = 'nap',
  mebibytes?: number,
): Promise<void> {
  const activities = proxyActivities<Activities>({
    startToCloseTimeout: activity === 'nap' ? '1 minute' : '20 seconds',
    // A mistake of the benchmark ends it, instead of being tried again for ever; a server that cannot follow loses some.
    retry: { maximumAttempts: activity === 'nap' ? 1 : 3 },
    allowEagerDispatch,
  });
  await Promise.all(Array.from({ length: count }, () => activities[activity](milliseconds, mebibytes)));
}
