/** The worker's container: its environment variables, and how it is stopped. */
import { Duration } from 'aws-cdk-lib';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { LONGEST_PROTECTION_MINUTES } from '../contract/protection.ts';
import { workerEnvironment } from '../contract/worker-environment.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';
import type { ElasticWorkersProps } from './props.ts';

interface WorkerContainerOptions {
  stackId: string;
  poolName: string;
  settings: PoolSettings;
  temporal: TemporalSettings;
  stateTable: string;
  taskRoleId: string;
  preset?: ElasticWorkersProps['preset'];
}

/** A cordon has no deadline, and the worker cannot tell the sidecar's SIGTERM from ECS's. Set to as long as a protection lasts. */
const DRAIN_SECONDS_BESIDE_A_SIDECAR = LONGEST_PROTECTION_MINUTES * 60;

type Container = Omit<ecs.ContainerDefinitionOptions, 'image' | 'logging'>;

export function workerContainer(options: WorkerContainerOptions): Container {
  const { settings } = options;
  const command = settings.command ?? (settings.image ? undefined : ['node', 'main.js']);
  return {
    ...(command && { command }),
    // None by default: ECS replaces an unhealthy task together with its work (docs/decisions/0010).
    ...(settings.healthCheck && { healthCheck: settings.healthCheck }),
    ...(settings.secrets && { secrets: settings.secrets }),
    ...(settings.image ? {} : { readonlyRootFilesystem: true }),
    // On Fargate these belong to the task.
    ...(settings.capacityProvider && { cpu: settings.cpu, memoryLimitMiB: settings.memory }),
    ...(settings.gpu !== undefined && { gpuCount: settings.gpu }),
    stopTimeout: Duration.seconds(settings.stopTimeoutSeconds),
    environment: environmentOf(options),
  };
}

/** Every worker gets where its work is and how much to take at a time; a worker that protects itself also gets what it needs for that. */
function environmentOf({
  stackId,
  poolName,
  settings,
  temporal,
  stateTable,
  taskRoleId,
  preset,
}: WorkerContainerOptions) {
  const variables = workerEnvironment({
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: settings.taskQueue,
    TEMPORAL_TLS: `${temporal.tls}`,
    ELASTIC_WORKERS_TEMPORAL_SECRET: temporal.secret?.secretArn,
    ELASTIC_WORKERS_MODEL: settings.model,
    ELASTIC_WORKERS_POOL: poolName,
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: settings.slots,
    ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS: settings.workflowSlots,
    ELASTIC_WORKERS_DRAIN_SECONDS:
      settings.protection === 'sidecar' ? DRAIN_SECONDS_BESIDE_A_SIDECAR : settings.drainSeconds,
    ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: settings.stopTimeoutSeconds,
    ...(settings.protection === 'worker' && {
      ELASTIC_WORKERS_STACK: stackId,
      ELASTIC_WORKERS_STATE_TABLE: stateTable,
      ELASTIC_WORKERS_TASK_ROLE_ID: taskRoleId,
      ELASTIC_WORKERS_PROFILE: preset,
    }),
  });
  return { ...variables, ...settings.environment };
}
