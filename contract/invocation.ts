/** The scaler's Lambda invocations. */

/** The next invocation, which ends the previous one, may come up to two minutes later. */
export const LONGEST_INVOCATION_SECONDS = 150;

/** The pace of the loop, unless the stack sets another. */
export const DEFAULT_TICK_SECONDS = 10;

/** A scaler ticks at least once a minute; after this long without a tick it counts as silent, and by default its alarm goes off. */
export const SILENT_AFTER_SECONDS = 180;

/** MiB; the default. */
export const DEFAULT_SCALER_MEMORY = 384;

/** The scaler ticks all the time. Each minute the next invocation also waits for the older one's next tick, half a tick on average. */
export function secondsBilledAMinute(tickSeconds: number): number {
  return 60 + tickSeconds / 2;
}
