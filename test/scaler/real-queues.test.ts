/** Loads that neither the backlog nor the activity slots show: with the real server, and workers as real processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { QUEUE_TYPES } from '../../scaler/read/temporal.ts';
import { Fleet } from './fleet.ts';

jest.setTimeout(480_000);

const fixtures = join(import.meta.dirname, 'fixtures');
const directory = mkdtempSync(join(tmpdir(), 'queues-'));
const workflows = join(directory, 'workflows.js');

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' });
  const workflowsPath = join(fixtures, 'queues.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  writeFileSync(workflows, code);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface FleetSetup {
  policy: PoolConfig['policy'];
  environment?: Record<string, string>;
  dynamicConfig?: Record<string, unknown>;
}

/** Runs on its own server and fleet. Such a test mostly waits, so several run at once. */
function withFleet({ policy, environment, dynamicConfig }: FleetSetup, run: (fleet: Fleet) => Promise<void>) {
  return async () => {
    const fleet = new Fleet({
      ...(dynamicConfig && { dynamicConfig }),
      directory: fixtures,
      command: ['node', 'queue-worker.mjs'],
      pool: { protection: 'sidecar', policy: { maxTasks: 10, ...policy } },
      environment: { SLOTS: String(policy.slotsPerTask), ...environment },
    });
    try {
      await fleet.start();
      await run(fleet);
    } finally {
      await fleet.stop();
    }
  };
}

function startWorkflow({ client, taskQueue }: Fleet, type: string, workflowId: string, ...args: unknown[]) {
  return client.workflow.start(type, { taskQueue, workflowId, args });
}

function limitQueue({ client, taskQueue }: Fleet, limits: { queue?: number; key?: number }) {
  const limit = (requestsPerSecond: number | undefined) =>
    requestsPerSecond === undefined ? {} : { rateLimit: { requestsPerSecond }, reason: 'a test' };
  return client.workflowService.updateTaskQueueConfig({
    namespace: 'default',
    identity: 'test',
    taskQueue,
    taskQueueType: QUEUE_TYPES.activity,
    ...(limits.queue !== undefined && { updateQueueRateLimit: limit(limits.queue) }),
    ...(limits.key !== undefined && { updateFairnessKeyRateLimitDefault: limit(limits.key) }),
  });
}

function startActivity({ client, taskQueue }: Fleet, id: string, milliseconds: number) {
  return client.activity.start('takes', { id, taskQueue, args: [milliseconds], startToCloseTimeout: '1 minute' });
}

const names = (first: string, count: number) => Array.from({ length: count }, (_, number) => `${first}-${number}`);

function startActivities(fleet: Fleet, first: string, count: number, milliseconds: number) {
  return Promise.all(names(first, count).map((id) => startActivity(fleet, id, milliseconds)));
}

/** Starts activities of this length at this rate, by the clock, while `meanwhile` runs. */
async function atRate<T>(
  fleet: Fleet,
  perSecond: number,
  milliseconds: number,
  meanwhile: () => Promise<T>,
): Promise<T> {
  const [began, ended] = [Date.now(), new AbortController()];
  const arrive = async (): Promise<void> => {
    for (let started = 0; !ended.signal.aborted; await setTimeout(1000 / perSecond)) {
      const due = Math.floor(((Date.now() - began) / 1000) * perSecond) - started;
      await Promise.all(
        Array.from({ length: due }, () => startActivity(fleet, `flowing-${(started += 1)}`, milliseconds)),
      );
    }
  };
  const arriving = arrive();
  try {
    return await Promise.race([meanwhile(), arriving as Promise<never>]);
  } finally {
    ended.abort();
    await arriving;
  }
}

/** The orders of this many ticks after a worker has first reported. */
async function orderedInTicks(fleet: Fleet, count: number): Promise<number[]> {
  await fleet.until('a worker reports', () => fleet.reporting().length > 0);
  const from = fleet.decisions.length;
  await fleet.until(`${count} ticks`, () => fleet.decisions.length >= from + count);
  return fleet.decisions.slice(from, from + count).map(({ desired }) => desired);
}

