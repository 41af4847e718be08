/** The pool's tasks over time: how long they take to start, which are missing, and which ended although they were not removed. */
import { followed, REPORTS_WITHIN_SECONDS, type Memory } from './memory.ts';
import type { TasksReading } from './types.ts';

/** A task that has not come up after this many usual start-ups, and at least this long, has not been placed. */
const STARTS_WAITED_FOR = 3;
const PLACED_WITHIN_SECONDS = 180;
/** Weight of one more start-up. */
const START_UP_WEIGHT = 0.1;

export function followTasks(tasks: TasksReading, before: Memory, now: number) {
  const pendingSince = followed(tasks.pending.map((task) => [task, before.pendingSince[task] ?? before.at]));
  // A scaler that was away for long has missed their start.
  const firstSeen = now - before.at > REPORTS_WITHIN_SECONDS * 1000 ? before.at : now;
  const runningSince = followed(tasks.running.map((task) => [task, before.runningSince[task] ?? firstSeen]));
  let { startUpSeconds } = before;
  for (const task of tasks.running) {
    const since = before.pendingSince[task];
    // Waiting for capacity does not count as start-up.
    const most = Math.max(PLACED_WITHIN_SECONDS, STARTS_WAITED_FOR * startUpSeconds);
    const took = Math.min(most, (now - (since ?? now)) / 1000);
    if (since !== undefined) startUpSeconds += START_UP_WEIGHT * (Math.max(0, took) - startUpSeconds);
  }
  return { pendingSince, runningSince, startUpSeconds };
}

/** Since when fewer tasks take work than were ordered and none has come up; and how many are missing for too long. */
export function shortage(
  { desired }: TasksReading,
  active: number,
  before: Memory,
  startUpSeconds: number,
  now: number,
) {
  if (active >= desired) return { since: 0, unplaced: 0 };
  const since = before.shortSince > 0 && active <= before.activeTasks ? before.shortSince : now;
  const waited = (now - since) / 1000;
  const isLong = waited > Math.max(PLACED_WITHIN_SECONDS, STARTS_WAITED_FOR * startUpSeconds);
  return { since, unplaced: isLong ? desired - active : 0 };
}

/** Tasks of the last tick that were not to be removed and are gone. */
export function tasksLost(
  { held }: Memory,
  { running, pending }: TasksReading,
): { task: string; slots: number | null }[] {
  const present = new Set([...running, ...pending]);
  return Object.entries(held)
    .filter(([task]) => !present.has(task))
    .map(([task, slots]) => ({ task, slots }));
}
