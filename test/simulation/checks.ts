/**
 * What must hold. Safety, at every moment: nothing is killed by a decision of the scaler; the count stays within its
 * limits; nobody leaves on a guess, without a cordon, or at the word of a scaler that another has overtaken; nothing is
 * ordered that no work asks for. Liveness: two ticks after a fault's end the scaler sees and acts again; when all faults
 * are over, all work gets done and every fleet returns to its minimum.
 */
import { poolKey } from '../../contract/state-table.ts';
import { known } from '../../scaler/policy.ts';
import type { Outcome } from '../../scaler/policy.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import type { Ports } from '../../scaler/ports.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import { Demand } from './demand.ts';
import { live, type Service } from './ecs-services.ts';
import type { Faults } from './faults.ts';
import type { Invocation } from './lambda.ts';
import { isDeploying, maxOf, type PoolTruth } from './pool-truth.ts';
import type { Rule, Violation } from './rules.ts';
import { SeenByInvocations } from './seen.ts';
import type { Cause } from './temporal.ts';
import type { Attempt } from './worker.ts';
import { HOUR, MINUTE, SECOND, type VirtualTime } from './time.ts';

/** With one of these on, a tick may fail. What happens once counts at its moment. */
const DISTURBING =
  /^(temporal\.(unreachable|down|slow|limited|restartsEmpty)|ecs\.(throttled|down|denied|answersLost|partial|serviceDeleted|countByHand)|table\.|ssm\.|scaler\.)/;
/** After these the scaler cannot know what the hour has cost. */
const FORGETTING = /^(table\.itemDamaged|scaler\.clockJumps)/;
/** Without a fault, ticks in a row that could not see or act. What another wrote meanwhile is found out by one that fails. */
const TROUBLED_TICKS = 1;
const LONGEST_GAP_MS = 20 * SECOND;
/** An invocation that a fault delayed or left without an answer may run for this long after the fault. */
const SETTLED_AFTER_MS = 5 * MINUTE;
/** With nothing to do and nothing wrong, a fleet is at its minimum by then. */
const IDLE_WITHIN_MS = 5 * MINUTE;
const IDLE_WITHIN_PAUSES_MS = 20 * MINUTE;

export class Checks {
  readonly violations: Violation[] = [];
  readonly kills: Record<Cause, number> = {
    scheduler: 0,
    deployment: 0,
    spot: 0,
    crash: 0,
    hand: 0,
    deleted: 0,
  };
  readonly #time: VirtualTime;
  readonly #faults: Faults;
  readonly #pools = new Map<string, PoolTruth>();
  readonly #cordoned: (pool: string, task: string) => boolean;
  readonly #twoScalers: boolean;
  readonly #reportedAt = new Map<string, number>();
  readonly #written = new Map<string, { version: unknown; at: number; by: Invocation | undefined }>();
  readonly #seen: SeenByInvocations;
  /** Ticks in a row, without a fault. */
  readonly #troubled = new Map<string, number>();
  readonly #disturbedAt = new Map<string, number>();
  readonly #forgotAt = new Map<string, number>();
  /** The most that was ordered and could be of use. */
  readonly #ordered = new Map<string, number>();
  readonly #idleSince = new Map<string, number>();
  readonly #demand: Demand;

  constructor(
    time: VirtualTime,
    faults: Faults,
    cordoned: (pool: string, task: string) => boolean,
    twoScalers: boolean,
  ) {
    this.#time = time;
    this.#seen = new SeenByInvocations(time);
    this.#demand = new Demand(time);
    this.#faults = faults;
    this.#cordoned = cordoned;
    this.#twoScalers = twoScalers;
  }

  watch(pool: PoolTruth): void {
    this.#pools.set(pool.plan.config.pool, pool);
  }

  // What the world tells

  /** A fault began or ended. */
  disturbed(kind: string, pool: string | undefined): void {
    if (!DISTURBING.test(kind)) return;
    for (const name of pool === undefined ? this.#pools.keys() : [pool]) {
      this.#disturbedAt.set(name, this.#time.now);
      if (FORGETTING.test(kind)) this.#forgotAt.set(name, this.#time.now);
    }
  }

  tickBegins(invocation: Invocation): void {
    const seen = this.#seen.by(invocation);
    seen.tickAt = this.#time.now;
    seen.temporal.clear();
  }

