/**
 * What no policy can beat: a proven lower bound of the score, cost + mean wait ÷ 30 s, also for one that knows all work
 * beforehand.
 *
 * The proof. Let q(t) ≥ 0 be the price of a task at time t, such that no stretch of time I costs more than a task that is
 * up in it is billed at the least: ∫q over I ≤ max(60 s, |I| + start-up), the shortest start-up there is. While a piece of
 * work runs it pays a share of q(t), and the shares are such that no pieces that fit into one task pay more than q(t)
 * together: so all that runs in a task pays no more than its bill. Hence bill + w × waits ≥ the sum, over all work, of
 * w × wait + what it pays; and each piece's part is at least what it would be if the piece could choose its start itself,
 * at any time after its arrival. That sum is the bound, for whatever prices and shares: attempts that are lost, ticks,
 * reports, leaving and whole tasks only add to the bill, and work that is never done waits to the end, when prices are 0.
 *
 * The shares: each piece has a window from its arrival on. Where fewer windows meet than a task has slots, those whose
 * windows these are pay all, in equal parts, and others nothing; elsewhere everyone pays for a slot.
 *
 * Good prices are found as in a game that is played over and over: work chooses its starts by the average prices so far,
 * prices are raised where on average most work runs. Averages of prices that are allowed are allowed, too.
 */
import { horizonOf, LEAST_BILLED_SECONDS, type Settings, type Work } from './model.ts';
import { SCORE_WAIT_SECONDS } from './score.ts';

type Fleet = Pick<
  Settings,
  'slots' | 'usableSlots' | 'workflowSlots' | 'minTasks' | 'startUpSeconds' | 'tailSeconds' | 'foreign'
>;

/** A global is slow to look up where a context has its own, as in a test: these are called millions of times. */
const { ceil, floor, max, min } = Math;

/** Prices are constant for so long. */
const CELL_SECONDS = 5;
/** There are prices for so long after the last work could have ended. */
const BEYOND_SECONDS = 600;
const ROUNDS = 60;
/** A piece's window is so much longer than the piece; the best of these counts. */
const WINDOWS_SECONDS = [15, Infinity];
/** Work whose length differs by less than this factor chooses as one, until the prices are found. */
const ALIKE = 1.2;

/** Of the score of whatever policy does this work. `referenceSeconds` is the unit of its cost. */
export function scoreBound(work: readonly Work[], fleet: Fleet, referenceSeconds: number): number {
  // Others' workers do work that nobody is billed for.
  if (work.length === 0 || fleet.foreign.workers > 0) return 0;
  const waitWorth = referenceSeconds / (SCORE_WAIT_SECONDS * work.length);
  const horizonSeconds = horizonOf(work, fleet.tailSeconds);
  const activities = work.filter(({ kind }) => kind !== 'workflowTask');
  const workflowTasks = work.filter(({ kind }) => kind === 'workflowTask');
  // A task has slots of their own for both kinds: either alone is a bound of the bill, and of its own waits.
  const bounds = [
    boundOf({ work: activities, slots: min(fleet.slots, fleet.usableSlots), waitWorth, horizonSeconds, fleet }),
    boundOf({ work: workflowTasks, slots: fleet.workflowSlots, waitWorth, horizonSeconds, fleet }),
  ];
  // The first tasks of a fleet with a minimum are up from the start, and their start-up is not billed.
  return max(0, max(...bounds) - fleet.minTasks * fleet.startUpSeconds[0]) / referenceSeconds;
}

interface Problem {
  work: readonly Work[];
  slots: number;
  /** Task-seconds that a second of waiting is worth. */
  waitWorth: number;
  horizonSeconds: number;
  fleet: Fleet;
}

/** In task-seconds. */
function boundOf(problem: Problem): number {
  if (problem.work.length === 0) return 0;
  const lines = linesBelowBill(problem.fleet.startUpSeconds[0]);
  const groups = groupsOf(problem.work);
  return max(...WINDOWS_SECONDS.map((windowSeconds) => boundWith(windowSeconds, problem, groups, lines)));
}

function boundWith(windowSeconds: number, problem: Problem, groups: Group[], lines: Line[]): number {
  const shares = sharesOf(problem, windowSeconds);
  const prices = pricesFor(problem, shares, groups, lines);
  return problem.work.reduce((sum, piece) => sum + leastPart(piece, prices, problem), 0);
}

/** For each cell, what a piece pays of a task's price: within its window, and after it. */
interface Shares {
  windowSeconds: number;
  within: Float64Array;
  after: Float64Array;
}

