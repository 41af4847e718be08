/**
 * Local Fargate in front of the emulator, for the files that say its contract through ECS's own client. Workers are real
 * processes that report how they were started; whatever needs more than ECS's API (their processes, their agent) is this
 * machine's side of the contract.
 */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
  UpdateTaskProtectionCommand,
} from '@aws-sdk/client-ecs';
import type {
  CapacityProviderStrategyItem,
  ContainerDefinition,
  DeploymentCircuitBreaker,
  HealthCheck,
  Service,
  Task,
} from '@aws-sdk/client-ecs';
import { emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import type { LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate } from '../../local/fargate/index.ts';
import type { LocalFargate, TaskSummary } from '../../local/fargate/index.ts';

interface Report {
  pid: number;
  childPid?: number;
  directory: string;
  environment: Record<string, string>;
  metadata: Record<string, unknown>;
}

export const FIXTURES = join(import.meta.dirname, 'fargate-fixtures');
export const IMAGE = 'example.test/worker:1';
export const CLUSTER = 'contract';
export const START_DELAY_SECONDS = { min: 0.1, max: 0.3 };

/** Of the test file: set by `startFargate`. */
export let emulator: LocalEmulator;
export let fargate: LocalFargate;
export let ecs: ECSClient;
export let directory: string;
let reportServer: Server;
export const reports: Report[] = [];
const changes: TaskSummary[] = [];
export const logged: string[] = [];
let clockOffset = 0;
let serviceCount = 0;

export async function startFargate(): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'local-fargate-'));
  emulator = await startEmulator({ directory });
  reportServer = createServer((request, response) => {
    response.end();
    void readAll(request).then((body) => reports.push(JSON.parse(body)));
  }).listen(0, '127.0.0.1');
  await once(reportServer, 'listening');
  fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    images: { [IMAGE]: FIXTURES },
    startDelaySeconds: START_DELAY_SECONDS,
    logDirectory: join(directory, 'tasks'),
    environment: emulatorCredentials(emulator.url),
    pollMilliseconds: 50,
    healthChecks: true,
    // So long have all processes of the file at once to take note of SIGTERM.
    stopGraceSeconds: 5,
    restartBackoff: { firstSeconds: 0.2, maxSeconds: 2, steadyAfterSeconds: 5 },
    now: () => Date.now() + clockOffset,
    onTaskChange: (task) => changes.push(task),
    log: (message) => logged.push(message),
  });
  ecs = new ECSClient({
    endpoint: fargate.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await ecs.send(new CreateClusterCommand({ clusterName: CLUSTER, capacityProviders: ['FARGATE', 'FARGATE_SPOT'] }));
}

export async function stopFargate(): Promise<void> {
  await fargate?.stop();
  await emulator?.stop();
  reportServer?.close();
  await rm(directory, { recursive: true, force: true });
}

/** For protections that expire. */
export function advanceClock(milliseconds: number): void {
  clockOffset += milliseconds;
}

interface ServiceOptions {
  desiredCount: number;
  behaviour?: 'serve' | 'crash' | 'ignore';
  exitCode?: number;
  stopTimeout?: number;
  image?: string;
  healthCheck?: HealthCheck;
  circuitBreaker?: DeploymentCircuitBreaker;
  capacityProviderStrategy?: CapacityProviderStrategyItem[];
  secrets?: { name: string; valueFrom: string }[];
  /** The task's. */
  role?: string;
}

/** A service, and a task definition family, of a name of its own. */
export async function createService(options: ServiceOptions): Promise<string> {
  serviceCount += 1;
  const service = `service-${serviceCount}`;
  await registerTaskDefinition(service, options);
  await ecs.send(
    new CreateServiceCommand({
      cluster: CLUSTER,
      serviceName: service,
      taskDefinition: service,
      desiredCount: options.desiredCount,
      ...(options.capacityProviderStrategy
        ? { capacityProviderStrategy: options.capacityProviderStrategy }
        : { launchType: 'FARGATE' }),
      ...(options.circuitBreaker && {
        deploymentConfiguration: { deploymentCircuitBreaker: options.circuitBreaker },
      }),
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    }),
  );
  return service;
}

export async function registerTaskDefinition(family: string, options: Partial<ServiceOptions>): Promise<void> {
  const container: ContainerDefinition = {
    name: 'worker',
    image: options.image ?? IMAGE,
    command: ['node', 'worker.mjs'],
    stopTimeout: options.stopTimeout ?? 10,
    environment: Object.entries({ SERVICE: family, ...behaviour(options) }).map(([name, value]) => ({ name, value })),
    ...(options.healthCheck && { healthCheck: options.healthCheck }),
    ...(options.secrets && { secrets: options.secrets }),
  };
  await ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      ...(options.role && { taskRoleArn: `arn:aws:iam::000000000000:role/${options.role}` }),
      cpu: '256',
      memory: '512',
      networkMode: 'awsvpc',
      requiresCompatibilities: ['FARGATE'],
      containerDefinitions: [container],
    }),
  );
}

