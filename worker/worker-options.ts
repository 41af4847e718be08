/**
 * The options that a team may set in code: all options of the Temporal SDK's Worker, except those that determine how the worker
 * is connected, sized and stopped, which the environment sets. These are left out of the type and rejected when the worker starts.
 */
import { existsSync } from 'node:fs';
import type { WorkerOptions } from '@temporalio/worker';

/** Options that code cannot set, and what to do instead. */
const OWNED = {
  connection: 'set TEMPORAL_ADDRESS and the other TEMPORAL_ variables',
  namespace: 'set TEMPORAL_NAMESPACE',
  identity: 'remove it: it is the id of the ECS task',
  tuner: 'set ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES (slots of the pool)',
  maxConcurrentActivityTaskExecutions: 'set ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES (slots of the pool)',
  maxConcurrentWorkflowTaskExecutions: 'set ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS (workflowSlots of the pool)',
  maxConcurrentLocalActivityExecutions: 'remove it: 100 run at a time',
  maxConcurrentNexusTaskExecutions: 'remove it: 100 run at a time',
  maxConcurrentActivityTaskPolls: 'remove it: the number of polls follows the work',
  activityTaskPollerBehavior: 'remove it: the number of polls follows the work',
  maxEagerActivityReservationsPerWorkflowTask:
    'remove it: eager activities never enter the queue that the fleet is sized by',
  maxCachedWorkflows: 'set ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS',
  shutdownGraceTime: 'set ELASTIC_WORKERS_DRAIN_GRACE_SECONDS',
  shutdownForceTime: 'set ELASTIC_WORKERS_DRAIN_SECONDS (drainSeconds of the pool)',
  defaultHeartbeatThrottleInterval: 'set ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS',
  maxHeartbeatThrottleInterval: 'set ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS',
} as const satisfies Partial<Record<keyof WorkerOptions, string>>;

export interface RunElasticWorkerOptions extends Omit<WorkerOptions, keyof typeof OWNED | 'taskQueue'> {
  /** Used if TEMPORAL_TASK_QUEUE is not set. */
  taskQueue?: string;
}

/** The options for the SDK's Worker, without the workflows. */
export type WorkerParts = Omit<RunElasticWorkerOptions, 'taskQueue' | 'workflowsPath' | 'workflowBundle'>;

/** Each problem has the option, its value if that helps, and what to do. `bundled`: the workflows are prebuilt, whatever the path is. */
export function problemsOfOptions(options: RunElasticWorkerOptions, bundled: boolean): string[] {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const owned = given.flatMap(([name]) =>
    name in OWNED ? [`option ${name} cannot be set in code: ${OWNED[name as keyof typeof OWNED]}.`] : [],
  );
  return bundled ? owned : [...owned, ...ofPath(options)];
}

function ofPath({ workflowsPath, workflowBundle }: RunElasticWorkerOptions): string[] {
  if (workflowsPath === undefined || workflowBundle !== undefined || existsSync(workflowsPath)) return [];
  const how = workflowsPath.startsWith('file:')
    ? 'it is a URL: convert it with fileURLToPath(…)'
    : "use the file that exports the workflows, such as require.resolve('./workflows') or fileURLToPath(import.meta.resolve('./workflows.js'))";
  return [`option workflowsPath="${workflowsPath}" does not exist: ${how}.`];
}
