/**
 * The unit of cost: what a fleet would cost that knows every arrival and service time beforehand and in which nothing waits. It is not a
 * bound, because work that waits a little may cost less: lower-bound.ts has one. Its tasks are up the moment they are needed, and their
 * start-up is not billed; otherwise they are billed like all tasks, by the second and for at least a minute, and kept during a lull where
 * that is cheaper than a new minute. There is no maximum.
 *
 * Finding the true minimum is hard, so the cheaper of two estimates is used. One packs work into tasks, best fit first; the other counts,
 * moment by moment, the tasks that hold the running work, as if it could be moved between them.
 */
import { EventQueue } from './event-queue.ts';
import { horizonOf, LEAST_BILLED_SECONDS, type Settings, type Work } from './model.ts';

export interface Clairvoyant {
  billedSeconds: number;
  peakTasks: number;
}

type Fleet = Pick<Settings, 'slots' | 'minTasks' | 'tailSeconds'>;

export function clairvoyant(work: readonly Work[], fleet: Fleet): Clairvoyant {
  const [packed, counted] = [pack(work, fleet), count(work, fleet)];
  return packed.billedSeconds < counted.billedSeconds ? packed : counted;
}

interface RentedTask {
  held: number;
  /** Billed until here in any case. */
  paidUntil: number;
}

/**
 * Each piece of work goes to the task in whose billed time it fits best; otherwise to the one whose bill it raises least; otherwise to
 * a new task.
 */
function pack(work: readonly Work[], { slots, minTasks, tailSeconds }: Fleet): Clairvoyant {
  const horizon = horizonOf(work, tailSeconds);
  let tasks: RentedTask[] = Array.from({ length: minTasks }, () => ({ held: 0, paidUntil: horizon }));
  const ends = new EventQueue<{ at: number; task: RentedTask }>();
  let billedSeconds = minTasks * horizon;
  let peakTasks = minTasks;
  for (const { arrivalSeconds: now, serviceSeconds } of work) {
    while (ends.nextAt <= now) ends.take()!.task.held--;
    tasks = tasks.filter(({ paidUntil }) => paidUntil + LEAST_BILLED_SECONDS > now);
    const end = now + serviceSeconds;
    let task = bestFit(tasks, slots, now, end);
    if (task === undefined) {
      task = { held: 0, paidUntil: now + LEAST_BILLED_SECONDS };
      tasks.push(task);
      billedSeconds += LEAST_BILLED_SECONDS;
    }
    billedSeconds += Math.max(0, end - task.paidUntil);
    task.paidUntil = Math.max(task.paidUntil, end);
    task.held++;
    ends.add({ at: end, task });
    peakTasks = Math.max(peakTasks, tasks.length);
  }
  return { billedSeconds, peakTasks };
}

function bestFit(tasks: RentedTask[], slots: number, now: number, end: number): RentedTask | undefined {
  const costOfNew = Math.max(end - now, LEAST_BILLED_SECONDS);
  let best: RentedTask | undefined;
  for (const task of tasks) {
    if (task.held >= slots || (task.paidUntil <= now && end - task.paidUntil >= costOfNew)) continue;
    if (best === undefined || fits(task, best, end)) best = task;
  }
  return best;
}

function fits(task: RentedTask, best: RentedTask, end: number): boolean {
  const [spare, bestSpare] = [task.paidUntil - end, best.paidUntil - end];
  return bestSpare >= 0 ? spare >= 0 && spare < bestSpare : spare > bestSpare;
}

function count(work: readonly Work[], { slots, minTasks, tailSeconds }: Fleet): Clairvoyant {
  const levels = levelsOf(work, slots);
  const above = levels.slice(minTasks).map(leastBill);
  return {
    billedSeconds: above.reduce((sum, bill) => sum + bill, minTasks * horizonOf(work, tailSeconds)),
    peakTasks: Math.max(levels.length, minTasks),
  };
}

/** When the n-th task is needed: alternating start and end times, in seconds. */
interface Level {
  from: number[];
  to: number[];
}

function levelsOf(work: readonly Work[], slots: number): Level[] {
  const ends = Float64Array.from(work, ({ arrivalSeconds, serviceSeconds }) => arrivalSeconds + serviceSeconds).sort();
  const levels: Level[] = [];
  let begun = 0;
  let ended = 0;
  const endUntil = (now: number): void => {
    for (; ended < begun && ends[ended]! <= now; ended++) {
      const others = begun - ended - 1;
      if (others % slots === 0) levels[others / slots]!.to.push(ends[ended]!);
    }
  };
  for (const { arrivalSeconds } of work) {
    endUntil(arrivalSeconds);
    const others = begun++ - ended;
    if (others % slots === 0) (levels[others / slots] ??= { from: [], to: [] }).from.push(arrivalSeconds);
  }
  endUntil(Infinity);
  return levels;
}

/**
 * The cheapest way to be up in all these intervals: best[i] is the minimum for the first i of them. Its last run began with some
 * interval j and costs a minute, or to[i] - from[j] where that is longer.
 */
function leastBill({ from, to }: Level): number {
  const best = new Float64Array(from.length + 1);
  let firstWithinAMinute = 0;
  let longer = Infinity;
  for (let last = 0; last < from.length; last++) {
    const end = to[last]!;
    for (; firstWithinAMinute <= last && end - from[firstWithinAMinute]! > LEAST_BILLED_SECONDS; firstWithinAMinute++) {
      longer = Math.min(longer, best[firstWithinAMinute]! - from[firstWithinAMinute]!);
    }
    const aMinute = firstWithinAMinute <= last ? best[firstWithinAMinute]! + LEAST_BILLED_SECONDS : Infinity;
    best[last + 1] = Math.min(aMinute, longer + end);
  }
  return best[from.length]!;
}
