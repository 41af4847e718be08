/**
 * A world: a Lambda that scales a few pools of workers, and all that it stands on, from one seed. It lives for some hours
 * with faults, then for as long as it needs to come to rest without any. Equal options give an equal history.
 */
import { cordonKey, poolKey, SCALER_KEY, type ScalerItem } from '../../contract/state-table.ts';
import type { TemporalSignals } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { seeded, uniform, type Random } from '../../simulate/random.ts';
import type { CordonReading } from '../../worker/scale-in/cordon-reading.ts';
import type { ProtectionAnswer } from '../../worker/scale-in/protection.ts';
import { Checks } from './checks.ts';
import type { PoolTruth } from './pool-truth.ts';
import type { Violation } from './rules.ts';
import { Ecs, type ProtectionOutcome } from './ecs.ts';
import { named } from './ecs-api.ts';
import { addressOf, live, type Service, type SimulatedTask } from './ecs-services.ts';
import {
  drawFaults,
  Faults,
  latencyMs,
  MINUTES_BETWEEN_FAULTS,
  TIMES_OUT_AFTER_MS,
  type Fault,
  type FaultKind,
} from './faults.ts';
import {
  Invocation,
  LambdaProcess,
  parametersOf,
  REQUESTS,
  type Death,
  type LambdaParts,
  type ServiceName,
} from './lambda.ts';
import { ForeignWorker } from './foreign-worker.ts';
import { drawScenario, type PoolPlan, type Scenario } from './scenario.ts';
import { Table } from './table.ts';
import { TaskQueue, type Work } from './temporal.ts';
import { HOUR, MINUTE, SECOND, VirtualTime } from './time.ts';
import { Trace } from './trace.ts';
import { ModelledWorker } from './worker.ts';

/** Guards that can be taken out, to see that the checks notice. */
export const MUTANTS = [
  'ECS ignores protection',
  'a worker lifts its protection without looking at its work',
  'cordons are written late',
  'the memory is written without its condition',
  'a listing ends after its first page',
  'what is unknown is read as zero',
  'an order adds to the count',
  'a deployment is known by its task definition alone',
  'a worker without a report is taken to be idle',
  'an invocation does not wait for the one before',
  'an invocation ends with its minute',
] as const;
export type Mutant = (typeof MUTANTS)[number];

export interface WorldOptions {
  seed: number;
  /** How long faults come. */
  hours: number;
  mutant?: Mutant | undefined;
  /** A second scaler ticks all the time. */
  twoScalers?: boolean | undefined;
  /** Do not live on after a rule was broken. */
  untilBroken?: boolean | undefined;
  minutesBetweenFaults?: number | undefined;
  /** Only these faults; all by default. */
  faults?: FaultKind[] | undefined;
  print?: ((line: string) => void) | undefined;
}

export interface WorldResult {
  seed: number;
  hash: string;
  violations: Violation[];
  newest: string[];
  poolHours: number;
  taskHours: number;
  ticks: number;
  invocations: number;
  activities: number;
  kills: Checks['kills'];
  faults: Record<string, number>;
  /** Requests at which an invocation died, and whether before or after their effect. */
  deaths: Record<string, number>;
  scaleIns: number;
  restedAfterMinutes: number;
}

const TURN = 'invocation#';
/** After the last fault, work goes on to come for so long; and the world has so long to come to rest. */
const LAST_ARRIVALS_MS = 20 * MINUTE;
const REST_WITHIN_MS = 4 * HOUR;
const LONGEST_WORK_MS = 9 * HOUR;

interface Process {
  lambda: LambdaProcess;
  newest: Invocation | undefined;
}

export async function simulateWorld(options: WorldOptions): Promise<WorldResult> {
  return new SimulatedWorld(options).run();
}

