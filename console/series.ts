/** Values in order of time; a returning reader receives only those that are new or changed. */
export class Series<T extends { now: number }> {
  readonly #entries = new Map<number, { value: T; text: string; change: number }>();
  readonly #nextChange: () => number;

  /** `nextChange` counts up; several series may share one. */
  constructor(nextChange: () => number) {
    this.#nextChange = nextChange;
  }

  has(now: number): boolean {
    return this.#entries.has(now);
  }

  /** Replaces a value of the same time. */
  put(value: T): void {
    const text = JSON.stringify(value);
    if (this.#entries.get(value.now)?.text === text) return;
    this.#entries.set(value.now, { value, text, change: this.#nextChange() });
  }

  changedSince(cursor: number, from: number): T[] {
    return [...this.#entries.values()]
      .filter(({ value, change }) => change > cursor && value.now >= from)
      .map(({ value }) => value)
      .toSorted((a, b) => a.now - b.now);
  }

  forgetBefore(now: number): void {
    for (const at of this.#entries.keys()) if (at < now) this.#entries.delete(at);
  }
}
