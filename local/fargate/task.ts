/**
 * The lifecycle of a task: PROVISIONING → PENDING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED, with
 * the containers as real processes in between. A task is stopped once; the first reason is kept.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ContainerProcess } from './container.ts';
import { nameOf } from './definitions.ts';
import type { ContainerDefinition, HealthCheck, ServiceDefinition, TaskDefinition } from './definitions.ts';
import { TaskStartError } from './errors.ts';
import type { StandIn, WantedContainer } from './index.ts';
import { atPortOfItsOwn, watchHealth, type HealthStatus } from './health.ts';
import { ProcessNamespace } from './process-namespace.ts';
import { startInOrder, stopInOrder } from './start-order.ts';
import type { TaskRoles } from './task-roles.ts';

export type TaskStatus =
  'PROVISIONING' | 'PENDING' | 'RUNNING' | 'DEACTIVATING' | 'STOPPING' | 'DEPROVISIONING' | 'STOPPED';

export type StopCode =
  'ServiceSchedulerInitiated' | 'UserInitiated' | 'EssentialContainerExited' | 'TaskFailedToStart' | 'SpotInterruption';

interface TaskOrigin {
  service: ServiceDefinition;
  taskDefinition: TaskDefinition;
  deploymentId: string;
  /** Undefined for a service with a launch type. */
  capacityProvider: string | undefined;
  /** The availability zone. */
  zone: string;
  startDelaySeconds: number;
  /** An address in a fictitious VPC, which distinguishes tasks for callers that do not know task ids. */
  privateAddress: string;
}

/** What a service requests; the platform decides where and when the task starts. */
export type LaunchOrder = Omit<TaskOrigin, 'startDelaySeconds' | 'privateAddress'>;

/** What a task needs from the machine that it runs on. Times are epoch milliseconds everywhere. */
export interface TaskPlatform {
  /** The directory that stands for the image's content. */
  imageDirectory(image: string): string | undefined;
  /** What to run instead of a container with an unknown image. */
  standInFor(wanted: WantedContainer): Promise<StandIn | undefined>;
  /** Variables for every container, in addition to those of its own definition. */
  environment: Readonly<Record<string, string>>;
  logDirectory: string;
  /** Whether containers' health checks are run. */
  healthChecks: boolean;
  /** The agent's address for the container with this token. */
  agentUrl(): string;
  roles: TaskRoles;
  now(): number;
  onChange(task: LocalTask): void;
}

export interface TaskContainer {
  definition: ContainerDefinition;
  /** The container's part of its agent and metadata addresses. */
  token: string;
  process?: ContainerProcess;
  exitCode?: number;
  health: HealthStatus;
}

export class LocalTask {
  readonly id = randomBytes(16).toString('hex');
  readonly arn: string;
  readonly origin: TaskOrigin;
  readonly containers: readonly TaskContainer[];
  readonly logFile: string;
  readonly history: { status: TaskStatus; at: number }[] = [];
  desiredStatus: 'RUNNING' | 'STOPPED' = 'RUNNING';
  stopCode?: StopCode;
  stoppedReason?: string;
  stoppingAt?: number;
  version = 0;
  /** Settles when the task is STOPPED. */
  readonly stopped: Promise<void>;

  readonly #platform: TaskPlatform;
  readonly #stopRequest = new AbortController();
  readonly #namespace: ProcessNamespace | undefined;
  #protectedUntil = 0;

  constructor(origin: TaskOrigin, platform: TaskPlatform) {
    const { service, taskDefinition } = origin;
    this.origin = origin;
    this.#platform = platform;
    this.arn = `${service.clusterArn.replace(':cluster/', ':task/')}/${this.id}`;
    this.logFile = join(platform.logDirectory, service.serviceName, `${this.id}.log`);
    this.#namespace =
      taskDefinition.pidMode === 'task' ? new ProcessNamespace(this.logFile.replace(/log$/, 'proc')) : undefined;
    this.containers = taskDefinition.containerDefinitions.map((definition) => ({
      definition,
      token: `${this.id}-${randomBytes(5).toString('hex')}`,
      health: 'UNKNOWN',
    }));
    this.#enter('PROVISIONING');
    this.stopped = this.#live();
  }

  get lastStatus(): TaskStatus {
    return this.history.at(-1)?.status ?? 'PROVISIONING';
  }

