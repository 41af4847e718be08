/**
 * The ECS operations that local Fargate answers itself, with ECS's limits. An operation takes the request's body and returns the
 * answer's body, or throws an EcsError.
 */
import { z } from 'zod';
import { nameOf, parseService } from './definitions.ts';
import type { ServiceDefinition } from './definitions.ts';
import type { EmulatorClient } from './emulator-client.ts';
import { EcsError, clusterNotFound, invalidParameter, serviceNotFound } from './errors.ts';
import { protectedTask, protectionMinutes, updateProtection } from './protection.ts';
import { serviceRecord } from './service-record.ts';
import type { ServiceScheduler } from './service-scheduler.ts';
import type { LocalTask } from './task.ts';
import { taskRecord } from './task-record.ts';
import type { TaskStore } from './task-store.ts';

export type Operation = (input: unknown) => Promise<Record<string, unknown>>;

/** The state that operations work on. */
interface ControlPlane {
  emulator: EmulatorClient;
  tasks: TaskStore;
  clusterExists(name: string): Promise<boolean>;
  scheduler(serviceArn: string): ServiceScheduler | undefined;
  /** Whether protected tasks hold up a deployment of the task's service, so that no further task may be protected. */
  isBlocked(task: LocalTask): boolean;
  /** Reads the services again and acts on changes. */
  refresh(): Promise<void>;
}

export function createOperations(plane: ControlPlane): Record<string, Operation> {
  return {
    DescribeServices: (input) => describeServices(plane, parse(describeServicesInput, input)),
    UpdateService: (input) => updateService(plane, parse(updateServiceInput, input)),
    ListTasks: (input) => listTasks(plane, parse(listTasksInput, input)),
    DescribeTasks: (input) => describeTasks(plane, parse(describeTasksInput, input)),
    StopTask: (input) => stopTask(plane, parse(stopTaskInput, input)),
    GetTaskProtection: (input) => getTaskProtection(plane, parse(getTaskProtectionInput, input)),
    UpdateTaskProtection: (input) => updateTaskProtection(plane, parse(updateTaskProtectionInput, input)),
    RunTask: notOffered('RunTask'),
    StartTask: notOffered('StartTask'),
    ExecuteCommand: notOffered('ExecuteCommand'),
  };
}

/** ECS starts no deployment while this many are in progress. */
const ACTIVE_DEPLOYMENTS = 5;

const cluster = z.string().default('default').transform(nameOf);
const include = z.array(z.string()).default([]);
const taskIds = (max: number) => z.array(z.string()).min(1, 'Tasks cannot be empty.').max(max);

const describeServicesInput = z.object({ cluster, services: z.array(z.string()).min(1).max(10), include });
const updateServiceInput = z.looseObject({
  cluster,
  service: z.string(),
  desiredCount: z.int().min(0).optional(),
  taskDefinition: z.string().optional(),
  forceNewDeployment: z.boolean().default(false),
});
const listTasksInput = z.object({
  cluster,
  serviceName: z.string().optional(),
  family: z.string().optional(),
  startedBy: z.string().optional(),
  launchType: z.string().optional(),
  containerInstance: z.string().optional(),
  desiredStatus: z.enum(['RUNNING', 'PENDING', 'STOPPED']).default('RUNNING'),
  maxResults: z.int().min(1).max(100).default(100),
  nextToken: z.string().optional(),
});
const describeTasksInput = z.object({ cluster, tasks: taskIds(100), include });
const stopTaskInput = z.object({ cluster, task: z.string(), reason: z.string().max(1024).optional() });
const getTaskProtectionInput = z.object({ cluster, tasks: taskIds(100) });
const updateTaskProtectionInput = z.object({
  cluster,
  tasks: taskIds(10),
  protectionEnabled: z.boolean(),
  expiresInMinutes: protectionMinutes,
});

async function describeServices(plane: ControlPlane, input: z.infer<typeof describeServicesInput>) {
  const answer = await plane.emulator.ecs('DescribeServices', input);
  return { ...answer, services: (answer['services'] as unknown[]).map((raw) => overlay(plane, parseService(raw))) };
}

/** The emulator stores the change, because it has the definition; local Fargate acts on it at once. */
async function updateService(plane: ControlPlane, input: z.infer<typeof updateServiceInput>) {
  const described = await plane.emulator.ecs('DescribeServices', { cluster: input.cluster, services: [input.service] });
  const known = (described['services'] as unknown[]).map(parseService)[0];
  if (!known) throw serviceNotFound();
  if (known.status !== 'ACTIVE') throw new EcsError('ServiceNotActiveException', 'Service was not ACTIVE.');
  if (input.taskDefinition)
    await plane.emulator.ecs('DescribeTaskDefinition', { taskDefinition: input.taskDefinition });
  if (input.taskDefinition || input.forceNewDeployment) requireRoomForDeployment(overlay(plane, known));
  const answer = await plane.emulator.ecs('UpdateService', input);
  await plane.refresh();
  return { service: overlay(plane, parseService(answer['service'])) };
}

