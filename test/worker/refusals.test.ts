/** A busy worker while the server refuses it for longer than the Temporal SDK tolerates, or its credentials are revoked. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Client, Connection } from '@temporalio/client';
import { emulatorCredentials, type LocalEmulator, startEmulator } from '../../local/emulator.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { apiKeyProxy, type Proxy, type Refusal, refusingProxy } from './temporal-proxies.ts';
import { WorkerProcess } from './worker-process.ts';

// These tests mostly wait, so they run in parallel.
jest.setTimeout(600_000);

let temporal: LocalTemporal;
let emulator: LocalEmulator;
let client: Client;
let secrets: SecretsManagerClient;
const workers: WorkerProcess[] = [];
const proxies: Proxy[] = [];
let count = 0;

beforeAll(async () => {
  [temporal, emulator] = await Promise.all([
    // The SDK's tolerance starts when the open polls have ended.
    startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } }),
    startEmulator(),
  ]);
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  secrets = new SecretsManagerClient({ endpoint: emulator.url, region: 'us-east-1', credentials });
});

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.kill()));
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  secrets?.destroy();
  await client?.connection.close();
  await Promise.all([temporal?.stop(), emulator?.stop()]);
});

/** One whose activities send no heartbeats (see the fixture). */
const SILENT = join(import.meta.dirname, 'fixtures/silent-worker.mjs');

async function startWorker(address: string, processes: number, more: Record<string, string> = {}, main?: string) {
  const queue = `refused-${(count += 1)}`;
  const environment = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_TASK_QUEUE: queue,
    ELASTIC_WORKERS_PROCESSES: `${processes}`,
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '4',
    ELASTIC_WORKERS_HEALTH_PORT: '0',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
    ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
    ELASTIC_WORKERS_MODEL: 'offline:',
    ELASTIC_WORKERS_DRAIN_SECONDS: '30',
    ...more,
  };
  const worker = new WorkerProcess(environment, 'inherit', main);
  workers.push(worker);
  const { health } = await worker.says('Listening for health checks');
  const status = async (path: string) => (await fetch(`http://127.0.0.1:${health}${path}`)).status;
  return { worker, status, begin: (seconds: number) => begin(queue, seconds) };
}

/** One attempt and no heartbeat: dropped work is lost. Resolves once it runs, with its result. */
async function begin(taskQueue: string, seconds: number) {
  const handle = await client.activity.start('executeStrategyDirectly', {
    id: `activity-${Math.random()}`,
    taskQueue,
    args: ['sequential', { task: 'test', steps: ['step'] }, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '8 minutes',
    retry: { maximumAttempts: 1 },
  });
  while ((await handle.describe()).lastStartedTime === undefined) await wait(50);
  return { result: () => handle.result() };
}

async function newKey(name: string, key: string): Promise<Record<string, string>> {
  await secrets.send(new CreateSecretCommand({ Name: name, SecretString: key }));
  return {
    ...emulatorCredentials(emulator.url),
    TEMPORAL_TLS: 'false',
    ELASTIC_WORKERS_TEMPORAL_SECRET: name,
    ELASTIC_WORKERS_CREDENTIALS_POLL_SECONDS: '3600',
  };
}

const asked = expect.objectContaining({ asks: 1 });

/** Longer than a minute of refusals: by then the SDK's Workers that give up have done so. */
const givenUp = (worker: WorkerProcess) => worker.says('Polls were refused');

describe('a worker', () => {
  const GIVES_UP: [Refusal, number][] = [
    [7, 1],
    [7, 2],
    [16, 1],
    [12, 1],
    [5, 1],
  ];
  const GOES_ON: [Refusal, number][] = [
    [8, 1],
    ['http 504', 1],
    ['goaway', 1],
  ];

  it.concurrent(
    'refused by the server for longer than the SDK tolerates finishes its work, reports it later, and takes work again',
    async () => {
      const start = async ([refusal, processes]: [Refusal, number]) => {
        const proxy = await refusingProxy(temporal.address);
        proxies.push(proxy);
        const { begin, ...rest } = await startWorker(proxy.address, processes, {}, refusal === 5 ? SILENT : undefined);
        return { ...rest, begin, refusal, proxy, running: [await begin(15), await begin(90)] };
      };
      const cases = await Promise.all([...GIVES_UP, ...GOES_ON].map(start));
      for (const { proxy, refusal } of cases) proxy.state.refusal = refusal;
      await Promise.all(cases.slice(0, GIVES_UP.length).map(({ worker }) => givenUp(worker)));
      for (const { status } of cases)
        expect([await status('/health'), await status('/health/live')]).toEqual([503, 200]);
      for (const { proxy } of cases) proxy.state.refusal = undefined;
      for (const { begin, running, status } of cases) {
        await expect((await begin(0)).result()).resolves.toEqual(asked);
        for (const each of running) await expect(each.result()).resolves.toEqual(asked);
        expect(await status('/health')).toBe(200);
      }
      for (const { worker } of cases) worker.signal('SIGTERM');
      for (const { worker } of cases) expect(await worker.exitCode).toBe(0);
    },
  );

  it.concurrent(
    'refused by the server still stops within its drain time, and names the results it could not report',
    async () => {
      const proxy = await refusingProxy(temporal.address);
      proxies.push(proxy);
      const { worker, begin, status } = await startWorker(proxy.address, 1, { ELASTIC_WORKERS_DRAIN_SECONDS: '5' });
      // Longer than an answer is valid, so that it is refused when this ends.
      await begin(5);
      proxy.state.refusal = 14;
      while ((await status('/health')) === 200) await wait(50);
      worker.signal('SIGTERM');
      expect(await worker.exitCode).toBe(1);
      expect(await worker.says('activities unfinished')).toMatchObject({
        unfinished: [expect.objectContaining({ activityType: 'executeStrategyDirectly', attempt: 1 })],
      });
    },
  );

  it.concurrent.each([1, 2])(
    'whose API key is rotated and revoked at once reads the new key at once, with %i process(es), and loses nothing',
    async (n) => {
      const valid = new Set(['first-key']);
      const proxy = await apiKeyProxy(temporal.address, valid);
      proxies.push(proxy);
      const name = `revoked-${n}`;
      const { worker, begin } = await startWorker(proxy.address, n, await newKey(name, 'first-key'));
      const running = await begin(5);
      await secrets.send(new PutSecretValueCommand({ SecretId: name, SecretString: 'second-key' }));
      valid.add('second-key');
      valid.delete('first-key');
      await worker.says('New credentials');
      await expect((await begin(0)).result()).resolves.toEqual(asked);
      await expect(running.result()).resolves.toEqual(asked);
    },
  );

  it.concurrent(
    'whose API key is revoked long before there is a new one reports its results with the new one',
    async () => {
      const valid = new Set(['first-key']);
      const proxy = await apiKeyProxy(temporal.address, valid);
      proxies.push(proxy);
      const { worker, begin } = await startWorker(proxy.address, 1, await newKey('late', 'first-key'));
      const running = [await begin(5), await begin(90)];
      valid.clear();
      await givenUp(worker);
      valid.add('second-key');
      await secrets.send(new PutSecretValueCommand({ SecretId: 'late', SecretString: 'second-key' }));
      await expect((await begin(0)).result()).resolves.toEqual(asked);
      for (const each of running) await expect(each.result()).resolves.toEqual(asked);
    },
  );
});
