/** A service for DescribeServices: the emulator's definition, with the counts and events of the real tasks. */
import type { ServiceDefinition, ServiceDeployment } from './definitions.ts';
import type { ServiceScheduler } from './service-scheduler.ts';
import type { LocalTask } from './task.ts';
import { epochSeconds } from './task-record.ts';

/** `scheduler` is missing only for a new service for which nothing has been done yet. */
export function serviceRecord(
  service: ServiceDefinition,
  tasks: readonly LocalTask[],
  scheduler: ServiceScheduler | undefined,
): Record<string, unknown> {
  return {
    ...service,
    // A deleted service is DRAINING until its last task is gone.
    status: service.status === 'INACTIVE' && tasks.some(isAlive) ? 'DRAINING' : service.status,
    ...counts(tasks),
    deployments: deployments(service, tasks, scheduler),
    events: scheduler?.events ?? [],
  };
}

function deployments(service: ServiceDefinition, tasks: readonly LocalTask[], scheduler: ServiceScheduler | undefined) {
  const primary = service.deployments.filter((deployment) => deployment.status === 'PRIMARY');
  const known = new Set(primary.map(({ id }) => id));
  const older = new Map<string, LocalTask[]>();
  for (const task of tasks) {
    const id = task.origin.deploymentId;
    if (!known.has(id) && isAlive(task)) older.set(id, [...(older.get(id) ?? []), task]);
  }
  return [
    ...primary.map((deployment) => primaryRecord(service, deployment, tasks, scheduler)),
    ...[...older].map(([id, remaining]) => olderRecord(id, remaining, scheduler)),
  ];
}

function primaryRecord(
  service: ServiceDefinition,
  deployment: ServiceDeployment,
  tasks: readonly LocalTask[],
  scheduler: ServiceScheduler | undefined,
) {
  return {
    ...deployment,
    desiredCount: service.desiredCount,
    ...counts(tasks.filter((task) => task.origin.deploymentId === deployment.id)),
    failedTasks: scheduler?.failedTasks(deployment.id) ?? 0,
    ...rollout(deployment.id, scheduler),
  };
}

/** A deployment that is being replaced, with the definition that its tasks have. */
function olderRecord(id: string, tasks: LocalTask[], scheduler: ServiceScheduler | undefined) {
  const origin = tasks[0]?.origin;
  const deployment = origin?.service.deployments.find((candidate) => candidate.id === id);
  return {
    ...deployment,
    id,
    status: 'ACTIVE',
    taskDefinition: origin?.taskDefinition.taskDefinitionArn,
    createdAt: deployment?.createdAt ?? epochSeconds(tasks[0]?.createdAt),
    desiredCount: tasks.filter((task) => !task.isStopping).length,
    ...counts(tasks),
    failedTasks: scheduler?.failedTasks(id) ?? 0,
    rolloutState: scheduler?.isCompleted(id) ? 'COMPLETED' : 'IN_PROGRESS',
    rolloutStateReason: `ECS deployment ${id} is being replaced.`,
  };
}

function rollout(id: string, scheduler: ServiceScheduler | undefined) {
  if (scheduler?.isFailed(id))
    return { rolloutState: 'FAILED', rolloutStateReason: 'ECS deployment circuit breaker: tasks failed to start.' };
  return scheduler?.isCompleted(id)
    ? { rolloutState: 'COMPLETED', rolloutStateReason: `ECS deployment ${id} completed.` }
    : { rolloutState: 'IN_PROGRESS', rolloutStateReason: `ECS deployment ${id} in progress.` };
}

function counts(tasks: readonly LocalTask[]) {
  return {
    runningCount: tasks.filter((task) => task.isRunning).length,
    pendingCount: tasks.filter(({ lastStatus }) => lastStatus === 'PROVISIONING' || lastStatus === 'PENDING').length,
  };
}

function isAlive(task: LocalTask): boolean {
  return task.lastStatus !== 'STOPPED';
}