/** CloudFormation's changes go to the emulator directly, and are not affected by this. */
function requireRoomForDeployment({ deployments }: Record<string, unknown>): void {
  const open = (deployments as { rolloutState: string; status: string }[]).filter(
    ({ rolloutState, status }) => status !== 'PRIMARY' || rolloutState === 'IN_PROGRESS',
  );
  if (open.length >= ACTIVE_DEPLOYMENTS)
    throw invalidParameter(`${ACTIVE_DEPLOYMENTS} active deployments exist, unable to create new deployment.`);
}

async function listTasks(plane: ControlPlane, input: z.infer<typeof listTasksInput>) {
  await requireCluster(plane, input.cluster);
  if (input.serviceName) await requireService(plane, input.cluster, input.serviceName);
  const found = plane.tasks.inCluster(input.cluster).filter((task) => isListed(task, input));
  const start = input.nextToken === undefined ? 0 : afterToken(found, input.nextToken);
  const page = found.slice(start, start + input.maxResults);
  const isLast = start + page.length >= found.length;
  return { taskArns: page.map(({ arn }) => arn), ...(!isLast && { nextToken: tokenFor(page.at(-1)) }) };
}

async function describeTasks(plane: ControlPlane, input: z.infer<typeof describeTasksInput>) {
  const { found, failures } = await findTasks(plane, input);
  return { tasks: found.map((task) => taskRecord(task, { withTags: input.include.includes('TAGS') })), failures };
}

async function stopTask(plane: ControlPlane, input: z.infer<typeof stopTaskInput>) {
  await requireCluster(plane, input.cluster);
  const task = plane.tasks.find(input.cluster, input.task);
  if (!task) throw invalidParameter('The referenced task was not found.');
  task.stop('UserInitiated', input.reason ?? 'Task stopped by user');
  return { task: taskRecord(task) };
}

async function getTaskProtection(plane: ControlPlane, input: z.infer<typeof getTaskProtectionInput>) {
  const { found, failures } = await findTasks(plane, input);
  return { protectedTasks: found.map(protectedTask), failures };
}

async function updateTaskProtection(plane: ControlPlane, input: z.infer<typeof updateTaskProtectionInput>) {
  const { found, failures } = await findTasks(plane, input);
  const refused = found.map((task) =>
    updateProtection(task, input.protectionEnabled, input.expiresInMinutes, plane.isBlocked),
  );
  return {
    protectedTasks: found.filter((_, index) => !refused[index]).map(protectedTask),
    failures: [...failures, ...refused.filter((failure) => failure !== undefined)],
  };
}

/** For these the emulator would answer as if a task had been started. */
function notOffered(action: string): Operation {
  return () =>
    Promise.reject(
      new EcsError('UnsupportedFeatureException', `Local Fargate does not support ${action}: use a service.`),
    );
}

async function findTasks(plane: ControlPlane, input: { cluster: string; tasks: string[] }) {
  await requireCluster(plane, input.cluster);
  const found: LocalTask[] = [];
  const failures: { arn: string; reason: string; detail?: string }[] = [];
  for (const idOrArn of new Set(input.tasks)) {
    const task = plane.tasks.find(input.cluster, idOrArn);
    if (task) found.push(task);
    else failures.push({ arn: idOrArn, reason: 'MISSING' });
  }
  return { found, failures };
}

async function requireCluster(plane: ControlPlane, name: string): Promise<void> {
  if (!(await plane.clusterExists(name))) throw clusterNotFound();
}

async function requireService(plane: ControlPlane, clusterName: string, service: string): Promise<void> {
  const answer = await plane.emulator.ecs('DescribeServices', { cluster: clusterName, services: [service] });
  if ((answer['services'] as unknown[]).length === 0) throw serviceNotFound();
}

/** As in ECS, a task that has been asked to stop counts as STOPPED while it still runs, and PENDING matches nothing. */
function isListed(task: LocalTask, input: z.infer<typeof listTasksInput>): boolean {
  const { service, taskDefinition, deploymentId } = task.origin;
  return (
    task.desiredStatus === input.desiredStatus &&
    (input.serviceName === undefined || service.serviceName === nameOf(input.serviceName)) &&
    (input.family === undefined || taskDefinition.family === input.family) &&
    (input.startedBy === undefined || deploymentId === input.startedBy) &&
    (input.launchType === undefined || input.launchType === 'FARGATE') &&
    input.containerInstance === undefined
  );
}

/** A token identifies the last task of its page by creation time, so that tasks may come and go between pages. */
function tokenFor(task: LocalTask | undefined): string {
  return Buffer.from(JSON.stringify([task?.createdAt, task?.id])).toString('base64url');
}

function afterToken(tasks: readonly LocalTask[], token: string): number {
  const position = z.tuple([z.number(), z.string()]).safeParse(readToken(token));
  if (!position.success) throw invalidParameter('Invalid token');
  const [createdAt, id] = position.data;
  const last = tasks.findIndex((task) => task.id === id);
  if (last >= 0) return last + 1;
  const next = tasks.findIndex((task) => task.createdAt >= createdAt);
  return next >= 0 ? next : tasks.length;
}

function readToken(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function overlay(plane: ControlPlane, service: ServiceDefinition): Record<string, unknown> {
  const { serviceArn } = service;
  return serviceRecord(service, plane.tasks.ofService(serviceArn), plane.scheduler(serviceArn));
}

function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw invalidParameter(
    parsed.error.issues.map(({ path, message }) => [path.join('.'), message].join(': ')).join('; '),
  );
}
