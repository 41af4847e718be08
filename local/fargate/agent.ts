/**
 * The endpoints of a task's own machine: the agent's task protection endpoint (under $ECS_AGENT_URI), the task metadata
 * endpoint, version 4 (under $ECS_CONTAINER_METADATA_URI_V4), and the credentials of its role (at
 * $AWS_CONTAINER_CREDENTIALS_FULL_URI). The token in the path identifies the calling container.
 */
import fastify from 'fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { EcsError } from './errors.ts';
import { protectedTask, protectionMinutes, updateProtection } from './protection.ts';
import type { ProtectionFailure } from './protection.ts';
import { containerArn, containerStatus } from './task-record.ts';
import type { LocalTask, TaskContainer } from './task.ts';
import type { TaskRoles } from './task-roles.ts';
import type { TaskStore } from './task-store.ts';

interface ByToken {
  Params: { token: string };
}

const CPU_UNITS_PER_VCPU = 1024;
const protectionRequest = z.strictObject({ ProtectionEnabled: z.boolean(), ExpiresInMinutes: protectionMinutes });

export function createAgent(
  tasks: TaskStore,
  roles: TaskRoles,
  isBlocked: (task: LocalTask) => boolean,
): FastifyInstance {
  const server = fastify({ forceCloseConnections: true });
  const caller = (token: string) => {
    const found = tasks.byToken(token);
    if (!found) throw new EcsError('ResourceNotFoundException', 'Failed to find a task for the request');
    return found;
  };
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  server.get<ByToken>('/api/:token/task-protection/v1/state', ({ params }, reply) => {
    const { task } = caller(params.token);
    const answer = async () => protectionBody(task);
    return withRight(() => roles.allowProtection(task, 'GetTaskProtection'), task, answer, reply);
  });
  server.put<ByToken>('/api/:token/task-protection/v1/state', ({ params, body }, reply) => {
    const { task } = caller(params.token);
    const answer = async () => putProtection(task, body, isBlocked);
    return withRight(() => roles.allowProtection(task, 'UpdateTaskProtection'), task, answer, reply);
  });
  server.get<ByToken>('/credentials/:token', ({ params }) => roles.credentials(caller(params.token).task));
  server.get<ByToken>('/v4/:token', ({ params }) => {
    const { task, container } = caller(params.token);
    return containerMetadata(task, container);
  });
  server.get<ByToken>('/v4/:token/task', ({ params }) => taskMetadata(caller(params.token).task));
  server.setErrorHandler((error, _request, reply) => {
    const status = error instanceof EcsError ? 404 : 500;
    return reply.status(status).send(errorBody('', error));
  });
  return server;
}

/** Like the agent: a refusal by ECS because of the task's state has status 200, and any other error 400. */
async function withRight(
  allow: () => Promise<void>,
  task: LocalTask,
  answer: () => Promise<object>,
  reply: FastifyReply,
) {
  try {
    await allow();
    return await answer();
  } catch (error) {
    reply.status(400);
    return errorBody(task.arn, error);
  }
}

function putProtection(task: LocalTask, body: unknown, isBlocked: (task: LocalTask) => boolean) {
  const request = protectionRequest.parse(JSON.parse(String(body)));
  const failure = updateProtection(task, request.ProtectionEnabled, request.ExpiresInMinutes, isBlocked);
  return failure ? failureBody(failure) : protectionBody(task);
}

function protectionBody(task: LocalTask) {
  const { protectionEnabled, taskArn } = protectedTask(task);
  const expires = task.protectedUntil;
  return {
    protection: {
      ...(expires !== undefined && { ExpirationDate: new Date(expires).toISOString() }),
      ProtectionEnabled: protectionEnabled,
      TaskArn: taskArn,
    },
  };
}

function failureBody({ arn, reason, detail }: ProtectionFailure) {
  return { failure: { Arn: arn, Reason: reason, Detail: detail } };
}

function errorBody(arn: string, error: unknown) {
  const code = error instanceof EcsError ? error.code : 'InvalidParameterException';
  return { error: { Arn: arn, Code: code, Message: error instanceof Error ? error.message : String(error) } };
}

function taskMetadata(task: LocalTask) {
  const { service, taskDefinition } = task.origin;
  return {
    Cluster: service.clusterArn,
    TaskARN: task.arn,
    Family: taskDefinition.family,
    Revision: String(taskDefinition.revision),
    ServiceName: service.serviceName,
    DesiredStatus: task.desiredStatus,
    KnownStatus: task.lastStatus,
    Limits: { CPU: Number(taskDefinition.cpu) / CPU_UNITS_PER_VCPU, Memory: Number(taskDefinition.memory) },
    PullStartedAt: isoTime(task.enteredAt('PENDING')),
    PullStoppedAt: isoTime(task.enteredAt('RUNNING')),
    AvailabilityZone: task.origin.zone,
    LaunchType: 'FARGATE',
    Containers: task.containers.map((container) => containerMetadata(task, container)),
  };
}

function containerMetadata(task: LocalTask, container: TaskContainer) {
  const { family, revision } = task.origin.taskDefinition;
  const { name, image, cpu } = container.definition;
  return {
    // A container has no id until it is created, which may be after others have run.
    DockerId: container.process ? container.token : '',
    Name: name,
    DockerName: name,
    Image: image,
    Labels: {
      'com.amazonaws.ecs.cluster': task.origin.service.clusterArn,
      'com.amazonaws.ecs.container-name': name,
      'com.amazonaws.ecs.task-arn': task.arn,
      'com.amazonaws.ecs.task-definition-family': family,
      'com.amazonaws.ecs.task-definition-version': String(revision),
    },
    DesiredStatus: task.desiredStatus,
    KnownStatus: containerStatus(task, container),
    Limits: { CPU: cpu },
    CreatedAt: isoTime(task.createdAt),
    StartedAt: isoTime(task.enteredAt('RUNNING')),
    Type: 'NORMAL',
    ContainerARN: containerArn(task, container),
  };
}

function isoTime(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}
