/** Loads that a queue's backlog or the activity slots alone do not show: the real server, and workers as real processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { QUEUE_TYPES } from '../../scaler/signals/temporal.ts';
import { Fleet } from './fleet.ts';

jest.setTimeout(480_000);

const fixtures = join(import.meta.dirname, 'fixtures');
const directory = mkdtempSync(join(tmpdir(), 'queues-'));
const workflows = join(directory, 'workflows.js');
let fleet: Fleet;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' });
  const workflowsPath = join(fixtures, 'queues.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  writeFileSync(workflows, code);
});

afterEach(() => fleet.stop());
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function startFleet(
  policy: PoolConfig['policy'],
  environment: Record<string, string> = {},
  dynamicConfig: Record<string, unknown> = {},
): Promise<void> {
  fleet = new Fleet({
    dynamicConfig,
    directory: fixtures,
    command: ['node', 'queue-worker.mjs'],
    pool: { protection: 'scaler', policy: { maxTasks: 10, ...policy } },
    environment: { SLOTS: String(policy.slotsPerTask), ...environment },
  });
  await fleet.start();
}

function startWorkflow(type: string, workflowId: string, ...args: unknown[]) {
  return fleet.client.workflow.start(type, { taskQueue: fleet.taskQueue, workflowId, args });
}

function limitQueue(limits: { queue?: number; key?: number }) {
  const limit = (requestsPerSecond: number | undefined) =>
    requestsPerSecond === undefined ? {} : { rateLimit: { requestsPerSecond }, reason: 'a test' };
  return fleet.client.workflowService.updateTaskQueueConfig({
    namespace: 'default',
    identity: 'test',
    taskQueue: fleet.taskQueue,
    taskQueueType: QUEUE_TYPES.activity,
    ...(limits.queue !== undefined && { updateQueueRateLimit: limit(limits.queue) }),
    ...(limits.key !== undefined && { updateFairnessKeyRateLimitDefault: limit(limits.key) }),
  });
}

function startActivity(id: string, milliseconds: number) {
  return fleet.client.activity.start('takes', {
    id,
    taskQueue: fleet.taskQueue,
    args: [milliseconds],
    startToCloseTimeout: '1 minute',
  });
}

const names = (first: string, count: number) => Array.from({ length: count }, (_, number) => `${first}-${number}`);

/** From the first report of a worker on, what is ordered in so many ticks. */
async function orderedInTicks(count: number): Promise<number[]> {
  await fleet.until('a worker reports', () => fleet.reporting().length > 0);
  const from = fleet.decisions.length;
  await fleet.until(`${count} ticks`, () => fleet.decisions.length >= from + count);
  return fleet.decisions.slice(from, from + count).map(({ desired }) => desired);
}

/** A fleet without work is back at its minimum by then. */
const MINIMUM_WITHIN_SECONDS = 300;

const isEmpty = () => fleet.running().length === 0 && fleet.decisions.at(-1)?.desired === 0;

test('workflow tasks alone, which no queue shows, keep a task as long as they come, and no longer', async () => {
  await startFleet({ slotsPerTask: 20 }, { WORKFLOWS: workflows });
  const handles = await Promise.all([1, 2, 3, 4, 5].map((number) => startWorkflow('ticking', `ticking-${number}`)));
  expect(Math.min(...(await orderedInTicks(25)))).toBeGreaterThan(0);
  await Promise.all(handles.map((handle) => handle.signal('stop')));
  await Promise.all(handles.map((handle) => handle.result()));
  await fleet.until('no task is left', isEmpty, MINIMUM_WITHIN_SECONDS);
});

test('short activities at a steady rate keep a task as long as they come, and no longer', async () => {
  await startFleet({ slotsPerTask: 20 });
  let started = 0;
  const arriving = setInterval(() => void startActivity(`short-${(started += 1)}`, 20), 100);
  const ordered = await orderedInTicks(25).finally(() => clearInterval(arriving));
  expect(Math.min(...ordered)).toBeGreaterThan(0);
  await fleet.until('no task is left', isEmpty, MINIMUM_WITHIN_SECONDS);
});

test('a pool whose workflow slots are taken grows, though its activity slots are free', async () => {
  await startFleet({ slotsPerTask: 20, minTasks: 1, maxTasks: 2 }, { WORKFLOWS: workflows, WORKFLOW_SLOTS: '1' });
  await Promise.all(Array.from({ length: 100 }, (_, number) => startWorkflow('computing', `computing-${number}`, 20)));
  await fleet.until('a second task runs', () => fleet.running().length === 2);
  expect(fleet.busySlots()).toBe(0);
});

