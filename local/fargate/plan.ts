/**
 * The service scheduler's one decision, as a pure function: how many tasks to launch and which to stop, so that a
 * service gets to its desired count, deployments roll within their limits, and a protected task is never stopped.
 */

export interface WantedTasks {
  desiredCount: number;
  maximumPercent: number;
  minimumHealthyPercent: number;
  /** The PRIMARY deployment: tasks of any other are to be replaced. */
  deploymentId: string;
  /** The availability zones that tasks may be in, where ECS keeps their number there equal; empty where it does not. */
  rebalanced: readonly string[];
}

/** A task that nobody has asked to stop yet. */
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

/** `random` returns a number in [0, 1): ECS chooses among equals as it likes, and nobody may rely on which. */
export function planTasks(wanted: WantedTasks, tasks: readonly PlannedTask[], random: () => number): Plan {
  const current = tasks.filter((task) => task.deploymentId === wanted.deploymentId);
  const isUneven = current.length === tasks.length && isUnbalanced(current, wanted);
  const launch = isUneven ? 1 : tasksToLaunch(wanted, current.length, tasks.length - current.length);
  const surplus = surplusTasks(current, wanted, random);
  const remaining = tasks.filter(({ id }) => !surplus.includes(id));
  return { launch, stop: [...surplus, ...oldTasksToStop(wanted, remaining, launch, random)], rebalances: isUneven };
}

/**
 * Availability-zone rebalancing: a task is started where there are fewest, and then one is stopped where there are most.
 * (Source: ECS developer guide, "Balancing an Amazon ECS service across Availability Zones". Here it spares protected tasks, as
 * scale-in does; for AWS that is documented nowhere, see docs/assumptions.md.)
 */
function isUnbalanced(current: readonly PlannedTask[], { desiredCount, rebalanced }: WantedTasks): boolean {
  if (current.length !== desiredCount) return false;
  const counts = rebalanced.map((name) => current.filter(({ zone }) => zone === name).length);
  return Math.max(...counts, 0) - Math.min(...counts) > 1;
}

/** Where zones are rebalanced, a task goes once the one that takes its place runs, and then from the fullest zone. */
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

/** While old tasks are there, all tasks together stay within maximumPercent. */
function tasksToLaunch(wanted: WantedTasks, current: number, old: number): number {
  const missing = wanted.desiredCount - current;
  const room = old === 0 ? missing : upperLimit(wanted) - current - old;
  return Math.max(0, Math.min(missing, room));
}

/**
 * Old tasks not yet running go at once. Running ones go as their replacements come up, and sooner only where
 * maximumPercent leaves no room for a replacement; what runs never falls below minimumHealthyPercent.
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

/** Tasks that do not run yet first, then at random; never a protected one. */
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
