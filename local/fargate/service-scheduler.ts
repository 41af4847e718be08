/**
 * Keeps one service at its desired count: launches tasks, replaces failed ones (with backoff), stops those it may stop, and reports
 * what it did in the service's events. The definition is the emulator's; the tasks are ours.
 */
import { randomUUID } from 'node:crypto';
import { primaryDeployment, zonesOf } from './definitions.ts';
import type { ServiceDefinition, TaskDefinition } from './definitions.ts';
import { nextProvider } from './capacity.ts';
import { nextZone, planTasks } from './plan.ts';
import { RestartBackoff } from './restart-backoff.ts';
import type { RestartBackoffOptions } from './restart-backoff.ts';
import type { LaunchOrder, LocalTask } from './task.ts';
import { epochSeconds } from './task-record.ts';

/** What the scheduler needs from the platform. */
interface SchedulerPlatform {
  tasks(serviceArn: string): LocalTask[];
  launch(order: LaunchOrder): LocalTask;
  /** Makes the service use an earlier task definition again, as a new deployment. */
  rollBack(service: ServiceDefinition, taskDefinition: string): void;
  /** Whether tasks can currently be started in the zone. */
  isOpen(zone: string): boolean;
  random(): number;
  now(): number;
}

interface ServiceEvent {
  id: string;
  createdAt: number | undefined;
  message: string;
}

const KEEP_EVENTS = 100;
const REBALANCE_PAUSE_MS = 15_000;
const UNHEALTHY = 'Task failed container health checks';
/** From the second consecutive failure on, ECS reports it. */
const FAILURES_WORTH_TELLING = 2;

export class ServiceScheduler {
  readonly events: ServiceEvent[] = [];
  readonly #platform: SchedulerPlatform;
  readonly #backoff: RestartBackoff;
  readonly #failedTasks = new Map<string, number>();
  readonly #completed = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #settled = new Set<string>();
  #lastGood: string | undefined;
  #rebalancedAt = -Infinity;
  #service: ServiceDefinition;
  #taskDefinition: TaskDefinition;
  #isSteady = false;
  #isDeleted = false;

  constructor(
    service: ServiceDefinition,
    taskDefinition: TaskDefinition,
    platform: SchedulerPlatform,
    backoff: RestartBackoffOptions,
  ) {
    this.#service = service;
    this.#taskDefinition = taskDefinition;
    this.#platform = platform;
    this.#backoff = new RestartBackoff(backoff);
  }

  get service(): ServiceDefinition {
    return this.#service;
  }