/** A fleet without work is back at its minimum by then. */
const MINIMUM_WITHIN_SECONDS = 300;
/** Several times what it takes on an idle machine. */
const SETTLED_WITHIN_SECONDS = 180;

const ascending = (counts: number[]) => counts.toSorted((a, b) => a - b);
const descending = (counts: number[]) => counts.toSorted((a, b) => b - a);

/**
 * Whether the last 15 orders since this tick went only up or only down: the estimate of a fleet's size improves over time. On a busy
 * machine this process may start activities late, and a fleet follows what really arrives; so it has several such windows.
 */
function hasSettled({ decisions }: Fleet, from: number): boolean {
  const orders = decisions.slice(Math.max(from, decisions.length - 15)).map(({ desired }) => desired);
  return (
    orders.length === 15 && [ascending(orders), descending(orders)].some((sorted) => isDeepStrictEqual(sorted, orders))
  );
}

const isEmpty = (fleet: Fleet) => fleet.running().length === 0 && fleet.decisions.at(-1)?.desired === 0;

/** A tick is reported after it has acted, so the task may be there before the decision. */
function hasOneTask(fleet: Fleet): boolean {
  return fleet.running().length === 1 && fleet.decisions.at(-1)?.desired === 1;
}

/** Nothing is queued, and no worker is busy. */
function isQuiet(fleet: Fleet): boolean {
  const { activityQueue } = fleet.records.at(-1)!;
  return 'backlog' in activityQueue && activityQueue.backlog === 0 && fleet.busySlots() === 0;
}

function hasNoRate(fleet: Fleet): boolean {
  const { workflowQueue } = fleet.records.at(-1)!;
  return 'addRate' in workflowQueue && workflowQueue.addRate === 0;
}

function answerWithin<T>({ client }: Fleet, milliseconds: number, ask: () => Promise<T>): Promise<T> {
  return client.connection.withDeadline(Date.now() + milliseconds, ask);
}

test.concurrent(
  'workflow tasks alone, which no queue shows, keep a task as long as they arrive, and no longer',
  withFleet({ policy: { slotsPerTask: 20 }, environment: { WORKFLOWS: workflows } }, async (fleet) => {
    const ids = names('ticking', 5);
    const handles = await Promise.all(ids.map((id) => startWorkflow(fleet, 'ticking', id)));
    expect(Math.min(...(await orderedInTicks(fleet, 15)))).toBeGreaterThan(0);
    await Promise.all(handles.map((handle) => handle.signal('stop')));
    await Promise.all(handles.map((handle) => handle.result()));
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
  }),
);

test.concurrent(
  'short activities at a steady rate keep a task as long as they arrive, and no longer',
  withFleet({ policy: { slotsPerTask: 20 } }, async (fleet) => {
    const ordered = await atRate(fleet, 10, 20, () => orderedInTicks(fleet, 15));
    expect(Math.min(...ordered)).toBeGreaterThan(0);
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
  }),
);

test.concurrent(
  'a steady twelve activities per second keep the fleet the same size, and an empty queue orders nothing',
  withFleet({ policy: { slotsPerTask: 4 } }, async (fleet) => {
    await atRate(fleet, 12, 500, async () => {
      await fleet.until('its tasks report', () => fleet.reporting().length >= 2);
      await orderedInTicks(fleet, 15);
      const from = fleet.decisions.length;
      await fleet.until('it settles', () => hasSettled(fleet, from), SETTLED_WITHIN_SECONDS);
    });
    await fleet.until('nothing is queued or busy', () => isQuiet(fleet));
    const from = fleet.decisions.length - 1;
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
    const ordered = fleet.decisions.slice(from).map(({ desired }) => desired);
    expect(ordered).toEqual(descending(ordered));
  }),
);

