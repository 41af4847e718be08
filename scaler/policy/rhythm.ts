/**
 * Load that arrives in jumps. At the first sign of a jump, the size of earlier jumps predicts how large it will be. Where jumps recur at
 * equal intervals or by the clock (a batch every half hour, a report every morning), tasks are pre-started for the next one.
 */
import type { Memory } from './memory.ts';
import { faded, mean, median } from './sums.ts';

type Onset = Memory['onsets'][number];
type Rhythm = Pick<Memory, 'onsets' | 'usualNeed'>;

/** A need of this many times the usual need is a jump. */
const JUMP = 4;
/** Jumps closer together than this count as one. */
const ONE_JUMP_MS = 60_000;
const ONSETS_KEPT = 6;
/** This many jumps at equal intervals are a rhythm. Two are enough at an interval that people choose, in minutes. */
const JUMPS_ALIKE = 4;
const CLOCK_MINUTES = [15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440];
/** Load by the clock is forgotten after it was missing more than this many times in a row; a workday's batch is missing at weekends. */
const MISSES = 3;
/** How early or late a jump may be: as a share of the interval, at least, and at most. */
const TOLERANCE = 0.04;
const LEAST_TOLERANCE_MS = 25_000;
const MOST_TOLERANCE_MS = 40_000;
const AHEAD_SECONDS = 15;
/** The start-up of the slowest tasks, relative to the usual start-up. */
const SLOWEST_START = 1.4;
/** A jump shows only its beginning at first: this many earlier jumps predict its size. */
const JUMPS_LIKE_IT = 2;
const JUST_BEGUN_MS = 20_000;
/** Time constant of the usual need when the need rises; it falls at once. */
const USUAL_FOLLOWS_SECONDS = 95;
const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;

/** Adds this tick's need to the rhythm: `tasks` as ordered, and `prompt`, with which hardly any work would wait. */
export function learnRhythm(
  before: Rhythm & Pick<Memory, 'at'>,
  { tasks, prompt }: { tasks: number; prompt: number },
  now: number,
): Rhythm {
  const { onsets } = before;
  const followed = 1 - faded((now - before.at) / 1000, USUAL_FOLLOWS_SECONDS);
  const usualNeed = tasks < before.usualNeed ? tasks : before.usualNeed + followed * (tasks - before.usualNeed);
  const last = onsets.at(-1);
  if (last !== undefined && now - last[0] < ONE_JUMP_MS) {
    const further: Onset = [last[0], Math.max(last[1], tasks), Math.max(last[2], prompt)];
    return { onsets: [...onsets.slice(0, -1), further], usualNeed };
  }
  const onset: Onset = [now, tasks, prompt];
  const jumped = tasks >= JUMP * before.usualNeed + 1;
  return { onsets: jumped ? [...onsets, onset].slice(-ONSETS_KEPT) : onsets, usualNeed };
}

/** The next jump: the time span in which its tasks must be up, and when it is expected. Epoch milliseconds. */
export interface Jump {
  from: number;
  at: number;
  until: number;
  tasks: number;
}

export function nextJump({ onsets }: Pick<Rhythm, 'onsets'>, startUpSeconds: number, now: number): Jump | undefined {
  return byTheClock(onsets, startUpSeconds, now) ?? atIntervals(onsets, startUpSeconds, now);
}

/** For intervals shorter than the clock's shortest; such short gaps are also learned as gaps (gaps.ts). */
function atIntervals(onsets: Onset[], startUpSeconds: number, now: number): Jump | undefined {
  const recent = onsets.slice(-JUMPS_ALIKE);
  if (recent.length < JUMPS_ALIKE) return undefined;
  const intervals = intervalsOf(recent);
  const interval = median(intervals)!;
  const tolerance = toleranceOf(interval);
  if (intervals.some((each) => Math.abs(each - interval) > tolerance)) return undefined;
  const at = recent.at(-1)![0] + interval;
  if (now > at + tolerance) return undefined;
  const from = at - 1000 * (startUpSeconds + AHEAD_SECONDS);
  return { from, at, until: at + tolerance, tasks: Math.min(...recent.slice(1).map(([, tasks]) => tasks)) };
}

/** The newest jumps lie on a grid, of which some points may have been missed. */
function byTheClock(onsets: Onset[], startUpSeconds: number, now: number): Jump | undefined {
  const intervals = intervalsOf(onsets).slice(1 - JUMPS_ALIKE);
  const chosen = Math.min(...intervals.map(clockPeriod));
  const period = Number.isFinite(chosen) ? chosen : Math.min(...intervals);
  if (!Number.isFinite(period) || period < CLOCK_MINUTES[0]! * MINUTE_MS) return undefined;
  const tolerance = toleranceOf(period);
  const times = onGrid(onsets, period, tolerance);
  if (times.length < (period === chosen ? Math.min(JUMPS_ALIKE, onsets.length) : JUMPS_ALIKE)) return undefined;
  const phase = mean(times);
  const ahead = Math.max(1, Math.ceil((now - tolerance - phase) / period));
  if (ahead > MISSES || times.length < 2) return undefined;
  const at = phase + ahead * period;
  const from = at - tolerance - 1000 * SLOWEST_START * startUpSeconds;
  const alike = onsets.slice(-times.length).slice(1 - JUMPS_ALIKE);
  return { from, at, until: at + tolerance, tasks: Math.min(...alike.map(([, , prompt]) => prompt)) };
}

/** The newest onsets that lie on the grid of the last one, each moved to that by whole periods. Of days, one may have 23 or 25 hours. */
function onGrid(onsets: Onset[], period: number, tolerance: number): number[] {
  const shifts = period % DAY_MS === 0 ? [0, 60 * MINUTE_MS, -60 * MINUTE_MS] : [0];
  const times = onsets.slice(-1).map(([at]) => at);
  let moved = 0;
  for (let index = onsets.length - 1; index > 0; index -= 1) {
    const interval = onsets[index]![0] - onsets[index - 1]![0];
    const periods = Math.max(1, Math.round(interval / period));
    const shift = shifts.find((each) => Math.abs(interval - each - periods * period) <= 2 * tolerance);
    if (shift === undefined || periods > MISSES) break;
    moved += periods * period + shift;
    times.push(onsets[index - 1]![0] + moved);
  }
  return times;
}

function intervalsOf(onsets: Onset[]): number[] {
  return onsets.slice(1).map(([at], index) => at - onsets[index]![0]);
}

/** The interval of the clock that this one is, or else Infinity. */
function clockPeriod(interval: number): number {
  const minutes = CLOCK_MINUTES.find((each) => Math.abs(interval - each * MINUTE_MS) <= 2 * toleranceOf(interval));
  return minutes === undefined ? Infinity : minutes * MINUTE_MS;
}

function toleranceOf(interval: number): number {
  return Math.min(MOST_TOLERANCE_MS, Math.max(LEAST_TOLERANCE_MS, TOLERANCE * interval));
}

/** The tasks that must be up now for an expected jump; 0 when none is expected. */
export function expectedNeed(next: Jump | undefined, now: number): number {
  return next !== undefined && now >= next.from && now <= next.until ? next.tasks : 0;
}

/** The tasks for a jump that has just begun: as many as the smallest of the last jumps needed; 0 when there is none. */
export function needOfJump({ onsets }: Rhythm, need: number, now: number): number {
  const last = onsets.at(-1);
  const before = onsets.slice(0, -1);
  if (last === undefined || now - last[0] > JUST_BEGUN_MS || need < last[1] || before.length < JUMPS_LIKE_IT) return 0;
  return Math.min(...before.map(([, tasks]) => tasks));
}
