/** Symptoms in docs/troubleshooting.md that no other test reproduces: with the real server and the real worker. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { setTimeout as wait } from 'node:timers/promises';
import { examineTemporal } from '../../cli/doctor/temporal.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { ensureTools } from '../../local/tools.ts';
import { decide, DEFAULT_POLICY, type Signals, type WorkerReading } from '../../scaler/policy.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { WorkerProcess } from '../worker/worker-process.ts';
import { commandsIn } from './commands.ts';
import { documents } from './markdown.ts';

jest.setTimeout(300_000);

let temporal: LocalTemporal;
let client: Client;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  temporal = await startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } });
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

afterAll(async () => {
  await client?.connection.close();
  await temporal?.stop();
});

async function startWorker(
  taskQueue: string,
  overrides: Record<string, string> = {},
  stderr?: 'ignore',
): Promise<WorkerProcess> {
  const environment = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_TASK_QUEUE: taskQueue,
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '5',
    ELASTIC_WORKERS_HEARTBEAT_SECONDS: '1',
    ELASTIC_WORKERS_HEALTH_PORT: 'off',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
    ...overrides,
  };
  const worker = new WorkerProcess(environment, stderr);
  workers.push(worker);
  await worker.says('Worker state changed');
  return worker;
}

function startWorkflow(taskQueue: string, workflowId: string, type = GENERIC_STRATEGY_WORKFLOW) {
  const args = ['sequential', { task: 'x', steps: ['a'] }, {}];
  return client.workflow.start(type, { taskQueue, workflowId, args });
}

interface ActivitySettings {
  startToCloseTimeout?: string;
  scheduleToStartTimeout?: string;
  heartbeatTimeout?: string;
}

let count = 0;

function startActivity(taskQueue: string, seconds: number, settings: ActivitySettings = {}, task = 'test') {
  count += 1;
  return client.activity.start('executeStrategyDirectly', {
    id: `activity-${count}`,
    taskQueue,
    args: ['sequential', { task, steps: ['a'] }, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '30 seconds',
    retry: { maximumAttempts: 1 },
    ...settings,
  } as Parameters<typeof client.activity.start>[1]);
}

async function backlogOf(taskQueue: string): Promise<number> {
  const { stats } = await client.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name: taskQueue, kind: 1 },
    taskQueueType: 1,
    reportStats: true,
  });
  return Number(stats?.approximateBacklogCount ?? 0);
}

/** Polls until the condition holds; the test's own timeout is the only limit. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(200);
}

describe('no task is processed', () => {
  it('when the client misspells the queue’s name; the doctor suggests the right one', async () => {
    await startWorker('orders-queue');
    const lost = await startWorkflow('orders_queue', 'lost');
    const place = { address: temporal.address, namespace: 'default', tls: false };
    const pool = { pool: 'orders', taskQueue: 'orders-queue', cluster: 'none', service: 'none', taskRoleId: 'none' };
    const places = {
      pools: [{ ...pool, policy: {}, protection: 'worker' as const, temporal: place }],
      readSecret: () => Promise.reject(new Error('there is none')),
    };
    const queueNames = async () =>
      (await examineTemporal(places, new Map(), Date.now())).find(({ check }) => check === 'queue names');
    await eventually(async () => (await queueNames())?.ok === false);
    expect((await queueNames())?.says).toContain("did you mean 'orders-queue'?");
    // The doctor has also read it, and the server caches an answer for some seconds.
    await eventually(async () => (await backlogOf('orders_queue')) === 1);
    await lost.terminate();
  });

  it('when only a query arrives: it fails, and no queue shows it', async () => {
    const worker = await startWorker('queried-queue');
    const done = await startWorkflow('queried-queue', 'queried');
    await done.result();
    await worker.kill();
    await eventually(async () => (await backlogOf('queried-queue')) === 0);
    // Longer than the server caches an answer, so that one answer is from the time of the query.
    const asking = client.connection.withDeadline(Date.now() + 10_000, () => done.query('progress'));
    const failed = asking.then(
      () => false,
      () => true,
    );
    const backlogs = new Set<number>();
    let isOver = false;
    void failed.then(() => (isOver = true));
    await eventually(async () => {
      backlogs.add(await backlogOf('queried-queue'));
      return isOver;
    });
    expect(await failed).toBe(true);
    expect([...backlogs]).toEqual([0]);
  });

  it('when no worker of the queue knows the workflow type: its task fails repeatedly, and the workflow stays open', async () => {
    await startWorker('known-queue');
    const handle = await startWorkflow('known-queue', 'unknown-type', 'NoSuchWorkflow');
    const attempts = async () => Number((await handle.describe()).raw.pendingWorkflowTask?.attempt ?? 0);
    await eventually(async () => (await attempts()) > 1);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate();
  });
});

describe('the backlog counts work that does not exist', () => {
  it('after workflows were terminated, until a worker polls their tasks', async () => {
    const handles = await Promise.all([1, 2, 3].map((id) => startWorkflow('ghost-queue', `ghost-${id}`)));
    await eventually(async () => (await backlogOf('ghost-queue')) === 3);
    await Promise.all(handles.map((handle) => handle.terminate()));
    // The count is current once it includes the fourth; the three terminated ones are still in it.
    const alive = await startWorkflow('ghost-queue', 'alive');
    await eventually(async () => (await backlogOf('ghost-queue')) === 4);
    await startWorker('ghost-queue');
    await expect(alive.result()).resolves.toMatchObject({ asks: 1 });
    await eventually(async () => (await backlogOf('ghost-queue')) === 0);
  });
});

describe('the documents’ Temporal snippets', () => {
  const snippets = documents().flatMap((page) => page.snippets);

  it('start a workflow that completes', async () => {
    await startWorker('quick-response-queue');
    const starting = snippets.filter(({ text }) => text.includes('client.workflow.start'));
    expect(starting.length).toBeGreaterThan(1);
    for (const { text } of starting) {
      await new AsyncFunction('client', text)(client);
      await expect(client.workflow.getHandle('hello').result()).resolves.toMatchObject({ asks: 2 });
    }
  });

  it('are commands that the server answers', async () => {
    const { temporal: program } = await ensureTools();
    const handle = await startWorkflow('nobody-polls-queue', 'asked-for');
    const commands = snippets
      .filter(({ language }) => language === 'sh')
      .flatMap(({ text }) => commandsIn(text))
      .filter(([name]) => name === 'temporal')
      .map(([, ...words]) => words.map((word) => word.replace('$WORKFLOW_ID', 'asked-for')));
    expect(commands.length).toBeGreaterThan(5);
    for (const words of commands) {
      await promisify(execFile)(program, [...words, '--address', temporal.address]);
    }
    await handle.terminate();
  });
});

/** It has no global name. */
const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (
  ...text: string[]
) => (...values: unknown[]) => Promise<void>;

