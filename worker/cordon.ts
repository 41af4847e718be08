/** What the state table says to this task: whether it is cordoned or its pool deployed, and when the scaler last ticked. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { cordonKey, PARTITION_KEY, SCALER_KEY, type ScalerItem } from '../contract/state-table.ts';

/**
 * `scalerTickAt` is undefined as long as no scaler that acts ever wrote. `deployingTasks`: how many the pool has, while its
 * service is being deployed; otherwise 0.
 */
export type CordonReading =
  | { known: true; cordoned: boolean; scalerTickAt: number | undefined; deployingTasks: number }
  | { known: false; why: string };

export type CordonReader = () => Promise<CordonReading>;

/**
 * One request for both items. It reads eventually consistent, at half the price: a cordon is then seen some
 * milliseconds later, against seconds between reads.
 */
export function cordonReader(table: string, taskRoleId: string, taskId: string, pool: string): CordonReader {
  const client = DynamoDBDocumentClient.from(
    new DynamoDBClient({
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 2000, requestTimeout: 3000, throwOnRequestTimeout: true },
    }),
  );
  const own = cordonKey(taskRoleId, taskId);
  const request = { RequestItems: { [table]: { Keys: [{ [PARTITION_KEY]: own }, { [PARTITION_KEY]: SCALER_KEY }] } } };
  return async () => {
    try {
      const { Responses = {}, UnprocessedKeys = {} } = await client.send(new BatchGetCommand(request));
      // An item left unread must not pass for one that does not exist: that would take a cordon back.
      if (Object.keys(UnprocessedKeys).length > 0) return { known: false, why: 'the table is throttling' };
      const items = Responses[table] ?? [];
      const scaler = items.find((item) => item[PARTITION_KEY] === SCALER_KEY) as Partial<ScalerItem> | undefined;
      const tickAt = Number.isFinite(scaler?.tickAt) ? scaler?.tickAt : undefined;
      const scalerTickAt = scaler?.observing ? undefined : tickAt;
      const deployingTasks = Object.hasOwn(scaler?.deploying ?? {}, pool) ? Number(scaler?.deploying?.[pool]) : 0;
      return { known: true, cordoned: items.some((item) => item[PARTITION_KEY] === own), scalerTickAt, deployingTasks };
    } catch (error) {
      return { known: false, why: (error as Error).message || (error as Error).name };
    }
  };
}
