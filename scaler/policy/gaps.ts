/**
 * How long to keep what is not needed now, and when to have it back. Each time tasks that had become needless are needed
 * again, the length of the gap is learned: for the first task, for the next two, the next four and so on, since the
 * first is missed more often than the tenth. From these odds follows what it costs from any age of a gap on to keep a
 * task, to let it go, and to start it ahead of the need; the least of these is done. It is the problem of renting skis.
 */
import { GAP_CLASSES, GAP_GROUPS, type Memory } from './memory.ts';

/** Levels unneeded for longer than this count as gone for good. */
const LONGEST_GAP_SECONDS = 900;
const MOST_LEVELS = 80;
/** More than a service can have: a need beyond it, of a queue that is told to be endless, is not gone through task by task. */
const MOST_TASKS = 10_000;
/** What a tick takes off the weight of what was learned before. */
const FADING = 0.998;
/** Shorter gaps are noise of the readings. */
const LEAST_GAP_SECONDS = 12;
/** Before anything was learned: gaps of every order of magnitude are equally likely, and endless ones nearly as all. */
const ASSUMED_WEIGHT = 0.2;
const ASSUMED_ENDLESS = 3;
/** What a gap tells of those a little longer, and a little shorter. */
const ALIKE = 0.25;

/** Classes of length: each is longer than the one before by the same factor; the last holds the endless ones. */
const ENDLESS = GAP_CLASSES - 1;
const SHORTEST_SECONDS = 10;
const FACTOR = (LONGEST_GAP_SECONDS / SHORTEST_SECONDS) ** (1 / ENDLESS);
/** Odds are reckoned in steps of this. */
const STEP_SECONDS = 10;
const STEPS = LONGEST_GAP_SECONDS / STEP_SECONDS;
/** Costs that differ by less than this factor are planned for as one. */
const COST_FACTOR = 1.1;

/** Brings the levels and gaps of the past up to `needed` tasks now. */
export function learnGaps(before: Memory, needed: number, now: number): Pick<Memory, 'levels' | 'gaps'> {
  const gaps = before.gaps.map((weight) => weight * FADING);
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

/** A gap of the tasks above `low`, up to `high`: each group learns by the share of it that was concerned. */
function learn(gaps: number[], seconds: number, low: number, high: number): void {
  if (seconds <= LEAST_GAP_SECONDS) return;
  const index = classOf(seconds);
  for (let group = 0; group < GAP_GROUPS; group += 1) {
    const first = 2 ** group;
    const last = group === GAP_GROUPS - 1 ? Infinity : 2 * first - 1;
    const share = Math.min(1, (Math.min(high, last) - Math.max(low + 1, first) + 1) / first);
    if (share <= 0) continue;
    const add = (to: number, weight: number) => (gaps[group * GAP_CLASSES + to]! += share * weight);
    if (index === ENDLESS) add(ENDLESS, 1);
    else {
      add(index, 1 - 2 * ALIKE);
      add(Math.max(0, index - 1), ALIKE);
      add(Math.min(ENDLESS - 1, index + 1), ALIKE);
    }
  }
}

function classOf(seconds: number): number {
  const index = Math.floor(Math.log(seconds / SHORTEST_SECONDS) / Math.log(FACTOR));
  return Math.min(ENDLESS, Math.max(0, index));
}

function groupOf(task: number): number {
  return Math.min(GAP_GROUPS - 1, Math.floor(Math.log2(task)));
}

export interface Standby {
  /** The tasks to keep, of those at hand, although fewer are needed. */
  keep: number;
  /** The tasks to have up because the need is likely to come back soon; 0 when none is worth it. */
  start: number;
}

/**
 * What to keep, and what to start ahead of the need. `restartCost` is what it costs, in task-seconds, to be without the
 * fleet's n-th task when it is needed again; `present` tasks are at hand.
 */
export function standby(
  { levels, gaps }: Pick<Memory, 'levels' | 'gaps'>,
  fleet: { needed: number; present: number; startUpSeconds: number; leastSeconds: number },
  restartCost: (task: number) => number,
  now: number,
): Standby {
  const oddsOf = memoized((group: number) => oddsOfReturn(gaps, group));
  const planOf = memoized((key: number) => {
    const cost = COST_FACTOR ** Math.floor(key / GAP_GROUPS);
    return planFor(oddsOf(key % GAP_GROUPS), cost, fleet.startUpSeconds);
  });
  let [keep, start] = [fleet.needed, 0];
  for (const [at, tasks] of levels) {
    const idleSeconds = (now - at) / 1000;
    const step = Math.min(STEPS, Math.floor(idleSeconds / STEP_SECONDS));
    for (let task = Math.min(tasks, MOST_TASKS); task > Math.max(keep, start); task -= 1) {
      const cost = Math.round(Math.log(Math.max(1, restartCost(task))) / Math.log(COST_FACTOR));
      const plan = planOf(cost * GAP_GROUPS + groupOf(task));
      if (task > fleet.present) start = plan.start[step] === 1 ? task : start;
      else if (idleSeconds <= fleet.leastSeconds || plan.keep[step] === 1) keep = task;
    }
  }
  return { keep, start };
}

/** For each step of a gap: the odds that the need comes back within it, when it has not before. */
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

/** By the age of a gap, whether a task that is up is best kept, and one that is not is best started: 1 for yes. */
interface Plan {
  keep: Uint8Array;
  start: Uint8Array;
}

/** From the longest gap backwards: what each choice costs from there on, when the best is chosen ever after. */
function planFor(odds: Float64Array, restartCost: number, startUpSeconds: number): Plan {
  const plan = { keep: new Uint8Array(STEPS + 1), start: new Uint8Array(STEPS + 1) };
  const [up, down] = [new Float64Array(STEPS + 1), new Float64Array(STEPS + 1)];
  for (let step = STEPS - 1; step >= 0; step -= 1) {
    const returns = odds[step]!;
    const keeping = (1 - returns / 2) * STEP_SECONDS + (1 - returns) * up[step + 1]!;
    const waiting = returns * restartCost + (1 - returns) * down[step + 1]!;
    const starting = costOfStarting(odds, step, restartCost, startUpSeconds, up);
    down[step] = Math.min(waiting, starting);
    up[step] = Math.min(keeping, down[step]!);
    plan.keep[step] = keeping <= down[step]! ? 1 : 0;
    plan.start[step] = starting < waiting ? 1 : 0;
  }
  return plan;
}

/** Needed while it starts, it spares only the part of the wait that it has started for. */
function costOfStarting(
  odds: Float64Array,
  from: number,
  restartCost: number,
  startUpSeconds: number,
  up: Float64Array,
): number {
  const steps = Math.max(1, Math.round(startUpSeconds / STEP_SECONDS));
  let [cost, unneeded] = [0, 1];
  for (let step = 0; step < steps && from + step < STEPS; step += 1) {
    const returns = odds[from + step]!;
    cost += unneeded * (STEP_SECONDS + returns * restartCost * (1 - (step + 0.5) / steps));
    unneeded *= 1 - returns;
  }
  return cost + unneeded * up[Math.min(STEPS, from + steps)]!;
}

function memoized<T>(compute: (key: number) => T): (key: number) => T {
  const known = new Map<number, T>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
