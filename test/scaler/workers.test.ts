/** How the scaler handles an incomplete list of workers: a real server, and a proxy that leaves data out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { TemporalReader } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { grpcFront, withoutField, type GrpcFront } from '../cli/grpc-front.ts';

jest.setTimeout(120_000);

const directory = mkdtempSync(join(tmpdir(), 'workers-'));
const started: LocalTemporal[] = [];
const fronts: GrpcFront[] = [];
const readers: TemporalReader[] = [];
const workers: { worker: Worker; running: Promise<void>; connection: NativeConnection }[] = [];

beforeAll(() => void Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' }));

afterAll(async () => {
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ running }) => running));
  await Promise.all(workers.map(({ connection }) => connection.close()));
  await Promise.all(readers.map((reader) => reader.close()));
  for (const front of fronts) front.stop();
  await Promise.all(started.map((server) => server.stop()));
  rmSync(directory, { recursive: true, force: true });
});

async function server(dynamicConfig: Record<string, unknown> = {}): Promise<string> {
  const temporal = await startTemporal({ directory, dynamicConfig: dynamicConfig as never });
  started.push(temporal);
  return temporal.address;
}

async function serve(address: string, identity: string, more: Partial<WorkerOptions> = {}): Promise<void> {
  const connection = await NativeConnection.connect({ address });
  const options = { connection, identity, taskQueue: 'q', activities: { nothing: async () => undefined } };
  const worker = await Worker.create({ ...options, ...more });
  workers.push({ worker, connection, running: worker.run() });
}

/** What the scaler reads there about the queue's workers, now. */
function readerOf(address: string, taskQueue = 'q') {
  const reader = new TemporalReader({ address, namespace: 'default' });
  readers.push(reader);
  return async () => (await reader.read([{ pool: 'p', taskQueue }], Date.now())).get('p')!.workers;
}

async function until<T>(read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
  }
}

const tasksOf = (read: Awaited<ReturnType<ReturnType<typeof readerOf>>>) =>
  'unknown' in read ? read.unknown : read.map(({ task }: ReportedWorker) => task).toSorted();

test('workers of a namespace that collects no heartbeats are unknown, with the reason', async () => {
  const read = readerOf(await server({ 'frontend.WorkerHeartbeatsEnabled': false }));
  expect(await read()).toEqual({ unknown: 'worker heartbeats are turned off in the namespace default' });
});

test('an empty list from a namespace that collects heartbeats means that there are no workers', async () => {
  expect(await readerOf(await server())()).toEqual([]);
});

test('workers listed without slots are read one by one, and are unknown if that gives no slots either', async () => {
  const address = await server();
  await Promise.all([serve(address, 'task1'), serve(address, 'task2')]);
  await until(readerOf(address), (read) => !('unknown' in read) && read.length === 2);
  const hidden = new Set(['ListWorkers']);
  const front = await grpcFront(address, (call, answer) => (hidden.has(call) ? withoutField(1, answer) : answer));
  fronts.push(front);
  const read = readerOf(front.address);
  const described = await read();
  expect(tasksOf(described)).toEqual(['task1', 'task2']);
  expect(described).toMatchObject([{ usedSlots: 0, slots: 100 }, { slots: 100 }]);

  // Earlier readings stay valid, and age.
  hidden.add('DescribeWorker');
  expect(tasksOf(await read())).toEqual(['task1', 'task2']);
  expect(await readerOf(front.address)()).toEqual({
    unknown: 'workers are listed without their slots: DescribeWorker does not return them either',
  });
  hidden.clear();
  expect(tasksOf(await readerOf(front.address)())).toEqual(['task1', 'task2']);
});

describe('a namespace shared with others', () => {
  const listings: string[] = [];
  let address: string;

  beforeAll(async () => {
    address = await server();
    await Promise.all([serve(address, 'ours'), serve(address, 'theirs', { taskQueue: 'another' })]);
    for (const taskQueue of ['q', 'another'])
      await until(readerOf(address, taskQueue), (read) => !('unknown' in read) && read.length === 1);
  });

  /** A reader whose server changes the list of workers. */
  async function reading(change: (answer: Buffer) => Buffer) {
    listings.length = 0;
    const front = await grpcFront(address, (call, answer) => {
      const changed = call === 'ListWorkers' ? change(answer) : answer;
      if (call === 'ListWorkers') listings.push(changed.toString('latin1'));
      return changed;
    });
    fronts.push(front);
    return readerOf(front.address);
  }

  test('is queried only for the pools’ workers', async () => {
    const read = await reading((answer) => answer);
    expect(tasksOf(await read())).toEqual(['ours']);
    expect(listings.filter((listed) => listed.includes('theirs'))).toEqual([]);
  });

  test('is queried for all workers if it returns none for that', async () => {
    const read = await reading((answer) => (listings.length === 0 ? Buffer.alloc(0) : answer));
    expect(tasksOf(await read())).toEqual(['ours']);
    expect(tasksOf(await read())).toEqual(['ours']);
    expect(listings.map((listed) => listed.includes('theirs'))).toEqual([false, true, true]);
  });
});

describe('slots of other kinds of work', () => {
  const slots = { usedSlots: expect.any(Number), processed: expect.any(Number) };
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));

  test('are read only for the workers that run such work', async () => {
    const address = await server();
    const workflowsPath = join(import.meta.dirname, 'fixtures/locals.ts');
    const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    const tuner = { tunerOptions: { targetMemoryUsage: 0.9, targetCpuUsage: 0.9 } };
    await Promise.all([
      serve(address, 'activities'),
      serve(address, 'workflows', { workflowBundle, activities: { hold: () => held } }),
      serve(address, 'unbounded', { workflowBundle, taskQueue: 'unbounded', activities: { hold: () => held }, tuner }),
    ]);
    const client = new Client({ connection: await Connection.connect({ address }) });
    const start = (taskQueue: string) => client.workflow.start('holding', { taskQueue, workflowId: taskQueue });
    const workflows = [await start('q'), await start('unbounded')];

    const { activities, ...others } = await until(
      () => everyOne(address),
      (read) =>
        read['activities'] !== undefined &&
        read['workflows']?.localActivities === 1 &&
        read['unbounded']?.localActivities === 1,
    );
    expect(activities).not.toHaveProperty('workflowTasks');
    expect(activities).not.toHaveProperty('localActivities');
    expect(others['workflows']).toMatchObject({ usedSlots: 0, slots: 100, workflowTasks: { ...slots, slots: 40 } });
    expect(others['unbounded']).toMatchObject({ slots: null, workflowTasks: { ...slots, slots: null } });

    letGo();
    await Promise.all(workflows.map((workflow) => workflow.result()));
    const after = await until(
      () => everyOne(address),
      (read) => (read['workflows']?.workflowTasks?.processed ?? 0) > 0 && !read['workflows']?.localActivities,
    );
    expect(after['workflows']).not.toHaveProperty('nexusTasks');
    await client.connection.close();
  });

  /** The workers of both queues, by identity. */
  async function everyOne(address: string): Promise<Record<string, ReportedWorker>> {
    const reader = new TemporalReader({ address, namespace: 'default' });
    readers.push(reader);
    const queues = ['q', 'unbounded'].map((taskQueue) => ({ pool: taskQueue, taskQueue }));
    const read = [...(await reader.read(queues, Date.now())).values()].flatMap(({ workers: of }) =>
      'unknown' in of ? [] : of,
    );
    return Object.fromEntries(read.map((worker) => [worker.task, worker]));
  }
});
