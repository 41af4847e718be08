/** The workers of the queue: the pool's and others, their totals at the previous tick, and the tasks that report nothing. */
import type { WorkerSlots } from './kinds.ts';
import { followed, KINDS, REPORTS_WITHIN_SECONDS, type Kind, type Memory, type WorkerTotals } from './memory.ts';
import { known, type Reading, type SlotsReading, type TasksReading, type WorkerReading } from './types.ts';

/** A heartbeat older than this says nothing about a worker whose task is not known. */
const HEARTBEAT_STALE_SECONDS = 180;

/** What keeps a worker busy: local activities and Nexus tasks as well as activities. */
export function atWork({ usedSlots, localActivities = 0, nexusTasks }: WorkerReading): number {
  return usedSlots + localActivities + (nexusTasks?.usedSlots ?? 0);
}

/** A worker of the queue, and its state at the previous tick. */
export interface Server {
  worker: WorkerReading;
  isOwn: boolean;
  before: WorkerTotals | undefined;
  ranSeconds: number;
}

/**
 * The workers of the queue: those in tasks that ECS lists, and others as long as they report. Where no worker's task is known, the others
 * belong to the pool, otherwise to somebody else. A worker of a task that is gone is a ghost and is left out.
 */
export function serversOf(
  workers: Reading<WorkerReading[]>,
  tasks: TasksReading,
  { matched, workers: totals }: Memory,
  ran: (task: string) => number,
): Server[] | undefined {
  if (!known(workers)) return undefined;
  const listed = new Set([...tasks.running, ...tasks.pending]);
  const isListed = ({ task }: WorkerReading) => task !== null && listed.has(task);
  // By now some worker of these tasks would be known, if any could be.
  const isLong = (task: string) => ran(task) > REPORTS_WITHIN_SECONDS;
  const anyMatched = matched > 0 || workers.some(isListed) || !tasks.running.some(isLong);
  return workers.flatMap((worker) => {
    const before = totalsFor(worker.key, totals);
    const isOwn = isListed(worker) || (worker.task === null && !anyMatched);
    const isFresh = worker.ageSeconds <= (isOwn ? HEARTBEAT_STALE_SECONDS : REPORTS_WITHIN_SECONDS);
    const isGhost = !isOwn && before?.[0] === 1;
    if (isGhost || (!isListed(worker) && !isFresh)) return [];
    return [{ worker, isOwn, before, ranSeconds: worker.task === null ? 0 : ran(worker.task) }];
  });
}

/** Workers choose their keys, which may be the name of a property that every object has. */
export function totalsFor(key: string, totals: Memory['workers']): WorkerTotals | undefined {
  return Object.hasOwn(totals, key) ? totals[key] : undefined;
}

export function slotsOfKind(servers: Server[], kind: Kind): WorkerSlots[] {
  const index = 3 + 2 * KINDS.indexOf(kind);
  return servers.flatMap(({ worker, isOwn, before, ranSeconds }) => {
    const slots = readingOf(worker, kind);
    if (slots === undefined) return [];
    return {
      task: worker.task,
      isOwn,
      ageSeconds: worker.ageSeconds,
      ...slots,
      before: before && { processed: before[index]!, usedSlots: before[index + 1]! },
      ranSeconds,
    };
  });
}

function readingOf(worker: WorkerReading, kind: Kind): (SlotsReading & { elastic?: true }) | undefined {
  if (kind !== 'activities') return worker[kind];
  const { usedSlots, slots, elastic = false, processed } = worker;
  return { usedSlots, slots, processed, ...(elastic && { elastic }) };
}

/** Of all that are listed: the worker of a task that is gone stays listed for minutes. */
export function totalsOf(workers: WorkerReading[], servers: Server[], { workers: before }: Memory): Memory['workers'] {
  const inTasks = servers.filter(({ isOwn, worker }) => isOwn && worker.task !== null);
  const own = new Set(inTasks.map(({ worker }) => worker.key));
  const entries = workers.map((worker): [string, WorkerTotals] => {
    const wasOwn = totalsFor(worker.key, before)?.[0] === 1;
    const kinds = KINDS.flatMap((kind) => {
      const { processed, usedSlots } = readingOf(worker, kind) ?? { processed: 0, usedSlots: 0 };
      return [processed, usedSlots];
    });
    return [worker.key, [Number(own.has(worker.key) || wasOwn), worker.failed, worker.workflowFailed ?? 0, ...kinds]];
  });
  return followed(entries);
}

/**
 * A running task without a report is unknown, not idle: heartbeats may be switched off, lost, or forgotten by the server. Where no
 * worker's task was ever known, each worker may be in any of the tasks.
 */
export function unreportedTasks(
  active: string[],
  live: WorkerReading[],
  { held, matched }: Pick<Memory, 'held' | 'matched'>,
  ran: (task: string) => number,
): string[] {
  const reported = new Set(live.map(({ task }) => task));
  const unmatched = matched > 0 ? 0 : live.length;
  const isLate = (task: string) => ran(task) > REPORTS_WITHIN_SECONDS;
  const silent = active.filter((task) => !reported.has(task) && ((held[task] ?? null) !== null || isLate(task)));
  return silent.slice(unmatched);
}
