/**
 * Connects the parts of local Fargate: definitions are read from the emulator, schedulers act on them, tasks report back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { seeded } from '../../simulate/random.ts';
import { plainEnvironment } from '../process.ts';
import { createAgent } from './agent.ts';
import { nameOf } from './definitions.ts';
import type { ServiceDefinition } from './definitions.ts';
import { createEcsApi } from './ecs-api.ts';
import { EmulatorClient } from './emulator-client.ts';
import { createOperations } from './operations.ts';
import type { LocalFargateOptions, TaskSummary } from './index.ts';
import type { RestartBackoffOptions } from './restart-backoff.ts';
import { ServiceScheduler } from './service-scheduler.ts';
import { LocalTask } from './task.ts';
import type { LaunchOrder, TaskPlatform } from './task.ts';
import { TaskRoles } from './task-roles.ts';
import { TaskStore } from './task-store.ts';
import { UsageMeter } from './usage.ts';
import type { ServiceUsage } from './usage.ts';

const DEFAULT_BACKOFF: RestartBackoffOptions = { firstSeconds: 1, maxSeconds: 60, steadyAfterSeconds: 10 };

export class Platform {
  readonly #tasks = new TaskStore();
  readonly #usage = new UsageMeter();
  readonly #now: () => number;
  readonly #options: LocalFargateOptions;
  readonly #emulator: EmulatorClient;
  readonly #roles: TaskRoles;
  readonly #random: () => number;
  readonly #schedulers = new Map<string, ServiceScheduler>();
  readonly #toReconcile = new Set<ServiceScheduler>();
  readonly #taskPlatform: TaskPlatform;
  readonly #agent: FastifyInstance;
  readonly #api: FastifyInstance;
  readonly #stopping = new AbortController();
  #clusters = new Set<string>();
  #closedZones: readonly string[] = [];
  #refreshing: Promise<void> = Promise.resolve();
  #polling: Promise<void> = Promise.resolve();
  #agentUrl = '';
  #launched = 0;

  constructor(options: LocalFargateOptions) {
    const region = options.region ?? 'us-east-1';
    const { emulatorUrl, environment = {}, images, findImage, findStandIn, logDirectory } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = seeded(options.seed ?? 1);
    this.#emulator = new EmulatorClient(emulatorUrl, region, environment['AWS_ACCESS_KEY_ID'] ?? 'test');
    this.#roles = new TaskRoles(this.#emulator);
    this.#taskPlatform = {
      imageDirectory: (image) => images[image] ?? findImage?.(image),
      standInFor: async (wanted) => findStandIn?.(wanted),
      logDirectory,
      environment: { ...plainEnvironment(), AWS_REGION: region, AWS_DEFAULT_REGION: region, ...environment },
      healthChecks: options.healthChecks ?? true,
      agentUrl: () => this.#agentUrl,
      roles: this.#roles,
      now: this.#now,
      onChange: (task) => this.#taskChanged(task),
    };
    const isBlocked = (task: LocalTask) =>
      this.#schedulers.get(task.origin.service.serviceArn)?.isBlocked(task) ?? false;
    this.#agent = createAgent(this.#tasks, this.#roles, isBlocked);
    this.#api = createEcsApi(
      createOperations({
        emulator: this.#emulator,
        tasks: this.#tasks,
        clusterExists: (name) => this.#clusterExists(name),
        scheduler: (serviceArn) => this.#schedulers.get(serviceArn),
        isBlocked,
        refresh: () => this.#refresh(),
      }),
      emulatorUrl,
    );
  }

  async start(): Promise<string> {
    this.#agentUrl = await this.#agent.listen({ host: '127.0.0.1', port: 0 });
    const url = await this.#api.listen({ host: '127.0.0.1', port: this.#options.port ?? 0 });
    this.#polling = this.#poll();
    return url;
  }

  taskSummaries(): TaskSummary[] {
    return this.#tasks.all().map(summary);
  }

  reclaimSpot(count: number): string[] {
    const onSpot = this.#tasks
      .all()
      .filter(({ isStopping, origin }) => !isStopping && origin.capacityProvider === 'FARGATE_SPOT')
      .slice(0, count);
    for (const task of onSpot) task.stop('SpotInterruption', 'Your Spot Task was interrupted.');
    return onSpot.map(({ id }) => id);
  }

  closeZones(zones: readonly string[]): void {
    this.#closedZones = zones;
  }

  usageSoFar(): Record<string, ServiceUsage> {
    return this.#usage.report(this.#tasks.all(), this.#now());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const tasks = this.#tasks.all();
    for (const task of tasks) task.stop('UserInitiated', 'Local Fargate was stopped');
    const overdue = setTimeout(() => this.killAll(), (this.#options.stopGraceSeconds ?? 5) * 1000);
    await Promise.all([this.#polling, ...tasks.map((task) => task.stopped)]);
    clearTimeout(overdue);
    await Promise.all([this.#api.close(), this.#agent.close()]);
  }

  killAll(): void {
    this.#stopping.abort();
    for (const task of this.#tasks.all()) task.kill();
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stopping;
    let isReadable = true;
    while (!signal.aborted) {
      const failure = await this.#refresh().then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure && isReadable) this.#log(`Cannot read the emulator's services: ${String(failure)}`);
      isReadable = !failure;
      this.#tasks.forgetOld(this.#now());
      await delay(this.#options.pollMilliseconds ?? 500, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One reading at a time, so that an older one never replaces a newer one. */
  #refresh(): Promise<void> {
    const reading = this.#refreshing.catch(() => undefined).then(() => this.#readServices());
    this.#refreshing = reading;
    return reading;
  }

  /** Only a complete reading shows that a service is gone: a failed one throws before anything is deleted. */
  async #readServices(): Promise<void> {
    const clusterArns = await this.#emulator.clusterArns();
    const services = (await Promise.all(clusterArns.map((arn) => this.#emulator.services(arn)))).flat();
    const active = services.filter((service) => service.status === 'ACTIVE');
    this.#clusters = new Set(clusterArns.map(nameOf));
    await Promise.all(active.map((service) => this.#serviceRead(service)));
    const present = new Set(active.map((service) => service.serviceArn));
    for (const [arn, scheduler] of this.#schedulers) if (!present.has(arn)) scheduler.delete();
    for (const scheduler of this.#schedulers.values()) this.#reconcileSoon(scheduler);
  }

  async #serviceRead(service: ServiceDefinition): Promise<void> {
    try {
      const taskDefinition = await this.#emulator.taskDefinition(service.taskDefinition);
      const known = this.#schedulers.get(service.serviceArn);
      if (known) return known.update(service, taskDefinition);
      const { restartBackoff = DEFAULT_BACKOFF } = this.#options;
      const surroundings = {
        tasks: (arn: string) => this.#tasks.ofService(arn),
        launch: (origin: LaunchOrder) => this.#launch(origin),
        rollBack: (definition: ServiceDefinition, earlier: string) => void this.#rollBack(definition, earlier),
        isOpen: (zone: string) => !this.#closedZones.includes(zone),
        random: this.#random,
        now: this.#now,
      };
      const scheduler = new ServiceScheduler(service, taskDefinition, surroundings, restartBackoff);
      this.#schedulers.set(service.serviceArn, scheduler);
    } catch (error) {
      this.#log(`Cannot read the task definition of service ${service.serviceName}: ${String(error)}`);
    }
  }

  #launch(origin: LaunchOrder): LocalTask {
    const { min, max } = this.#options.startDelaySeconds;
    const startDelaySeconds = min + this.#random() * (max - min);
    const number = (this.#launched += 1);
    const privateAddress = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
    const task = new LocalTask({ ...origin, startDelaySeconds, privateAddress }, this.#taskPlatform);
    this.#tasks.add(task);
    this.#usage.taskLaunched(origin.service.serviceName);
    return task;
  }

  async #rollBack({ clusterArn, serviceName }: ServiceDefinition, taskDefinition: string): Promise<void> {
    try {
      await this.#emulator.ecs('UpdateService', { cluster: nameOf(clusterArn), service: serviceName, taskDefinition });
      await this.#refresh();
    } catch (error) {
      this.#log(`Cannot roll back service ${serviceName}: ${String(error)}`);
    }
  }

  #taskChanged(task: LocalTask): void {
    if (task.lastStatus === 'STOPPED') this.#usage.taskStopped(task, this.#now());
    this.#options.onTaskChange?.(summary(task));
    const scheduler = this.#schedulers.get(task.origin.service.serviceArn);
    if (scheduler) this.#reconcileSoon(scheduler);
  }

  /** Runs after the current change is complete, once for all changes made together. */
  #reconcileSoon(scheduler: ServiceScheduler): void {
    if (this.#toReconcile.has(scheduler)) return;
    this.#toReconcile.add(scheduler);
    queueMicrotask(() => {
      this.#toReconcile.delete(scheduler);
      if (!this.#stopping.signal.aborted) this.#reconcile(scheduler);
      this.#sample(scheduler.service);
    });
  }

  #reconcile(scheduler: ServiceScheduler): void {
    try {
      scheduler.reconcile();
    } catch (error) {
      this.#log(`Service ${scheduler.service.serviceName} was left unchanged: ${String(error)}`);
    }
  }

  #sample({ serviceArn, serviceName, desiredCount }: ServiceDefinition): void {
    const tasks = this.#tasks.ofService(serviceArn);
    this.#usage.sample(serviceName, {
      at: this.#now(),
      desired: desiredCount,
      running: tasks.filter((task) => task.isRunning).length,
      pending: tasks.filter(({ lastStatus }) => lastStatus === 'PROVISIONING' || lastStatus === 'PENDING').length,
    });
  }

  async #clusterExists(name: string): Promise<boolean> {
    if (!this.#clusters.has(name)) await this.#refresh();
    return this.#clusters.has(name);
  }

  #log(message: string): void {
    this.#options.log?.(message);
  }
}

function summary(task: LocalTask): TaskSummary {
  const { service, taskDefinition, deploymentId } = task.origin;
  return {
    service: service.serviceName,
    taskId: task.id,
    taskArn: task.arn,
    privateAddress: task.origin.privateAddress,
    taskDefinition: `${taskDefinition.family}:${taskDefinition.revision}`,
    deploymentId,
    lastStatus: task.lastStatus,
    desiredStatus: task.desiredStatus,
    history: [...task.history],
    protectedUntil: task.protectedUntil,
    exitCode: task.exitCode,
    stopCode: task.stopCode,
    stoppedReason: task.stoppedReason,
    logFile: task.logFile,
  };
}
