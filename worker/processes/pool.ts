/**
 * N worker processes in one task, so that a task with several vCPUs uses all of them. Each serves the same task queue with its
 * share of the slots and its own Temporal identity, `<task>#<n>`.
 *
 * A process that ends without having been told to is restarted, later each time; the others are not affected. One that crashes
 * repeatedly is given up, except for an attempt every few minutes. A process that cannot start and reports why, such as a refusal
 * by the server, has not crashed: it is retried for as long as that takes. The pool fails only when every process has been
 * given up: then nothing runs, and a new task may do better.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { formatShare, type ProcessShare } from '../slots/elastic-slots.ts';
import type { Logger } from '../observability/logging.ts';
import { StartError } from '../errors.ts';
import { NO_TASKS, sumOf, type TaskCounts } from '../observability/measurements.ts';
import {
  MEMBER_IDENTITY,
  MEMBER_SHARE,
  MEMBER_SLOTS,
  type FromMember,
  type MemberReport,
  type ToMember,
} from './messages.ts';
import type { RunningActivity } from '../temporal/running-activities.ts';
import type { PauseReason } from '../scale-in/protocol.ts';
import { formatSlots, type Slots } from '../../contract/slots.ts';
import { sharesOf } from '../slots/slots-limit.ts';
import type { Health, MetricsSnapshot, Stopped, Workforce } from '../workforce.ts';

export interface WorkerPoolOptions {
  processes: number;
  /** Slots of the whole task, divided among the processes. */
  maxConcurrentActivities: Slots;
  /** Each process's part of the task. */
  share?: ProcessShare;
  /** The task's identity; each process adds its number. */
  identity: string;
  /** The script that each process runs; environment variables give it its identity, slots and share (pool-messages.ts). */
  entry: string;
  args?: string[];
  /** Node's own arguments for each process. */
  nodeArguments?: string[];
  env: NodeJS.ProcessEnv;
  log: Logger;
  onChange?: () => void;
  /** How long after `stop` a process that has not ended by itself is killed. */
  killAfterSeconds: number;
  restart?: Partial<RestartPolicy>;
  /** Milliseconds. */
  now: () => number;
}

export interface RestartPolicy {
  /** Delay before the first restart; doubled before each further one. */
  afterMs: number;
  maxAfterMs: number;
  /** A process that lived this long is not part of a crash loop. */
  steadyAfterMs: number;
  /** Consecutive crashes that count as a crash loop. */
  crashes: number;
  /** How often a process in a crash loop gets another chance. */
  retryFailedMs: number;
}

const RESTART: RestartPolicy = {
  afterMs: 1000,
  maxAfterMs: 60_000,
  steadyAfterMs: 60_000,
  crashes: 5,
  retryFailedMs: 300_000,
};

export interface PoolStatus {
  /** Running processes. */
  active: number;
  /** Processes given up for now, after a crash loop. */
  failed: number;
  /** Processes waiting to be restarted. */
  restarting: number;
  totalTasks: number;
  restarts: number;
}

/** Metrics of a process that is busy or hangs are left out. */
const METRICS_TIMEOUT_MS = 3000;

const NOTHING_YET: MemberReport = {
  order: 0,
  drained: true,
  runningActivities: 0,
  health: { healthy: false, reason: 'starting', detail: 'The process has not reported yet.' },
  counts: NO_TASKS,
};

interface Member {
  readonly identity: string;
  readonly slots: Slots;
  child?: ChildProcess | undefined;
  report: MemberReport;
  /** The order in force when it was launched. */
  launchedOn?: Order;
  startedAt: number;
  crashes: number;
  failed: boolean;
  /** Why it could not start, in its own words. */
  why?: string | undefined;
  /** How it last ended: a signal or an exit code. */
  how?: number | string | null;
  restart?: NodeJS.Timeout | undefined;
  unfinished: RunningActivity[];
}

type Order = { type: 'pause'; order: number; reason: PauseReason } | { type: 'resume'; order: number };

