/**
 * ECS: services that keep their desired count of tasks, by the project's own model of the service scheduler. It chooses
 * itself which tasks to stop, and here it chooses the busiest, but never a protected one. Tasks take long to start, crash, are
 * interrupted, cannot be placed; deployments replace them, also such as keep the task definition; ECS moves them between
 * zones where that is on; people change what they like. What it answers to a client is in ecs-api.ts.
 */
import { MAXIMUM_PERCENT } from '../../contract/deployment.ts';
import { nextProvider, type CapacityShare } from '../../local/fargate/capacity.ts';
import { nextZone, planTasks } from '../../local/fargate/plan.ts';
import { RestartBackoff } from '../../local/fargate/restart-backoff.ts';
import { uniform } from '../../simulate/random.ts';
import { EcsApi, type EcsApiParts } from './ecs-api.ts';
import { live, type Container, type Service, type SimulatedTask } from './ecs-services.ts';
import type { Cause } from './temporal.ts';
import { MINUTE, SECOND, type VirtualTime } from './time.ts';

const STARTS_IN_MS = [20 * SECOND, 60 * SECOND] as const;
const RECONCILES_IN_MS = [0.2 * SECOND, 3 * SECOND] as const;
/** From the container's start until the worker takes part. */
const BOOTS_IN_MS = [1 * SECOND, 8 * SECOND] as const;
const SPOT_WARNING_MS = 120 * SECOND;
const STOP_TIMEOUT_MS = 120 * SECOND;
const BACKOFF = { firstSeconds: 10, maxSeconds: 900, steadyAfterSeconds: 60 };
const ZONES = ['a', 'b', 'c'];
/** With more of them active, ECS holds the newest one back: DEPLOYMENT_BLOCKED. */
const MOST_DEPLOYMENTS = 5;
/** A deployment whose tasks fail so often is rolled back by the service's circuit breaker. */
const FAILURES_UNTIL_ROLLBACK = 3;

/** What ECS answers: done, or the reason of its refusal. */
export type ProtectionOutcome = 'done' | 'TASK_NOT_VALID' | 'DEPLOYMENT_BLOCKED';

interface EcsParts extends EcsApiParts {
  time: VirtualTime;
  /** What runs in a task that has started. */
  start: (task: SimulatedTask) => Container;
  /** False for an ECS that stops protected tasks: a guard taken out. */
  honoursProtection: boolean;
  trace: (what: string) => void;
}

export class Ecs {
  readonly #parts: EcsParts;
  readonly services = new Map<string, Service>();
  readonly #api: EcsApi;

  constructor(parts: EcsParts) {
    this.#parts = parts;
    const setDesired = (service: Service, desired: number) => this.setDesired(service, desired);
    this.#api = new EcsApi(parts, this.services, setDesired);
  }

  create(name: string, pool: string, desired: number, strategy: CapacityShare[]): Service {
    const service: Service = {
      name,
      index: this.services.size,
      pool,
      exists: true,
      desired,
      deployment: 1,
      revision: 1,
      strategy,
      goodRevision: 1,
      badRevisions: new Set(),
      failures: 0,
      tasks: [],
      launched: 0,
      backoff: new RestartBackoff(BACKOFF),
      reconciling: false,
    };
    this.services.set(name, service);
    this.#touch(service);
    return service;
  }

  setDesired(service: Service, desired: number): void {
    service.desired = desired;
    this.#touch(service);
  }

  /** The same task definition again, as after a change of the network or a rollback of CloudFormation. */
  forceDeployment(service: Service): void {
    service.deployment += 1;
    this.#touch(service);
  }

  deploy(service: Service, { bad = false } = {}): void {
    service.deployment += 1;
    service.revision += 1;
    service.failures = 0;
    if (bad) service.badRevisions.add(service.revision);
    this.#touch(service);
  }

  /** Deleting stops all tasks, protected or not. */
  delete(service: Service): void {
    service.exists = false;
    for (const task of live(service)) this.stop(task, 'deleted');
  }

  recreate(service: Service): void {
    Object.assign(service, { exists: true, desired: 1, failures: 0, backoff: new RestartBackoff(BACKOFF) });
    this.#touch(service);
  }

