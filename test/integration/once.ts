/** Work that is lost when it is lost: one activity of the queue's own workers, tried once. */
import { proxyActivities } from '@temporalio/workflow';

type AnyActivity = (...args: unknown[]) => Promise<unknown>;

export async function once(taskQueue: string, activity: string, args: unknown[]): Promise<unknown> {
  const activities = proxyActivities<Record<string, AnyActivity>>({
    taskQueue,
    startToCloseTimeout: '5 minutes',
    retry: { maximumAttempts: 1 },
  });
  return activities[activity]!(...args);
}
