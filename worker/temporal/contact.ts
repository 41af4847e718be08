/**
 * Checks whether the server answers. A worker checks before it reports a result, because the SDK's core drops a result whose call is
 * refused: a result that is ready during an outage waits here until the server is available. One check is open at a time, however
 * many results wait for it, and with a flow of short activities there is at most one every FRESH_MS.
 */
import { setTimeout as wait } from 'node:timers/promises';

/** How long an answer counts: the longest that the server may have been refusing before a result is affected. */
export const FRESH_MS = 2000;
/** An activity that has run for this long is expensive to lose: its result is checked separately. The remaining risk is one round trip. */
export const LONG_MS = 10_000;

interface ContactOptions {
  /** Rejects if the server does not answer, or refuses. */
  ask: () => Promise<void>;
  /** Called with each refusal. */
  onRefused: (error: Error) => void;
  /** Called with each answer. */
  onAnswered: () => void;
  /** Milliseconds. */
  now: () => number;
  /** Between two failed checks: the first pause, doubled each time up to the longest. */
  pauseMs?: { first: number; longest: number };
}

export class Contact {
  readonly #options: Required<ContactOptions>;
  #answeredAt = -Infinity;
  #asking: Promise<void> | undefined;
  #closed = false;

  constructor(options: ContactOptions) {
    this.#options = { pauseMs: { first: 1000, longest: 10_000 }, ...options };
  }

  /** What the result of an activity with this duration waits for; nothing if it may be reported at once. */
  mayReport(ranMs: number): Promise<void> | undefined {
    const since = ranMs < LONG_MS ? this.#fresh() : this.#options.now();
    return this.#answeredAt >= since ? undefined : this.answered(since);
  }

  /** Resolves once the server has answered a check made since then; after `close`, perhaps never. */
  async answered(since = this.#fresh()): Promise<void> {
    while (this.#answeredAt < since) await (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  #fresh(): number {
    return this.#options.now() - FRESH_MS + 1;
  }

  /** Another call was refused: earlier answers no longer count. */
  lost(): void {
    this.#answeredAt = -Infinity;
  }

  close(): void {
    this.#closed = true;
  }

  async #ask(): Promise<void> {
    const { ask, onRefused, onAnswered, now, pauseMs } = this.#options;
    for (let pause = pauseMs.first; ; pause = Math.min(pause * 2, pauseMs.longest)) {
      const askedAt = now();
      try {
        await ask();
        this.#answeredAt = askedAt;
        return onAnswered();
      } catch (error) {
        if (this.#closed) return new Promise(() => undefined);
        onRefused(error as Error);
      }
      // Randomized, so that a fleet does not act in step.
      await wait(pause * (0.8 + 0.4 * Math.random()), undefined, { ref: false });
    }
  }
}
