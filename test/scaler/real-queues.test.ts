/** Loads that a queue's backlog or the activity slots alone do not show: the real server, and workers as real processes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, Runtime } from '@temporalio/worker';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { QUEUE_TYPES } from '../../scaler/signals/temporal.ts';
import { Fleet } from './fleet.ts';

jest.setTimeout(240_000);

const fixtures = join(import.meta.dirname, 'fixtures');
const directory = mkdtempSync(join(tmpdir(), 'queues-'));
const workflows = join(directory, 'workflows.js');
let fleet: Fleet;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const workflowsPath = join(fixtures, 'queues.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  writeFileSync(workflows, code);
});

afterEach(() => fleet.stop());
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function startFleet(policy: PoolConfig['policy'], environment: Record<string, string> = {}): Promise<void> {
  fleet = new Fleet({
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

function startActivity(id: string, milliseconds: number) {
  return fleet.client.activity.start('takes', {
    id,
    taskQueue: fleet.taskQueue,
    args: [milliseconds],
    startToCloseTimeout: '1 minute',
  });
}

/** From the first report of a worker on, what is ordered in so many ticks. */
async function orderedInTicks(count: number): Promise<number[]> {
  await fleet.until('a worker reports', () => fleet.reporting().length > 0);
  const from = fleet.decisions.length;
  await fleet.until(`${count} ticks`, () => fleet.decisions.length >= from + count);
  return fleet.decisions.slice(from, from + count).map(({ desired }) => desired);
}

const isEmpty = () => fleet.running().length === 0 && fleet.decisions.at(-1)?.desired === 0;

test('workflow tasks alone, which no queue shows, keep a task as long as they come, and no longer', async () => {
  await startFleet({ slotsPerTask: 20 }, { WORKFLOWS: workflows });
  const handles = await Promise.all([1, 2, 3, 4, 5].map((number) => startWorkflow('ticking', `ticking-${number}`)));
  expect(Math.min(...(await orderedInTicks(40)))).toBeGreaterThan(0);
  await Promise.all(handles.map((handle) => handle.signal('stop')));
  await Promise.all(handles.map((handle) => handle.result()));
  await fleet.until('no task is left', isEmpty);
});

test('short activities at a steady rate keep a task as long as they come, and no longer', async () => {
  await startFleet({ slotsPerTask: 20 });
  let started = 0;
  const arriving = setInterval(() => void startActivity(`short-${(started += 1)}`, 20), 100);
  const ordered = await orderedInTicks(40).finally(() => clearInterval(arriving));
  expect(Math.min(...ordered)).toBeGreaterThan(0);
  await fleet.until('no task is left', isEmpty);
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
  await fleet.client.workflowService.updateTaskQueueConfig({
    namespace: 'default',
    identity: 'test',
    taskQueue: fleet.taskQueue,
    taskQueueType: QUEUE_TYPES.activity,
    updateQueueRateLimit: { rateLimit: { requestsPerSecond: perSecond }, reason: 'a test' },
  });
  const ids = Array.from({ length: count }, (_, number) => `limited-${number}`);
  const activities = await Promise.all(ids.map((id) => startActivity(id, seconds * 1000)));
  await Promise.all(activities.map((activity) => activity.result()));
  // On a busy machine an activity may seem to take twice as long. Without its limit, so much would need all tasks.
  const mostTasks = 2 * perSecond * seconds + 1;
  expect(mostTasks).toBeLessThan(maxTasks / 2);
  expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBeLessThanOrEqual(mostTasks);
  await fleet.until('no task is left', isEmpty);
});
