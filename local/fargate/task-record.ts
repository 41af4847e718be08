/** Tasks with ECS's field names, for DescribeTasks and StopTask. Timestamps are epoch seconds, as in the protocol. */
import type { LocalTask, TaskContainer } from './task.ts';

export function taskRecord(task: LocalTask, { withTags = false } = {}): Record<string, unknown> {
  const { service, taskDefinition, deploymentId } = task.origin;
  return {
    taskArn: task.arn,
    clusterArn: service.clusterArn,
    taskDefinitionArn: taskDefinition.taskDefinitionArn,
    group: `service:${service.serviceName}`,
    startedBy: deploymentId,
    lastStatus: task.lastStatus,
    desiredStatus: task.desiredStatus,
    ...launchedOn(task),
    availabilityZone: task.origin.zone,
    cpu: taskDefinition.cpu,
    memory: taskDefinition.memory,
    version: task.version,
    healthStatus: task.health,
    ...timestamps(task),
    stopCode: task.stopCode,
    stoppedReason: task.stoppedReason,
    containers: task.containers.map((container) => containerRecord(task, container)),
    attachments: [
      {
        id: task.id,
        type: 'ElasticNetworkInterface',
        status: 'ATTACHED',
        details: [{ name: 'privateIPv4Address', value: task.origin.privateAddress }],
      },
    ],
    attributes: [],
    overrides: { containerOverrides: [], inferenceAcceleratorOverrides: [] },
    tags: withTags && service.propagateTags === 'SERVICE' ? service.tags : [],
  };
}

export function containerArn(task: LocalTask, container: TaskContainer): string {
  return `${task.arn.replace(':task/', ':container/')}/${container.token}`;
}

export function containerStatus(task: LocalTask, container: TaskContainer): 'PENDING' | 'RUNNING' | 'STOPPED' {
  if (container.exitCode !== undefined || task.lastStatus === 'STOPPED') return 'STOPPED';
  return container.process ? 'RUNNING' : 'PENDING';
}

export function epochSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}

function containerRecord(task: LocalTask, container: TaskContainer): Record<string, unknown> {
  return {
    containerArn: containerArn(task, container),
    taskArn: task.arn,
    name: container.definition.name,
    image: container.definition.image,
    runtimeId: container.token,
    lastStatus: containerStatus(task, container),
    exitCode: container.exitCode,
    healthStatus: container.health,
    networkInterfaces: [{ attachmentId: task.id, privateIpv4Address: task.origin.privateAddress }],
    cpu: String(container.definition.cpu),
  };
}

/** A service has either a launch type or a capacity provider strategy. */
function launchedOn({ origin }: LocalTask): Record<string, unknown> {
  const { service, capacityProvider } = origin;
  const launchType = capacityProvider ? 'FARGATE' : (service.launchType ?? 'FARGATE');
  return {
    launchType,
    ...(capacityProvider && { capacityProviderName: capacityProvider }),
    platformVersion: '1.4.0',
    platformFamily: 'Linux',
  };
}

function timestamps(task: LocalTask): Record<string, number | undefined> {
  const running = epochSeconds(task.enteredAt('RUNNING'));
  return {
    createdAt: epochSeconds(task.createdAt),
    pullStartedAt: epochSeconds(task.enteredAt('PENDING')),
    pullStoppedAt: running,
    connectivityAt: epochSeconds(task.enteredAt('PENDING')),
    startedAt: running,
    stoppingAt: epochSeconds(task.stoppingAt),
    executionStoppedAt: epochSeconds(task.enteredAt('DEPROVISIONING')),
    stoppedAt: epochSeconds(task.enteredAt('STOPPED')),
  };
}