  get createdAt(): number {
    return this.history[0]?.at ?? 0;
  }

  /** When the status was first entered, if it was. */
  enteredAt(status: TaskStatus): number | undefined {
    return this.history.find((entry) => entry.status === status)?.at;
  }

  get isStopping(): boolean {
    return this.desiredStatus === 'STOPPED';
  }

  get isRunning(): boolean {
    return this.lastStatus === 'RUNNING';
  }

  /** Running, and healthy if it has a health check, which is what a deployment waits for. */
  get isServing(): boolean {
    const isChecked = this.#platform.healthChecks && this.containers.some(({ definition }) => definition.healthCheck);
    return this.isRunning && (!isChecked || this.health === 'HEALTHY');
  }

  /** UNHEALTHY if one of its containers is, HEALTHY if all with a check are. */
  get health(): HealthStatus {
    const checked = this.containers.filter(({ definition }) => definition.healthCheck).map(({ health }) => health);
    if (checked.includes('UNHEALTHY')) return 'UNHEALTHY';
    return checked.length === 0 || checked.includes('UNKNOWN') ? 'UNKNOWN' : 'HEALTHY';
  }

  /** The essential container's exit code, once it has one. */
  get exitCode(): number | undefined {
    return this.containers.find((container) => container.definition.essential)?.exitCode;
  }

  /** Until when scale-in and deployments must spare the task; undefined if they need not. */
  get protectedUntil(): number | undefined {
    return this.#protectedUntil > this.#platform.now() ? this.#protectedUntil : undefined;
  }

  protect(minutes: number): void {
    this.#protectedUntil = this.#platform.now() + minutes * 60_000;
    this.#changed();
  }

  unprotect(): void {
    this.#protectedUntil = 0;
    this.#changed();
  }

  /** Asks the task to stop. Callers must check whether they may: StopTask ignores protection. */
  stop(stopCode: StopCode, stoppedReason: string): void {
    if (this.isStopping) return;
    this.desiredStatus = 'STOPPED';
    this.stopCode = stopCode;
    this.stoppedReason = stoppedReason;
    this.stoppingAt = this.#platform.now();
    this.#enter('DEACTIVATING');
    this.#stopRequest.abort();
  }

  /** Sends SIGKILL to every process of the task at once. */
  kill(): void {
    for (const { process } of this.containers) process?.kill();
  }

  async #live(): Promise<void> {
    try {
      await this.#start();
      await this.#untilLeaving();
    } catch (error) {
      if (!this.#stopRequest.signal.aborted) this.stop('TaskFailedToStart', startFailure(error));
    }
    this.#enter('STOPPING');
    await stopInOrder(this.containers, stopContainer);
    this.#namespace?.end();
    this.#enter('DEPROVISIONING');
    this.#enter('STOPPED');
  }

  /** A third of the start-up time is Fargate's placement of the task, the rest the pull of its image. */
  async #start(): Promise<void> {
    const third = (this.origin.startDelaySeconds * 1000) / 3;
    await this.#wait(third);
    this.#enter('PENDING');
    const prepared = await Promise.all(this.containers.map((container) => this.#prepare(container)));
    await this.#platform.roles.allowPulls(this);
    await this.#platform.roles.allowLogs(this);
    await this.#wait(2 * third);
    await this.#startContainers(prepared);
    this.#stopRequest.signal.throwIfAborted();
    this.#enter('RUNNING');
  }

  async #startContainers(prepared: PreparedContainer[]): Promise<void> {
    mkdirSync(dirname(this.logFile), { recursive: true });
    const output = openSync(this.logFile, 'a');
    try {
      const { signal } = this.#stopRequest;
      await startInOrder(this.containers, (container) => this.#startContainer(container, prepared, output), signal);
    } finally {
      closeSync(output);
    }
  }

  async #startContainer(container: TaskContainer, prepared: PreparedContainer[], output: number): Promise<void> {
    const { environment, healthCheck, ...runs } = prepared.find((each) => each.container === container)!;
    const started = await ContainerProcess.start({ ...runs, environment, output });
    container.process = started;
    this.#namespace?.add(started.pid, this.id, container.token);
    void this.#untilExited(container, started);
    this.#watchHealth(container, healthCheck, { cwd: runs.directory, env: environment });
  }

