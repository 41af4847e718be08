/** What happened, as lines: the newest are kept for a violation's report, and all of them are in the hash. */
import { createHash } from 'node:crypto';

const KEPT = 60;

export class Trace {
  readonly #hash = createHash('sha256');
  readonly #newest: string[] = [];
  readonly #print: ((line: string) => void) | undefined;
  #startedAt: number | undefined;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  add(now: number, what: string): void {
    this.#startedAt ??= now;
    const line = `${((now - this.#startedAt) / 1000).toFixed(3)} ${what}`;
    this.#hash.update(line);
    this.#newest.push(line);
    if (this.#newest.length > 2 * KEPT) this.#newest.splice(0, KEPT);
    this.#print?.(line);
  }

  get newest(): string[] {
    return this.#newest.slice(-KEPT);
  }

  /** Ends the trace. */
  digest(): string {
    return this.#hash.digest('hex').slice(0, 16);
  }
}
