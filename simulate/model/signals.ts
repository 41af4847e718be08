/** What a controller can read of the model: as late and as wrong as the real signals. */
import type { Reading, Signals, WorkerReading } from '../../scaler/policy.ts';
import type { Fleet } from './fleet.ts';
import { isWithin, type Kind, type Settings } from './settings.ts';
import { readingOf, type ModelTask } from './task.ts';
import type { TaskQueue } from './task-queue.ts';

/** Temporal lists a stopped worker for this long after its last heartbeat. */
export const GHOST_SECONDS = 310;

export function signalsOf(fleet: Fleet, queues: Record<Kind, TaskQueue>, settings: Settings, now: number): Signals {
  const { tasks, desired } = fleet;
  const unreadable = new Set(
    settings.blindSpells.filter((spell) => isWithin(spell, now)).flatMap(({ signals }) => signals),
  );
  const unless = <T>(name: keyof Signals, read: () => T): Reading<T> =>
    unreadable.has(name) ? { unknown: 'not read in a blind spell' } : read();
  const idsOf = (predicate: (task: ModelTask) => boolean) => tasks.filter(predicate).map(({ id }) => id);
  return {
    activityQueue: unless('activityQueue', () => queues.activity.reading(now)),
    workflowQueue: unless('workflowQueue', () => queues.workflowTask.reading(now)),
    workers: unless('workers', () => workerReadings(fleet, settings, now)),
    tasks: unless('tasks', () => ({
      desired,
      running: idsOf((task) => task.state === 'running'),
      pending: idsOf((task) => task.state === 'pending'),
      cordoned: idsOf((task) => task.cordoned && task.state !== 'stopping'),
      outdated: idsOf((task) => fleet.isOutdated(task) && task.state !== 'stopping'),
    })),
  };
}

/** The newest heartbeats. */
function workerReadings({ tasks, ghosts, foreign }: Fleet, settings: Settings, now: number): WorkerReading[] {
  if (settings.neverReports) return [];
  const { slots, reportsFreeSlots, workflowSlots } = settings;
  const ownSlots = { slots: reportsFreeSlots ? slots : null, workflowSlots };
  const foreignSlots = { slots: settings.foreign.slots, workflowSlots: 0 };
  const share = settings.unlisted.find((spell) => isWithin(spell, now))?.share ?? 0;
  return [...tasks, ...ghosts, ...foreign]
    .filter((task) => isListed(task, share))
    .flatMap((task) => readingOf(task, task.isOwn ? ownSlots : foreignSlots, now) ?? []);
}

/** The registry has lost this share of the workers, spread evenly over them. */
function isListed({ number }: ModelTask, lostShare: number): boolean {
  return Math.floor(number * lostShare) === Math.floor((number - 1) * lostShare);
}
