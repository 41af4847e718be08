/**
 * The worker's side of a scale-in that loses no work. Only the scaler decides which tasks to remove:
 *
 *   starting, working   protected, then polling; the protection is renewed long before it expires
 *   cordoned            not polling; running work is finished, however long it takes; only then unprotected: ECS stops the task
 *   taken back          protected again, then polling again
 *   deployment blocked  ECS protects no new task until the old tasks' last activity ends: polling nevertheless, as long as
 *                       the scaler reports that a deployment is in progress
 *   scaler gone         no sign of the scaler for a long time: polling in spite of a cordon; after a while without work it
 *                       stops polling for some seconds and lifts its protection, so that ECS can stop surplus tasks
 *
 * So no polling task is ever unprotected, and ECS, which may stop tasks at any moment, never finds work to kill.
 *
 * It is level-triggered, not edge-triggered: each `settle` brings protection and polling in line with the current state, so an
 * answer that came late, twice or never is corrected by the next round. It has no clock, timer or client of its own.
 */
import { LONGEST_PROTECTION_MINUTES } from '../../contract/protection.ts';
import type { CordonReader, CordonReading } from './cordon-reading.ts';
import type { ProtectionAnswer, TaskProtection } from './protection.ts';

/** Why a worker takes no work. */
export type PauseReason = 'cordoned' | 'unprotected';

/** What the protocol sees and controls of the worker. `pause` and `resume` set what is wanted and return at once. */
export interface PollingWorker {
  readonly runningActivities: number;
  /** Nothing polls or runs, and nothing can start before `resume`. */
  readonly drained: boolean;
  pause(reason: PauseReason): void;
  resume(): void;
}

interface ProtocolLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface ScaleInParts {
  worker: PollingWorker;
  protection: TaskProtection;
  readCordon: CordonReader;
  /** Milliseconds. */
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
  scalerGoneSeconds: number;
  log: ProtocolLog;
}

/**
 * Protection lasts as long as ECS allows and is renewed hourly. ECS refuses to renew it while more tasks are protected than the
 * service's count, which is the case whenever cordoned tasks finish their work: that work has two days. The protection of a
 * task that dies ends with it. (Source: ECS API reference, UpdateTaskProtection: expiresInMinutes, DEPLOYMENT_BLOCKED.)
 */
const RENEW_AFTER_MS = 60 * 60_000;

/** Without a scaler: how long after its last activity or offer the task offers itself to ECS, and for how long. */
const IDLE_BEFORE_OFFER_MS = 60_000;
const OFFERED_MS = 20_000;
/** The most that the clocks of scaler and worker may differ. */
const CLOCKS_APART_MS = 60_000;

const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** All blocked tasks together ask less than twice a second: milliseconds per task of the pool. */
const RETRY_BLOCKED_MS = [300, 1100] as const;
const RETRY_BLOCKED_TASKS = { least: 10, most: 100 };
/** After a deployment the scaler removes no new task for a little longer than this; by then new tasks are protected. */
const DEPLOYING_FOR_MS = 120_000;

export class ScaleInProtocol {
  readonly #parts: ScaleInParts;
  #stopped = false;
  // What was last read. A failed reading changes nothing here.
  #cordoned = false;
  #blind = false;
  #heardAt: number;
  #silent = false;
  /** Until when a recent deployment counts as in progress. */
  #deployingUntil = 0;
  /** The pool's number of tasks, as far as the rate of requests depends on it. */
  #poolTasks = RETRY_BLOCKED_TASKS.most;
  /** When the task was last useful: busy, or back from an offer that ECS did not accept. */
  #busyAt: number;
  #offering = false;
  #liftedAt = 0;
  // What is known about the protection. After a call whose answer was lost it may be either, and counts as neither.
  #state: 'on' | 'off' | 'unsure' = 'off';
  #protectedAt = 0;
  #refused = false;
  #blocked = false;
  /** A refusal to protect does not delay a later request to lift the protection. */
  #blockedUntil = 0;
  #retryAt = 0;
  #retryMs = RETRY_MIN_MS;
  #settling = Promise.resolve();
  #queued = false;

  constructor(parts: ScaleInParts) {
    this.#parts = parts;
    this.#heardAt = parts.now();
    this.#busyAt = parts.now();
  }

  /** Reads the state table once and acts on it; call it every few seconds. */
  async round(): Promise<void> {
    this.#hear(await this.#parts.readCordon());
    await this.settle();
  }

  /** Brings protection and polling in line with what is known; call it whenever the worker's state changes. */
  settle(): Promise<void> {
    if (!this.#queued && !this.#stopped) {
      this.#queued = true;
      this.#settling = this.#settling.then(() => this.#settleOnce());
    }
    return this.#settling;
  }

  /** From now on nothing is changed: the task was told to stop. */
  stop(): void {
    this.#stopped = true;
  }

