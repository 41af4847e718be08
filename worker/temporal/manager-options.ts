/** What the manager of a worker needs to know (manager.ts). */
import type { WorkflowBundleOption } from '@temporalio/worker';
import type { Logger } from '../observability/logging.ts';
import type { TaskMeasurement } from '../observability/measurements.ts';
import type { ProcessShare } from '../slots/elastic-slots.ts';
import type { Slots } from '../../contract/slots.ts';
import type { WorkerParts } from '../worker-options.ts';
import type { TemporalAccess } from './credentials.ts';

export interface WorkerManagerOptions extends TemporalAccess {
  taskQueue: string;
  /** The worker's identity in Temporal: the ECS task's id, so that heartbeats can be matched with tasks. */
  identity: string;
  /** A number of slots, or limits within which the number follows the load. */
  maxConcurrentActivities: Slots;
  /** The part of the machine that load is measured against, if slots follow it. Default: one CPU and all the memory. */
  share?: ProcessShare | undefined;
  /** Default: the SDK's, 40. */
  maxConcurrentWorkflowTasks?: number;
  /** Workflows kept in memory between their tasks. Default: depends on the memory, see workflow-memory.ts. */
  maxCachedWorkflows?: number | undefined;
  /** How often the worker reports its slots to Temporal; set by the process's first manager for all. */
  heartbeatSeconds: number;
  /** How often activity heartbeats reach the server, unless their heartbeat timeout determines it. */
  heartbeatThrottleSeconds?: number;
  /** The longest time between two of them, whatever their heartbeat timeout. */
  maxHeartbeatThrottleSeconds?: number;
  /** How long `stopWorker` lets activities run before it cancels them so that they save their progress. */
  shutdownGraceSeconds: number;
  /** How long `stopWorker` takes at most. */
  shutdownForceSeconds: number;
  /** Ends the process if its event loop is blocked for this long and all running work has timed out. Default: 120. */
  hungSeconds?: number;
  /** A prebuilt bundle (path or code), or the source to bundle at start. Undefined: no workflows are served. */
  workflows?: WorkflowBundleOption | { workflowsPath: string } | undefined;
  /** Other options of the SDK's Worker; its activity interceptors come after our own. */
  worker: WorkerParts;
  log: Logger;
  /** Called when an activity begins or ends, and when a poll ends. */
  onChange?: () => void;
  /** Called with each activity attempt that has ended. */
  onTask?: (task: TaskMeasurement) => void;
  /** Called each time the server does not answer or refuses; new credentials may be needed. */
  onRefused?: () => void;
  /** Where this process serves the SDK's own metrics, `host:port`; set by the process's first manager for all. */
  sdkMetricsAddress?: string | undefined;
  /** How often the server's availability is checked. */
  probeSeconds?: number;
  /** Milliseconds. */
  now?: () => number;
}
