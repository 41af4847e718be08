/**
 * Tasks that leave for good: those that a person drains, and those whose cordon is final, since their worker is shutting
 * down. They are never taken back, and the fleet is sized as if they were not there. To ECS, which counts them until they
 * are gone, so many more are said until the others have come up. From then on the count is that of the others: all are
 * protected, but in the end the drained one, and so ECS stops that one and starts nothing in its place.
 */
import { known, type Decision, type Reading, type TasksReading, type WorkerReading } from './types.ts';

/** All that leave for good. */
export function leavingForGood({ drained = [], final = [] }: TasksReading): string[] {
  return [...new Set([...drained, ...final])];
}

/** A worker that is shutting down may say that it has free slots, but takes no work. */
export function withoutFinal(
  workers: Reading<WorkerReading[]>,
  { final = [] }: TasksReading,
): Reading<WorkerReading[]> {
  if (!known(workers) || final.length === 0) return workers;
  return workers.filter(({ task }) => task === null || !final.includes(task));
}

/** What the policy sees. `remembered` is what it decided before: the count that ECS has is that, or with the drained. */
export function withoutDrained(tasks: TasksReading, remembered: number): TasksReading {
  const leaving = new Set(leavingForGood(tasks));
  if (leaving.size === 0) return tasks;
  const others = (ids: string[]) => ids.filter((id) => !leaving.has(id));
  return {
    ...tasks,
    desired: Math.min(tasks.desired, Math.max(remembered, tasks.desired - counted(tasks))),
    running: others(tasks.running),
    pending: others(tasks.pending),
    cordoned: others(tasks.cordoned),
    outdated: others(tasks.outdated ?? []),
  };
}

export function withDrained(
  decision: Decision,
  all: TasksReading,
  others: TasksReading,
  workers: Reading<WorkerReading[]>,
  deploying: boolean,
): Decision {
  const leaving = leavingForGood(all);
  if (leaving.length === 0) return decision;
  const drained = all.drained?.length ?? 0;
  return {
    ...decision,
    desired: countFor(decision, all, others, workers, deploying),
    cordon: [...decision.cordon, ...leaving],
    detail: `${decision.detail}; ${drained > 0 ? `drained by hand: ${drained}` : `leaving for good: ${leaving.length}`}`,
  };
}

/** Lowered only once all others have reported, and so are protected: ECS would stop one that is not. */
function countFor(
  { desired, cordon }: Decision,
  all: TasksReading,
  others: TasksReading,
  workers: Reading<WorkerReading[]>,
  deploying: boolean,
): number {
  const leaving = new Set([...cordon, ...(others.outdated ?? [])]);
  const staying = [...others.running, ...others.pending].filter((id) => !leaving.has(id));
  const withThem = desired + counted(all);
  if (staying.length < desired) return withThem;
  const reported = new Set(known(workers) ? workers.map(({ task }) => task) : []);
  if (!deploying && staying.every((id) => reported.has(id))) return desired;
  return Math.min(withThem, Math.max(desired, all.desired));
}

/** Of those of an old revision a deployment starts another in any case. */
function counted(tasks: TasksReading): number {
  return leavingForGood(tasks).filter((id) => !tasks.outdated?.includes(id)).length;
}
