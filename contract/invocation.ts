/** The scaler's invocations, as Lambda runs them. */

/** The next minute's invocation, which ends the one before, may come two minutes later. */
export const LONGEST_INVOCATION_SECONDS = 150;

/** MiB, unless the stack says otherwise. */
export const DEFAULT_SCALER_MEMORY = 384;

/** The scaler ticks all the time; and each minute the next invocation waits for the older one's next tick, half a tick on average. */
export function secondsBilledAMinute(tickSeconds: number): number {
  return 60 + tickSeconds / 2;
}
