/** The emulated state table, plus the refusals of DynamoDB that the emulator lacks: items and numbers out of bounds. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient, PutItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { startEmulator } from '../../local/emulator.ts';
import { localClient } from '../../local/observe.ts';
import { StateTable } from '../../scaler/act/state.ts';
import { createStateTable } from '../aws-resources.ts';

const ITEM_BYTES = 400 * 1024;
const NUMBERS = [1e-130, 9.99e125] as const;
const TABLE = 'state';

export interface StrictTable {
  table: StateTable;
  /** As an attacker with write permission would. */
  put(item: Record<string, AttributeValue>): Promise<void>;
  stop(): Promise<void>;
}

export async function startStrictTable(): Promise<StrictTable> {
  const emulator = await startEmulator();
  const front = createServer(async (request, response) => {
    const body = await textOf(request);
    const problem = String(request.headers['x-amz-target']).endsWith('.PutItem') ? problemOf(body) : undefined;
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
    const answer = problem
      ? { status: 400, text: JSON.stringify({ __type: 'ValidationException', message: problem }) }
      : await fetch(`${emulator.url}/`, { method: 'POST', headers: headers as Record<string, string>, body }).then(
          async (said) => ({ status: said.status, text: await said.text() }),
        );
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' }).end(answer.text);
  });
  front.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  await createStateTable(url, TABLE);
  const client = new DynamoDBClient({ ...localClient(url), maxAttempts: 1 });
  // Like the scaler's handler.
  const options = { marshallOptions: { removeUndefinedValues: true }, unmarshallOptions: { wrapNumbers: Number } };
  return {
    table: new StateTable(DynamoDBDocumentClient.from(client, options), TABLE),
    put: async (Item) => void (await client.send(new PutItemCommand({ TableName: TABLE, Item }))),
    stop: async () => {
      client.destroy();
      front.closeAllConnections();
      front.close();
      await emulator.stop();
    },
  };
}

async function textOf(request: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

function problemOf(body: string): string | undefined {
  const { Item } = JSON.parse(body) as { Item: object };
  // DynamoDB does not count the type names, at most a third of an item.
  if (JSON.stringify(Item).length > 1.5 * ITEM_BYTES) return 'Item size has exceeded the maximum allowed size';
  const numbers = [...JSON.stringify(Item).matchAll(/\{"N":"([^"]+)"\}/g)].map(([, number]) =>
    Math.abs(Number(number)),
  );
  const outside = numbers.find((number) => number !== 0 && (number < NUMBERS[0] || number > NUMBERS[1]));
  return outside === undefined ? undefined : `Attempting to store a number out of range: ${outside}`;
}
