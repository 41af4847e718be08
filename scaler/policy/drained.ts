/**
 * Tasks that a person drains leave, and the fleet is sized as if they were not there. To ECS, which counts them until they
 * are gone, so many more are said until the others have come up. From then on the count is that of the others: all are
 * protected, but in the end the drained one, and so ECS stops that one and starts nothing in its place.
 */
import { known, type Decision, type Reading, type TasksReading, type WorkerReading } from './types.ts';

/** What the policy sees. `remembered` is what it decided before: the count that ECS has is that, or with the drained. */
export function withoutDrained(tasks: TasksReading, remembered: number): TasksReading {
  if (!tasks.drained?.length) return tasks;
  const drained = new Set(tasks.drained);
  const others = (ids: string[]) => ids.filter((id) => !drained.has(id));
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
  if (!all.drained?.length) return decision;
  return {
    ...decision,
    desired: countFor(decision, all, others, workers, deploying),
    cordon: [...decision.cordon, ...all.drained],
    detail: `${decision.detail}; drained by hand: ${all.drained.length}`,
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
function counted({ drained = [], outdated = [] }: TasksReading): number {
  return drained.filter((id) => !outdated.includes(id)).length;
}
