/** What a task reads of the state table: whether it is cordoned or its pool deployed, and when the scaler last ticked. */
import { cordonKey, PARTITION_KEY, SCALER_KEY, type ScalerItem } from '../contract/state-table.ts';

/**
 * `scalerTickAt` is undefined as long as no scaler that acts ever wrote. `deployingTasks`: how many the pool has, while its
 * service is being deployed; otherwise 0.
 */
export type CordonReading =
  | { known: true; cordoned: boolean; scalerTickAt: number | undefined; deployingTasks: number }
  | { known: false; why: string };

export type CordonReader = () => Promise<CordonReading>;

export interface TaskKeys {
  taskRoleId: string;
  taskId: string;
  pool: string;
}

/** The keys of both items: a task may read no others. */
export function keysOf({ taskRoleId, taskId }: TaskKeys): string[] {
  return [cordonKey(taskRoleId, taskId), SCALER_KEY];
}

/** `complete` is false when an item was left unread: it must not pass for one that does not exist, which takes a cordon back. */
export function readingOf(items: Record<string, unknown>[], complete: boolean, keys: TaskKeys): CordonReading {
  if (!complete) return { known: false, why: 'the table is throttling' };
  const own = cordonKey(keys.taskRoleId, keys.taskId);
  const scaler = items.find((item) => item[PARTITION_KEY] === SCALER_KEY) as Partial<ScalerItem> | undefined;
  const tickAt = Number.isFinite(scaler?.tickAt) ? scaler?.tickAt : undefined;
  const scalerTickAt = scaler?.observing ? undefined : tickAt;
  const isDeploying = Object.hasOwn(scaler?.deploying ?? {}, keys.pool);
  const deployingTasks = isDeploying ? Number(scaler?.deploying?.[keys.pool]) : 0;
  return { known: true, cordoned: items.some((item) => item[PARTITION_KEY] === own), scalerTickAt, deployingTasks };
}
