/**
 * How long to keep what is not needed now. Each time tasks that had become needless are needed again, the length of the
 * gap is learned. A task is kept for as long as that costs less, over the gaps seen, than letting it go and starting
 * another: the classic problem of renting skis, solved with the odds that this pool has shown.
 */
import { GAP_BOUNDS, type Memory } from './memory.ts';

/** Levels unneeded for longer than this count as gone for good. */
const LONGEST_GAP_SECONDS = 900;
const MOST_LEVELS = 80;
/** What a tick takes off the weight of what was learned before. */
const FADING = 0.998;
/** Shorter gaps are noise of the readings. */
const LEAST_GAP_SECONDS = 12;
const LONGEST_KEPT_SECONDS = 450;

/** Brings the levels and gaps of the past up to `needed` tasks now. */
export function learnGaps(before: Memory, needed: number, now: number): Pick<Memory, 'levels' | 'gaps'> {
  const gaps = before.gaps.map((weight) => weight * FADING);
  const learn = (seconds: number, tasks: number) => {
    const index = GAP_BOUNDS.findIndex((bound) => seconds <= bound);
    if (seconds > LEAST_GAP_SECONDS) gaps[index === -1 ? GAP_BOUNDS.length : index]! += tasks;
  };
  const above: [number, number][] = [];
  before.levels.forEach(([at, tasks], index) => {
    const below = before.levels[index + 1]?.[1] ?? 0;
    const seconds = (now - at) / 1000;
    const old = seconds > LONGEST_GAP_SECONDS;
    if (Math.min(tasks, needed) > below) learn(seconds, Math.min(tasks, needed) - below);
    if (tasks > needed && old) learn(seconds, tasks - Math.max(needed, below));
    if (tasks > needed && !old) above.push([at, tasks]);
  });
  return {
    levels: [...above, [now, needed] as [number, number]].slice(-MOST_LEVELS),
    gaps,
  };
}

/**
 * The tasks to keep although `needed` would do: all those last needed no longer ago than is worth waiting for.
 * `restartCost` is what it costs, in task-seconds, to be without the fleet's n-th task when it is needed again.
 */
export function tasksToKeep(
  { levels, gaps }: Pick<Memory, 'levels' | 'gaps'>,
  needed: number,
  restartCost: (task: number) => number,
  leastSeconds: number,
  now: number,
): number {
  const patience = memoized((cost: number) => Math.max(leastSeconds, secondsWorthWaiting(gaps, cost)));
  for (const [at, tasks] of levels) {
    const idleSeconds = (now - at) / 1000;
    for (let task = tasks; task > needed; task -= 1) {
      if (idleSeconds <= patience(Math.round(restartCost(task) / 10) * 10)) return task;
    }
  }
  return needed;
}

function secondsWorthWaiting(gaps: number[], restartCost: number): number {
  let [best, bestCost] = [0, Infinity];
  for (const seconds of [0, ...GAP_BOUNDS.filter((bound) => bound <= LONGEST_KEPT_SECONDS)]) {
    let cost = 0;
    gaps.forEach((weight, index) => {
      const gap = TYPICAL_GAPS[index]!;
      cost += (weight + ASSUMED_WEIGHTS[index]!) * (gap <= seconds ? gap : seconds + restartCost);
    });
    if (cost < bestCost) [best, bestCost] = [seconds, cost];
  }
  return best;
}

/** The middle of each class of gaps; the last is without bound. */
const TYPICAL_GAPS = [...GAP_BOUNDS.map((bound, index) => (bound + (GAP_BOUNDS[index - 1] ?? 0)) / 2), 1200];

/** Before anything was learned: gaps of every order of magnitude are equally likely, endless ones twice. */
const ASSUMED_WEIGHTS = [
  ...GAP_BOUNDS.map((bound, index) => (index === 0 ? 0 : 1 - GAP_BOUNDS[index - 1]! / bound)),
  2,
];

function memoized(compute: (key: number) => number): (key: number) => number {
  const known = new Map<number, number>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
