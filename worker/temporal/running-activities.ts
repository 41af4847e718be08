/**
 * The activities running in this process, and how they are told that the process is about to stop.
 *
 * The SDK can tell them too, but only a fixed time after a Worker's shutdown began, and our shutdowns have two lengths: a cordoned
 * worker waits without a deadline, one that got SIGTERM does not, and one may become the other. So the SDK's time is set out of reach,
 * and an activity gets a context of its own, whose cancellation fires for the SDK's reasons and for ours. The price: SDK logs and
 * client calls made through `context.client` follow only the SDK's cancellation.
 */
import { asyncLocalStorage, Context, type Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';

export interface RunningActivity {
  activityType: string;
  activityId: string;
  workflowId: string | undefined;
  attempt: number;
}

interface RunningActivitiesOptions {
  /** What an ended activity waits for before the SDK reports its result; nothing if it may be reported at once. */
  mayReport: (ranMs: number) => Promise<void> | undefined;
  /** Called when an activity begins, with the time when it times out without further heartbeats. Epoch milliseconds. */
  onBegin: (lostAt: number) => void;
  /** Called when a local activity begins. */
  onLocal: () => void;
  /** Milliseconds. */
  now: () => number;
}

/** What the SDK itself reports when a Worker's shutdown ends an activity. */
const WORKER_SHUTDOWN = 'WorkerShutdown';

export class RunningActivities {
  /** With when they began. */
  readonly #running = new Map<Context, number>();
  #locals = 0;
  readonly #leaving = new AbortController();
  readonly #options: RunningActivitiesOptions;

  constructor(options: Partial<RunningActivitiesOptions> = {}) {
    const nothing = () => undefined;
    this.#options = { mayReport: nothing, onBegin: nothing, onLocal: nothing, now: Date.now, ...options };
  }

  get count(): number {
    return this.#running.size;
  }

  /** The local ones among them: they run within a workflow task and take no activity slot. */
  get locals(): number {
    return this.#locals;
  }

  list(): RunningActivity[] {
    return [...this.#running.keys()].map(describe);
  }

  /** When the server will have given up all running activities, if there are no heartbeats from `now` on. Epoch milliseconds. */
  lostAt(now: number): number {
    return [...this.#running].reduce((last, [{ info }, beganAt]) => Math.max(last, lostAt(info, beganAt, now)), 0);
  }

  /** For a Worker's `interceptors.activity`, before all others: an activity counts as running until it may be reported. */
  readonly keep = (context: Context): ActivityInterceptors => ({
    inbound: { execute: (input, next) => this.#keep(context, () => next(input)) },
  });

  /** For a Worker's `interceptors.activity`, too. */
  readonly intercept = (context: Context): ActivityInterceptors => ({
    inbound: { execute: (input, next) => this.#track(context, () => next(input)) },
  });

  /** Cancels running activities and those that still start; an attempt that is cancelled this way fails as retryable. */
  leave(): void {
    this.#leaving.abort(new CancelledFailure('WORKER_SHUTDOWN'));
  }

  /**
   * The SDK's core drops a result whose call is refused, so it gets no result before the server is known to answer. The remaining
   * risk: a result that is sent between the last answer and the first refusal.
   */
  async #keep<T>(context: Context, run: () => Promise<T>): Promise<T> {
    if (context.info.isLocal) return this.#keepLocal(context, run);
    const { mayReport, now } = this.#options;
    const beganAt = now();
    this.#begin(context, beganAt);
    try {
      return await run();
    } finally {
      const wait = mayReport(now() - beganAt);
      if (wait !== undefined) await wait;
      this.#running.delete(context);
    }
  }

  /**
   * A local activity's result is reported with its workflow task. Its end causes no event: the same workflow task may continue with
   * another one in a moment, and in between the worker would seem idle.
   */
  async #keepLocal<T>(context: Context, run: () => Promise<T>): Promise<T> {
    this.#begin(context, this.#options.now());
    this.#locals += 1;
    this.#options.onLocal();
    try {
      return await run();
    } finally {
      this.#running.delete(context);
      this.#locals -= 1;
    }
  }

  #begin(context: Context, at: number): void {
    this.#running.set(context, at);
    this.#options.onBegin(lostAt(context.info, at, at));
  }

  async #track<T>(context: Context, run: () => Promise<T>): Promise<T> {
    try {
      return await asyncLocalStorage.run(new LeavableContext(context, this.#leaving.signal) as unknown as Context, run);
    } catch (error) {
      const ours = this.#leaving.signal.aborted && !context.cancellationSignal.aborted && isCancellation(error);
      throw ours ? gaveWay(error) : error;
    }
  }
}

export function isCancellation(error: unknown): boolean {
  return error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
}

/** Whether an attempt ended this way because the worker had to stop. */
export function isGivingWay(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === WORKER_SHUTDOWN;
}

/** A timeout that is not set is 0 or undefined. */
function lostAt({ startToCloseTimeoutMs, heartbeatTimeoutMs, ...info }: Info, beganAt: number, now: number): number {
  return Math.min(
    beganAt + (startToCloseTimeoutMs || Infinity),
    info.scheduledTimestampMs + (info.scheduleToCloseTimeoutMs || Infinity),
    // The SDK's core may send the last heartbeat with a delay of less than this timeout.
    now + 2 * (heartbeatTimeoutMs || Infinity),
  );
}

function describe({ info }: Context): RunningActivity {
  const { activityType, activityId, attempt, workflowExecution } = info;
  return { activityType, activityId, attempt, workflowId: workflowExecution?.workflowId };
}

/**
 * The same context except for what is derived from its cancellation. Each of these is created on demand, because most activities
 * are short and never use them. It delegates instead of inheriting from the context, which would cost V8 ten times as much.
 */
class LeavableContext implements Pick<Context, keyof Context> {
  /** `instanceof Context` holds. */
  static {
    Object.setPrototypeOf(this.prototype, Context.prototype);
  }

  readonly #context: Context;
  readonly #leaving: AbortSignal;
  #signal: AbortSignal | undefined;
  #cancelled: Promise<never> | undefined;

  constructor(context: Context, leaving: AbortSignal) {
    this.#context = context;
    this.#leaving = leaving;
  }

  get cancellationSignal(): AbortSignal {
    return (this.#signal ??= AbortSignal.any([this.#context.cancellationSignal, this.#leaving]));
  }

  get cancelled(): Promise<never> {
    return (this.#cancelled ??= rejectedBy(this.cancellationSignal));
  }

  get sleep(): Context['sleep'] {
    return (duration) => Promise.race([this.#context.sleep(duration), this.cancelled]);
  }

  get info(): Context['info'] {
    return this.#context.info;
  }

  get log(): Context['log'] {
    return this.#context.log;
  }

  set log(log: Context['log']) {
    this.#context.log = log;
  }

  get metricMeter(): Context['metricMeter'] {
    return this.#context.metricMeter;
  }

  get heartbeat(): Context['heartbeat'] {
    return this.#context.heartbeat;
  }

  get client(): Context['client'] {
    return this.#context.client;
  }

  get cancellationDetails(): Context['cancellationDetails'] {
    return this.#context.cancellationDetails;
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  const cancelled = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  cancelled.catch(() => undefined);
  return cancelled;
}

function gaveWay(cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type: WORKER_SHUTDOWN,
    message: 'The worker had to stop before this activity was done; another attempt can continue.',
    nonRetryable: false,
    ...(cause instanceof Error && { cause }),
  });
}
