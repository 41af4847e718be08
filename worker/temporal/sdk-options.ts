/** The options of the SDK's Worker: the team's own, and ours, which determine how it is connected, sized and stopped. */
import type { ActivityInterceptorsFactory, WorkerOptions } from '@temporalio/worker';
import { type ActivitySlotSupplier, MAX_OPEN_POLLS } from '../slots/activity-slots.ts';
import type { WorkerManagerOptions } from './manager-options.ts';

interface OptionsOfManager {
  namespace: string;
  slots: ActivitySlotSupplier;
  maxCachedWorkflows: number;
  /** Run before the team's. */
  activityInterceptors: ActivityInterceptorsFactory[];
}

export function sdkOptions(options: WorkerManagerOptions, ours: OptionsOfManager): WorkerOptions {
  const { taskQueue, identity, workflows, maxConcurrentWorkflowTasks = 40, worker } = options;
  const { heartbeatThrottleSeconds = 30, maxHeartbeatThrottleSeconds = 60 } = options;
  const { namespace, slots, maxCachedWorkflows, activityInterceptors } = ours;
  return {
    ...worker,
    namespace,
    taskQueue,
    identity,
    ...(workflows && ('workflowsPath' in workflows ? workflows : { workflowBundle: workflows })),
    interceptors: {
      ...worker.interceptors,
      activity: [...activityInterceptors, ...(worker.interceptors?.activity ?? [])],
    },
    tuner: {
      activityTaskSlotSupplier: slots,
      // The SDK's defaults, which a tuner must repeat.
      workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: maxConcurrentWorkflowTasks },
      localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
      nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
    },
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: MAX_OPEN_POLLS },
    maxCachedWorkflows,
    // The default of 0 cancels activities as soon as a shutdown begins. Here drain.ts enforces the deadline,
    // because a pause has none: see running-activities.ts.
    shutdownGraceTime: '365 days',
    defaultHeartbeatThrottleInterval: heartbeatThrottleSeconds * 1000,
    maxHeartbeatThrottleInterval: maxHeartbeatThrottleSeconds * 1000,
  };
}