  update(service: ServiceDefinition, taskDefinition: TaskDefinition): void {
    if (service.desiredCount !== this.#service.desiredCount) this.#isSteady = false;
    this.#service = service;
    this.#taskDefinition = taskDefinition;
    this.#isDeleted = false;
  }

  /** Deleting a service stops all its tasks, protected or not. */
  delete(): void {
    if (this.#isDeleted) return;
    this.#isDeleted = true;
    this.#service = { ...this.#service, desiredCount: 0 };
    for (const task of this.#live()) this.#stop(task, `(service ${this.#service.serviceName}) was deleted.`);
  }

  /** Brings the tasks closer to the service's desired state. It is cheap, and can be called at any time. */
  reconcile(): void {
    if (this.#isDeleted) return;
    this.#countFailures();
    const live = this.#live();
    this.#backoff.observe(live.filter((task) => task.isRunning).map(lifeSpan), this.#platform.now());
    const deployment = primaryDeployment(this.#service);
    const wanted = {
      ...this.#service.deploymentConfiguration,
      desiredCount: this.#service.desiredCount,
      deploymentId: deployment.id,
      rebalanced: this.#service.availabilityZoneRebalancing === 'ENABLED' ? this.#zones() : [],
    };
    const plan = planTasks(wanted, live.map(plannedTask), this.#platform.random);
    for (const task of live.filter(({ id }) => plan.stop.includes(id))) this.#stop(task, scalingReason(deployment.id));
    for (const task of live.filter(({ health }) => health === 'UNHEALTHY')) this.#stop(task, UNHEALTHY);
    this.#breakCircuit(deployment.id);
    const mayLaunch = this.#platform.now() >= this.#backoff.launchAfter && !this.#failed.has(deployment.id);
    if (mayLaunch && !(plan.rebalances && this.#hasJustRebalanced))
      this.#launch(plan.launch, deployment.id, plan.rebalances);
    this.#noteProgress(deployment.id);
  }

  /** The number of failures of a deployment's tasks so far. */
  failedTasks(deploymentId: string): number {
    return this.#failedTasks.get(deploymentId) ?? 0;
  }

  /** Once a deployment has all its tasks running and the old ones gone, it stays completed. */
  isCompleted(deploymentId: string): boolean {
    return this.#completed.has(deploymentId);
  }

  /** Whether the circuit breaker has given up the deployment. */
  isFailed(deploymentId: string): boolean {
    return this.#failed.has(deploymentId);
  }

  /**
   * With this task, more tasks would be protected than the service is to have: during a deployment, and while surplus tasks finish
   * their work. (Source: ECS API reference, UpdateTaskProtection, DEPLOYMENT_BLOCKED.)
   */
  isBlocked(task: LocalTask): boolean {
    const isOther = ({ id, protectedUntil }: LocalTask) => id !== task.id && protectedUntil !== undefined;
    return this.#live().filter(isOther).length >= this.#service.desiredCount;
  }

  #live(): LocalTask[] {
    return this.#platform.tasks(this.#service.serviceArn).filter((task) => !task.isStopping);
  }

  /** A move that fails, because all tasks in the fullest zone are protected, is retried only after a pause. */
  get #hasJustRebalanced(): boolean {
    return this.#platform.now() < this.#rebalancedAt + REBALANCE_PAUSE_MS;
  }

  /** Zones where tasks can be started; if there are none, any zone is used, so that nothing stalls for good. */
  #zones(): string[] {
    const zones = zonesOf(this.#service);
    const open = zones.filter((zone) => this.#platform.isOpen(zone));
    return open.length > 0 ? open : zones;
  }

  #launch(count: number, deploymentId: string, rebalances: boolean): void {
    if (count === 0) return;
    const present = this.#live().map(({ origin }) => origin.capacityProvider);
    const zones = this.#live().map(({ origin }) => origin.zone);
    const launched = Array.from({ length: count }, () => {
      const capacityProvider = nextProvider(this.#service.capacityProviderStrategy, present);
      const zone = nextZone(this.#zones(), zones);
      present.push(capacityProvider);
      zones.push(zone);
      const { service, taskDefinition } = { service: this.#service, taskDefinition: this.#taskDefinition };
      return this.#platform.launch({ service, taskDefinition, deploymentId, capacityProvider, zone });
    });
    const ids = launched.map((task) => `(task ${task.id})`).join(' ');
    // (Source: ECS developer guide, "Track Amazon ECS Availability Zone rebalancing".)
    if (rebalances) this.#rebalancedAt = this.#platform.now();
    if (rebalances) this.#tell(`has started ${count} tasks in ${launched[0]!.origin.zone} to AZ Rebalance: ${ids}.`);
    else this.#tell(`has started ${count} tasks: ${ids}.`);
  }

  #stop(task: LocalTask, reason: string): void {
    task.stop('ServiceSchedulerInitiated', reason);
    this.#tell(`has stopped 1 running tasks: (task ${task.id}).`);
  }

  /** A failure is a task that stopped without having been asked to. */
  #countFailures(): void {
    for (const task of this.#platform.tasks(this.#service.serviceArn)) {
      const failed =
        task.stopCode === 'EssentialContainerExited' ||
        task.stopCode === 'TaskFailedToStart' ||
        task.stoppedReason === UNHEALTHY;
      if (!failed || this.#settled.has(task.id)) continue;
      this.#settled.add(task.id);
      const deployment = task.origin.deploymentId;
      this.#failedTasks.set(deployment, this.failedTasks(deployment) + 1);
      this.#backoff.taskFailed(lifeSpan(task), task.stoppingAt ?? this.#platform.now());
      if (this.#backoff.failures === FAILURES_WORTH_TELLING) {
        this.#tell('is unable to consistently start tasks successfully.');
      }
    }
  }

  /** Half of the tasks, at least three and at most two hundred, may fail before a deployment is given up. */
  #breakCircuit(deploymentId: string): void {
    const { enable, rollback } = this.#service.deploymentConfiguration.deploymentCircuitBreaker;
    const threshold = Math.min(200, Math.max(3, Math.ceil(this.#service.desiredCount / 2)));
    const isOver = this.#completed.has(deploymentId) || this.#failed.has(deploymentId);
    if (!enable || isOver || this.failedTasks(deploymentId) < threshold) return;
    this.#failed.add(deploymentId);
    this.#tell(`(deployment ${deploymentId}) deployment failed: tasks failed to start.`);
    if (!rollback || this.#lastGood === undefined) return;
    this.#tell(`rolling back to ${this.#lastGood}.`);
    this.#platform.rollBack(this.#service, this.#lastGood);
  }

  #noteProgress(deploymentId: string): void {
    const live = this.#live();
    const running = live.filter((task) => task.isServing && task.origin.deploymentId === deploymentId).length;
    const isSteady = running === this.#service.desiredCount && live.length === running;
    if (isSteady && !this.#completed.has(deploymentId)) {
      this.#completed.add(deploymentId);
      this.#lastGood = this.#taskDefinition.taskDefinitionArn;
      this.#tell(`(deployment ${deploymentId}) deployment completed.`);
    }
    if (isSteady && !this.#isSteady) this.#tell('has reached a steady state.');
    this.#isSteady = isSteady;
  }

  #tell(what: string): void {
    const createdAt = epochSeconds(this.#platform.now());
    this.events.unshift({ id: randomUUID(), createdAt, message: `(service ${this.#service.serviceName}) ${what}` });
    this.events.splice(KEEP_EVENTS);
  }
}

function plannedTask(task: LocalTask) {
  return {
    id: task.id,
    deploymentId: task.origin.deploymentId,
    zone: task.origin.zone,
    isRunning: task.isServing,
    isProtected: task.protectedUntil !== undefined,
  };
}

function lifeSpan(task: LocalTask) {
  return { createdAt: task.createdAt, startedAt: task.enteredAt('RUNNING') };
}

function scalingReason(deploymentId: string): string {
  return `Scaling activity initiated by (deployment ${deploymentId})`;
}
