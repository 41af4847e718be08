/**
 * Whether the server answers. A worker asks before it reports a result, since the SDK's core drops a result whose call is
 * refused: a result that is ready during an outage waits here until the server is well. One question is open at a time,
 * however many wait for it, and while results of short work flow there is one every FRESH_MS at most.
 */
import { setTimeout as wait } from 'node:timers/promises';

/** An answer counts for this long: so long may the server have refused before a result that is sent notices. */
export const FRESH_MS = 2000;
/** What has run for so long is dear to lose: its result asks again. What remains to it is one round trip. */
export const LONG_MS = 10_000;

export interface ContactOptions {
  /** Rejects when the server does not answer, or refuses. */
  ask: () => Promise<void>;
  /** Called with each refusal. */
  onRefused: (error: Error) => void;
  /** Called with each answer. */
  onAnswered: () => void;
  /** Milliseconds. */
  now: () => number;
  /** Between two questions that are refused: the first pause, doubled each time up to the longest. */
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

  /** What the result of something that ran for so long waits for; nothing when it may be reported at once. */
  mayReport(ranMs: number): Promise<void> | undefined {
    const since = ranMs < LONG_MS ? this.#fresh() : this.#options.now();
    return this.#answeredAt >= since ? undefined : this.answered(since);
  }

  /** Resolves once the server has answered a question that was asked since then; after `close`, perhaps never. */
  async answered(since = this.#fresh()): Promise<void> {
    while (this.#answeredAt < since) await (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  #fresh(): number {
    return this.#options.now() - FRESH_MS + 1;
  }

  /** Something else was refused: what was known before no longer counts. */
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
      // Not in step with the rest of a fleet.
      await wait(pause * (0.8 + 0.4 * Math.random()), undefined, { ref: false });
    }
  }
}