  async #untilExited(container: TaskContainer, started: ContainerProcess): Promise<void> {
    container.exitCode = await started.exited;
    this.#namespace?.remove(started.pid);
  }

  #watchHealth(
    container: TaskContainer,
    healthCheck: HealthCheck | undefined,
    surroundings: { cwd: string; env: Record<string, string> },
  ): void {
    if (!healthCheck || !this.#platform.healthChecks) return;
    void watchHealth(healthCheck, surroundings, this.#stopRequest.signal, (status) => {
      container.health = status;
      this.#changed();
    });
  }

  /** Waits until an essential container exits by itself, or the task is asked to stop. */
  async #untilLeaving(): Promise<void> {
    const exits = this.containers
      .filter(({ definition }) => definition.essential)
      .map(({ process }) => process?.exited);
    await Promise.race([...exits, aborted(this.#stopRequest.signal)]);
    this.stop('EssentialContainerExited', 'Essential container in task exited');
  }

  async #prepare(container: TaskContainer): Promise<PreparedContainer> {
    const { image, environment, secrets, entryPoint, command } = container.definition;
    const directory = this.#platform.imageDirectory(image);
    const agentUrl = this.#platform.agentUrl();
    const values = await Promise.all(
      secrets.map(
        async ({ name, valueFrom }) => [name, await this.#platform.roles.secretValue(this, valueFrom)] as const,
      ),
    );
    const { variables, healthCheck } = await atPortOfItsOwn(container.definition.healthCheck, {
      ECS_AGENT_URI: `${agentUrl}/api/${container.token}`,
      ECS_CONTAINER_METADATA_URI_V4: `${agentUrl}/v4/${container.token}`,
      AWS_EXECUTION_ENV: 'AWS_ECS_FARGATE',
      ...(this.#hasRole && { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agentUrl}/credentials/${container.token}` }),
      ...(this.#namespace && { HOST_PROC: this.#namespace.directory }),
      HOSTNAME: `ip-${this.origin.privateAddress.replaceAll('.', '-')}.ec2.internal`,
      ...Object.fromEntries(environment.map(({ name, value }) => [name, value])),
      ...Object.fromEntries(values),
    });
    const runs =
      directory === undefined
        ? await this.#standIn(container.definition, variables)
        : { command: [...entryPoint, ...command], directory };
    return { container, ...runs, environment: { ...this.#surroundings, ...variables }, healthCheck };
  }

  async #standIn({ image, command }: ContainerDefinition, variables: Record<string, string>): Promise<StandIn> {
    const { ELASTIC_WORKERS_POOL: pool } = variables;
    const ofPlatform = Object.keys(this.#surroundings).filter((name) => name.startsWith('AWS_'));
    const wanted = { pool, image, command, variables: [...Object.keys(variables), ...ofPlatform] };
    const found = await this.#platform.standInFor(wanted).catch((error: Error) => {
      throw new TaskStartError(`CannotPullContainerError: ${error.message}`, { cause: error });
    });
    if (found === undefined) throw new TaskStartError(`CannotPullContainerError: no such image: ${image}`);
    return found;
  }

  get #hasRole(): boolean {
    return this.origin.taskDefinition.taskRoleArn !== undefined;
  }

  /** A task with a role gets no other keys. */
  get #surroundings(): Record<string, string> {
    const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _secret, ...others } = this.#platform.environment;
    return this.#hasRole ? others : { ...this.#platform.environment };
  }

  #wait(milliseconds: number): Promise<void> {
    return delay(milliseconds, undefined, { signal: this.#stopRequest.signal });
  }

  #enter(status: TaskStatus): void {
    this.history.push({ status, at: this.#platform.now() });
    this.#changed();
  }

  #changed(): void {
    this.version += 1;
    this.#platform.onChange(this);
  }
}

/** The name of the cluster that the task runs in. */
export function clusterNameOf(task: LocalTask): string {
  return nameOf(task.origin.service.clusterArn);
}

interface PreparedContainer extends StandIn {
  container: TaskContainer;
  environment: Record<string, string>;
  healthCheck: HealthCheck | undefined;
}

async function stopContainer({ process, definition }: TaskContainer): Promise<void> {
  await process?.stop(definition.stopTimeout);
}

function startFailure(error: unknown): string {
  return error instanceof TaskStartError ? error.message : `CannotStartContainerError: ${String(error)}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
