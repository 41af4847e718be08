/** The manager in this process, with the real Temporal server. */
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { pino } from 'pino';
import { Client, Connection } from '@temporalio/client';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { TemporalWorkerManager } from '../../worker/manager.ts';

jest.setTimeout(120_000);

const logger = new DefaultLogger('ERROR');
let temporal: LocalTemporal;
let client: Client;
let bundle: WorkflowBundle;

beforeAll(async () => {
  temporal = await startTemporal();
  bundle = await bundleWorkflowCode({ workflowsPath: join(import.meta.dirname, '../../worker/workflows.ts'), logger });
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
});

afterAll(async () => {
  await client?.connection.close();
  await temporal?.stop();
});

function managerOf(overrides: Partial<ConstructorParameters<typeof TemporalWorkerManager>[0]> = {}) {
  return new TemporalWorkerManager({
    address: temporal.address,
    namespace: 'default',
    taskQueue: 'manager',
    identity: 'task',
    maxConcurrentActivities: 10,
    heartbeatSeconds: 1,
    drainSeconds: 60,
    workflows: bundle,
    log: pino({ level: 'silent' }),
    ...overrides,
  });
}

/** No heartbeat and one attempt: a task that is dropped is lost, and the test with it. */
let batches = 0;

async function shortActivities(count: number) {
  batches += 1;
  const start = (index: number) =>
    client.activity.start('executeStrategyDirectly', {
      id: `short-${batches}-${index}`,
      taskQueue: 'manager',
      args: ['sequential', { task: `${index}`, steps: ['only'] }, { offlineModel: { secondsPerAsk: 0.02 } }],
      startToCloseTimeout: '5 seconds',
      retry: { maximumAttempts: 1 },
    });
  const activities = await Promise.all(Array.from({ length: count }, (_, index) => start(index)));
  return {
    isDone: async () => (await activities.at(-1)!.describe()).status !== 'RUNNING',
    expectAllDone: async () => {
      for (const activity of activities) await expect(activity.result()).resolves.toMatchObject({ asks: 1 });
    },
  };
}

describe('TemporalWorkerManager', () => {
  it('drops no task while it is paused and resumed again and again under load', async () => {
    const manager = managerOf();
    await manager.startWorker();
    const ended = manager.runWorker();
    const load = await shortActivities(600);
    while (!(await load.isDone())) {
      manager.pause();
      await load.isDone();
      manager.resume();
    }
    await load.expectAllDone();
    await expect(manager.stopWorker()).resolves.toEqual({ unfinished: [] });
    await ended;
  });

  it('drops no task while workers come and go under load', async () => {
    const starter = managerOf();
    await starter.startWorker();
    const load = await shortActivities(1000);
    void starter.runWorker();
    let last = starter;
    for (let index = 0; index < 8; index++) {
      const next = managerOf({ identity: `task ${index}` });
      await next.startWorker();
      void next.runWorker();
      await last.stopWorker();
      last = next;
    }
    await load.expectAllDone();
    await expect(last.stopWorker()).resolves.toEqual({ unfinished: [] });
  });

  it.each([
    [
      'no server',
      () => ({ address: '127.0.0.1:1' }),
      'No Temporal server answers at 127.0.0.1:1: check TEMPORAL_ADDRESS',
    ],
    ['an unknown namespace', () => ({ namespace: 'nope' }), 'does not give access to the namespace "nope": check'],
  ])('answers %s with what to check', async (_, overrides, message) => {
    await expect(managerOf(overrides()).startWorker()).rejects.toThrow(message);
  });

  it('can be stopped before it ran', async () => {
    const manager = managerOf();
    await manager.startWorker();
    await manager.stopWorker();
    await expect(manager.runWorker()).resolves.toEqual({ unfinished: [] });
  });
});
