/**
 * The sidecar's two containers in a worker's task. `protect` runs first: the worker's container starts only once the task is protected, so
 * that ECS never stops a task that has begun to work. `sidecar` runs beside the worker, and is stopped after it.
 *
 * The worker's container stays the essential one: when it exits, the task ends.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { sidecarCommand, sidecarEnvironment, WORKER_CONTAINER } from '../contract/sidecar.ts';

interface SidecarOptions {
  poolName: string;
  stateTable: string;
  taskRoleId: string;
  image: ecs.ContainerImage;
  logGroup: logs.ILogGroup;
  stopTimeoutSeconds: number;
  /** Whether the task runs on instances, where each container declares how much it needs. */
  onInstances: boolean;
}

/** MiB. It uses half of that (`npm run bench:sidecar`). */
const MEMORY = 128;
const PROTECT_STOPS_WITHIN_SECONDS = 10;
/** All default capabilities of a container except KILL: the worker may run as any user. */
const DROPPED = [
  ecs.Capability.AUDIT_WRITE,
  ecs.Capability.CHOWN,
  ecs.Capability.DAC_OVERRIDE,
  ecs.Capability.FOWNER,
  ecs.Capability.FSETID,
  ecs.Capability.MKNOD,
  ecs.Capability.NET_BIND_SERVICE,
  ecs.Capability.NET_RAW,
  ecs.Capability.SETFCAP,
  ecs.Capability.SETGID,
  ecs.Capability.SETPCAP,
  ecs.Capability.SETUID,
  ecs.Capability.SYS_CHROOT,
];

export function addSidecar(definition: ecs.TaskDefinition, worker: ecs.ContainerDefinition, options: SidecarOptions) {
  const protect = addContainer(definition, 'protect', options, {
    command: sidecarCommand('protect'),
    stopTimeout: Duration.seconds(PROTECT_STOPS_WITHIN_SECONDS),
  });
  const sidecar = addContainer(definition, 'sidecar', options, {
    command: sidecarCommand('follow'),
    // The same as the worker's: whichever is stopped first, the sidecar does not end first.
    stopTimeout: Duration.seconds(options.stopTimeoutSeconds),
    enableRestartPolicy: true,
    restartIgnoredExitCodes: [0],
    restartAttemptPeriod: Duration.minutes(1),
  });
  worker.addContainerDependencies(
    { container: protect, condition: ecs.ContainerDependencyCondition.SUCCESS },
    { container: sidecar, condition: ecs.ContainerDependencyCondition.START },
  );
}

function addContainer(
  definition: ecs.TaskDefinition,
  name: string,
  { poolName, stateTable, taskRoleId, image, logGroup, onInstances }: SidecarOptions,
  container: Omit<ecs.ContainerDefinitionOptions, 'image'>,
): ecs.ContainerDefinition {
  const linuxParameters = new ecs.LinuxParameters(definition, `${name}-linux`);
  linuxParameters.dropCapabilities(...DROPPED);
  return definition.addContainer(name, {
    ...container,
    image,
    essential: false,
    user: '0',
    readonlyRootFilesystem: true,
    linuxParameters,
    ...(onInstances && { memoryLimitMiB: MEMORY }),
    logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: 'sidecar' }),
    environment: {
      AWS_REGION: Stack.of(definition).region,
      MALLOC_ARENA_MAX: '1',
      ...sidecarEnvironment({
        ELASTIC_WORKERS_POOL: poolName,
        ELASTIC_WORKERS_STATE_TABLE: stateTable,
        ELASTIC_WORKERS_TASK_ROLE_ID: taskRoleId,
        ELASTIC_WORKERS_CONTAINER: WORKER_CONTAINER,
      }),
    },
  });
}
