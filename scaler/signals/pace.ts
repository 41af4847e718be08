/**
 * Spreads requests to a server over time, first come first served: so many a second, so many at once. A server that refuses
 * for being asked too often is asked half as often, and then a little more often with each answer: how much it allows is
 * not ours to know.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { AtOnce } from '../at-once.ts';

/** Well below the 240 a second at which a server of Temporal's own settings begins to refuse descriptions of task queues. */
const MOST_A_SECOND = 150;
const LEAST_A_SECOND = 5;
const MORE_WITH_EACH_ANSWER = 0.05;
const AT_ONCE = 4;
/** Requests that hang leave their places to the others. */
const PLACE_KEPT_MS = 250;
/** All that is refused at once is one refusal. */
const REFUSED_TOGETHER_MS = 1000;

export interface PaceClock {
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

  /** Rejects without asking when the signal was aborted before its turn came. A request that is refused is made once more. */
  run<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    return this.#again(signal, request, () => this.#inTurn(signal, request));
  }

  /** Past the line, for what all wait for. */
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
      // In an object, or it would be waited for.
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