describe('an activity times out', () => {
  const timeoutOf = async (result: Promise<unknown>) =>
    ((await result.catch((cause: unknown) => cause)) as { cause?: { timeoutType?: string } }).cause?.timeoutType;

  it('in the queue if no worker takes it, while running if it takes too long, and unnoticed if its worker was killed', async () => {
    const waiting = await startActivity('nobody-queue', 0, { scheduleToStartTimeout: '2 seconds' });
    const worker = await startWorker('slow-queue');
    const long = await startActivity('slow-queue', 20, { startToCloseTimeout: '1 second' });
    expect(await timeoutOf(waiting.result())).toBe('SCHEDULE_TO_START');
    expect(await timeoutOf(long.result())).toBe('START_TO_CLOSE');
    const silent = await startActivity('slow-queue', 20, { heartbeatTimeout: '3 seconds' });
    await eventually(async () => (await silent.describe()).lastStartedTime !== undefined);
    await worker.kill();
    expect(await timeoutOf(silent.result())).toBe('HEARTBEAT');
  });
});

describe('the memory that a worker needs', () => {
  it('is its slots times the size of their work: with too many slots it runs out of memory, with few it does not', async () => {
    const start = (queue: string, slots: string) =>
      startWorker(
        queue,
        { NODE_OPTIONS: '--max-old-space-size=96', ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: slots },
        'ignore',
      );
    const large = 'x'.repeat(1_500_000);
    const load = (queue: string, seconds: number) =>
      Promise.all(
        Array.from({ length: 60 }, () => startActivity(queue, seconds, { startToCloseTimeout: '10 minutes' }, large)),
      );

    const [few, many] = await Promise.all([start('few-slots-queue', '2'), start('many-slots-queue', '60')]);
    const done = await load('few-slots-queue', 0);
    await Promise.all(done.map((activity) => activity.result()));
    // Long enough for all sixty to run at once, however slowly they start.
    await load('many-slots-queue', 100);
    expect(await many.exitCode).not.toBe(0);
    few.signal('SIGTERM');
    expect(await few.exitCode).toBe(0);
  });
});

const QUIET = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };

function workerOf(task: string | null, usedSlots: number): WorkerReading {
  return { key: task ?? 'other', task, ageSeconds: 1, usedSlots, slots: 20, processed: 0, failed: 0 };
}

describe('the count goes up and down', () => {
  it('when another controller sets it too: each decision is undone, always with the same reason', () => {
    let memory: unknown;
    const decisions = Array.from({ length: 60 }, (_, tick) => {
      // The other controller has set it to three again meanwhile.
      const tasks = { desired: 3, running: ['a', 'b', 'c'], pending: [], cordoned: [] };
      const workers = tasks.running.map((task) => workerOf(task, 0));
      const signals: Signals = { activityQueue: QUIET, workflowQueue: QUIET, workers, tasks };
      const outcome = decide(signals, memory, DEFAULT_POLICY, 1_763_860_000_000 + tick * 10_000);
      memory = outcome.memory;
      return outcome.decision;
    });
    const last = decisions.slice(-10).map(({ reason, desired }) => `${reason} ${desired}`);
    expect(last).toEqual(Array.from({ length: 10 }, () => 'scale-in 0'));
  });
});

describe('other services’ workers on the same queue', () => {
  it('are counted: the pool is sized for the remaining work', () => {
    const tasks = { desired: 1, running: ['a'], pending: [], cordoned: [] };
    const workers = [workerOf('a', 20), workerOf(null, 20), { ...workerOf(null, 20), key: 'another' }];
    const signals: Signals = { activityQueue: QUIET, workflowQueue: QUIET, workers, tasks };
    const { decision } = decide(signals, undefined, DEFAULT_POLICY, 1_763_860_000_000);
    expect(decision.desired).toBe(1);
    expect(decision.detail).toContain("40 slots are other workers'");
  });
});
