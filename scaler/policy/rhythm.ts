/**
 * Work that comes in jumps. How far they went tells, at the first sign of the next, how far it will go. When they come by
 * the clock (a batch each quarter of an hour, a report every hour), tasks are started ahead, so that it finds them up.
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
/** A jump shows but its beginning at first: so many before it tell how far it will go. */
const JUMPS_LIKE_IT = 2;
const JUST_BEGUN_MS = 20_000;
/** How fast the usual follows the need when that rises: after this time e⁻¹ of the difference is left. It falls at once. */
const USUAL_FOLLOWS_SECONDS = 95;

/** Adds what the tick needs to the rhythm. */
export function learnRhythm(before: Rhythm & Pick<Memory, 'at'>, need: number, now: number): Rhythm {
  const { onsets } = before;
  const followed = 1 - Math.exp(-Math.max(0, now - before.at) / 1000 / USUAL_FOLLOWS_SECONDS);
  const usualNeed = need < before.usualNeed ? need : before.usualNeed + followed * (need - before.usualNeed);
  const last = onsets.at(-1);
  if (last !== undefined && now - last[0] < ONE_JUMP_MS) {
    return { onsets: [...onsets.slice(0, -1), [last[0], Math.max(last[1], need)]], usualNeed };
  }
  const jumped = need >= JUMP * before.usualNeed + 1;
  return { onsets: jumped ? [...onsets, [now, need] as [number, number]].slice(-ONSETS_KEPT) : onsets, usualNeed };
}

/** The next jump, where the last ones came at equal distances: when, and the least that these needed. */
export interface Jump {
  at: number;
  tolerance: number;
  tasks: number;
}

export function nextJump({ onsets }: Rhythm): Jump | undefined {
  const recent = onsets.slice(-INTERVALS_ALIKE - 1);
  if (recent.length <= INTERVALS_ALIKE) return undefined;
  const intervals = recent.slice(1).map(([at], index) => at - recent[index]![0]);
  const interval = intervals.toSorted((a, b) => a - b)[Math.floor(intervals.length / 2)]!;
  const tolerance = Math.max(LEAST_TOLERANCE_MS, TOLERANCE * interval);
  if (intervals.some((each) => Math.abs(each - interval) > tolerance)) return undefined;
  return { at: recent.at(-1)![0] + interval, tolerance, tasks: Math.min(...recent.slice(1).map(([, tasks]) => tasks)) };
}

/** The tasks to have up now for a jump that is about to come; 0 when none is. */
export function expectedNeed(next: Jump | undefined, startUpSeconds: number, now: number): number {
  if (next === undefined) return 0;
  return now >= next.at - startUpSeconds * 1000 - AHEAD_MS && now <= next.at + next.tolerance ? next.tasks : 0;
}

/** The tasks for a jump that has just begun: it will go as far as the least of those before; 0 when there is none. */
export function needOfJump({ onsets }: Rhythm, need: number, now: number): number {
  const last = onsets.at(-1);
  const before = onsets.slice(0, -1);
  if (last === undefined || now - last[0] > JUST_BEGUN_MS || need < last[1] || before.length < JUMPS_LIKE_IT) return 0;
  return Math.min(...before.map(([, tasks]) => tasks));
}
