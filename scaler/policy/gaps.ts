/**
 * How long to keep surplus tasks. Each time a surplus task is needed again, the length of the gap is learned: separately for the first
 * task, the next two, the next four and so on, because the first is needed again more often than the tenth. These odds give the cost of
 * keeping and of removing a task at each age of a gap; the cheaper wins.
 */
import { GAP_CLASSES, GAP_GROUPS, type Memory } from './memory.ts';
import { faded } from './sums.ts';

/** Levels that were not needed for this long count as never needed again. */
const LONGEST_GAP_SECONDS = 900;
const MOST_LEVELS = 80;
/** More tasks than a service can have: bounds the work per decision. */
const MOST_TASKS = 10_000;
/** What was learned fades, so that last week's habits do not outweigh today's: after a day e⁻¹ of it is left. */
const GAP_MEMORY_SECONDS = 86_400;
/** Shorter gaps are noise of the readings. */
const LEAST_GAP_SECONDS = 12;
/** The prior: all classes of gaps are equally likely, and an endless gap nearly as likely as all others together. */
const ASSUMED_WEIGHT = 0.2;
const ASSUMED_ENDLESS = 3;

/** Classes of length: each is longer than the one before by the same factor; the last holds the endless ones. */
const ENDLESS = GAP_CLASSES - 1;
const SHORTEST_SECONDS = 10;
const FACTOR = (LONGEST_GAP_SECONDS / SHORTEST_SECONDS) ** (1 / ENDLESS);
/** Step of the odds. */
const STEP_SECONDS = 10;
const STEPS = LONGEST_GAP_SECONDS / STEP_SECONDS;
/** Costs that differ by less than this factor share a plan. */
const COST_FACTOR = 1.1;

/** Brings the levels and gaps of the past up to `needed` tasks now. */
export function learnGaps(before: Memory, needed: number, now: number): Pick<Memory, 'levels' | 'gaps'> {
  const kept = faded((now - before.at) / 1000, GAP_MEMORY_SECONDS);
  const gaps = before.gaps.map((weight) => weight * kept);
  const above: [number, number][] = [];
  before.levels.forEach(([at, tasks], index) => {
    const below = before.levels[index + 1]?.[1] ?? 0;
    const seconds = (now - at) / 1000;
    const old = seconds > LONGEST_GAP_SECONDS;
    if (Math.min(tasks, needed) > below) learn(gaps, seconds, below, Math.min(tasks, needed));
    if (tasks > needed && old) learn(gaps, seconds, Math.max(needed, below), tasks);
    if (tasks > needed && !old) above.push([at, tasks]);
  });
  return {
    levels: [...above, [now, needed] as [number, number]].slice(-MOST_LEVELS),
    gaps,
  };
}

/** A gap of the tasks above `low`, up to `high`: each group learns by the share of its tasks among them. */
function learn(gaps: number[], seconds: number, low: number, high: number): void {
  if (seconds <= LEAST_GAP_SECONDS) return;
  const index = classOf(seconds);
  for (let group = 0; group < GAP_GROUPS; group += 1) {
    const first = 2 ** group;
    const last = group === GAP_GROUPS - 1 ? Infinity : 2 * first - 1;
    const share = Math.min(1, (Math.min(high, last) - Math.max(low + 1, first) + 1) / first);
    if (share <= 0) continue;
    gaps[group * GAP_CLASSES + index]! += share;
  }
}

function classOf(seconds: number): number {
  const index = Math.floor(Math.log(seconds / SHORTEST_SECONDS) / Math.log(FACTOR));
  return Math.min(ENDLESS, Math.max(0, index));
}

function groupOf(task: number): number {
  return Math.min(GAP_GROUPS - 1, Math.floor(Math.log2(task)));
}

/**
 * The number of present tasks to keep although fewer are needed. `restartCost` is the cost, in task-seconds, of not having the fleet's
 * n-th task when it is needed again.
 */
export function tasksToKeep(
  { levels, gaps }: Pick<Memory, 'levels' | 'gaps'>,
  fleet: { needed: number; present: number; leastSeconds: number },
  restartCost: (task: number) => number,
  now: number,
): number {
  const oddsOf = memoized((group: number) => oddsOfReturn(gaps, group));
  const keepOf = memoized((key: number) =>
    stepsWorthKeeping(oddsOf(key % GAP_GROUPS), COST_FACTOR ** Math.floor(key / GAP_GROUPS)),
  );
  let keep = fleet.needed;
  for (const [at, tasks] of levels) {
    const idleSeconds = (now - at) / 1000;
    const step = Math.min(STEPS, Math.floor(idleSeconds / STEP_SECONDS));
    for (let task = Math.min(tasks, fleet.present, MOST_TASKS); task > keep; task -= 1) {
      const cost = Math.round(Math.log(Math.max(1, restartCost(task))) / Math.log(COST_FACTOR));
      const isWorthIt = keepOf(cost * GAP_GROUPS + groupOf(task))[step] === 1;
      if (idleSeconds <= fleet.leastSeconds || isWorthIt) keep = task;
    }
  }
  return keep;
}

/** For each step of a gap: the odds that the need returns within it, given that it has not returned before. */
function oddsOfReturn(gaps: number[], group: number): Float64Array {
  const weights = gaps.slice(group * GAP_CLASSES, (group + 1) * GAP_CLASSES);
  const odds = new Float64Array(STEPS);
  for (let index = 0; index < ENDLESS; index += 1) {
    const [from, to] = [SHORTEST_SECONDS * FACTOR ** index, SHORTEST_SECONDS * FACTOR ** (index + 1)];
    for (let step = Math.floor(from / STEP_SECONDS); step < STEPS && step * STEP_SECONDS < to; step += 1) {
      const within = Math.min(to, (step + 1) * STEP_SECONDS) - Math.max(from, step * STEP_SECONDS);
      odds[step]! += ((weights[index]! + ASSUMED_WEIGHT) * Math.max(0, within)) / (to - from);
    }
  }
  let later = weights[ENDLESS]! + ASSUMED_ENDLESS;
  for (let step = STEPS - 1; step >= 0; step -= 1) {
    later += odds[step]!;
    odds[step]! /= later;
  }
  return odds;
}

/**
 * By the age of a gap, whether it is cheaper to keep a task (1) or to remove it (0). Calculated backwards from the longest gap: what
 * each choice costs from there on, if the better one is made at each later step.
 */
function stepsWorthKeeping(odds: Float64Array, restartCost: number): Uint8Array {
  const keep = new Uint8Array(STEPS + 1);
  let [up, down] = [0, 0];
  for (let step = STEPS - 1; step >= 0; step -= 1) {
    const returns = odds[step]!;
    const keeping = (1 - returns / 2) * STEP_SECONDS + (1 - returns) * up;
    down = returns * restartCost + (1 - returns) * down;
    up = Math.min(keeping, down);
    keep[step] = keeping <= down ? 1 : 0;
  }
  return keep;
}

function memoized<T>(compute: (key: number) => T): (key: number) => T {
  const known = new Map<number, T>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