  /** SIGTERM now, SIGKILL after the stop timeout. */
  stop(task: SimulatedTask, cause: Cause): void {
    if (task.state === 'stopping' || task.state === 'stopped') return;
    this.#parts.trace(
      `${task.id} is stopped (${cause})${task.container ? ` with ${task.container.usedSlots} slots in use` : ''}`,
    );
    task.state = 'stopping';
    task.cause = cause;
    if (task.container === undefined) return this.#gone(task);
    task.container.terminate(cause);
    this.#parts.time.after(cause === 'spot' ? SPOT_WARNING_MS : STOP_TIMEOUT_MS, () => {
      task.container?.kill(cause);
      this.exited(task);
    });
  }

  crash(task: SimulatedTask): void {
    if (task.state === 'stopped') return;
    this.#parts.trace(`${task.id} crashes`);
    task.container?.kill(task.cause ?? 'crash');
    this.exited(task);
  }

  /** To be called when what runs in a task has ended. */
  exited(task: SimulatedTask): void {
    if (task.state === 'stopped') return;
    if (task.state !== 'stopping') this.#failed(task);
    this.#gone(task);
  }

  /** The agent's and UpdateTaskProtection's effect. No more tasks can be protected than the service is to have. */
  protect(task: SimulatedTask, minutes: number): ProtectionOutcome {
    if (task.state !== 'running') return 'TASK_NOT_VALID';
    const others = live(task.service).filter((other) => other !== task && this.isProtected(other));
    task.blocked = others.length >= task.service.desired;
    if (task.blocked) return 'DEPLOYMENT_BLOCKED';
    task.protectedUntil = this.#parts.time.now + minutes * MINUTE;
    this.#parts.time.at(task.protectedUntil, () => this.#touch(task.service));
    return 'done';
  }

  lift(task: SimulatedTask): ProtectionOutcome {
    if (task.state !== 'running') return 'TASK_NOT_VALID';
    task.protectedUntil = 0;
    this.#touch(task.service);
    return 'done';
  }

  /** The answer to a command of the SDK's client. */
  answer(command: string, input: Record<string, unknown>): unknown {
    return this.#api.answer(command, input);
  }

  isProtected(task: SimulatedTask): boolean {
    return task.protectedUntil > this.#parts.time.now;
  }

  #touch(service: Service): void {
    if (service.reconciling) return;
    service.reconciling = true;
    this.#parts.time.after(uniform(this.#parts.random, RECONCILES_IN_MS), () => {
      service.reconciling = false;
      if (service.exists) this.#reconcile(service);
    });
  }

  #reconcile(service: Service): void {
    const { time, faults, honoursProtection } = this.#parts;
    // Busiest first, and numbers that rise: so the plan takes them in this order, as the worst of all ECS would.
    const tasks = live(service).sort((a, b) => (b.container?.usedSlots ?? 0) - (a.container?.usedSlots ?? 0));
    service.backoff.observe(
      tasks.filter(({ startedAt }) => startedAt !== undefined),
      time.now,
    );
    let order = 0;
    const plan = planTasks(
      {
        desiredCount: service.desired,
        maximumPercent: MAXIMUM_PERCENT,
        minimumHealthyPercent: 100,
        deploymentId: String(service.deployment),
        rebalanced: faults.active('ecs.rebalances', service.pool) ? ZONES : [],
      },
      tasks.map((task) => ({
        id: task.id,
        deploymentId: String(task.deployment),
        zone: task.zone,
        isRunning: task.state === 'running',
        isProtected: honoursProtection && this.isProtected(task),
      })),
      () => (order += 1e-6),
    );
    for (const task of tasks.filter(({ id }) => plan.stop.includes(id))) this.stop(task, causeOf(task));
    const deployments = new Set([service.deployment, ...tasks.map(({ deployment }) => deployment)]);
    if (plan.launch === 0 || deployments.size > MOST_DEPLOYMENTS) return;
    if (time.now >= service.backoff.launchAfter) this.#launch(service, plan.launch);
    else time.at(service.backoff.launchAfter, () => this.#touch(service));
  }

  #launch(service: Service, count: number): void {
    const { time, random, trace } = this.#parts;
    for (let n = 0; n < count; n += 1) {
      service.launched += 1;
      const present = live(service);
      const task: SimulatedTask = {
        id: `${service.name}-${service.launched}`,
        number: service.launched,
        service,
        deployment: service.deployment,
        revision: service.revision,
        zone: nextZone(
          ZONES,
          present.map(({ zone }) => zone),
        ),
        capacityProvider: nextProvider(
          service.strategy,
          present.map(({ capacityProvider }) => capacityProvider),
        ),
        createdAt: time.now,
        startedAt: undefined,
        state: 'pending',
        cause: undefined,
        protectedUntil: 0,
        blocked: false,
        container: undefined,
      };
      service.tasks.push(task);
      trace(`${task.id} is launched`);
      time.after(uniform(random, STARTS_IN_MS), () => this.#placed(task));
    }
  }

  #placed(task: SimulatedTask): void {
    const { time, random, faults } = this.#parts;
    const { service } = task;
    if (task.state !== 'pending') return;
    if (faults.active('ecs.neverPlaces', service.pool))
      return time.after(uniform(random, STARTS_IN_MS), () => this.#placed(task));
    if (faults.active('ecs.noCapacity', service.pool)) return this.exited(task);
    task.state = 'running';
    task.startedAt = time.now;
    const broken = faults.active('ecs.badImage', service.pool) || service.badRevisions.has(task.revision);
    time.after(uniform(random, BOOTS_IN_MS), () => {
      if (task.state !== 'running') return;
      if (broken) return this.crash(task);
      service.goodRevision = Math.max(service.goodRevision, task.revision);
      task.container = this.#parts.start(task);
    });
    this.#touch(service);
  }

  #failed(task: SimulatedTask): void {
    const { service } = task;
    const { now } = this.#parts.time;
    service.backoff.taskFailed(task, now);
    if (task.revision !== service.revision || service.revision === service.goodRevision) return;
    service.failures += 1;
    if (service.failures < FAILURES_UNTIL_ROLLBACK) return;
    this.#parts.trace(`${service.name} is rolled back`);
    service.failures = 0;
    service.revision = service.goodRevision;
    this.forceDeployment(service);
  }

  #gone(task: SimulatedTask): void {
    task.state = 'stopped';
    task.service.tasks.splice(task.service.tasks.indexOf(task), 1);
    this.#touch(task.service);
  }
}

function causeOf({ deployment, blocked, service }: SimulatedTask): Cause {
  return blocked && deployment !== service.deployment ? 'deployment' : 'scheduler';
}
