/** Which tasks to remove. Only the scaler decides this, so that ECS never has to choose. */
import type { Load } from './load.ts';
import type { TasksReading, WorkerReading } from './types.ts';
import { atWork } from './workers.ts';

/**
 * Picks the tasks to remove, as many as there are more than desired. First Spot tasks, since ECS honors the on-demand base only when it
 * places tasks; then tasks that do not run yet, those already cordoned, the least busy, and among equals those of the fullest
 * availability zone. Last, tasks that should have reported and have not: they may be full. In a deployment, only tasks of
 * earlier deployments, and only as many as new ones run.
 */
export function chooseLeavers(tasks: TasksReading, desired: number, load: Pick<Load, 'live' | 'unreported'>): string[] {
  const outdated = new Set(tasks.outdated);
  const deploying = outdated.size > 0;
  const excess = tasks.running.length + tasks.pending.length - desired;
  const runningExcess = deploying ? tasks.running.length - desired : excess;
  const candidates = inOrderOfRemoval(tasks, load).filter(({ task }) => !deploying || outdated.has(task));
  const leavers: string[] = [];
  let running = 0;
  for (const { task, isRunning } of candidates) {
    if (leavers.length >= excess) break;
    if (isRunning && running >= runningExcess) continue;
    if (isRunning) running += 1;
    leavers.push(task);
  }
  return leavers;
}

interface Candidate {
  task: string;
  isRunning: boolean;
  isSpot: boolean;
  isCordoned: boolean;
  /** It should have reported, and has not. */
  isUnreported: boolean;
  /** Slots; Infinity for a task that has not reported yet. */
  busy: number;
}

function inOrderOfRemoval(tasks: TasksReading, load: Pick<Load, 'live' | 'unreported'>): Candidate[] {
  const [spot, cordoned, unreported] = [new Set(tasks.spot), new Set(tasks.cordoned), new Set(load.unreported)];
  const busy = busyByTask(load.live ?? []);
  const candidateOf = (task: string, isRunning: boolean): Candidate => ({
    task,
    isRunning,
    isSpot: spot.has(task),
    isCordoned: cordoned.has(task),
    isUnreported: unreported.has(task),
    busy: isRunning ? (busy.get(task) ?? Infinity) : 0,
  });
  const candidates = [
    ...tasks.pending.map((task) => candidateOf(task, false)),
    ...tasks.running.map((task) => candidateOf(task, true)),
  ].sort((a, b) => byUse(a, b) || (a.task < b.task ? -1 : 1));
  const left = leftInZone(candidates, tasks.zones ?? []);
  return candidates.sort((a, b) => byUse(a, b) || (left.get(b.task) ?? 0) - (left.get(a.task) ?? 0));
}

function byUse(a: Candidate, b: Candidate): number {
  return (
    Number(a.isUnreported) - Number(b.isUnreported) ||
    Number(b.isSpot) - Number(a.isSpot) ||
    Number(a.isRunning) - Number(b.isRunning) ||
    Number(b.isCordoned) - Number(a.isCordoned) ||
    (a.busy === b.busy ? 0 : a.busy - b.busy)
  );
}

/** For each task, how many its zone still has once the tasks before it in this order are gone. */
function leftInZone(inOrder: Candidate[], zones: string[][]): Map<string, number> {
  const left = new Map<string, number>();
  for (const zone of zones) {
    const tasks = new Set(zone);
    const ofZone = inOrder.filter(({ task }) => tasks.has(task));
    for (const [gone, { task }] of ofZone.entries()) left.set(task, ofZone.length - gone);
  }
  return left;
}

/** Slots in use by task. */
function busyByTask(live: WorkerReading[]): Map<string, number> {
  const busy = new Map<string, number>();
  for (const worker of live) {
    if (worker.task !== null) busy.set(worker.task, (busy.get(worker.task) ?? 0) + atWork(worker));
  }
  return busy;
}
