/** Workers as processes, with the real Temporal server, the emulated state table and an ECS that protects their tasks. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { Client, Connection } from '@temporalio/client';
import { setTimeout as wait } from 'node:timers/promises';
import { cordonKey, SCALER_KEY } from '../../contract/state-table.ts';
import { type LocalEmulator, emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { createStateTable } from '../aws-resources.ts';
import { FakeEcs } from './fake-ecs.ts';
import { WorkerProcess } from './worker-process.ts';

const TABLE = 'state';
export const ROLE = 'AROATEST';
export let temporal: LocalTemporal;
export let emulator: LocalEmulator;
export let ecs: FakeEcs;
export let client: Client;
export let table: DynamoDBDocumentClient;
export let cloudwatch: CloudWatchClient;
export let secrets: SecretsManagerClient;
let heartbeatOfScaler: NodeJS.Timeout;
export const workers: WorkerProcess[] = [];
let count = 0;

export async function startAll(): Promise<void> {
  [temporal, emulator, ecs] = await Promise.all([
    // A worker that stops waits for its open polls.
    startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } }),
    startEmulator(),
    FakeEcs.start(),
  ]);
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const aws = {
    endpoint: emulator.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
  table = DynamoDBDocumentClient.from(new DynamoDBClient(aws));
  cloudwatch = new CloudWatchClient(aws);
  secrets = new SecretsManagerClient(aws);
  await createStateTable(emulator.url, TABLE);
  const tick = () => table.send(new PutCommand({ TableName: TABLE, Item: { id: SCALER_KEY, tickAt: Date.now() } }));
  await tick();
  heartbeatOfScaler = setInterval(() => void tick(), 30_000);
}

export async function killWorkers(): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
}

export async function stopAll(): Promise<void> {
  clearInterval(heartbeatOfScaler);
  table?.destroy();
  await client?.connection.close();
  await Promise.all([temporal?.stop(), emulator?.stop(), ecs?.stop()]);
}

/** A worker on a queue of its own, and what is needed to work with it. */
export async function startWorker(overrides: Record<string, string> = {}) {
  count += 1;
  const queue = `queue-${count}`;
  const taskId = count.toString(16).padStart(32, '0');
  const worker = new WorkerProcess({
    ...emulatorCredentials(emulator.url),
    ...ecs.environmentOf(taskId),
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_TASK_QUEUE: queue,
    ELASTIC_WORKERS_STATE_TABLE: TABLE,
    ELASTIC_WORKERS_TASK_ROLE_ID: ROLE,
    ELASTIC_WORKERS_CORDON_POLL_SECONDS: '1',
    ELASTIC_WORKERS_HEARTBEAT_SECONDS: '1',
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '5',
    ELASTIC_WORKERS_HEALTH_PORT: '0',
    ELASTIC_WORKERS_METRICS_PORT: '0',
    ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
    ...overrides,
  });
  workers.push(worker);
  await worker.says('Worker state changed');
  const id = cordonKey(ROLE, taskId);
  return {
    worker,
    queue,
    taskId,
    cordon: () =>
      table.send(
        new PutCommand({ TableName: TABLE, Item: { id, pool: queue, cordonedAt: Date.now(), expiresAt: 2e9 } }),
      ),
    uncordon: () => table.send(new DeleteCommand({ TableName: TABLE, Key: { id } })),
    startActivity: (seconds: number) => startActivity(queue, seconds),
  };
}

/** An activity that has one attempt only and no heartbeat: whoever drops it, even once, loses it for good. */
export async function startActivity(taskQueue: string, seconds: number, steps = 1) {
  const input = { task: 'test', steps: Array.from({ length: steps }, (_, index) => `step ${index}`) };
  const handle = await client.activity.start('executeStrategyDirectly', {
    id: `activity-${Math.random()}`,
    taskQueue,
    args: ['sequential', input, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '20 seconds',
    retry: { maximumAttempts: 1 },
  });
  const hasStarted = async () => (await handle.describe()).lastStartedTime !== undefined;
  return { handle, hasStarted, started: () => eventually(hasStarted), result: () => handle.result() };
}

/** Asks until it holds; the test's own time limit is the only one. */
export async function eventually(holds: () => boolean | undefined | Promise<boolean | undefined>): Promise<void> {
  while (!(await holds())) await wait(20);
}