  #hear(reading: CordonReading): void {
    const { log } = this.#parts;
    if (!reading.known) {
      if (!this.#blind) log.warn({ why: reading.why }, 'Cannot read the state table: continuing as before');
      this.#blind = true;
      return;
    }
    this.#blind = false;
    if (reading.cordoned !== this.#cordoned) {
      log.info(
        { runningActivities: this.#parts.worker.runningActivities },
        reading.cordoned ? 'Cordoned: finishing running work, then stopping' : 'Cordon taken back: taking work again',
      );
    }
    this.#cordoned = reading.cordoned;
    if (reading.deployingTasks > 0) {
      const { least, most } = RETRY_BLOCKED_TASKS;
      this.#deployingUntil = this.#parts.now() + DEPLOYING_FOR_MS;
      this.#poolTasks = Math.min(most, Math.max(least, reading.deployingTasks));
    }
    const { scalerTickAt = 0 } = reading;
    if (scalerTickAt <= this.#parts.now() + CLOCKS_APART_MS) this.#heardAt = Math.max(this.#heardAt, scalerTickAt);
  }

  async #settleOnce(): Promise<void> {
    this.#queued = false;
    if (this.#stopped) return;
    this.#watch();
    if (!this.#shallPoll()) this.#parts.worker.pause('cordoned');
    await (this.#shallBeProtected() ? this.#protect() : this.#lift());
    // Checked again, because much may have changed while ECS answered.
    if (this.#stopped) return;
    if (this.#shallPoll() && this.#mayPoll()) this.#parts.worker.resume();
    else this.#parts.worker.pause(this.#shallPoll() ? 'unprotected' : 'cordoned');
  }

  #watch(): void {
    const { worker, now, scalerGoneSeconds, log } = this.#parts;
    if (worker.runningActivities > 0) this.#busyAt = now();
    // A table that has been unreadable for this long counts as well: nothing may wait forever for news that cannot arrive.
    const silent = now() - this.#heardAt > scalerGoneSeconds * 1000;
    if (silent && !this.#silent) {
      log.warn(
        { scalerGoneSeconds },
        'No scaler acts (it is gone or only observes): taking work, and letting ECS stop this task when idle',
      );
    } else if (!silent && this.#silent) {
      log.info({}, 'The scaler is back: always protected again');
    }
    this.#silent = silent;
    this.#offer();
  }

  /** An offer ends when a last open poll brings work, or when ECS has not accepted it for a while. */
  #offer(): void {
    const { worker, now } = this.#parts;
    const taken = this.#state === 'off' && now() - this.#liftedAt >= OFFERED_MS;
    const over = !this.#silent || worker.runningActivities > 0 || taken;
    if (this.#offering && over) this.#busyAt = now();
    this.#offering = !over && (this.#offering || now() - this.#busyAt >= IDLE_BEFORE_OFFER_MS);
  }

  /**
   * A cordon of a scaler that is gone does not count: the scaler may have died before it lowered the service's count, and the
   * task would wait forever to be stopped, doing nothing.
   */
  #shallPoll(): boolean {
    return this.#silent ? !this.#offering : !this.#cordoned;
  }

  #shallBeProtected(): boolean {
    return this.#shallPoll() || !this.#parts.worker.drained;
  }

  /**
   * While a deployment is blocked, its new tasks cannot be protected. If they waited for protection, the queue would stall until
   * the last long activity of the old tasks ends. Meanwhile the scaler removes only old tasks. Outside a deployment ECS also
   * refuses protection while cordoned tasks drain, and would stop an unprotected task at once.
   */
  #mayPoll(): boolean {
    const { now } = this.#parts;
    const deploying = this.#blocked && now() < this.#deployingUntil;
    // If scaler and ECS are both gone, nothing stops this task, and there is no better option.
    const asked = this.#blocked || this.#retryAt > 0;
    return !this.#refused && (deploying || this.#isProtected() || (this.#silent && asked));
  }

  #isProtected(): boolean {
    return this.#state === 'on' && this.#parts.now() < this.#protectedAt + LONGEST_PROTECTION_MINUTES * 60_000;
  }

  async #protect(): Promise<void> {
    const { protection, now, log } = this.#parts;
    const fresh = this.#isProtected() && now() - this.#protectedAt < RENEW_AFTER_MS;
    if (fresh || now() < Math.max(this.#retryAt, this.#blockedUntil)) return;
    const askedAt = now();
    const answer = await protection.protect(LONGEST_PROTECTION_MINUTES);
    this.#refused = answer.outcome === 'refused';
    if (answer.outcome !== 'failed') this.#blocked = answer.outcome === 'blocked';
    // The answer may have been lost on its way back: then there is a protection to lift later.
    if (answer.outcome === 'failed' && this.#state === 'off') this.#state = 'unsure';
    if (answer.outcome !== 'done') return this.#failed(answer, 'Cannot turn on scale-in protection');
    if (this.#state !== 'on') log.info({ minutes: LONGEST_PROTECTION_MINUTES }, 'Protected from scale-in');
    this.#succeeded('on');
    this.#protectedAt = askedAt;
  }

  async #lift(): Promise<void> {
    const { protection, now, log } = this.#parts;
    if (this.#state === 'off' || now() < this.#retryAt) return;
    this.#state = 'unsure';
    const answer = await protection.lift();
    if (answer.outcome !== 'done') return this.#failed(answer, 'Cannot lift scale-in protection');
    log.info({}, 'Protection lifted: ECS may stop this task now');
    this.#liftedAt = this.#parts.now();
    this.#succeeded('off');
  }

  #succeeded(state: 'on' | 'off'): void {
    this.#state = state;
    this.#retryAt = 0;
    this.#retryMs = RETRY_MIN_MS;
  }

  /** Each task of a fleet retries at its own time: later each time or, while blocked, after about a minute. */
  #failed(answer: ProtectionAnswer, message: string): void {
    const { now, random, log } = this.#parts;
    const blocked = answer.outcome === 'blocked';
    const [least, most] = blocked
      ? [RETRY_BLOCKED_MS[0] * this.#poolTasks, RETRY_BLOCKED_MS[1] * this.#poolTasks]
      : [this.#retryMs / 2, this.#retryMs];
    const retryMs = least + (most - least) * random();
    log.warn({ ...answer, retryInSeconds: Math.round(retryMs / 1000) }, message);
    if (blocked) {
      this.#blockedUntil = now() + retryMs;
      return;
    }
    this.#retryAt = now() + retryMs;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
  }
}
