/**
 * Paces requests to a server, first come first served: limits them per second and at once. If a server throttles, the rate is
 * halved, and then rises a little with each answer, because the server's limit is unknown.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { AtOnce } from '../at-once.ts';

/** Well below the 240 per second at which a server with Temporal's default settings begins to throttle DescribeTaskQueue. */
const MOST_A_SECOND = 150;
const LEAST_A_SECOND = 5;
const MORE_WITH_EACH_ANSWER = 0.05;
const AT_ONCE = 4;
/** After this time requests that hang no longer take a place. */
const PLACE_KEPT_MS = 250;
/** Refusals within this time count as one. */
const REFUSED_TOGETHER_MS = 1000;

interface PaceClock {
  /** Milliseconds. */
  now(): number;
  wait(milliseconds: number): Promise<unknown>;
}

export class Pace {
  readonly #clock: PaceClock;
  readonly #places = new AtOnce(AT_ONCE);
  #perSecond = MOST_A_SECOND;
  #nextAt = -Infinity;
  #refusedAt = -Infinity;

  constructor(clock: PaceClock = { now: () => performance.now(), wait }) {
    this.#clock = clock;
  }

  /** Rejects without a request if the signal is aborted before its turn. A throttled request is retried once. */
  run<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    return this.#again(signal, request, () => this.#inTurn(signal, request));
  }

  /** Skips the queue, for requests that all others wait for. */
  first<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    return this.#again(signal, request, request);
  }

  async #again<T>(signal: AbortSignal, request: () => Promise<T>, begin: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await begin();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#slowDown();
      return await this.#inTurn(signal, request);
    }
  }

  async #inTurn<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    const asked = await this.#places.run(async () => {
      signal.throwIfAborted();
      const now = this.#clock.now();
      this.#nextAt = Math.max(now, this.#nextAt + 1000 / this.#perSecond);
      if (this.#nextAt > now) await this.#clock.wait(this.#nextAt - now);
      signal.throwIfAborted();
      const answer = request();
      // In an object, or it would be awaited.
      await Promise.race([answer.catch(() => undefined), this.#clock.wait(PLACE_KEPT_MS)]);
      return { answer };
    });
    const answer = await asked.answer;
    this.#perSecond = Math.min(MOST_A_SECOND, this.#perSecond + MORE_WITH_EACH_ANSWER);
    return answer;
  }

  #slowDown(): void {
    const now = this.#clock.now();
    if (now - this.#refusedAt < REFUSED_TOGETHER_MS) return;
    this.#refusedAt = now;
    this.#perSecond = Math.max(LEAST_A_SECOND, this.#perSecond / 2);
  }
}

/** As in google.rpc.Code: RESOURCE_EXHAUSTED. */
const REFUSED = 8;

export function isRefusal(error: unknown): boolean {
  return (error as { code?: unknown }).code === REFUSED;
}