class SimulatedWorld {
  readonly #options: WorldOptions;
  readonly #time = new VirtualTime();
  readonly #trace: Trace;
  readonly #random: (name: string) => Random;
  readonly #scenario: Scenario;
  readonly #faults = new Faults();
  readonly #pools = new Map<string, PoolTruth>();
  readonly #workers = new Map<string, ModelledWorker>();
  readonly #foreign: { pool: string; worker: ForeignWorker }[] = [];
  readonly #ecs: Ecs;
  readonly #table: Table;
  readonly #checks: Checks;
  readonly #luck: Random;
  readonly #counts = { ticks: 0, invocations: 0, scaleIns: 0, taskMs: 0, works: 0 };
  readonly #faultCounts: Record<string, number> = {};
  readonly #deaths: Record<string, number> = {};
  #clockErrorMs = 0;
  #writer: Invocation | undefined;
  #arrivalsEnd = Infinity;
  #twiceUntil = 0;
  readonly #processes: Process[] = [];
  /** Of a second scaler, which does not wait for its turn: it sees no other invocations than its own. */
  readonly #rivals: Process[] = [];
  readonly #ofRivals = new WeakSet<Invocation>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#trace = new Trace(options.print);
    const trace = (what: string) => this.#trace.add(this.#time.now, what);
    this.#random = (name) => seeded(options.seed * 7919 + hashOf(name));
    this.#luck = this.#random('luck');
    this.#scenario = drawScenario(this.#random('scenario'));
    const [time, faults] = [this.#time, this.#faults];
    this.#table = new Table({
      onWrite: (key, item) => this.#tableWritten(key, item),
      leavesSome: () => faults.active('table.throttled') && this.#luck() < 0.3,
      honoursConditions: options.mutant !== 'the memory is written without its condition',
    });
    const isCordoned = (pool: string, task: string) => this.#table.has(cordonKey(`AROA${pool}`, task));
    this.#checks = new Checks(time, faults, isCordoned, options.twoScalers === true);
    this.#ecs = new Ecs({
      time,
      random: this.#random('ecs'),
      faults,
      start: (task) => this.#startWorker(task),
      tellsDeployments: options.mutant !== 'a deployment is known by its task definition alone',
      honoursProtection: options.mutant !== 'ECS ignores protection',
      pageSize: this.#scenario.pageSize,
      paginates: options.mutant !== 'a listing ends after its first page',
      trace,
    });
    for (const plan of this.#scenario.pools) this.#addPool(plan);
    if (options.twoScalers) this.#twiceUntil = Infinity;
  }

  async run(): Promise<WorldResult> {
    const time = this.#time;
    const begin = time.now;
    const quiet = begin + this.#options.hours * HOUR;
    const plan = {
      pools: [...this.#pools.keys()],
      from: begin + 10 * MINUTE,
      to: quiet,
      minutesBetween: this.#options.minutesBetweenFaults ?? MINUTES_BETWEEN_FAULTS,
      only: this.#options.faults,
    };
    for (const fault of drawFaults(this.#random('faults'), plan)) {
      time.at(fault.from, () => this.#begin(fault));
      if (fault.to > fault.from) time.at(fault.to, () => this.#end(fault));
    }
    this.#schedule();
    this.#countTasks();
    const broken = () => this.#options.untilBroken === true && this.#checks.violations.length > 0;
    await time.runUntil(quiet, broken);
    this.#arrivalsEnd = quiet + LAST_ARRIVALS_MS;
    await time.runUntil(this.#arrivalsEnd, broken);
    const longest = this.#faultCounts['work.nineHours'] ? LONGEST_WORK_MS : 0;
    await time.runUntil(quiet + longest + REST_WITHIN_MS, () => broken() || this.#checks.settled);
    if (!broken()) this.#checks.ended();
    return this.#result((time.now - quiet) / MINUTE);
  }

  #result(restedAfterMinutes: number): WorldResult {
    const { ticks, invocations, scaleIns, taskMs, works } = this.#counts;
    return {
      seed: this.#options.seed,
      newest: this.#trace.newest,
      hash: this.#trace.digest(),
      violations: this.#checks.violations,
      poolHours: this.#time.hours * this.#pools.size,
      taskHours: taskMs / HOUR,
      ticks,
      invocations,
      activities: works,
      kills: this.#checks.kills,
      faults: this.#faultCounts,
      deaths: this.#deaths,
      scaleIns,
      restedAfterMinutes,
    };
  }

  // Pools and their work

  #addPool(plan: PoolPlan): void {
    const { pool } = plan.config;
    const service = this.#ecs.create(pool, pool, 1, plan.strategy);
    const work = { started: 0, done: 0, failed: 0, lost: 0 };
    const queue = new TaskQueue({
      time: this.#time,
      random: this.#random(`queue ${pool}`),
      faults: this.#faults,
      pool,
      onEnd: (_work, how) => (work[how] += 1),
      onWorkflowTask: (how) => (work[how] += 1),
    });
    const truth: PoolTruth = { plan, service, queue, work, arrivals: [] };
    this.#pools.set(pool, truth);
    this.#checks.watch(truth);
    this.#arrive(truth, this.#random(`load ${pool}`));
  }

  #arrive(truth: PoolTruth, random: Random): void {
    const { load, maximumAttempts } = truth.plan;
    const { inMs, activities } = load.next(random);
    this.#time.after(inMs, () => {
      if (this.#time.now > this.#arrivalsEnd) return;
      if (load.workflowTaskMs !== undefined) {
        this.#startWorkflowTask(truth, load.serviceMs(random));
        return this.#arrive(truth, random);
      }
      const works = Array.from({ length: activities }, () => ({
        serviceMs: Math.min(load.serviceMs(random), 30 * MINUTE),
        maximumAttempts,
        poisoned: false,
      }));
      this.#startWorkflow(truth, works);
      this.#arrive(truth, random);
    });
  }

  #startWorkflow(truth: PoolTruth, works: Pick<Work, 'serviceMs' | 'maximumAttempts' | 'poisoned'>[]): void {
    truth.work.started += works.length;
    truth.arrivals.push({ at: this.#time.now, count: works.length });
    const { pool } = truth.plan.config;
    truth.queue.startWorkflow(works.map((work) => ({ ...work, id: (this.#counts.works += 1), pool, attempts: 0 })));
  }

  #startWorkflowTask(truth: PoolTruth, ms: number): void {
    truth.work.started += 1;
    truth.arrivals.push({ at: this.#time.now, count: 1 });
    this.#counts.works += 1;
    truth.queue.startWorkflowTask(ms);
  }

  #startWorker(task: SimulatedTask): ModelledWorker {
    const { pool } = task.service;
    const { queue, plan } = this.#pools.get(pool)!;
    const sidecar = plan.config.protection === 'sidecar';
    const host = `ip-${addressOf(task).replaceAll('.', '-')}.eu-west-1.compute.internal`;
    const worker = new ModelledWorker({
      sidecar,
      identity: sidecar
        ? { task: `1@${host}`, names: ['1', host], heartbeatMs: plan.heartbeatMs }
        : { task: task.id, names: [task.id, host], heartbeatMs: 5 * SECOND },
      time: this.#time,
      random: this.#luck,
      queue,
      taskId: task.id,
      slots: plan.config.policy.slotsPerTask ?? 20,
      agent: {
        protect: (minutes) => this.#askAgent(() => this.#ecs.protect(task, minutes)),
        lift: () => this.#askAgent(() => this.#ecs.lift(task)),
      },
      readCordon: () => this.#readCordon(cordonKey(plan.config.taskRoleId, task.id), pool),
      fails: () => this.#faults.active('work.failing', pool),
      onKilled: (attempts, cause) => {
        if (attempts.length > 0) this.#note(`${task.id} is killed (${cause}) with ${attempts.length} attempts`);
        this.#checks.killed(pool, task.id, attempts, cause);
        this.#workers.delete(task.id);
      },
      onExit: () => this.#ecs.exited(task),
      onPoison: () => this.#ecs.crash(task),
      knowsItsWork: this.#options.mutant !== 'a worker lifts its protection without looking at its work',
    });
    this.#workers.set(task.id, worker);
    return worker;
  }

  #askAgent(act: () => ProtectionOutcome): Promise<ProtectionAnswer> {
    const lost = this.#faults.active('ecs.answersLost') && this.#luck() < 0.3;
    return this.#time.later(latencyMs(this.#luck) + 50, () => {
      if (this.#faults.active('ecs.agentDown') || this.#faults.active('ecs.down'))
        return { outcome: 'failed', why: 'HTTP 500' };
      if (this.#faults.active('ecs.throttled') && this.#luck() < 0.5) return { outcome: 'failed', why: 'throttled' };
      const outcome = act();
      if (outcome === 'TASK_NOT_VALID') return { outcome: 'refused', why: outcome };
      if (outcome === 'DEPLOYMENT_BLOCKED') return { outcome: 'blocked', why: outcome };
      return lost ? { outcome: 'failed', why: 'timed out' } : { outcome: 'done' };
    });
  }

  /** As worker/scale-in/cordon.ts reads it. */
  #readCordon(key: string, pool: string): Promise<CordonReading> {
    return this.#time.later(latencyMs(this.#luck), () => {
      const throttled = this.#faults.active('table.throttled') && this.#luck() < 0.5;
      if (throttled || this.#faults.active('table.down')) return { known: false, why: 'the table does not answer' };
      const scaler = this.#table.get(SCALER_KEY) as ScalerItem | undefined;
      const deployingTasks = scaler?.deploying?.[pool] ?? 0;
      return { known: true, cordoned: this.#table.has(key), scalerTickAt: scaler?.tickAt, deployingTasks };
    });
  }

  #countTasks(): void {
    this.#time.after(MINUTE, () => {
      for (const { service } of this.#pools.values()) this.#counts.taskMs += live(service).length * MINUTE;
      this.#countTasks();
    });
  }

  // The scaler

  #newProcess(): LambdaProcess {
    const parts: LambdaParts = {
      time: this.#time,
      services: {
        latencyMs: (service) => this.#latencyOf(service),
        answer: (...question) => this.#answer(...question),
        readTemporal: (pools, invocation) => this.#readTemporal(pools, invocation),
      },
      clockErrorMs: () => this.#clockErrorMs,
      tickSeconds: this.#scenario.tickSeconds,
      endsWithItsMinute: this.#options.mutant === 'an invocation ends with its minute',
      onReport: (invocation, report) => {
        const [{ pool }, { decision }, errors] = report;
        this.#note(
          `#${invocation.number} ${pool} ${decision.desired} ${decision.reason} [${decision.cordon.join(' ')}] ${[decision.detail, ...errors].join('; ')}`,
        );
        this.#checks.reported(report, invocation);
      },
      onTick: (invocation) => {
        this.#counts.ticks += 1;
        this.#checks.tickBegins(invocation);
      },
      onLog: () => undefined,
      onCrash: (error) => this.#checks.crashed(error),
    };
    return new LambdaProcess(parts);
  }

  #schedule(): void {
    const luck = this.#random('schedule');
    const everyMinute = () => {
      // The schedule keeps to the minute, not to the second: from one invocation to the next it may be 1 to 119 seconds.
      const lateMs = luck() * 59 * SECOND + (this.#faults.active('scaler.late') ? luck() * 50 * SECOND : 0);
      if (!this.#faults.active('scaler.absent')) {
        this.#time.after(lateMs, () => this.#invoke(this.#processes, luck));
        // The second one's last invocation is over when the fault is.
        const another = this.#time.now + 4 * MINUTE < this.#twiceUntil;
        if (another) this.#time.after(luck() * 59 * SECOND, () => this.#invoke(this.#rivals, luck));
      }
      this.#time.after(MINUTE, everyMinute);
    };
    everyMinute();
  }

  /** In a process that is idle, or a new one; a process that died is replaced. */
  #invoke(processes: Process[], luck: Random): void {
    const idle = processes.find(({ newest }) => newest === undefined || newest.over);
    const process: Process = idle ?? { lambda: this.#newProcess(), newest: undefined };
    if (!idle) processes.push(process);
    const death = this.#faults.active('scaler.diesInMidTick') ? drawDeath(luck) : undefined;
    const { lambda } = process;
    const invocation = new Invocation((this.#counts.invocations += 1), this.#time, death, (at) => {
      this.#note(`#${invocation.number} dies at ${at}`);
      this.#deaths[at] = (this.#deaths[at] ?? 0) + 1;
      process.lambda = this.#newProcess();
    });
    process.newest = invocation;
    if (processes === this.#rivals) this.#ofRivals.add(invocation);
    this.#time.stir();
    void lambda.run(invocation);
  }

  #latencyOf(service: ServiceName): number {
    if (service === 'temporal' && this.#faults.active('temporal.slow'))
      return uniform(this.#luck, [0.5 * SECOND, 5 * SECOND]);
    const unreachable = this.#faults.active('temporal.unreachable') || this.#faults.active('temporal.down');
    if (service === 'temporal' && unreachable) return 5 * SECOND;
    if (service === 'ecs' && this.#faults.active('ecs.down')) return uniform(this.#luck, [0, TIMES_OUT_AFTER_MS]);
    return latencyMs(this.#luck);
  }

  /** What a request to an AWS service does and gives. */
  #answer(service: ServiceName, command: string, input: object, invocation: Invocation): unknown {
    this.#refuse(service, command);
    switch (service) {
      case 'ecs':
        return this.#answerOfEcs(command, input as Record<string, unknown>, invocation);
      case 'table':
        return this.#answerOfTable(command, input, invocation);
      case 'ssm': {
        const configs = this.#scenario.pools.map(({ config }) => config);
        const damaged = (pool: string) =>
          this.#faults.active('ssm.parameterDamaged', pool) ||
          this.#pools.get(pool)?.plan.misconfigured === 'parameter damaged';
        return { Parameters: parametersOf(configs, damaged) };
      }
      default:
        return {};
    }
  }

  #refuse(service: ServiceName, command: string): void {
    const on = (kind: FaultKind) => this.#faults.active(kind);
    if (service === 'ecs' && on('ecs.down')) throw named('ServerException', 'HTTP 500');
    if (service === 'ecs' && on('ecs.throttled') && this.#luck() < 0.5)
      throw named('ThrottlingException', 'Rate exceeded');
    if (command.startsWith('Update') && on('ecs.denied')) throw named('AccessDeniedException', 'not authorized');
    if (service === 'table' && on('table.down')) throw named('InternalServerError', 'HTTP 500');
    if (service === 'table' && on('table.throttled') && this.#luck() < 0.3) {
      throw named('ProvisionedThroughputExceededException', 'The level of configured throughput was exceeded');
    }
    if (service === 'cloudwatch' && on('cloudwatch.down')) throw named('InternalServiceFault', 'HTTP 500');
    if (service === 'ssm' && on('ssm.down')) throw named('InternalServerError', 'HTTP 500');
  }

  #answerOfEcs(command: string, input: Record<string, unknown>, invocation: Invocation): unknown {
    if (command === 'UpdateServiceCommand') this.#order(input, invocation);
    if (command === 'DescribeServicesCommand') {
      for (const name of input.services as string[]) {
        const service = this.#ecs.services.get(name);
        if (service) this.#checks.readService(invocation, service);
      }
    }
    const answer = this.#ecs.answer(command, input);
    if (this.#faults.active('ecs.answersLost') && this.#luck() < 0.3) throw named('TimeoutError', 'no answer');
    return answer;
  }

  #order(input: Record<string, unknown>, invocation: Invocation): void {
    const service = this.#ecs.services.get(String(input.service));
    if (!service?.exists) return;
    const before = service.desired;
    if (this.#options.mutant === 'an order adds to the count')
      input.desiredCount = Math.min(200, before + Number(input.desiredCount));
    const desired = Number(input.desiredCount);
    this.#note(`#${invocation.number} sets ${service.name} from ${before} to ${desired}`);
    if (desired < before) this.#counts.scaleIns += before - desired;
    this.#checks.orders(invocation, service, desired);
  }

  #answerOfTable(command: string, input: object, invocation: Invocation): unknown {
    const cordons = cordonsIn(input);
    for (const pool of new Set(cordons)) this.#checks.cordons(invocation, pool);
    this.#writer = invocation;
    try {
      if (cordons.length > 0 && this.#options.mutant === 'cordons are written late') {
        this.#time.after(30 * SECOND, () => this.#table.answer(command, input));
        return {};
      }
      const own = this.#turnOf(invocation);
      const answer = renamed(this.#table.answer(command, renamed(input, TURN, own)), own, TURN);
      this.#noteVersions(answer, invocation);
      if (this.#faults.active('table.answersLost') && this.#luck() < 0.3) throw named('TimeoutError', 'no answer');
      return answer;
    } finally {
      this.#writer = undefined;
    }
  }

  /** How the keys begin by which an invocation sees others, and they see it. */
  #turnOf(invocation: Invocation): string {
    if (this.#options.mutant === 'an invocation does not wait for the one before') return `${invocation.number}#`;
    return this.#ofRivals.has(invocation) ? 'rival#' : TURN;
  }

  #noteVersions(answer: unknown, invocation: Invocation): void {
    const { Responses = {} } = (answer ?? {}) as { Responses?: Record<string, Record<string, unknown>[]> };
    for (const item of Object.values(Responses).flat()) {
      for (const pool of this.#pools.keys())
        if (item.id === poolKey(pool)) this.#checks.readMemory(invocation, pool, item.version);
    }
  }

  #tableWritten(key: string, item: Record<string, unknown> | undefined): void {
    if (key.startsWith('pool#')) this.#checks.wroteMemory(this.#writer, key, item?.version);
    this.#workers.get(key.split(':')[1] ?? '')?.cordonChanged();
  }

  #readTemporal(read: { pool: string }[], invocation: Invocation): Map<string, TemporalSignals> {
    const gone = this.#faults.active('temporal.unreachable') || this.#faults.active('temporal.down');
    const refused = () => gone || (this.#faults.active('temporal.limited') && this.#luck() < 0.4);
    const zero = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };
    const mutant = this.#options.mutant === 'what is unknown is read as zero';
    const noWorkers = refused();
    return new Map(
      read.map(({ pool }) => {
        const { queue, service } = this.#pools.get(pool)!;
        const [noActivities, noWorkflows] = [refused(), refused()];
        const workers = queue.workers();
        this.#checks.readTemporal(invocation, pool, !noActivities && !noWorkflows && !noWorkers, workers);
        if (this.#options.mutant === 'a worker without a report is taken to be idle')
          workers.push(...idleWorkers(service));
        const unknown = { unknown: 'Temporal does not answer' };
        const { activity, workflow } = queue.describe();
        const signals: TemporalSignals = {
          activityQueue: noActivities ? (mutant ? zero : unknown) : activity,
          workflowQueue: noWorkflows ? (mutant ? zero : unknown) : workflow,
          workers: noWorkers ? (mutant ? [] : unknown) : workers,
        };
        return [pool, signals] as const;
      }),
    );
  }

  // Faults

  #begin(fault: Fault): void {
    const { kind, pool, from, to } = fault;
    this.#note(`fault ${kind} ${pool ?? ''}${to > from ? ` for ${Math.round((to - from) / SECOND)} s` : ''}`);
    this.#faultCounts[kind] = (this.#faultCounts[kind] ?? 0) + 1;
    if (to > from) this.#faults.begin(fault);
    this.#checks.disturbed(kind, pool);
    this.#happens(fault, pool === undefined ? undefined : this.#pools.get(pool)!);
  }

  #end(fault: Fault): void {
    this.#note(`fault ${fault.kind} ${fault.pool ?? ''} is over`);
    this.#faults.end(fault);
    this.#checks.disturbed(fault.kind, fault.pool);
    if (fault.kind === 'scaler.clockJumps') this.#clockErrorMs = 0;
    if (fault.kind === 'temporal.down') for (const { queue } of this.#pools.values()) queue.resume();
    if (fault.kind === 'temporal.foreignWorkers') this.#foreignWorkersLeave(fault.pool!);
    if (fault.kind === 'ecs.serviceDeleted') this.#ecs.recreate(this.#pools.get(fault.pool!)!.service);
  }

  /** What a fault does at its beginning, beside being on. */
  #happens({ kind, luck, to }: Fault, truth: PoolTruth | undefined): void {
    if (kind === 'scaler.clockJumps') this.#clockErrorMs = clockError(luck);
    if (kind === 'scaler.twice') this.#twiceUntil = Math.max(this.#twiceUntil, to);
    if (kind === 'temporal.restarts') for (const { queue } of this.#pools.values()) queue.restart(luck < 0.5);
    if (kind === 'temporal.restartsEmpty') for (const { queue } of this.#pools.values()) queue.restartEmpty();
    if (truth === undefined) return;
    const { service, queue, plan } = truth;
    const ecs = this.#ecs;
    const running = live(service).filter(({ state }) => state === 'running');
    const one = running[Math.floor(luck * running.length)];
    const happens: Partial<Record<FaultKind, () => void>> = {
      'temporal.foreignWorkers': () => this.#foreignWorkersCome(truth),
      'temporal.deadWork': () => queue.addDeadWork(10 + Math.floor(luck * 500)),
      'ecs.deployment': () => ecs.deploy(service),
      'ecs.forcedDeployment': () => ecs.forceDeployment(service),
      'ecs.fiveDeployments': () =>
        [0, 1, 2, 3, 4].forEach((n) => this.#time.after(n * 2 * MINUTE, () => ecs.deploy(service))),
      'ecs.badDeployment': () => ecs.deploy(service, { bad: true }),
      'ecs.deploymentResetsCount': () => {
        ecs.deploy(service);
        ecs.setDesired(service, 1);
      },
      'ecs.countByHand': () => ecs.setDesired(service, Math.floor(luck * 1.5 * (plan.config.policy.maxTasks ?? 10))),
      'ecs.taskStoppedByHand': () => one && ecs.stop(one, 'hand'),
      'ecs.serviceDeleted': () => ecs.delete(service),
      'ecs.spot': () => (luck > 0.8 ? running : running.slice(0, 1)).forEach((task) => ecs.stop(task, 'spot')),
      'ecs.crash': () => one && ecs.crash(one),
      'table.itemDamaged': () => this.#damage(poolKey(plan.config.pool), luck),
      'work.nineHours': () =>
        this.#startWorkflow(truth, [{ serviceMs: LONGEST_WORK_MS, maximumAttempts: 1, poisoned: false }]),
      'work.poisoned': () => this.#startWorkflow(truth, [{ serviceMs: SECOND, maximumAttempts: 4, poisoned: true }]),
    };
    happens[kind]?.();
  }

  #foreignWorkersCome({ plan, queue }: PoolTruth): void {
    const { pool } = plan.config;
    for (const name of ['a', 'b']) {
      const fails = () => this.#faults.active('work.failing', pool);
      const worker = new ForeignWorker(`${name}${this.#time.events}-of-${pool}`, this.#time, queue, fails);
      this.#foreign.push({ pool, worker });
    }
  }

  #foreignWorkersLeave(pool: string): void {
    for (const _ of ['a', 'b']) {
      const index = this.#foreign.findIndex((each) => each.pool === pool);
      if (index !== -1) this.#foreign.splice(index, 1)[0]!.worker.leave();
    }
  }

  #damage(key: string, luck: number): void {
    const item = this.#table.get(key);
    if (item === undefined) return;
    const memory = item.memory as Record<string, unknown> | undefined;
    const damages: (() => Record<string, unknown>)[] = [
      () => ({ ...item, memory: { ...memory, version: 99 } }),
      () => ({ ...item, memory: 'damaged' }),
      () => ({ ...item, memory: { ...memory, levels: null } }),
      () => ({ ...item, decision: {} }),
      () => ({ ...item, decision: 'none' }),
      () => ({ ...item, version: undefined }),
      () => ({ ...item, version: 'newest' }),
      () => ({ ...item, version: Number(item.version) + 5 }),
      () => ({ id: key }),
    ];
    this.#table.put(damages[Math.floor(luck * damages.length)]!());
  }

  #note(what: string): void {
    this.#trace.add(this.#time.now, what);
  }
}

function idleWorkers(service: Service): ReportedWorker[] {
  const idle = { names: [], busy: false, ageSeconds: 0, usedSlots: 0, slots: null, processed: 0, failed: 0 };
  return live(service).map(({ id }) => ({ ...idle, key: `idle-${id}`, task: id }));
}

function drawDeath(luck: Random): Death {
  const [ofAny, request, afterEffect] = [luck() < 0.3, luck(), luck() < 0.5];
  if (ofAny) return { of: undefined, request: 1 + Math.floor(request * 40), afterEffect };
  return { of: REQUESTS[Math.floor(luck() * REQUESTS.length)], request: 1, afterEffect };
}

/** The pools whose tasks a batch of writes cordons. */
function cordonsIn(input: object): string[] {
  const { RequestItems = {} } = input as { RequestItems?: Record<string, unknown> };
  const requests = Object.values(RequestItems).flat() as { PutRequest?: { Item: { pool?: string } } }[];
  return requests.flatMap(({ PutRequest }) => PutRequest?.Item.pool ?? []);
}

/** Half of the jumps are of seconds to an hour, half of up to a day, into the past and the future. */
function clockError(luck: number): number {
  const size = luck < 0.5 ? luck * 2 * HOUR : (luck - 0.5) * 48 * HOUR;
  return Math.floor(luck * 1000) % 2 === 0 ? size : -size;
}

function hashOf(name: string): number {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return hash;
}

/** A request or an answer in which the keys that begin so begin otherwise. */
function renamed<T>(value: T, from: string, to: string): T {
  return value === undefined || from === to
    ? value
    : (JSON.parse(JSON.stringify(value).replaceAll(`"${from}`, `"${to}`)) as T);
}