test.concurrent(
  'a pool with full workflow slots scales out, although its activity slots are free',
  withFleet(
    {
      policy: { slotsPerTask: 20, minTasks: 1, maxTasks: 2 },
      environment: { WORKFLOWS: workflows, WORKFLOW_SLOTS: '1' },
    },
    async (fleet) => {
      await Promise.all(names('computing', 100).map((id) => startWorkflow(fleet, 'computing', id, 20)));
      await fleet.until('a second task runs', () => fleet.running().length === 2);
      expect(fleet.busySlots()).toBe(0);
    },
  ),
);

test.concurrent(
  'work that a task does not take, although its slots look free, gets a second task',
  withFleet(
    { policy: { slotsPerTask: 20, targetWaitSeconds: 10 }, environment: { ACTIVITIES_A_SECOND: '0.02' } },
    async (fleet) => {
      await startActivities(fleet, 'not-taken', 3, 1000);
      await fleet.until('two tasks are ordered', () => fleet.decisions.at(-1)?.desired === 2);
      expect(fleet.reporting().every(({ usedSlots, slots }) => usedSlots < slots!)).toBe(true);
    },
  ),
);

test.concurrent(
  'a pool with a rate-limited queue gets the tasks that the limit keeps busy, and one more',
  withFleet({ policy: { slotsPerTask: 1, maxTasks: 20, targetWaitSeconds: 5 } }, async (fleet) => {
    const [perSecond, seconds, count] = [1, 3, 40];
    await limitQueue(fleet, { queue: perSecond });
    const activities = await startActivities(fleet, 'limited', count, seconds * 1000);
    await Promise.all(activities.map((activity) => activity.result()));
    // On a busy machine an activity may seem to take twice as long. Without its limit, the queue would need all 20 tasks.
    const mostTasks = 2 * perSecond * seconds + 1;
    expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBeLessThanOrEqual(mostTasks);
  }),
);

test.concurrent(
  'a pool whose tasks take fewer activities than configured is sized by what they really take',
  withFleet({ policy: { slotsPerTask: 20, maxTasks: 5 }, environment: { SLOTS: '2' } }, async (fleet) => {
    const activities = await startActivities(fleet, 'few-slots', 10, 40_000);
    await fleet.until('five tasks for ten activities', () => fleet.decisions.at(-1)?.desired === 5);
    await Promise.all(activities.map((activity) => activity.result()));
    expect(fleet.errors).toEqual([]);
  }),
);

test.concurrent(
  'work done by other services’ workers orders no tasks',
  withFleet({ policy: { slotsPerTask: 2 } }, async (fleet) => {
    const connection = await NativeConnection.connect({ address: fleet.temporal.address });
    const foreign = await Worker.create({
      connection,
      taskQueue: fleet.taskQueue,
      maxConcurrentActivityTaskExecutions: 10,
      activities: { takes: (milliseconds: number) => setTimeout(milliseconds) },
    });
    await foreign.runUntil(async () => {
      await fleet.until('it reports', () => fleet.reporting().length > 0);
      const activities = await startActivities(fleet, 'elsewhere', 10, 10_000);
      const from = fleet.decisions.length;
      await Promise.all(activities.map((activity) => activity.result()));
      const ordered = fleet.decisions.slice(from).map(({ desired }) => desired);
      expect(Math.max(...ordered)).toBeLessThanOrEqual(1);
    });
    await connection.close();
  }),
);

test.concurrent(
  'work that a restarted server queues again is not counted twice',
  withFleet({ policy: { slotsPerTask: 2, minTasks: 4 } }, async (fleet) => {
    await fleet.until('four tasks report', () => fleet.reporting().length === 4);
    const activities = await startActivities(fleet, 'in-flight', 8, 30_000);
    await fleet.until('all slots are taken', () => fleet.busySlots() === 8);
    const from = fleet.decisions.length;
    await fleet.restartTemporal('SIGKILL');
    const restarted = fleet.decisions.length;
    await fleet.until('a dozen ticks', () => fleet.decisions.length >= restarted + 12);
    const ordered = fleet.decisions.slice(from).map(({ desired }) => desired);
    expect(Math.max(...ordered)).toBeLessThanOrEqual(5);
    await Promise.all(activities.map((activity) => activity.result()));
  }),
);