export async function deployRevision(service: string, options: Partial<ServiceOptions>): Promise<void> {
  await registerTaskDefinition(service, options);
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, taskDefinition: service }));
}

export async function messagesOf(service: string): Promise<string[]> {
  return ((await describeService(service)).events ?? []).map(({ message = '' }) => message);
}

export function behaviour({ behaviour = 'serve', exitCode = 0 }: Partial<ServiceOptions>): Record<string, string> {
  const reportUrl = `http://127.0.0.1:${(reportServer.address() as AddressInfo).port}`;
  return { REPORT_URL: reportUrl, BEHAVIOUR: behaviour, EXIT_CODE: String(exitCode) };
}

export async function describeService(service: string): Promise<Service> {
  const { services } = await ecs.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [service] }));
  return services![0]!;
}

export async function tasksOf(service: string, desiredStatus: 'RUNNING' | 'STOPPED'): Promise<Task[]> {
  const { taskArns } = await ecs.send(new ListTasksCommand({ cluster: CLUSTER, serviceName: service, desiredStatus }));
  if (taskArns!.length === 0) return [];
  return (await ecs.send(new DescribeTasksCommand({ cluster: CLUSTER, tasks: taskArns! }))).tasks!;
}

export async function runningTasks(service: string): Promise<Task[]> {
  return (await tasksOf(service, 'RUNNING')).filter(({ lastStatus }) => lastStatus === 'RUNNING');
}

export function untilRunning(service: string, count: number): Promise<Task[]> {
  return until(async () => {
    const tasks = await runningTasks(service);
    return tasks.length === count && tasks;
  });
}

export function untilStopped(service: string, count: number): Promise<Task[]> {
  return until(async () => {
    const tasks = (await tasksOf(service, 'STOPPED')).filter(({ lastStatus }) => lastStatus === 'STOPPED');
    return tasks.length >= count && tasks;
  });
}

export function protect(tasks: string[], protectionEnabled: boolean, expiresInMinutes?: number) {
  return ecs.send(
    new UpdateTaskProtectionCommand({
      cluster: CLUSTER,
      tasks,
      protectionEnabled,
      ...(expiresInMinutes !== undefined && { expiresInMinutes }),
    }),
  );
}

/** The scheduler has looked at every service again once a service made only now is steady. */
export async function anotherReconciliation(): Promise<void> {
  await untilRunning(await createService({ desiredCount: 1 }), 1);
}

export function reportOf(task: Task): Promise<Report> {
  return until(() => reports.find(({ metadata }) => metadata['TaskARN'] === task.taskArn));
}

export function statusesOf(task: Task): string[] {
  const last = changes.findLast(({ taskArn }) => taskArn === task.taskArn);
  return last!.history.map(({ status }) => status);
}

export async function agentCall(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const body = (await response.json()) as Record<string, Record<string, unknown> | undefined>;
  return { status: response.status, body };
}

/** By root, whose signature nobody checks. */
export function signedFor(service: string): Record<string, string> {
  const scope = `Credential=test/20260101/us-east-1/${service}/aws4_request`;
  return { Authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none` };
}

export async function until<T>(condition: () => Promise<T | false | undefined> | T | false | undefined): Promise<T> {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    const found = await condition();
    if (found) return found;
    await delay(25);
  }
  throw new Error(`never came true: ${condition.toString()}`);
}

/** A process that has ended but that its new parent has not asked about yet counts as ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const status = `/proc/${pid}/stat`;
    return !existsSync(status) || !readFileSync(status, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
