/** The worker as a process, with the real Temporal server and the emulated state table. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { CreateTableCommand, type CreateTableCommandInput, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { ActivityExecutionFailedError, Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { setTimeout as wait } from 'node:timers/promises';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { cordonKey, PARTITION_KEY, SCALER_KEY } from '../../contract/state-table.ts';
import { type LocalEmulator, emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { cordonReader } from '../../worker/scale-in/cordon.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { checkRequest } from '../refused-requests.ts';
import { FakeEcs } from './fake-ecs.ts';
import { apiKeyProxy } from './temporal-proxies.ts';
import { WorkerProcess } from './worker-process.ts';

jest.setTimeout(180_000);

const TABLE = 'state';
const ROLE = 'AROATEST';
const SCHEMA: Omit<CreateTableCommandInput, 'TableName'> = {
  BillingMode: 'PAY_PER_REQUEST',
  KeySchema: [{ AttributeName: PARTITION_KEY, KeyType: 'HASH' }],
  AttributeDefinitions: [{ AttributeName: PARTITION_KEY, AttributeType: 'S' }],
};
let temporal: LocalTemporal;
let emulator: LocalEmulator;
let ecs: FakeEcs;
let client: Client;
let table: DynamoDBDocumentClient;
let cloudwatch: CloudWatchClient;
let secrets: SecretsManagerClient;
let heartbeatOfScaler: NodeJS.Timeout;
const workers: WorkerProcess[] = [];
let count = 0;

beforeAll(async () => {
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
  await table.send(new CreateTableCommand({ TableName: TABLE, ...SCHEMA }));
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
  return { handle, hasStarted, started: () => eventually(hasStarted), result: () => handle.result() };
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
      maxConcurrentActivities: 5,
      identity: taskId,
      scaleInProtection: 'on',
    });
    expect(await worker.says('Strategies')).toMatchObject({
      strategies: expect.arrayContaining(['sequential']),
      workflow: GENERIC_STRATEGY_WORKFLOW,
      activity: 'executeStrategyDirectly',
    });
    expect(await worker.says('ELASTIC_WORKERS_MODEL is not set')).toMatchObject({ level: 'warn' });
    await eventually(async () => {
      const { workersInfo } = await client.workflowService.listWorkers({
        namespace: 'default',
        query: `TaskQueue='${queue}'`,
      });
      return workersInfo?.some(({ workerHeartbeat }) => workerHeartbeat?.workerIdentity === taskId);
    });
  });

  it('asks the model of Bedrock’s that it was given, with the role’s credentials', async () => {
    const asked: unknown[] = [];
    const bedrock = createServer(async (request, response) => {
      const { url, headers } = request;
      asked.push([url, headers.authorization?.includes('/us-east-1/bedrock/aws4_request')]);
      const modelId = decodeURIComponent(url!.split('/')[2]!);
      await checkRequest(emulator.url, 'bedrock-runtime.Converse', { modelId, ...((await json(request)) as object) });
      const output = { message: { role: 'assistant', content: [{ text: 'Hi' }] } };
      const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ output, usage, stopReason: 'end_turn' }));
    });
    await once(bedrock.listen(0, '127.0.0.1'), 'listening');
    const { worker, queue } = await startWorker({
      ELASTIC_WORKERS_MODEL: 'bedrock:global.amazon.nova-2-lite-v1:0',
      AWS_ENDPOINT_URL_BEDROCK_RUNTIME: `http://127.0.0.1:${(bedrock.address() as AddressInfo).port}`,
    });
    const args = ['specialist', { task: 'Say hi' }];
    const options = { taskQueue: queue, workflowId: 'bedrock', args };
    const { output } = await client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, options);
    expect(output).toEqual({ answer: 'Hi' });
    expect(asked).toEqual([['/model/global.amazon.nova-2-lite-v1%3A0/converse', true]]);
    expect(worker.log.map(({ message }) => message).join()).not.toContain('ELASTIC_WORKERS_MODEL');
    bedrock.close();
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
      'There is no strategy named "sequentail". Strategies that exist: map_reduce, router, sequential, specialist.',
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
    // By itself the grace ends a second before the drain: too little for a busy machine to report the attempt.
    const drain = { ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: '5', ELASTIC_WORKERS_DRAIN_SECONDS: '15' };
    const { worker, startActivity } = await startWorker(drain);
    const activity = await startActivity(60);
    await activity.started();
    worker.signal('SIGTERM');
    const error = await activity.result().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ActivityExecutionFailedError);
    expect((error as Error).cause).toMatchObject({ type: 'WorkerShutdown', nonRetryable: false });
    expect(await worker.exitCode).toBe(0);
  });
});

describe('what others see of the worker', () => {
  it('is the truth about its health, and what it did, in all its processes', async () => {
    const { worker, startActivity } = await startWorker({ ELASTIC_WORKERS_PROCESSES: '2' });
    const { health, metrics } = await worker.says('Listening for health checks');
    const get = (port: unknown, path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await eventually(async () => (await get(health, '/health')).status === 200);
    for (const each of await Promise.all([startActivity(0), startActivity(0), startActivity(0)])) await each.result();
    await eventually(async () => (await (await get(health, '/metrics')).json()).tasks_processed === 3);
    // One process may have done it all while the other still starts.
    let text = '';
    await eventually(async () => {
      text = await (await get(metrics, '/metrics')).text();
      return /^active_workers 2$/m.test(text) && /^temporal_\w+\{.*process="\w+#2"\} /m.test(text);
    });
    expect(text).toMatch(/^task_duration_seconds_count\{.*\} /m);
    const long = await startActivity(8);
    await long.started();
    worker.signal('SIGTERM');
    await eventually(async () => (await get(health, '/health')).status === 503);
    expect(await (await get(health, '/health')).json()).toMatchObject({ reason: 'draining' });
    expect((await get(health, '/health/live')).status).toBe(200);
    await expect(long.result()).resolves.toMatchObject({ asks: 1 });
    expect(await worker.exitCode).toBe(0);
  });

  it('is how many slots its processes have come to, of which each has a share', async () => {
    const { queue } = await startWorker({
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '3..50',
    });
    const slots = async () => {
      const query = `TaskQueue='${queue}' AND WorkerStatus='Running'`;
      const { workersInfo } = await client.workflowService.listWorkers({ namespace: 'default', query });
      const all = workersInfo?.map(({ workerHeartbeat }) => workerHeartbeat?.activityTaskSlotsInfo) ?? [];
      return all.map((each) => [each?.slotSupplierKind, each?.currentAvailableSlots]).toSorted();
    };
    await eventually(async () => (await slots()).filter(([kind]) => kind === 'Elastic').length === 2);
    expect(await slots()).toEqual([
      ['Elastic', 1],
      ['Elastic', 2],
    ]);
  });

  it('is ended when its event loop stands still, but not before the server has given up what it ran', async () => {
    const { worker, queue } = await startWorker({
      ELASTIC_WORKERS_HUNG_SECONDS: '5',
      BLOCKED_SECONDS: '3600',
      LOG_LEVEL: 'debug',
      NODE_OPTIONS: `--import=${join(import.meta.dirname, '../faults/fixtures/blocking.mjs')}`,
    });
    const { handle } = await startActivity(queue, 3600);
    // The server calls it started before the event loop has heard of it.
    await worker.says('Activity started');
    worker.signal('SIGUSR2');
    expect(await worker.exitCode).toBeNull();
    expect(worker.log.at(-1)).toMatchObject({ level: 'fatal', message: expect.stringContaining('has been blocked') });
    expect((await handle.describe()).status).toBe('TIMED_OUT');
  });

  it('is in CloudWatch when it has left', async () => {
    const { worker, queue, startActivity } = await startWorker();
    await (await startActivity(0.2)).result();
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
    const { Metrics } = await cloudwatch.send(new ListMetricsCommand({ Namespace: METRIC_NAMESPACE }));
    const names = Metrics?.filter(({ Dimensions }) => Dimensions?.[0]?.Value === queue).map((each) => each.MetricName);
    expect(names?.sort()).toEqual(['ScheduleToStartSeconds', 'TaskDurationSeconds']);
  });

  it('never is its API key, which a secret holds and a rotation changes under it', async () => {
    const valid = new Set(['first-api-key']);
    const proxy = await apiKeyProxy(temporal.address, valid);
    const name = `temporal-${count}`;
    await secrets.send(new CreateSecretCommand({ Name: name, SecretString: 'first-api-key' }));
    const { worker, startActivity } = await startWorker({
      TEMPORAL_ADDRESS: proxy.address,
      TEMPORAL_TLS: 'false',
      LOG_LEVEL: 'trace',
      ELASTIC_WORKERS_TEMPORAL_SECRET: name,
      ELASTIC_WORKERS_CREDENTIALS_POLL_SECONDS: '1',
    });
    valid.add('second-api-key');
    await secrets.send(new PutSecretValueCommand({ SecretId: name, SecretString: 'second-api-key' }));
    await worker.says('New credentials');
    valid.delete('first-api-key');
    await expect((await startActivity(0)).result()).resolves.toMatchObject({ asks: 1 });
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
    expect(JSON.stringify(worker.log)).not.toMatch(/(first|second)-api-key/);
    await proxy.stop();
  });

  it.each([
    ['an unreachable server', { TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'No Temporal server answers at 127.0.0.1:1'],
    ['a wrong namespace', { TEMPORAL_NAMESPACE: 'nope' }, 'denies access to the namespace "nope"'],
    ['an unknown variable', { ELASTIC_WORKERS_POOLS: 'x' }, 'did you mean ELASTIC_WORKERS_POOL?'],
    [
      'a wrong namespace, with two processes',
      { TEMPORAL_NAMESPACE: 'nope', ELASTIC_WORKERS_PROCESSES: '2' },
      'denies access to the namespace "nope"',
    ],
  ])('is one message and a failure at its start with %s', async (_, overrides, message) => {
    const worker = new WorkerProcess({
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_TASK_QUEUE: 'none',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '2',
      ...overrides,
    });
    workers.push(worker);
    expect(await worker.exitCode).toBe(1);
    const problems = worker.log.filter(({ level }) => level === 'fatal');
    expect(problems.map((line) => line.message)).toEqual([expect.stringContaining(message)]);
  });

  it('is a failure that names why when every process has crashed again and again', async () => {
    const worker = new WorkerProcess({
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_TASK_QUEUE: 'none',
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '2',
      // The SDK's core cannot read it, and each process fails with that.
      TOKIO_WORKER_THREADS: 'none',
    });
    workers.push(worker);
    expect(await worker.exitCode).toBe(1);
    expect(worker.log.at(-1)).toMatchObject({
      level: 'fatal',
      message: expect.stringContaining('Every worker process crashed 5 times in a row, the last one with exit code 1'),
    });
  });
});

describe('the scale-in protocol', () => {
  it('protects, drains on a cordon, lifts, and takes up work again when the cordon is taken back', async () => {
    const { worker, taskId, cordon, uncordon, startActivity } = await startWorker();
    await worker.says('Protected from scale-in');
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

  it('hears of a scaler that acts, and not of one that only observes', async () => {
    Object.assign(process.env, emulatorCredentials(emulator.url));
    const read = cordonReader('observed', ROLE, 'a', 'pool');
    await table.send(new CreateTableCommand({ TableName: 'observed', ...SCHEMA }));
    const put = (item: object) =>
      table.send(new PutCommand({ TableName: 'observed', Item: { id: SCALER_KEY, ...item } }));
    await put({ tickAt: 7 });
    const nothing = { known: true, cordoned: false, deployingTasks: 0 };
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 7 });
    await put({ tickAt: 'yesterday' });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: undefined });
    await put({ tickAt: 8, observing: true });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: undefined });
    await put({ tickAt: 9, deploying: { another: 3 } });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 9 });
    await put({ tickAt: 10, deploying: { another: 3, pool: 2 } });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 10, deployingTasks: 2 });
  });

  it('is the task’s with several processes too: one protection, lifted when all of them are drained', async () => {
    const { worker, taskId, cordon, startActivity } = await startWorker({
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '2',
    });
    const running = [await startActivity(10), await startActivity(10)];
    for (const each of running) await each.started();
    await cordon();
    await worker.says('Cordoned');
    expect(ecs.isProtected(taskId)).toBe(true);
    for (const each of running) await expect(each.result()).resolves.toMatchObject({ asks: 1 });
    await eventually(() => ecs.isProtected(taskId) === false);
    expect(ecs.asked.get(taskId)).toEqual([true, false]);
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
  });
});
