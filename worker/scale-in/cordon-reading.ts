/** What a task reads from the state table: whether it is cordoned, whether its pool is being deployed, and when the scaler last ticked. */
import { cordonKey, PARTITION_KEY, SCALER_KEY, type ScalerItem } from '../../contract/state-table.ts';

/**
 * `scalerTickAt` is undefined until a scaler that acts has written. `deployingTasks`: the pool's number of tasks while its service is
 * being deployed; otherwise 0.
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

/** `complete` is false if an item was not returned: it must not count as missing, which would take a cordon back. */
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
