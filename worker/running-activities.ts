/**
 * The activities running in this process, and the word to them that the process is about to leave.
 *
 * The SDK has a word for that too, but only a fixed time after a Worker's shutdown began, and our shutdowns have two
 * lengths: a cordoned worker waits without end, one that got SIGTERM does not, and one may become the other. So the SDK's time is set beyond
 * reach, and an activity is given a context of its own, whose cancellation fires for the SDK's reasons and for ours.
 * The price: SDK logs and client calls made through `context.client` follow only the SDK's cancellation.
 */
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';

export interface RunningActivity {
  activityType: string;
  activityId: string;
  workflowId: string | undefined;
  attempt: number;
}

/** What the SDK itself reports when a Worker's shutdown ends an activity. */
export const WORKER_SHUTDOWN = 'WorkerShutdown';

export class RunningActivities {
  readonly #running = new Map<AbortController, RunningActivity>();
  #leaving = false;

  get count(): number {
    return this.#running.size;
  }

  list(): RunningActivity[] {
    return [...this.#running.values()];
  }

  /** For a Worker's `interceptors.activity`. */
  readonly intercept = (context: Context): ActivityInterceptors => ({
    inbound: { execute: (input, next) => this.#track(context, () => next(input)) },
  });

  /** Cancels what runs and what still starts; an attempt that gives way to it fails in a way that is retried. */
  leave(): void {
    this.#leaving = true;
    for (const controller of this.#running.keys()) controller.abort(leaving());
  }

  async #track<T>(context: Context, run: () => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const follow = () => controller.abort(context.cancellationSignal.reason);
    if (context.cancellationSignal.aborted) follow();
    context.cancellationSignal.addEventListener('abort', follow, { once: true });
    if (this.#leaving) controller.abort(leaving());
    this.#running.set(controller, describe(context));
    try {
      return await asyncLocalStorage.run(withCancellation(context, controller.signal), run);
    } catch (error) {
      const ours = this.#leaving && !context.cancellationSignal.aborted && isCancellation(error);
      throw ours ? gaveWay(error) : error;
    } finally {
      this.#running.delete(controller);
    }
  }
}

export function isCancellation(error: unknown): boolean {
  return error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
}

/** Whether an attempt ended so because the worker had to leave. */
export function isGivingWay(error: unknown): boolean {
  return error instanceof ApplicationFailure && error.type === WORKER_SHUTDOWN;
}

function describe({ info }: Context): RunningActivity {
  const { activityType, activityId, attempt, workflowExecution } = info;
  return { activityType, activityId, attempt, workflowId: workflowExecution?.workflowId };
}

/** The same context but for what is derived from its cancellation. */
function withCancellation(context: Context, signal: AbortSignal): Context {
  const cancelled = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  cancelled.catch(() => undefined);
  return Object.create(context, {
    cancellationSignal: { value: signal },
    cancelled: { value: cancelled },
    sleep: { value: (duration: Parameters<Context['sleep']>[0]) => Promise.race([context.sleep(duration), cancelled]) },
  }) as Context;
}

function leaving(): CancelledFailure {
  return new CancelledFailure('WORKER_SHUTDOWN');
}

function gaveWay(cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type: WORKER_SHUTDOWN,
    message: 'The worker had to leave before this activity was done; another attempt can go on.',
    nonRetryable: false,
    ...(cause instanceof Error && { cause }),
  });
}
