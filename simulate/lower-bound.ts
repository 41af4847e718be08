/**
 * A proven lower bound of the score, cost + mean wait ÷ 30 s: no policy can go below it, even one that knows all work beforehand.
 *
 * Proof. Let q(t) ≥ 0 be the price of a task at time t, such that for each interval I the sum of prices is at most what a task that
 * is up in it is billed: ∫q over I ≤ max(60 s, |I| + start-up), with the shortest start-up. While a piece of work runs, it pays a share
 * of q(t). The shares are such that pieces that fit into one task never pay more than q(t) together, so all work in a task pays at most
 * the task's bill. Hence bill + w × waits ≥ the sum over all work of w × wait + payment. Each piece's part of that sum is at least what it
 * would be if the piece could choose its own start, at any time after its arrival. The sum of these parts is the bound, for any prices
 * and shares. Lost attempts, ticks, reports, leaving and whole tasks only add to the bill, and work that is never done waits to the
 * horizon, when prices are 0.
 *
 * Shares: each piece has a window that begins at its arrival. Where fewer windows overlap than a task has slots, the pieces of these
 * windows pay the full price in equal parts and other pieces pay nothing; elsewhere every piece pays for one slot.
 *
 * Good prices are found by fictitious play: work chooses its starts by the average prices so far, and prices rise where most work runs
 * on average. The average of valid prices is valid.
 */
import { horizonOf, LEAST_BILLED_SECONDS, type Settings, type Work } from './model.ts';
import { SCORE_WAIT_SECONDS } from './score.ts';

type Fleet = Pick<
  Settings,
  'slots' | 'usableSlots' | 'workflowSlots' | 'minTasks' | 'startUpSeconds' | 'tailSeconds' | 'foreign'
>;

/** Called millions of times; looking up a global is slow in a context of its own, such as a test's. */
const { ceil, floor, max, min } = Math;

/** Prices are constant within a cell. */
const CELL_SECONDS = 5;
/** How long after the last possible end of work there are prices. */
const BEYOND_SECONDS = 600;
const ROUNDS = 60;
/** How much longer a piece's window is than the piece; the best result counts. */
const WINDOWS_SECONDS = [15, Infinity];
/** While prices are being found, work whose length differs by less than this factor chooses its start together. */
const ALIKE = 1.2;

/** Holds for any policy on this work. `referenceSeconds` is the unit of cost. */
export function scoreBound(work: readonly Work[], fleet: Fleet, referenceSeconds: number): number {
  // Workers of somebody else do work that is not billed.
  if (work.length === 0 || fleet.foreign.workers > 0) return 0;
  const waitWorth = referenceSeconds / (SCORE_WAIT_SECONDS * work.length);
  const horizonSeconds = horizonOf(work, fleet.tailSeconds);
  const activities = work.filter(({ kind }) => kind !== 'workflowTask');
  const workflowTasks = work.filter(({ kind }) => kind === 'workflowTask');
  // A task has separate slots for both kinds: each kind alone is a bound of the bill and of its own waits.
  const bounds = [
    boundOf({ work: activities, slots: min(fleet.slots, fleet.usableSlots), waitWorth, horizonSeconds, fleet }),
    boundOf({ work: workflowTasks, slots: fleet.workflowSlots, waitWorth, horizonSeconds, fleet }),
  ];
  // The minimum's tasks run from the start, and their start-up is not billed.
  return max(0, max(...bounds) - fleet.minTasks * fleet.startUpSeconds[0]) / referenceSeconds;
}

interface Problem {
  work: readonly Work[];
  slots: number;
  /** The value of a second of waiting, in task-seconds. */
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

/** The share of a task's price that a piece pays in each cell: within its window, and after it. */
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

/** A piece's total price of all cells before each cell: within its window, and after it. Prices are 0 after the last cell. */
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

/** The payment of a piece that runs between two times. */
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

/** A piece's waiting and payment at its best start: there, the piece begins or ends at the edge of a cell. */
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

/** Pieces of similar length that arrive in the same cell. */
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

/** The best starts at these prices, and the sum of the shares that are paid in each cell. */
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

/** A task that is up for x seconds is billed at least slope × x + more. In units of `unitSeconds`; `perCell` is the slope per cell. */
interface Line {
  unitSeconds: number;
  perCell: number;
  more: number;
}

/** Lines that are never above max(60 s, x + start-up), and touch it where the minute ends. */
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

/** The prices, below one of the lines, at which this demand pays most. */
function dearest(demand: Float64Array, lines: Line[]): Float64Array {
  const found = lines.map((line) => dearestBelow(demand, line));
  return found.reduce((best, each) => (each.paid > best.paid ? each : best)).prices;
}

/**
 * From the last cell backwards. The state is the largest excess of an interval that ends here over what the slope allows: each cell
 * adds its price and subtracts the slope, down to 0, and the state must not exceed the line's `more`.
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
