/** The manager in this process, with the real Temporal server. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { Context, type Info } from '@temporalio/activity';
import { ApplicationFailure, Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { pino } from 'pino';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { TemporalWorkerManager } from '../../worker/temporal/manager.ts';
import type { TaskMeasurement } from '../../worker/observability/measurements.ts';
import { RunningActivities } from '../../worker/temporal/running-activities.ts';

jest.setTimeout(120_000);

const logger = new DefaultLogger('ERROR');
let bundle: WorkflowBundle;
let count = 0;
const managers: TemporalWorkerManager[] = [];

/** A worker that a failed test left running would keep polling, and keep Jest from exiting. */
afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.stopWorker()));
});

beforeAll(async () => {
  bundle = await bundleWorkflowCode({ workflowsPath: join(import.meta.dirname, 'fixtures/workflows.ts'), logger });
});

const activities = {
  nap: async (seconds: number) => Context.current().sleep(seconds * 1000),
  fail: async () => {
    throw ApplicationFailure.nonRetryable('as asked');
  },
};

test('an activity’s context is like the SDK’s, and is canceled when the worker has to stop', async () => {
  const [never, running] = [new Promise<never>(() => {}), new RunningActivities()];
  const { signal } = new AbortController();
  const given = new Context(
    { activityId: 'a' } as Info,
    never,
    signal,
    () => {},
    undefined,
    {} as never,
    {} as never,
    {},
  );
  const seen = await running.intercept(given).inbound?.execute?.({ args: [], headers: {} }, async () => {
    const context = Context.current();
    running.leave();
    return [context === given, context instanceof Context, context.info.activityId, context.cancellationSignal.aborted];
  });
  expect(seen).toEqual([false, true, 'a', true]);
});

