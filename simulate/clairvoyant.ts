/**
 * The reference: a fleet that knows every arrival and every service time, so that nothing ever waits, at the least cost
 * a greedy packing finds. It is a yardstick that no real fleet can meet: its tasks are up the moment they are needed and
 * their start-up is not paid. Billed as the others are, by the second and a minute at least; no maximum.
 */
import { horizonOf, LEAST_BILLED_SECONDS, type Settings, type Work } from './model.ts';

export interface Clairvoyant {
  billedSeconds: number;
  peakTasks: number;
}

interface Packed {
  /** When the work it holds ends, soonest first is not kept: only counted. */
  ends: number[];
  /** Paid for until here, whatever comes; Infinity would be a task that never leaves. */
  paidUntil: number;
}

/** How a piece of work is placed where extending the bill costs the same. */
type Preference = 'fullest' | 'emptiest';

export function clairvoyant(
  work: readonly Work[],
  { slots, minTasks, tailSeconds }: Pick<Settings, 'slots' | 'minTasks' | 'tailSeconds'>,
): Clairvoyant {
  const horizon = horizonOf(work, tailSeconds);
  const packings = (['fullest', 'emptiest'] as const).map((preference) =>
    pack(work, slots, minTasks, horizon, preference),
  );
  return packings.reduce((best, next) => (next.billedSeconds < best.billedSeconds ? next : best));
}

/** Each piece of work goes where it makes the bill grow least: into what is paid for anyway, or into a new task. */
function pack(
  work: readonly Work[],
  slots: number,
  minTasks: number,
  horizon: number,
  preference: Preference,
): Clairvoyant {
  let tasks: Packed[] = Array.from({ length: minTasks }, () => ({ ends: [], paidUntil: horizon }));
  let billedSeconds = minTasks * horizon;
  let peakTasks = minTasks;
  for (const { arrivalSeconds: now, serviceSeconds } of work) {
    const end = now + serviceSeconds;
    tasks = tasks.filter(({ paidUntil }) => paidUntil + LEAST_BILLED_SECONDS > now);
    let best: Packed | undefined;
    let bestCost = Math.max(serviceSeconds, LEAST_BILLED_SECONDS);
    let bestHeld = 0;
    for (const task of tasks) {
      const cost = Math.max(0, end - task.paidUntil);
      if (cost > bestCost || (best === undefined && cost >= bestCost)) continue;
      const held = heldAt(task, now);
      if (held >= slots) continue;
      const preferred = preference === 'fullest' ? held > bestHeld : held < bestHeld;
      if (best !== undefined && cost === bestCost && !preferred) continue;
      [best, bestCost, bestHeld] = [task, cost, held];
    }
    if (best === undefined) {
      best = { ends: [], paidUntil: now };
      tasks.push(best);
    }
    best.ends.push(end);
    best.paidUntil = Math.max(best.paidUntil + bestCost, end);
    billedSeconds += bestCost;
    peakTasks = Math.max(peakTasks, tasks.length);
  }
  return { billedSeconds, peakTasks };
}

function heldAt(task: Packed, now: number): number {
  const { ends } = task;
  let kept = 0;
  for (const end of ends) if (end > now) ends[kept++] = end;
  ends.length = kept;
  return kept;
}