function sharesOf({ work, slots, horizonSeconds }: Problem, windowSeconds: number): Shares {
  const cells = floor(min(horizonSeconds, horizonOf(work, BEYOND_SECONDS)) / CELL_SECONDS);
  const change = new Int32Array(cells + 1);
  for (const piece of work) {
    change[min(cells, floor(piece.arrivalSeconds / CELL_SECONDS))]!++;
    change[min(cells, windowEnd(piece, windowSeconds))]!--;
  }
  const [within, after] = [new Float64Array(cells), new Float64Array(cells)];
  let windows = 0;
  for (let cell = 0; cell < cells; cell++) {
    windows += change[cell]!;
    within[cell] = 1 / min(slots, max(1, windows));
    after[cell] = windows >= slots ? 1 / slots : 0;
  }
  return { windowSeconds, within, after };
}

/** In cells. */
function windowEnd({ arrivalSeconds, serviceSeconds }: Work, windowSeconds: number): number {
  return ceil((arrivalSeconds + serviceSeconds + windowSeconds) / CELL_SECONDS);
}

/** What all cells before have cost a piece together: within its window, and after it. After the last, prices are 0. */
interface Prices {
  windowSeconds: number;
  within: Float64Array;
  after: Float64Array;
}

function pricesFor(problem: Problem, shares: Shares, groups: Group[], lines: Line[]): Prices {
  const cells = shares.within.length;
  const demand = new Float64Array(cells);
  const average = new Float64Array(cells);
  let best = { worth: -1, prices: pricesOf(average, shares) };
  for (let round = 1; round <= ROUNDS; round++) {
    const prices = pricesOf(average, shares);
    const chosen = chooseStarts(groups, prices, shares, problem);
    if (chosen.worth > best.worth) best = { worth: chosen.worth, prices };
    mix(demand, chosen.demand, 1 / round);
    mix(average, dearest(demand, lines), 1 / round);
  }
  return best.prices;
}

function pricesOf(perCell: Float64Array, { windowSeconds, within, after }: Shares): Prices {
  return { windowSeconds, within: added(perCell, within), after: added(perCell, after) };
}

function added(perCell: Float64Array, shares: Float64Array): Float64Array {
  const sums = new Float64Array(perCell.length + 1);
  for (let cell = 0; cell < perCell.length; cell++) sums[cell + 1] = sums[cell]! + perCell[cell]! * shares[cell]!;
  return sums;
}

function mix(average: Float64Array, newest: Float64Array, share: number): void {
  for (let index = 0; index < average.length; index++) average[index]! += share * (newest[index]! - average[index]!);
}

/** What a piece pays that runs from one time to another. */
function paid(from: number, to: number, windowEndsAt: number, { within, after }: Prices): number {
  const [inside, outside] = [min(to, windowEndsAt), max(from, windowEndsAt)];
  const early = from < inside ? sumUntil(within, inside) - sumUntil(within, from) : 0;
  return early + (outside < to ? sumUntil(after, to) - sumUntil(after, outside) : 0);
}

function sumUntil(sums: Float64Array, at: number): number {
  const cells = sums.length - 1;
  const cell = min(cells, floor(at / CELL_SECONDS));
  if (cell === cells) return sums[cells]!;
  return sums[cell]! + (sums[cell + 1]! - sums[cell]!) * (at / CELL_SECONDS - cell);
}

/** A piece's waiting and what it pays, at its best start: where it, or its end, is at the edge of a cell. */
function leastPart(piece: Work, prices: Prices, { waitWorth }: Problem): number {
  const { arrivalSeconds: arrival, serviceSeconds: service } = piece;
  const windowEndsAt = windowEnd(piece, prices.windowSeconds) * CELL_SECONDS;
  let least = paid(arrival, arrival + service, windowEndsAt, prices);
  for (const offset of [0, service]) {
    for (let edge = ceil((arrival + offset) / CELL_SECONDS); ; edge++) {
      const start = max(arrival, edge * CELL_SECONDS - offset);
      const wait = waitWorth * (start - arrival);
      if (wait >= least) break;
      least = min(least, wait + paid(start, start + service, windowEndsAt, prices));
    }
  }
  return least;
}

/** Pieces of about one length that come in one cell. */
interface Group extends Work {
  count: number;
}