test.concurrent(
  'a limit for one key does not hold back the work of other keys',
  withFleet(
    {
      policy: { slotsPerTask: 2, minTasks: 1 },
      environment: { WORKFLOWS: workflows },
      dynamicConfig: { 'matching.useNewMatcher': true, 'matching.enableFairness': true },
    },
    async (fleet) => {
      await limitQueue(fleet, { key: 1 });
      const workflow = await startWorkflow(fleet, 'keyed', 'keyed', 15, 10_000);
      await fleet.until('tasks for the others', () => fleet.running().length >= 3);
      await workflow.result();
      expect((await workflow.describe()).status.name).toBe('COMPLETED');
    },
  ),
);

test.concurrent(
  'queued work that no worker gets keeps one task, not the fleet',
  withFleet({ policy: { slotsPerTask: 2 } }, async (fleet) => {
    await fleet.tag({ minTasks: '3' });
    await limitQueue(fleet, { queue: 0 });
    await startActivity(fleet, 'never', 1);
    await fleet.until('three tasks run', () => fleet.running().length === 3);
    await fleet.tag({ minTasks: '0' });
    await fleet.until('one is left', () => hasOneTask(fleet), MINIMUM_WITHIN_SECONDS);
    expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBe(3);
  }),
);

test.concurrent(
  'an activity that polls by failing keeps one task, not the fleet',
  withFleet({ policy: { slotsPerTask: 2 } }, async (fleet) => {
    await fleet.tag({ minTasks: '3' });
    await fleet.client.activity.start('fails', {
      id: 'polling',
      taskQueue: fleet.taskQueue,
      startToCloseTimeout: '1 minute',
      retry: { initialInterval: '500ms', backoffCoefficient: 1 },
    });
    await fleet.until('it is seen to fail', () => fleet.decisions.at(-1)?.reason === 'failing');
    await fleet.until('three tasks run', () => fleet.running().length === 3);
    await fleet.tag({ minTasks: '0' });
    await fleet.until('one is left', () => hasOneTask(fleet), MINIMUM_WITHIN_SECONDS);
    expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBe(3);
  }),
);

test.concurrent(
  'a query to a pool at zero orders a task, which answers the next query',
  withFleet({ policy: { slotsPerTask: 2 }, environment: { WORKFLOWS: workflows } }, async (fleet) => {
    const workflow = await startWorkflow(fleet, 'waiting', 'asked');
    await fleet.until('its first task is done', async () => (await workflow.fetchHistory()).events!.length >= 4);
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
    await fleet.until('its queue shows no rate', () => hasNoRate(fleet));
    await expect(answerWithin(fleet, 1000, () => workflow.query('answer'))).rejects.toThrow('Failed to query Workflow');
    await fleet.until('a task runs', () => fleet.running().length === 1);
    const answer = () => answerWithin(fleet, 5000, () => workflow.query('answer')).catch(() => undefined);
    expect(await fleet.until('it answers', answer)).toBe(42);
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
  }),
);

test.concurrent(
  'a Nexus operation to a pool at zero completes',
  withFleet({ policy: { slotsPerTask: 2 } }, async (fleet) => {
    await fleet.client.connection.operatorService.createNexusEndpoint({
      spec: { name: 'answers', target: { worker: { namespace: 'default', taskQueue: fleet.taskQueue } } },
    });
    const connection = await NativeConnection.connect({ address: fleet.temporal.address });
    const callers = await Worker.create({
      connection,
      taskQueue: 'callers',
      workflowBundle: { codePath: workflows },
    });
    const answer = await callers.runUntil(
      fleet.client.workflow.execute('calling', { taskQueue: 'callers', workflowId: 'calling' }),
    );
    expect(answer).toBe(42);
    await connection.close();
    await fleet.until('no task is left', () => isEmpty(fleet), MINIMUM_WITHIN_SECONDS);
  }),
);
