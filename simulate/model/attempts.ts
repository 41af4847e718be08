/** What has become of each piece of work: its attempts, and how long it waited for the one that got it done. */
import type { Work } from './settings.ts';

const DONE = -1;

export class Attempts {
  readonly #work: readonly Work[];
  readonly #count: Uint16Array;
  readonly #failures: Uint16Array;
  readonly #startedAt: Float64Array;
  /** In the order of the work. */
  readonly waits: Float64Array;
  done = 0;

  constructor(work: readonly Work[]) {
    this.#work = work;
    this.#count = new Uint16Array(work.length);
    this.#failures = new Uint16Array(work.length);
    this.#startedAt = new Float64Array(work.length);
    this.waits = new Float64Array(work.length);
  }

  /** The attempt's number. */
  start(work: number, now: number): number {
    this.#startedAt[work] = now;
    return ++this.#count[work]!;
  }

  isNewest(work: number, attempt: number): boolean {
    return this.#count[work] === attempt;
  }

  secondsOf(work: number, now: number): number {
    return now - this.#startedAt[work]!;
  }

  complete(work: number): void {
    this.waits[work] = this.#startedAt[work]! - this.#work[work]!.arrivalSeconds;
    this.#startedAt[work] = DONE;
    this.done++;
  }

  failures(work: number): number {
    return this.#failures[work]!;
  }

  fail(work: number): void {
    this.#failures[work]!++;
  }

  /** Work that was never done has waited to the horizon. */
  end(horizonSeconds: number): void {
    this.#work.forEach(({ arrivalSeconds }, index) => {
      if (this.#startedAt[index] !== DONE) this.waits[index] = horizonSeconds - arrivalSeconds;
    });
  }
}