describe('TemporalWorkerManager, with a server,', () => {
  let temporal: LocalTemporal;
  let client: Client;

  beforeAll(async () => {
    temporal = await startTemporal();
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  });

  afterAll(async () => {
    await client?.connection.close();
    await temporal?.stop();
  });

  async function start(overrides: Partial<ConstructorParameters<typeof TemporalWorkerManager>[0]> = {}) {
    const manager = new TemporalWorkerManager({
      address: temporal.address,
      namespace: 'default',
      taskQueue: 'manager',
      identity: 'task',
      maxConcurrentActivities: 10,
      heartbeatSeconds: 1,
      shutdownGraceSeconds: 50,
      shutdownForceSeconds: 60,
      workflows: bundle,
      worker: { activities },
      log: pino({ level: 'silent' }),
      ...overrides,
    });
    managers.push(manager);
    await manager.startWorker();
    return manager;
  }

  async function pollersOf(taskQueue: string): Promise<number> {
    const asked = { namespace: 'default', taskQueue: { name: taskQueue }, taskQueueType: 2 };
    return (await client.workflowService.describeTaskQueue(asked)).pollers!.length;
  }

  /** No heartbeat and one attempt: a task that is dropped is lost, and the test with it. */
  async function naps(howMany: number, seconds: number) {
    const startOne = () =>
      client.activity.start('nap', {
        id: `nap-${(count += 1)}`,
        taskQueue: 'manager',
        args: [seconds],
        startToCloseTimeout: '20 seconds',
        retry: { maximumAttempts: 1 },
      });
    const all = await Promise.all(Array.from({ length: howMany }, startOne));
    return {
      isDone: async () => (await all.at(-1)!.describe()).status !== 'RUNNING',
      lost: async () =>
        (await Promise.allSettled(all.map((each) => each.result()))).filter(({ status }) => status === 'rejected')
          .length,
    };
  }

  /**
   * On a machine that is too slow, the server itself loses some (4 of 300 seen, with polls as short as these),
   * with the SDK's own worker too. Of canceled polls, one in twenty would be lost.
   */
  const LOST_BY_THE_SERVER = 0.025;

  it('loses no task while it is paused and resumed repeatedly under load', async () => {
    const manager = await start();
    const ended = manager.runWorker();
    const load = await naps(300, 0.02);
    while (!(await load.isDone())) {
      manager.pause();
      await load.isDone();
      manager.resume();
    }
    expect(await load.lost()).toBeLessThanOrEqual(300 * LOST_BY_THE_SERVER);
    await expect(manager.stopWorker()).resolves.toEqual({ unfinished: [] });
    await ended;
  });

  it('loses no task while workers start and stop under load', async () => {
    let last = await start();
    const load = await naps(500, 0.02);
    void last.runWorker();
    for (let index = 0; index < 4; index++) {
      const next = await start({ identity: `task ${index}` });
      void next.runWorker();
      await last.stopWorker();
      last = next;
    }
    expect(await load.lost()).toBeLessThanOrEqual(500 * LOST_BY_THE_SERVER);
    await expect(last.stopWorker()).resolves.toEqual({ unfinished: [] });
  });

  describe('while a local activity runs', () => {
    /** Paused before it ran, so that no poll is open and only the local activity can keep it. */
    async function startPaused() {
      let began = Promise.withResolvers<() => void>();
      const held = () =>
        new Promise<void>((resolve) => {
          began.resolve(resolve);
        });
      const taskQueue = `locals-${(count += 1)}`;
      const manager = await start({ taskQueue, worker: { activities: { held } } });
      manager.pause('cordoned');
      const ended = manager.runWorker();
      const run = (howMany: number) =>
        client.workflow.execute('locals', { taskQueue, workflowId: taskQueue, args: [howMany] });
      const next = async () => {
        const end = await began.promise;
        began = Promise.withResolvers<() => void>();
        return end;
      };
      return { manager, ended, run, next };
    }

    it('counts it as running, and is drained only after it has ended', async () => {
      const { manager, ended, run, next } = await startPaused();
      expect(manager).toMatchObject({ runningActivities: 0, drained: true });
      const done = run(1);
      const end = await next();
      expect(manager).toMatchObject({ runningActivities: 1, drained: false });
      end();
      await done;
      expect(manager).toMatchObject({ runningActivities: 0, drained: true });
      await Promise.all([manager.stopWorker(), ended]);
    });

    it('finishes it and the next ones of its workflow task when it is stopped', async () => {
      const { manager, ended, run, next } = await startPaused();
      const done = run(2);
      const endFirst = await next();
      const stopped = manager.stopWorker();
      endFirst();
      (await next())();
      await expect(stopped).resolves.toEqual({ unfinished: [] });
      await done;
      await ended;
    });
  });

  /** The server itself would end its polls after a minute. */
  it('is drained within seconds of a cordon when idle', async () => {
    const changes = new EventEmitter();
    const manager = await start({ taskQueue: 'idle', onChange: () => changes.emit('change') });
    const ended = manager.runWorker();
    while ((await pollersOf('idle')) === 0);
    manager.pause('cordoned');
    while (!manager.drained) await once(changes, 'change');
    await expect(manager.stopWorker()).resolves.toEqual({ unfinished: [] });
    await ended;
  }, 50_000);

  it('can be stopped before it has run', async () => {
    const manager = await start();
    await manager.stopWorker();
    await expect(manager.runWorker()).resolves.toEqual({ unfinished: [] });
  });

  it('reports the result of an activity that blocked the event loop for long, and takes work again', async () => {
    const main = join(import.meta.dirname, 'fixtures/blocking-worker.mjs');
    const bundlePath = join(import.meta.dirname, '../../dist/worker/workflow-bundle.js');
    const child = spawn(process.execPath, [main, temporal.address, 'blocked', bundlePath], { stdio: 'inherit' });
    const exit = once(child, 'exit');
    const block = (seconds: number) =>
      client.activity.execute('block', {
        id: `block-${(count += 1)}`,
        taskQueue: 'blocked',
        args: [seconds],
        startToCloseTimeout: '5 minutes',
        retry: { maximumAttempts: 1 },
      });
    await expect(block(20)).resolves.toBe('computed');
    await expect(block(0)).resolves.toBe('computed');
    child.kill('SIGTERM');
    await expect(exit).resolves.toEqual([0, null]);
  });

  it('counts its work and reports its health', async () => {
    const seen: TaskMeasurement[] = [];
    const manager = await start({ taskQueue: 'counts', onTask: (task) => seen.push(task) });
    expect(manager.health).toMatchObject({ healthy: false, reason: 'starting' });
    expect(manager).toMatchObject({ tasksProcessed: 0, averageTaskDuration: null, errorRate: null });
    const ended = manager.runWorker();
    expect(manager.isHealthy).toBe(true);
    const execute = (type: string, args: unknown[]) =>
      client.activity.execute(type, {
        id: `count-${(count += 1)}`,
        taskQueue: 'counts',
        args,
        startToCloseTimeout: '1 minute',
      });
    await execute('nap', [0.2]);
    await execute('fail', []).catch(() => undefined);
    expect(manager).toMatchObject({ tasksProcessed: 2, errorRate: 0.5 });
    // A nap of 0.2 s and an immediate failure; a timer may fire a millisecond early.
    expect(manager.averageTaskDuration).toBeGreaterThan(0.09);
    expect(seen.map(({ activityType, outcome }) => [activityType, outcome])).toEqual([
      ['nap', 'succeeded'],
      ['fail', 'failed'],
    ]);
    expect(seen[0]!.scheduleToStartSeconds).toBeLessThan(5);
    manager.pause('cordoned');
    expect(manager.health).toMatchObject({ healthy: false, reason: 'draining' });
    manager.resume();
    expect(manager.isHealthy).toBe(true);
    const stopping = manager.stopWorker();
    expect(manager.health).toMatchObject({ healthy: false, reason: 'draining' });
    await Promise.all([stopping, ended]);
  });
});