test('a pool whose queue lets only so much through gets the tasks that this keeps busy, and one more', async () => {
  const maxTasks = 20;
  await startFleet({ slotsPerTask: 1, maxTasks, targetWaitSeconds: 5 });
  const [perSecond, seconds, count] = [1, 3, 40];
  await limitQueue({ queue: perSecond });
  const activities = await Promise.all(names('limited', count).map((id) => startActivity(id, seconds * 1000)));
  await Promise.all(activities.map((activity) => activity.result()));
  // On a busy machine an activity may seem to take twice as long. Without its limit, so much would need all tasks.
  const mostTasks = 2 * perSecond * seconds + 1;
  expect(mostTasks).toBeLessThan(maxTasks / 2);
  expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBeLessThanOrEqual(mostTasks);
});

test('a pool whose tasks take fewer activities than its owner says is sized by what they take', async () => {
  await startFleet({ slotsPerTask: 20, maxTasks: 5 }, { SLOTS: '2' });
  const activities = await Promise.all(names('few-slots', 10).map((id) => startActivity(id, 15_000)));
  await fleet.until('five tasks for ten activities', () => fleet.decisions.at(-1)?.desired === 5);
  await Promise.all(activities.map((activity) => activity.result()));
  expect(fleet.errors).toEqual([]);
});

test('work that is at somebody else’s workers orders no tasks', async () => {
  await startFleet({ slotsPerTask: 2 });
  const connection = await NativeConnection.connect({ address: fleet.temporal.address });
  const foreign = await Worker.create({
    connection,
    taskQueue: fleet.taskQueue,
    maxConcurrentActivityTaskExecutions: 10,
    activities: { takes: (milliseconds: number) => setTimeout(milliseconds) },
  });
  await foreign.runUntil(async () => {
    const activities = await Promise.all(names('elsewhere', 10).map((id) => startActivity(id, 10_000)));
    const from = fleet.decisions.length;
    await Promise.all(activities.map((activity) => activity.result()));
    const ordered = fleet.decisions.slice(from).map(({ desired }) => desired);
    expect(Math.max(...ordered)).toBeLessThanOrEqual(1);
  });
  await connection.close();
});

test('what a restarted server queues again is not counted twice', async () => {
  await startFleet({ slotsPerTask: 2, minTasks: 4 });
  await fleet.until('four tasks report', () => fleet.reporting().length === 4);
  const activities = await Promise.all(names('in-flight', 8).map((id) => startActivity(id, 30_000)));
  await fleet.until('all slots are taken', () => fleet.busySlots() === 8);
  const from = fleet.decisions.length;
  await fleet.restartTemporal();
  const restarted = fleet.decisions.length;
  await fleet.until('a dozen ticks', () => fleet.decisions.length >= restarted + 12);
  const ordered = fleet.decisions.slice(from).map(({ desired }) => desired);
  expect(Math.max(...ordered)).toBeLessThanOrEqual(5);
  await Promise.all(activities.map((activity) => activity.result()));
});

test('a limit for one key does not hold the work of the others', async () => {
  const fair = { 'matching.useNewMatcher': true, 'matching.enableFairness': true };
  await startFleet({ slotsPerTask: 2, minTasks: 1 }, { WORKFLOWS: workflows }, fair);
  await limitQueue({ key: 1 });
  const workflow = await startWorkflow('keyed', 'keyed', 15, 10_000);
  await fleet.until('tasks for the others', () => fleet.running().length >= 3);
  await workflow.result();
  expect((await workflow.describe()).status.name).toBe('COMPLETED');
});

test('a queued task that no worker is given keeps one task, and not the fleet', async () => {
  await startFleet({ slotsPerTask: 2 });
  await fleet.tag({ minTasks: '3' });
  await limitQueue({ queue: 0 });
  await startActivity('never', 1);
  await fleet.until('three tasks run', () => fleet.running().length === 3);
  await fleet.tag({ minTasks: '0' });
  await fleet.until('one is left', () => fleet.running().length === 1, MINIMUM_WITHIN_SECONDS);
  expect(fleet.decisions.at(-1)).toMatchObject({ desired: 1 });
});

test('an activity that polls by failing keeps one task, and not the fleet', async () => {
  await startFleet({ slotsPerTask: 2 });
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
  await fleet.until('one is left', () => fleet.running().length === 1, MINIMUM_WITHIN_SECONDS);
  expect(fleet.decisions.at(-1)).toMatchObject({ desired: 1 });
});
