/** Who leaves: only the scaler decides, so that ECS never has to choose. */
import type { TasksReading, WorkerReading } from './types.ts';

/**
 * Picks as many tasks to leave as there are more than desired: those not yet running, then those already leaving,
 * then the least busy. In a deployment only tasks of the old revision leave, and only as many as new ones have come up.
 */
export function chooseLeavers(tasks: TasksReading, desired: number, live: WorkerReading[]): string[] {
  const outdated = new Set(tasks.outdated);
  const deploying = outdated.size > 0;
  const excess = tasks.running.length + tasks.pending.length - desired;
  const runningExcess = deploying ? tasks.running.length - desired : excess;
  const busy = busyByTask(live);
  const cordoned = new Set(tasks.cordoned);

  const mayLeave = (task: string) => !deploying || outdated.has(task);
  const pending = tasks.pending.filter(mayLeave).toSorted().slice(0, Math.max(0, excess));
  const running = tasks.running.filter(mayLeave).toSorted((a, b) => leaveOrder(a, b, cordoned, busy));
  const fromRunning = Math.max(0, Math.min(excess - pending.length, runningExcess));
  return [...pending, ...running.slice(0, fromRunning)];
}

function leaveOrder(a: string, b: string, cordoned: Set<string>, busy: Map<string, number>): number {
  return (
    Number(cordoned.has(b)) - Number(cordoned.has(a)) ||
    (busy.get(a) ?? Infinity) - (busy.get(b) ?? Infinity) ||
    (a < b ? -1 : 1)
  );
}

/** Slots in use by task. A task that has not reported is absent: nothing is known of what it holds. */
function busyByTask(live: WorkerReading[]): Map<string, number> {
  const busy = new Map<string, number>();
  for (const { task, usedSlots } of live) {
    if (task !== null) busy.set(task, (busy.get(task) ?? 0) + usedSlots);
  }
  return busy;
}