describe('TemporalWorkerManager', () => {
  it.each([
    ['no server', { address: '127.0.0.1:1' }, 'No Temporal server answers at 127.0.0.1:1: check TEMPORAL_ADDRESS'],
    ['an unknown namespace', { namespace: 'nope' }, 'denies access to the namespace "nope": check'],
  ])('says what to check for %s', async (_, overrides, message) => {
    const temporal = await startTemporal();
    const manager = new TemporalWorkerManager({
      address: temporal.address,
      namespace: 'default',
      taskQueue: 'none',
      identity: 'task',
      maxConcurrentActivities: 1,
      heartbeatSeconds: 1,
      shutdownGraceSeconds: 1,
      shutdownForceSeconds: 2,
      workflows: bundle,
      worker: { activities },
      log: pino({ level: 'silent' }),
      ...overrides,
    });
    await expect(manager.startWorker()).rejects.toThrow(message);
    await temporal.stop();
  });

  it('reports that it is not connected while the server is down, and continues when it is back', async () => {
    const temporal = await startTemporal();
    const manager = new TemporalWorkerManager({
      address: temporal.address,
      namespace: 'default',
      taskQueue: 'gone',
      identity: 'task',
      maxConcurrentActivities: 1,
      heartbeatSeconds: 1,
      shutdownGraceSeconds: 1,
      shutdownForceSeconds: 2,
      workflows: bundle,
      worker: { activities },
      log: pino({ level: 'silent' }),
      probeSeconds: 0.2,
    });
    await manager.startWorker();
    const ended = manager.runWorker();
    await temporal.stop();
    while (manager.isHealthy) await new Promise(setImmediate);
    expect(manager.health).toMatchObject({ reason: 'not connected' });
    const again = await startTemporal({ port: Number(temporal.address.split(':')[1]) });
    while (!manager.isHealthy) await new Promise(setImmediate);
    await manager.stopWorker();
    await ended;
    await again.stop();
  });
});
