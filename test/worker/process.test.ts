/** The worker as a process, with the real Temporal server and the emulated state table. */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { ActivityExecutionFailedError, Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { setTimeout as wait } from 'node:timers/promises';
import { cordonKey, PARTITION_KEY, SCALER_KEY } from '../../contract/state-table.ts';
import { type LocalEmulator, emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/types.ts';
import { FakeEcs } from './fake-ecs.ts';
import { WorkerProcess } from './worker-process.ts';

jest.setTimeout(120_000);

const TABLE = 'state';
const ROLE = 'AROATEST';
let temporal: LocalTemporal;
let emulator: LocalEmulator;
let ecs: FakeEcs;
let client: Client;
let table: DynamoDBDocumentClient;
let heartbeatOfScaler: NodeJS.Timeout;
const workers: WorkerProcess[] = [];
let count = 0;

beforeAll(async () => {
  [temporal, emulator, ecs] = await Promise.all([startTemporal(), startEmulator(), FakeEcs.start()]);
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  table = DynamoDBDocumentClient.from(
    new DynamoDBClient({
      endpoint: emulator.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    }),
  );
  await table.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: PARTITION_KEY, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: PARTITION_KEY, AttributeType: 'S' }],
    }),
  );
  const tick = () => table.send(new PutCommand({ TableName: TABLE, Item: { id: SCALER_KEY, tickAt: Date.now() } }));
  await tick();
  heartbeatOfScaler = setInterval(() => void tick(), 30_000);
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

afterAll(async () => {
  clearInterval(heartbeatOfScaler);
  table?.destroy();
  await client?.connection.close();
  await Promise.all([temporal?.stop(), emulator?.stop(), ecs?.stop()]);
});

/** A worker on a queue of its own, and what is needed to work with it. */
async function startWorker(overrides: Record<string, string> = {}) {
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
async function startActivity(taskQueue: string, seconds: number, steps = 1) {
  const input = { task: 'test', steps: Array.from({ length: steps }, (_, index) => `step ${index}`) };
  const handle = await client.activity.start('executeStrategyDirectly', {
    id: `activity-${Math.random()}`,
    taskQueue,
    args: ['sequential', input, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '20 seconds',
    retry: { maximumAttempts: 1 },
  });
  const hasStarted = async () => (await handle.describe()).lastStartedTime !== undefined;
  return { hasStarted, started: () => eventually(hasStarted), result: () => handle.result() };
}

/** Asks until it holds; the test's own time limit is the only one. */
async function eventually(holds: () => boolean | undefined | Promise<boolean | undefined>): Promise<void> {
  while (!(await holds())) await wait(20);
}

describe('the worker', () => {
  it('runs a workflow, under its task’s id, and says at its start what it serves', async () => {
    const { worker, queue, taskId } = await startWorker();
    const result = await client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue: queue,
      workflowId: 'one',
      args: ['sequential', { task: 'x', steps: ['a', 'b'] }, { serviceName: 'test' }],
    });
    expect(result).toMatchObject({ strategy: 'sequential', asks: 2 });
    expect(await worker.says('Worker started')).toMatchObject({
      taskQueue: queue,
      strategies: ['sequential'],
      workflow: GENERIC_STRATEGY_WORKFLOW,
      activity: 'executeStrategyDirectly',
      maxConcurrentActivities: 5,
      identity: taskId,
      scaleInProtection: 'on',
    });
    await eventually(async () => {
      const { workersInfo } = await client.workflowService.listWorkers({
        namespace: 'default',
        query: `TaskQueue='${queue}'`,
      });
      return workersInfo?.some(({ workerHeartbeat }) => workerHeartbeat?.workerIdentity === taskId);
    });
  });

  it('fails a workflow with an unknown strategy, naming those that exist', async () => {
    const { queue } = await startWorker();
    const failing = client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue: queue,
      workflowId: 'unknown',
      args: ['sequentail', {}, {}],
    });
    const error = await failing.catch((cause: unknown) => cause as WorkflowFailedError);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect((error as WorkflowFailedError).cause?.message).toBe(
      'There is no strategy named "sequentail". Strategies that exist: sequential.',
    );
  });

  it('finishes an activity that has one attempt only when SIGTERM comes in its middle', async () => {
    const { worker, startActivity } = await startWorker();
    const activity = await startActivity(2);
    await activity.started();
    worker.signal('SIGTERM');
    await expect(activity.result()).resolves.toMatchObject({ asks: 1 });
    expect(await worker.exitCode).toBe(0);
  });

  it('cancels in time what cannot be finished before the end of the drain, and such an attempt fails as retryable', async () => {
    const { worker, startActivity } = await startWorker({ ELASTIC_WORKERS_DRAIN_SECONDS: '10' });
    const activity = await startActivity(60);
    await activity.started();
    worker.signal('SIGTERM');
    const error = await activity.result().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ActivityExecutionFailedError);
    expect((error as Error).cause).toMatchObject({ type: 'WorkerShutdown', nonRetryable: false });
    expect(await worker.exitCode).toBe(0);
  });
});

describe('the scale-in protocol', () => {
  it('protects, drains on a cordon, lifts, and takes up work again when the cordon is taken back', async () => {
    const { worker, taskId, cordon, uncordon, startActivity } = await startWorker();
    expect(ecs.asked.get(taskId)).toEqual([true]);
    const running = await startActivity(12);
    await running.started();
    await cordon();
    await worker.says('Cordoned');
    await expect(running.result()).resolves.toMatchObject({ asks: 1 });
    await eventually(() => ecs.isProtected(taskId) === false);
    const late = await startActivity(0);
    expect(await late.hasStarted()).toBe(false);
    const before = worker.log.length;
    await uncordon();
    await worker.says('Cordon taken back', before);
    await expect(late.result()).resolves.toMatchObject({ asks: 1 });
    expect(ecs.asked.get(taskId)).toEqual([true, false, true]);
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
  });
});
