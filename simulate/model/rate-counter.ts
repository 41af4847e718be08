/** A rate over the last half minute, in whole buckets, as Temporal's task queues keep it. */
const BUCKET_SECONDS = 5;
const BUCKETS = 6;
export const RATE_SECONDS = BUCKET_SECONDS * BUCKETS;
/** After a restart a rate is over the time since, which is a moment at first. */
const LEAST_SECONDS = 0.3;

export class RateCounter {
  readonly #counts = new Float64Array(BUCKETS);
  #bucket = 0;
  #since = -Infinity;

  count(now: number): void {
    this.#advance(now);
    this.#counts[this.#bucket % BUCKETS]! += 1;
  }

  rate(now: number): number {
    this.#advance(now);
    const seconds = Math.min(RATE_SECONDS, Math.max(LEAST_SECONDS, now - this.#since));
    return this.#counts.reduce((sum, count) => sum + count, 0) / seconds;
  }

  restart(now: number): void {
    this.#advance(now);
    this.#counts.fill(0);
    this.#since = now;
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_SECONDS);
    if (bucket - this.#bucket > BUCKETS) this.#bucket = bucket - BUCKETS;
    while (this.#bucket < bucket) this.#counts[++this.#bucket % BUCKETS] = 0;
  }
}
