/** Ticks at a steady pace until the minute is nearly over, so that the schedule's next invocation finds the way free. */

/** An invocation's ticks start within this time; the next invocation comes after 60 seconds. */
const TICK_FOR_MS = 51_000;
/** What a tick may need, and what the sending of metrics after the last needs. */
const MARGIN_MS = 6_000;

export interface Clock {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/**
 * Runs `tick` every `tickSeconds`, at once for the first time. A tick that took longer than the pace is followed at
 * the next whole step, never by two at once. `remainingMs` is how long the platform lets us run.
 */
export async function tickUntilTheMinuteEnds(
  tick: (now: number, last: boolean) => Promise<void>,
  tickSeconds: number,
  clock: Clock,
  remainingMs: number,
): Promise<number> {
  const start = clock.now();
  const end = start + Math.min(TICK_FOR_MS, remainingMs - MARGIN_MS);
  const paceMs = tickSeconds * 1000;
  for (let ticks = 1, next = start; ; ticks += 1) {
    if (next > clock.now()) await clock.sleep(next - clock.now());
    const last = next + paceMs > end;
    await tick(clock.now(), last);
    next = start + Math.ceil((clock.now() - start + 1) / paceMs) * paceMs;
    if (last || next > end) return ticks;
  }
}
