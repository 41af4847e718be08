/** Reads a task's cordon with the AWS SDK. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { PARTITION_KEY } from '../../contract/state-table.ts';
import { keysOf, readingOf, type CordonReader } from './cordon-reading.ts';

/**
 * Reads both items in one request, eventually consistent at half the price: a cordon is then seen some milliseconds later, which
 * does not matter with seconds between reads.
 */
export function cordonReader(table: string, taskRoleId: string, taskId: string, pool: string): CordonReader {
  const client = DynamoDBDocumentClient.from(
    new DynamoDBClient({
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 2000, requestTimeout: 3000, throwOnRequestTimeout: true },
    }),
  );
  const keys = { taskRoleId, taskId, pool };
  const Keys = keysOf(keys).map((key) => ({ [PARTITION_KEY]: key }));
  return async () => {
    try {
      const { Responses = {}, UnprocessedKeys = {} } = await client.send(
        new BatchGetCommand({ RequestItems: { [table]: { Keys } } }),
      );
      return readingOf(Responses[table] ?? [], Object.keys(UnprocessedKeys).length === 0, keys);
    } catch (error) {
      return { known: false, why: (error as Error).message || (error as Error).name };
    }
  };
}
