/** The worker as a process, as others see it: its health, its slots and metrics, its failures. */
import { join } from 'node:path';
import { ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { CreateSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { apiKeyProxy } from './temporal-proxies.ts';
import { WorkerProcess } from './worker-process.ts';
import {
  client,
  cloudwatch,
  eventually,
  killWorkers,
  secrets,
  startActivity,
  startAll,
  startWorker,
  stopAll,
  temporal,
  workers,
} from './process-under-test.ts';

jest.setTimeout(180_000);

beforeAll(startAll);
afterEach(killWorkers);
afterAll(stopAll);

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

  it('is the number of slots that its processes share', async () => {
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

  it('is ended when its event loop is blocked, but not before the server has given up its work', async () => {
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

  it('is in CloudWatch when it has ended', async () => {
    const { worker, queue, startActivity } = await startWorker();
    await (await startActivity(0.2)).result();
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
    const { Metrics } = await cloudwatch.send(new ListMetricsCommand({ Namespace: METRIC_NAMESPACE }));
    const names = Metrics?.filter(({ Dimensions }) => Dimensions?.[0]?.Value === queue).map((each) => each.MetricName);
    expect(names?.sort()).toEqual(['ScheduleToStartSeconds', 'TaskDurationSeconds']);
  });

  it('is never its API key, which it reads from a secret and again after a rotation', async () => {
    const valid = new Set(['first-api-key']);
    const proxy = await apiKeyProxy(temporal.address, valid);
    const name = 'temporal-api-key';
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

  it('is a failure with its cause when every process has crashed again and again', async () => {
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
