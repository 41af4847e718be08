/**
 * How long a service waits before it launches again after its tasks failed by themselves: twice as long each time, up to a limit,
 * and from the beginning once a task launched since has stayed up.
 */

export interface RestartBackoffOptions {
  firstSeconds: number;
  maxSeconds: number;
  /** A task that ran this long counts as having started well. */
  steadyAfterSeconds: number;
}

export class RestartBackoff {
  readonly #options: RestartBackoffOptions;
  #failures = 0;
  #steppedAt = -Infinity;

  constructor(options: RestartBackoffOptions) {
    this.#options = options;
  }

  /** Consecutive failures. */
  get failures(): number {
    return this.#failures;
  }

  /** Epoch milliseconds before which nothing is launched. */
  get launchAfter(): number {
    if (this.#failures === 0) return -Infinity;
    const seconds = Math.min(this.#options.maxSeconds, this.#options.firstSeconds * 2 ** (this.#failures - 1));
    return this.#steppedAt + seconds * 1000;
  }

  /** Tasks launched together and failing together count as one step. */
  taskFailed(task: { createdAt: number; startedAt: number | undefined }, now: number): void {
    if (task.createdAt < this.#steppedAt) return;
    this.#failures = this.#stayedUp(task, now) ? 1 : this.#failures + 1;
    this.#steppedAt = now;
  }

  /** Called with the running tasks; if one of them has stayed up, the backoff ends. */
  observe(running: Iterable<{ createdAt: number; startedAt: number | undefined }>, now: number): void {
    if (this.#failures === 0) return;
    for (const task of running) {
      if (task.createdAt >= this.#steppedAt && this.#stayedUp(task, now)) this.#failures = 0;
    }
  }

  #stayedUp(task: { startedAt: number | undefined }, now: number): boolean {
    return task.startedAt !== undefined && now - task.startedAt >= this.#options.steadyAfterSeconds * 1000;
  }
}
