/**
 * The service scheduler's decision, as a pure function: how many tasks to launch and which to stop, so that a service reaches its
 * desired count, deployments stay within their limits, and a protected task is never stopped.
 */

export interface WantedTasks {
  desiredCount: number;
  maximumPercent: number;
  minimumHealthyPercent: number;
  /** The PRIMARY deployment: tasks of any other deployment must be replaced. */
  deploymentId: string;
  /** The availability zones among which ECS keeps the number of tasks balanced; empty if it does not. */
  rebalanced: readonly string[];
}

/** A task that has not been asked to stop. */
export interface PlannedTask {
  id: string;
  deploymentId: string;
  zone: string;
  isRunning: boolean;
  isProtected: boolean;
}

export interface Plan {
  launch: number;
  stop: string[];
  /** Whether the launch is the first half of a move between zones. */
  rebalances: boolean;
}

/** `random` returns a number in [0, 1): ECS's choice among equal tasks is arbitrary, so nothing may depend on it. */
export function planTasks(wanted: WantedTasks, tasks: readonly PlannedTask[], random: () => number): Plan {
  const current = tasks.filter((task) => task.deploymentId === wanted.deploymentId);
  const isUneven = current.length === tasks.length && isUnbalanced(current, wanted);
  const launch = isUneven ? 1 : tasksToLaunch(wanted, current.length, tasks.length - current.length);
  const surplus = surplusTasks(current, wanted, random);
  const remaining = tasks.filter(({ id }) => !surplus.includes(id));
  return { launch, stop: [...surplus, ...oldTasksToStop(wanted, remaining, launch, random)], rebalances: isUneven };
}

/**
 * Availability-zone rebalancing: starts a task in the zone with the fewest, then stops one in the zone with the most.
 * (Source: ECS developer guide, "Balancing an Amazon ECS service across Availability Zones". Here it spares protected tasks, like
 * scale-in; AWS does not document this, see docs/assumptions.md.)
 */
function isUnbalanced(current: readonly PlannedTask[], { desiredCount, rebalanced }: WantedTasks): boolean {
  if (current.length !== desiredCount) return false;
  const counts = rebalanced.map((name) => current.filter(({ zone }) => zone === name).length);
  return Math.max(...counts, 0) - Math.min(...counts) > 1;
}

/** When zones are rebalanced, a task is stopped once its replacement is running, and then in the fullest zone. */
function surplusTasks(current: readonly PlannedTask[], wanted: WantedTasks, random: () => number): string[] {
  const { desiredCount, rebalanced } = wanted;
  const count = current.length - desiredCount;
  const running = current.filter(({ isRunning }) => isRunning);
  if (count === 1 && isUnbalanced(running, wanted)) return [];
  const counts = rebalanced.map((name) => running.filter(({ zone }) => zone === name).length);
  const fullest = rebalanced[counts.indexOf(Math.max(...counts))];
  const isSettled = running.length === current.length;
  const ofFullest = isSettled ? running.filter(({ zone }) => zone === fullest) : [];
  const there = choose(ofFullest, count, random);
  const others = current.filter(({ id }) => !there.includes(id));
  return [...there, ...choose(others, count - there.length, random)];
}

/** The zone of the next task: the one with the fewest. */
export function nextZone(zones: readonly string[], present: readonly string[]): string {
  const countOf = (zone: string) => present.filter((name) => name === zone).length;
  return zones.toSorted((a, b) => countOf(a) - countOf(b))[0] ?? '';
}

/** While there are old tasks, all tasks together stay within maximumPercent. */
function tasksToLaunch(wanted: WantedTasks, current: number, old: number): number {
  const missing = wanted.desiredCount - current;
  const room = old === 0 ? missing : upperLimit(wanted) - current - old;
  return Math.max(0, Math.min(missing, room));
}

/**
 * Old tasks that are not running yet are stopped at once. Running ones are stopped as their replacements start, and earlier only if
 * maximumPercent leaves no room for a replacement; running tasks never fall below minimumHealthyPercent.
 */
function oldTasksToStop(
  wanted: WantedTasks,
  tasks: readonly PlannedTask[],
  launch: number,
  random: () => number,
): string[] {
  const old = tasks.filter((task) => task.deploymentId !== wanted.deploymentId);
  const starting = old.filter((task) => !task.isRunning && !task.isProtected).map((task) => task.id);
  const current = tasks.length - old.length + launch;
  const blocked = wanted.desiredCount - current;
  const replaced = current + old.length - starting.length - wanted.desiredCount;
  const spare = tasks.filter((task) => task.isRunning).length - lowerLimit(wanted);
  const running = old.filter((task) => task.isRunning);
  return [...starting, ...choose(running, Math.min(spare, Math.max(replaced, blocked)), random)];
}

/** Tasks that are not running yet come first, the others at random; never a protected one. */
function choose(tasks: readonly PlannedTask[], count: number, random: () => number): string[] {
  if (count <= 0) return [];
  return tasks
    .filter((task) => !task.isProtected)
    .map((task) => ({ id: task.id, order: (task.isRunning ? 1 : 0) + random() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, count)
    .map(({ id }) => id);
}

function upperLimit({ desiredCount, maximumPercent }: WantedTasks): number {
  return Math.floor((desiredCount * maximumPercent) / 100);
}

function lowerLimit({ desiredCount, minimumHealthyPercent }: WantedTasks): number {
  return Math.ceil((desiredCount * minimumHealthyPercent) / 100);
}
