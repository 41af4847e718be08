/** Open workflows in a worker with the memory of a small task. */
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { MemoryWatch } from '../../worker/slots/memory-watch.ts';
import { workflowMemoryFor } from '../../worker/temporal/workflow-memory.ts';
import { until } from '../until.ts';
import { WorkerProcess } from './worker-process.ts';

jest.setTimeout(400_000);

const MEBIBYTE = 2 ** 20;
const MAIN = join(import.meta.dirname, 'fixtures/memory-worker.mjs');

describe('the number of cached workflows', () => {
  test('depends on the memory, or on the heap if that is smaller', () => {
    const cached = (gibibytes: number, heap: number) =>
      workflowMemoryFor({ gibibytes }, heap * MEBIBYTE).cachedWorkflows;
    expect(cached(2, 1536)).toBe(264);
    expect(cached(1, 1536)).toBe(123);
    expect(cached(2, 768)).toBe(123);
    expect(cached(0.5, 4096)).toBe(52);
    expect(cached(0.25, 4096)).toBe(16);
  });
});

test('a memory shortage is logged once, and again only after memory was free in between', () => {
  const told: number[] = [];
  let part = 0;
  const watch = new MemoryWatch({ read: () => part, onShort: (short) => told.push(short) });
  for (part of [0.5, 0.89, 0.92, 0.99, 0.85, 0.95, 0.7, 0.91]) watch.look();
  expect(told).toEqual([0.92, 0.91]);
});

describe('with a heap of half a gibibyte', () => {
  let temporal: LocalTemporal;
  let client: Client;
  const workers: WorkerProcess[] = [];

  beforeAll(async () => {
    temporal = await startTemporal();
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  });
  afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.kill()))));
  afterAll(async () => {
    await client?.connection.close();
    await temporal?.stop();
  });

  async function startWorker(taskQueue: string, settings: Record<string, string> = {}): Promise<WorkerProcess> {
    const environment = {
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_TASK_QUEUE: taskQueue,
      ELASTIC_WORKERS_PROCESSES: '1',
      ELASTIC_WORKERS_HEALTH_PORT: 'off',
      ELASTIC_WORKERS_METRICS_PORT: 'off',
      NODE_OPTIONS: '--max-old-space-size=512 --disable-warning=ExperimentalWarning',
      ...settings,
    };
    const worker = new WorkerProcess(environment, 'ignore', MAIN);
    workers.push(worker);
    await worker.says('Worker started');
    return worker;
  }

  /** Each is in memory once its first workflow task is done, which is the fourth event of its history, or its worker has ended. */
  async function open(taskQueue: string, hasEnded = () => false): Promise<void> {
    const { workflowId } = await client.workflow.start('parked', { taskQueue, workflowId: `open-${Math.random()}` });
    const handle = client.workflow.getHandle(workflowId);
    const isInMemory = async () => hasEnded() || (await handle.describe()).historyLength >= 4;
    await until('it is in memory', 60, isInMemory, undefined, 10);
  }

  test('more open workflows than fit are served, and an evicted one continues from its history', async () => {
    const worker = await startWorker('bounded');
    const first = await client.workflow.start('parked', { taskQueue: 'bounded', workflowId: 'first' });
    for (let count = 0; count < 200; count += 1) await open('bounded');
    await first.signal('release');
    expect(await first.result()).toBe(300_000);
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
  });

  test('a worker configured to cache more than fits exits, and says what to set', async () => {
    const worker = await startWorker('unbounded', { ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS: '10000' });
    const ended = new AbortController();
    void worker.exitCode.then(() => ended.abort());
    while (!ended.signal.aborted) await open('unbounded', () => ended.signal.aborted).catch(() => undefined);
    expect(await worker.exitCode).toBe(1);
    const said = worker.log.filter(
      ({ level, message }) => level === 'fatal' || message === 'A new worker is taking work',
    );
    expect(said.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /out of memory, with \d+ of 10000 workflows cached\. If workflows fill it, lower ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS;/,
      ),
    ]);
  });
});
