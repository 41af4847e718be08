/**
 * Work that comes by the clock: a batch each quarter of an hour, a report every hour. When the need has jumped at equal
 * distances often enough, tasks are started ahead of the next time, so that it finds them up.
 */
import type { Memory } from './memory.ts';

type Rhythm = Pick<Memory, 'onsets' | 'usualNeed'>;

/** A need so many times the usual is a jump. */
const JUMP = 4;
/** Jumps nearer to each other than this are one. */
const ONE_JUMP_MS = 60_000;
const ONSETS_KEPT = 6;
/** So many intervals in a row must be alike. */
const INTERVALS_ALIKE = 3;
const TOLERANCE = 0.04;
const LEAST_TOLERANCE_MS = 25_000;
const AHEAD_MS = 15_000;
/** How fast the usual follows the need, a tick, when it rises; it falls at once. */
const RISING = 0.1;

/** Adds what the tick needs to the rhythm. */
export function learnRhythm(before: Rhythm, need: number, now: number): Rhythm {
  const { onsets } = before;
  const usualNeed = need < before.usualNeed ? need : before.usualNeed + RISING * (need - before.usualNeed);
  const last = onsets.at(-1);
  if (last !== undefined && now - last[0] < ONE_JUMP_MS) {
    return { onsets: [...onsets.slice(0, -1), [last[0], Math.max(last[1], need)]], usualNeed };
  }
  const jumped = need >= JUMP * before.usualNeed + 1;
  return { onsets: jumped ? [...onsets, [now, need] as [number, number]].slice(-ONSETS_KEPT) : onsets, usualNeed };
}

/** The tasks to have up now for a jump that is about to come: the least of the last ones; 0 when none is expected. */
export function expectedNeed({ onsets }: Rhythm, startUpSeconds: number, now: number): number {
  const recent = onsets.slice(-INTERVALS_ALIKE - 1);
  if (recent.length <= INTERVALS_ALIKE) return 0;
  const intervals = recent.slice(1).map(([at], index) => at - recent[index]![0]);
  const interval = intervals.toSorted((a, b) => a - b)[Math.floor(intervals.length / 2)]!;
  const tolerance = Math.max(LEAST_TOLERANCE_MS, TOLERANCE * interval);
  if (intervals.some((each) => Math.abs(each - interval) > tolerance)) return 0;
  const next = recent.at(-1)![0] + interval;
  const expected = now >= next - startUpSeconds * 1000 - AHEAD_MS && now <= next + tolerance;
  return expected ? Math.min(...recent.slice(1).map(([, tasks]) => tasks)) : 0;
}