  readTemporal(invocation: Invocation, pool: string, allKnown: boolean, workers: ReportedWorker[]): void {
    this.#seen.by(invocation).temporal.set(pool, allKnown);
    this.#seen.by(invocation).reporting.set(pool, new Set(workers.flatMap(({ key }) => key.replace(/^w-/, ''))));
  }

  readService(invocation: Invocation, service: Service): void {
    const tasks = new Set(live(service).map(({ id }) => id));
    this.#seen.by(invocation).services.set(service.pool, { tasks, deploying: isDeploying(service) });
  }

  readMemory(invocation: Invocation, pool: string, version: unknown): void {
    this.#seen.by(invocation).versions.set(pool, version);
  }

  wroteMemory(invocation: Invocation | undefined, key: string, version: unknown): void {
    const pool = [...this.#pools.keys()].find((name) => poolKey(name) === key);
    if (pool === undefined) return;
    if (invocation !== undefined) this.#checkOvertaken(invocation, pool, 'its memory written');
    this.#written.set(pool, { version, at: this.#time.now, by: invocation });
    if (invocation !== undefined) this.readMemory(invocation, pool, version);
  }

  killed(pool: string, task: string, attempts: Attempt[], cause: Cause): void {
    this.kills[cause] += attempts.length;
    if (cause !== 'scheduler' || attempts.length === 0) return;
    const seconds = (this.#time.now - Math.min(...attempts.map(({ startedAt }) => startedAt))) / SECOND;
    this.#violated('killed', pool, `${task} with ${attempts.length} attempts, one of ${seconds.toFixed(1)} s`);
  }

  crashed(error: unknown): void {
    if (!this.#faults.active('ssm.down')) this.#violated('crashed', '', String((error as Error)?.stack ?? error));
  }

  /** Before a pool's tasks are cordoned by the scaler. */
  cordons(invocation: Invocation, pool: string): void {
    const truth = this.#pools.get(pool);
    if (truth === undefined || isDeploying(truth.service)) return;
    // Tasks above the count leave as was decided, or done by hand, before; and a count above the maximum is lowered in any case.
    const { tasks } = this.#seen.by(invocation).services.get(pool) ?? {};
    const above = Math.max(live(truth.service).length, tasks?.size ?? 0) > truth.service.desired;
    if (!above && truth.service.desired <= maxOf(truth.plan)) this.#checkSight(invocation, truth, 'a cordon');
    this.#checkOvertaken(invocation, pool, 'a cordon');
  }

  /** Before UpdateService takes effect. */
  orders(invocation: Invocation, service: Service, desired: number): void {
    const truth = this.#pools.get(service.pool)!;
    const { plan } = truth;
    const step = `${service.desired} to ${desired}`;
    const most = maxOf(plan) + this.#leavingForGood(truth);
    if (!(Number.isInteger(desired) && desired >= 0 && desired <= most)) {
      this.#violated('limits', service.pool, `${step}, maxTasks ${maxOf(plan)}`);
    }
    if (desired < service.desired) this.#checkLowering(invocation, truth, desired, step);
    if (desired > service.desired) this.#checkRaising(invocation, truth, desired, step);
  }

  reported([record, outcome, errors]: Parameters<Ports['telemetry']['report']>, invocation: Invocation): void {
    const truth = this.#pools.get(record.pool);
    if (truth === undefined) return;
    this.#demand.account(truth);
    this.#checkRemoved(truth, record, outcome, invocation);
    this.#checkAwaited(record.pool, outcome, invocation);
    this.#checkIdle(truth, outcome);
    this.#checkPace(record, errors);
    const disturbed =
      (this.#disturbedAt.get(record.pool) ?? -Infinity) >= this.#seen.by(invocation).tickAt ||
      this.#faults.ofPool(record.pool).some((kind) => DISTURBING.test(kind));
    if (disturbed || truth.plan.misconfigured) return void this.#troubled.set(record.pool, 0);
    const readings = [record.activityQueue, record.workflowQueue, record.workers, record.tasks];
    const why = [
      ...errors,
      ...readings.flatMap((reading) => (known<unknown>(reading) ? [] : [(reading as { unknown: string }).unknown])),
    ];
    const isUnknown = outcome.decision.reason === 'unknown' && outcome.figures.unreportedTasks === 0;
    const troubled = why.length > 0 || isUnknown;
    const ticks = troubled ? (this.#troubled.get(record.pool) ?? 0) + 1 : 0;
    this.#troubled.set(record.pool, ticks);
    if (ticks > TROUBLED_TICKS * (this.#twoScalers ? 2 : 1)) {
      this.#violated('notRecovered', record.pool, `tick ${ticks}, ${outcome.decision.reason}: ${why.join('; ')}`);
    }
  }

  #checkPace({ pool }: TickRecord, errors: string[]): void {
    const { now } = this.#time;
    const before = this.#reportedAt.get(pool) ?? now;
    this.#reportedAt.set(pool, now);
    const isDisturbed = this.#faults.ofPool(pool).some((kind) => DISTURBING.test(kind));
    if (isDisturbed || (this.#disturbedAt.get(pool) ?? -Infinity) > Math.min(before, now - SETTLED_AFTER_MS)) return;
    if (now - before > LONGEST_GAP_MS) this.#violated('blindGap', pool, `${((now - before) / SECOND).toFixed(1)} s`);
    const lost = errors.find((error) => error.includes('another scaler'));
    if (lost !== undefined && !this.#twoScalers) this.#violated('lostTick', pool, lost);
  }

  // The end

  /** Whether all work is done and all fleets are at their minimum. */
  get settled(): boolean {
    return [...this.#pools.values()].every((truth) => truth.plan.misconfigured || this.#unsettled(truth) === undefined);
  }

  ended(): void {
    for (const truth of this.#pools.values()) {
      if (truth.plan.misconfigured) continue;
      const unsettled = this.#unsettled(truth);
      if (unsettled) this.#violated(unsettled.rule, truth.plan.config.pool, unsettled.detail);
    }
  }

  #unsettled({ work, service, plan, queue }: PoolTruth): { rule: Rule; detail: string } | undefined {
    const undone = work.started - work.done - work.failed - work.lost;
    const tasks = live(service);
    const minTasks = plan.config.policy.minTasks ?? 0;
    if (undone > 0) {
      return {
        rule: 'notDone',
        detail: `${undone} undone, ${queue.queued} queued, desired ${service.desired}, ${tasks.length} tasks`,
      };
    }
    if (service.desired !== minTasks || tasks.length !== minTasks) {
      return {
        rule: 'notAtMinimum',
        detail: `desired ${service.desired}, ${tasks.length} tasks, minTasks ${minTasks}`,
      };
    }
    const left = tasks.filter(({ id }) => this.#cordoned(plan.config.pool, id));
    return left.length > 0 ? { rule: 'leftCordoned', detail: left.map(({ id }) => id).join(' ') } : undefined;
  }

  /** ECS counts them until they are gone, so they come on top of the tasks that work. */
  #leavingForGood({ plan, service }: PoolTruth): number {
    if (plan.config.protection !== 'sidecar') return 0;
    return service.tasks.filter(({ id }) => this.#cordoned(plan.config.pool, id)).length;
  }

  // The rules

  #checkLowering(invocation: Invocation, truth: PoolTruth, desired: number, step: string): void {
    const { service, plan } = truth;
    const { pool } = plan.config;
    // Of cordons that are final the count follows later, when the tasks that stay have reported.
    const follows = plan.config.protection === 'sidecar';
    if (!follows && service.desired <= maxOf(plan)) this.#checkSight(invocation, truth, step);
    this.#checkOvertaken(invocation, pool, step);
    const seen = this.#seen.by(invocation).services.get(pool);
    if (seen === undefined || seen.deploying || isDeploying(service)) return;
    const staying = live(service).filter(({ id }) => seen.tasks.has(id) && !this.#cordoned(pool, id));
    if (staying.length > desired)
      this.#violated('uncordoned', pool, `${step}, not cordoned: ${staying.map(({ id }) => id).join(' ')}`);
  }

  /** Unless somebody has lowered the count, or a limit has, tasks that have had time to report and have not are not removed. */
  #checkRemoved(
    { plan, service }: PoolTruth,
    { pool, tasks }: TickRecord,
    outcome: Outcome,
    invocation: Invocation,
  ): void {
    if (!known(tasks) || tasks.outdated.length > 0) return;
    const { desired, running, pending, cordoned, spot = [] } = tasks;
    const { decision } = outcome;
    const removed = decision.cordon.filter((task) => !cordoned.includes(task));
    const kept = [...running, ...pending].filter((task) => !decision.cordon.includes(task));
    const onDemand = removed.filter((task) => !spot.includes(task));
    const reporting = this.#seen.by(invocation).reporting.get(pool);
    const spotKept = kept.filter((task) => spot.includes(task) && (pending.includes(task) || reporting?.has(task)));
    if (onDemand.length > 0 && spotKept.length > 0)
      this.#violated('base', pool, `${onDemand.join(' ')} before ${spotKept.join(' ')}`);
    if (running.length + pending.length > desired || desired > maxOf(plan)) return;
    const early = (task: string) => {
      const { startedAt = this.#time.now } = live(service).find(({ id }) => id === task) ?? {};
      return this.#time.now - startedAt < 2 * MINUTE;
    };
    const silent = removed.filter((task) => running.includes(task) && !reporting?.has(task) && !early(task));
    if (silent.length > 0)
      this.#violated(
        'unreported',
        pool,
        `${silent.join(' ')} of ${running.join(' ')}; ${outcome.decision.reason}: ${outcome.decision.detail}`,
      );
  }

  #checkAwaited(pool: string, { decision }: Outcome, invocation: Invocation): void {
    const { unneeded } = this.#seen.by(invocation);
    const detail = unneeded.get(pool);
    unneeded.delete(pool);
    if (detail !== undefined && decision.reason !== 'expected') this.#violated('unneeded', pool, detail);
  }

  /** What is ordered ahead of work that is expected begins another wait. */
  #checkIdle(truth: PoolTruth, { decision }: Outcome): void {
    const { plan, service, work, queue, arrivals } = truth;
    const { pool, policy } = plan.config;
    const undone = work.started - work.done - work.failed - work.lost;
    const looked = this.#time.now - (this.#reportedAt.get(pool) ?? 0) <= LONGEST_GAP_MS;
    const isIdle = undone === 0 && queue.queued === 0 && arrivals.length === 0 && looked;
    const isDisturbed =
      this.#faults.ofPool(pool).length > 0 || isDeploying(service) || plan.misconfigured !== undefined;
    const tasks = live(service).length;
    if (!isIdle || isDisturbed || tasks <= (policy.minTasks ?? 0))
      return void this.#idleSince.set(pool, this.#time.now);
    const idleMs = this.#time.now - (this.#idleSince.get(pool) ?? this.#time.now);
    if (idleMs <= (plan.load.pauses ? IDLE_WITHIN_PAUSES_MS : IDLE_WITHIN_MS)) return;
    const minutes = (idleMs / MINUTE).toFixed(1);
    this.#violated('keptIdle', pool, `${tasks} tasks after ${minutes} minutes, ${decision.reason}: ${decision.detail}`);
  }

  #checkSight(invocation: Invocation, { plan }: PoolTruth, what: string): void {
    const { pool } = plan.config;
    if (this.#seen.by(invocation).temporal.get(pool) !== true)
      this.#violated('blind', pool, `${what} with an unknown reading`);
  }

  #checkOvertaken(invocation: Invocation, pool: string, what: string): void {
    const { tickAt, versions } = this.#seen.by(invocation);
    const newest = this.#written.get(pool);
    if (newest === undefined || newest.by === undefined || newest.by === invocation || newest.at >= tickAt) return;
    if (versions.get(pool) !== newest.version) {
      this.#violated(
        'overtaken',
        pool,
        `${what} by #${invocation.number} of version ${versions.get(pool)}, the newest is ${newest.version}`,
      );
    }
  }

  #checkRaising(invocation: Invocation, truth: PoolTruth, desired: number, step: string): void {
    const { plan, service } = truth;
    const { minTasks = 0, slotsPerTask = 20, spendCapDollarsPerHour } = plan.config.policy;
    if (desired <= minTasks) return;
    const most = this.#demand.mostNeeded(truth, slotsPerTask);
    const before = this.#ordered.get(service.pool) ?? 0;
    const detail = `${step}, at most ${most} could have been of use`;
    // What has come before may be awaited: whether it was says the report.
    if (desired > Math.max(most, before)) this.#violated('unneeded', service.pool, detail);
    else if (desired > most) this.#seen.by(invocation).unneeded.set(service.pool, detail);
    else this.#ordered.set(service.pool, Math.max(before, desired));
    const spent = this.#demand.spentThisHour(service.pool);
    const forgot = this.#time.now - (this.#forgotAt.get(service.pool) ?? -Infinity) < HOUR;
    const cap = forgot ? Infinity : (spendCapDollarsPerHour ?? Infinity);
    if (spent > 1.1 * cap + 0.02)
      this.#violated('spending', service.pool, `${step}, $${spent.toFixed(3)} of ${cap} spent`);
  }

  #violated(rule: Rule, pool: string, detail: string): void {
    this.violations.push({ rule, hours: this.#time.hours, pool, detail });
  }
}
