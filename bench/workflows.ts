/** The load of the worker's benchmark: many activities at once that cost next to nothing. */
import { proxyActivities } from '@temporalio/workflow';

export async function fanOut(count: number, allowEagerDispatch: boolean): Promise<void> {
  const { echo } = proxyActivities<{ echo(value: number): Promise<number> }>({
    startToCloseTimeout: '1 minute',
    allowEagerDispatch,
  });
  await Promise.all(Array.from({ length: count }, (_, index) => echo(index)));
}