function groupsOf(work: readonly Work[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { arrivalSeconds, serviceSeconds } of work) {
    const cell = Math.round(arrivalSeconds / CELL_SECONDS);
    const key = `${cell} ${Math.round(Math.log(serviceSeconds + 1e-3) / Math.log(ALIKE))}`;
    const group = groups.get(key) ?? { arrivalSeconds: cell * CELL_SECONDS, serviceSeconds: 0, count: 0 };
    group.count++;
    group.serviceSeconds += (serviceSeconds - group.serviceSeconds) / group.count;
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The best starts at these prices, and what all of them pay of a task's price in each cell. */
function chooseStarts(groups: Group[], prices: Prices, shares: Shares, { waitWorth }: Problem) {
  const demand = new Float64Array(shares.within.length);
  let worth = 0;
  for (const group of groups) {
    const { arrivalSeconds, serviceSeconds, count } = group;
    const windowEndsAt = windowEnd(group, prices.windowSeconds) * CELL_SECONDS;
    let [least, best] = [Infinity, arrivalSeconds];
    for (let start = arrivalSeconds; waitWorth * (start - arrivalSeconds) < least; start += CELL_SECONDS) {
      const part = waitWorth * (start - arrivalSeconds) + paid(start, start + serviceSeconds, windowEndsAt, prices);
      if (part < least) [least, best] = [part, start];
    }
    worth += count * least;
    addDemand(demand, best, best + serviceSeconds, windowEndsAt, count, shares);
  }
  return { demand, worth };
}

function addDemand(
  demand: Float64Array,
  from: number,
  to: number,
  windowEndsAt: number,
  count: number,
  { within, after }: Shares,
): void {
  const last = min(demand.length, ceil(to / CELL_SECONDS));
  for (let cell = floor(from / CELL_SECONDS); cell < last; cell++) {
    const [begin, end] = [cell * CELL_SECONDS, (cell + 1) * CELL_SECONDS];
    const seconds = min(to, end) - max(from, begin);
    demand[cell]! += (count * seconds * (begin < windowEndsAt ? within : after)[cell]!) / CELL_SECONDS;
  }
}

/** A task that is up for x seconds is billed slope × x + more at the least; in units of so many seconds, a cell's. */
interface Line {
  unitSeconds: number;
  perCell: number;
  more: number;
}

/** Lines that are nowhere above max(60 s, x + start-up): those that touch it where the minute ends. */
function linesBelowBill(startUpSeconds: number): Line[] {
  if (startUpSeconds >= LEAST_BILLED_SECONDS) {
    return [{ unitSeconds: CELL_SECONDS, perCell: 1, more: floor(startUpSeconds / CELL_SECONDS) }];
  }
  return [1, 3, 5].map((perCell) => {
    const slope = perCell / CELL_SECONDS;
    const more = LEAST_BILLED_SECONDS - (LEAST_BILLED_SECONDS - startUpSeconds) * slope;
    return { unitSeconds: 1, perCell, more: floor(more + 1e-9) };
  });
}

/** The prices, below any one of the lines, that this demand pays most at. */
function dearest(demand: Float64Array, lines: Line[]): Float64Array {
  const found = lines.map((line) => dearestBelow(demand, line));
  return found.reduce((best, each) => (each.paid > best.paid ? each : best)).prices;
}

/**
 * From the last cell backwards. The state is how much more any stretch that ends here costs than the slope allows: it
 * grows by a cell's price, falls by the slope, to 0 at the least, and must not exceed the line's `more`.
 */
function dearestBelow(demand: Float64Array, { unitSeconds, perCell, more }: Line) {
  const states = more + 1;
  const next = new Uint16Array(demand.length * states);
  const paid = new Float64Array(states);
  const [gains, bestFrom] = [new Float64Array(states), new Uint16Array(states)];
  for (let cell = demand.length - 1; cell >= 0; cell--) {
    const of = demand[cell]!;
    for (let state = more, best = more; state >= 0; state--) {
      if (of * state + paid[state]! > of * best + paid[best]!) best = state;
      bestFrom[state] = best;
      gains[state] = of * best + paid[best]!;
    }
    for (let state = 0; state < states; state++) {
      const least = max(0, state - perCell);
      paid[state] = gains[least]! - of * (state - perCell);
      next[cell * states + state] = bestFrom[least]!;
    }
  }
  const prices = new Float64Array(demand.length);
  for (let cell = 0, state = 0; cell < demand.length; cell++) {
    const to = next[cell * states + state]!;
    prices[cell] = (to - state + perCell) * unitSeconds;
    state = to;
  }
  return { prices, paid: paid[0]! * unitSeconds };
}