export class PersistentWorkerPool implements Workforce {
  readonly #options: WorkerPoolOptions;
  readonly #restart: RestartPolicy;
  readonly #members: Member[];
  readonly #started = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<Stopped>();
  readonly #cutOff: string[] = [];
  readonly #requests = new Map<number, (snapshots: MetricsSnapshot[]) => void>();
  #order: Order = { type: 'resume', order: 1 };
  #requestCount = 0;
  #restarts = 0;
  /** Counts of processes that have ended. */
  #past = NO_TASKS;
  #hasStarted = false;
  #stopping = false;
  #retries: NodeJS.Timeout | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#restart = { ...RESTART, ...options.restart };
    this.#started.promise.catch(() => undefined);
    this.#stopped.promise.catch(() => undefined);
    this.#members = sharesOf(options.maxConcurrentActivities, options.processes).map((slots, index) => ({
      identity: `${options.identity}#${index + 1}`,
      slots,
      report: NOTHING_YET,
      startedAt: 0,
      crashes: 0,
      failed: false,
      unfinished: [],
    }));
  }

  /** Resolves when the first process serves; rejects if one reports why none of them can. */
  start(): Promise<void> {
    for (const member of this.#members) this.#launch(member);
    this.#retries = setInterval(() => this.restartFailedWorkers(), this.#restart.retryFailedMs).unref();
    return this.#started.promise;
  }

  /** Settles like `stop`, without stopping; rejects when every process has been given up. */
  get ended(): Promise<Stopped> {
    return this.#stopped.promise;
  }

  /** Resolves when every process has finished its work, or has given up at the end of its drain. */
  stop(): Promise<Stopped> {
    if (!this.#stopping) {
      this.#stopping = true;
      clearInterval(this.#retries);
      for (const member of this.#members) {
        clearTimeout(member.restart);
        tell(member, { type: 'stop' });
      }
      const overdue = setTimeout(() => this.#kill(), this.#options.killAfterSeconds * 1000);
      void this.#stopped.promise.catch(() => undefined).finally(() => clearTimeout(overdue));
      this.#settleIfOver();
    }
    return this.#stopped.promise;
  }

  getStatus(): PoolStatus {
    const active = this.#members.filter((member) => member.child).length;
    const failed = this.#members.filter((member) => member.failed).length;
    return {
      active,
      failed,
      restarting: this.#members.length - active - failed,
      totalTasks: this.counts.tasksProcessed,
      restarts: this.#restarts,
    };
  }

  /** Gives processes that were given up another chance at once. */
  restartFailedWorkers(): void {
    if (this.#stopping) return;
    for (const member of this.#members.filter(({ failed }) => failed)) {
      member.failed = false;
      // One more crash, and it is given up again.
      member.crashes = this.#restart.crashes - 1;
      this.#launch(member);
    }
  }

  pause(reason: PauseReason): void {
    this.#tellAll({ type: 'pause', order: this.#order.order + 1, reason });
  }

  resume(): void {
    this.#tellAll({ type: 'resume', order: this.#order.order + 1 });
  }

  get runningActivities(): number {
    return this.#members.reduce((sum, { report }) => sum + report.runningActivities, 0);
  }

  /** A process that has not yet received the last order may still start work. */
  get drained(): boolean {
    if (this.#order.type === 'resume') return false;
    const heard = ({ report, launchedOn }: Member) =>
      report.order === this.#order.order || (report === NOTHING_YET && launchedOn === this.#order);
    return this.#members.every((member) => !member.child || (heard(member) && member.report.drained));
  }

  get counts(): TaskCounts {
    return sumOf([this.#past, ...this.#members.map(({ report }) => report.counts)]);
  }

  /** Healthy while at least one process takes work. */
  get health(): Health {
    if (this.#stopping) return { healthy: false, reason: 'draining', detail: 'The worker was told to stop.' };
    const active = this.#members.filter((member) => member.child);
    const best = active.find(({ report }) => report.health.healthy) ?? active.find(({ report }) => report.order > 0);
    if (best) return best.report.health;
    const detail = this.#members.find(({ why }) => why)?.why;
    return detail === undefined ? NOTHING_YET.health : { healthy: false, reason: 'not connected', detail };
  }

  async metrics(): Promise<MetricsSnapshot[]> {
    const all = await Promise.all(this.#members.filter(({ child }) => child).map((member) => this.#metricsOf(member)));
    return all.flat();
  }

  #metricsOf(member: Member): Promise<MetricsSnapshot[]> {
    const request = ++this.#requestCount;
    return new Promise((resolve) => {
      const answer = (snapshots: MetricsSnapshot[]) => {
        clearTimeout(overdue);
        this.#requests.delete(request);
        resolve(snapshots);
      };
      const overdue = setTimeout(() => answer([]), METRICS_TIMEOUT_MS);
      this.#requests.set(request, answer);
      tell(member, { type: 'metrics', request });
    });
  }

  #tellAll(order: Order): void {
    if (wordsOf(this.#order) === wordsOf(order)) return;
    this.#order = order;
    for (const member of this.#members) tell(member, order);
  }

  #launch(member: Member): void {
    const { entry, args = [], nodeArguments = [], share, env, log, now } = this.#options;
    member.restart = undefined;
    member.report = NOTHING_YET;
    member.startedAt = now();
    member.launchedOn = this.#order;
    const part = share === undefined ? {} : { [MEMBER_SHARE]: formatShare(share) };
    const child = fork(entry, args, {
      env: { ...env, [MEMBER_IDENTITY]: member.identity, [MEMBER_SLOTS]: formatSlots(member.slots), ...part },
      execArgv: nodeArguments,
    });
    member.child = child;
    child.on('message', (message) => this.#hear(member, message as FromMember));
    child.on('error', (error) => log.error({ error, identity: member.identity }, 'Cannot reach a worker process'));
    child.once('exit', (code, signal) => this.#ended(member, signal ?? code));
    tell(member, this.#order);
  }

  #hear(member: Member, message: FromMember): void {
    if (message.type === 'metrics') return this.#requests.get(message.request)?.(message.snapshots);
    if (message.type === 'report') this.#hearReport(member, message.report);
    else if (message.type === 'cannot start') this.#hearWhyNot(member, message.message);
    else member.unfinished = message.unfinished;
    this.#options.onChange?.();
  }

  #hearReport(member: Member, report: MemberReport): void {
    member.report = report;
    if (!report.health.healthy && report.health.reason === 'starting') return;
    member.why = undefined;
    this.#hasStarted = true;
    this.#started.resolve();
  }

  /** What keeps the first process from starting keeps all of them from starting, and restarting them would not help. */
  #hearWhyNot(member: Member, why: string): void {
    member.why = why;
    if (this.#hasStarted || this.#stopping) return;
    this.#started.reject(new StartError(why));
    void this.stop();
  }

  #ended(member: Member, how: number | string | null): void {
    const { now, onChange } = this.#options;
    const served = member.report !== NOTHING_YET;
    this.#past = sumOf([this.#past, member.report.counts]);
    member.child = undefined;
    member.report = NOTHING_YET;
    if (this.#stopping) {
      if (how !== 0 && served && member.unfinished.length === 0) this.#cutOff.push(member.identity);
      return this.#settleIfOver();
    }
    const steady = now() - member.startedAt >= this.#restart.steadyAfterMs;
    member.crashes = steady ? 1 : member.crashes + 1;
    member.how = how;
    if (member.crashes >= this.#restart.crashes && member.why === undefined) this.#giveUp(member);
    else this.#restartLater(member);
    onChange?.();
  }

  #restartLater(member: Member): void {
    const { identity, how, crashes, why } = member;
    const inMs = Math.min(this.#restart.afterMs * 2 ** (crashes - 1), this.#restart.maxAfterMs);
    this.#restarts += 1;
    member.restart = setTimeout(() => this.#launch(member), inMs);
    const line = { identity, how, crashes, why, restartInSeconds: inMs / 1000 };
    this.#options.log.error(line, 'A worker process ended: restarting it');
  }

  #giveUp(member: Member): void {
    const { identity, how, crashes } = member;
    member.failed = true;
    this.#options.log.error({ identity, how, crashes }, 'A worker process keeps crashing: given up for now');
    if (!this.#members.every(({ failed }) => failed)) return;
    clearInterval(this.#retries);
    const error = new StartError(
      `Every worker process crashed ${this.#restart.crashes} times in a row, the last one with ${typeof how === 'number' ? `exit code ${how}` : how}: look for its ` +
        'last messages in the log. Nothing runs in this task, so it ends and a new one is started.',
    );
    this.#started.reject(error);
    this.#stopped.reject(error);
  }

  #kill(): void {
    for (const { child, identity } of this.#members) {
      if (child?.kill('SIGKILL')) this.#options.log.error({ identity }, 'A worker process did not end: killed it');
    }
  }

  #settleIfOver(): void {
    if (this.#members.some(({ child }) => child)) return;
    const unfinished = this.#members.flatMap((member) => member.unfinished);
    this.#stopped.resolve({ unfinished, ...(this.#cutOff.length > 0 && { cutOff: this.#cutOff.toSorted() }) });
  }
}

function wordsOf(order: Order): string {
  return order.type === 'pause' ? `pause ${order.reason}` : order.type;
}

function tell({ child }: Member, message: ToMember): void {
  // It may have ended unnoticed; the restart gives it the current order.
  if (child?.connected) child.send(message, () => undefined);
}
