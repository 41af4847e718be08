/**
 * Failures that could feed on themselves, with the built scaler and workers: each is recognized by its signal, no task is
 * ordered because of it, and once it is over all work is done.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { WORKER_COMMAND } from './faulty-pool.ts';
import { FaultyStack, type TickLine } from './faulty-stack.ts';

jest.setTimeout(400_000);

const policy = { slotsPerTask: 1, maxTasks: 10 };
/** Late enough for the scaler, which ticks every second, to see it. */
const CRASHES_AT_START = ['node', '-e', 'setTimeout(() => process.exit(1), 2000)'];
const faulty = new FaultyStack([
  { name: 'broken', policy },
  { name: 'crashing', policy, command: CRASHES_AT_START },
  { name: 'poisoned', policy },
  { name: 'outage', policy, command: ['node', join(import.meta.dirname, '../scaler/fixtures/plain-worker.mjs')] },
  { name: 'throttled', policy },
  { name: 'stillborn', policy },
  { name: 'mute', policy, command: ['node', '-e', 'setInterval(() => {}, 1000)'] },
]);

beforeAll(async () => {
  await faulty.start();
  // Only time shows that no worker takes it.
  await start('mute', 'unheard', 0.1);
});
afterAll(() => faulty.stop());

test('a new revision of a pool at zero gets one task at once, which is removed after it has started', async () => {
  await faulty.until('the scaler has seen the first one', () => faulty.linesOf('broken').length > 0);
  await faulty.deploy('broken');
  await faulty.until('one task is ordered', () => faulty.linesOf('broken').some(({ reason }) => reason === 'probing'));
  await faulty.until(
    'it has gone',
    () => faulty.linesOf('broken').at(-1)?.desired === 0 && faulty.running('broken').length === 0,
  );
  const probes = [...faulty.tasks.values()].filter(({ service }) => service === 'broken');
  expect(probes.map(({ taskDefinition }) => taskDefinition)).toEqual(['broken:2']);
  const reasons = faulty.linesOf('broken').map(({ reason }) => reason);
  expect(reasons.slice(reasons.indexOf('probing'))).toContain('scale-in');
});

test('a new revision of a pool at zero that does not start is reported even without work', async () => {
  const isFailing = () => faulty.linesOf('stillborn').at(-1)?.figures.revisionFailing === true;
  await faulty.deploy('stillborn', CRASHES_AT_START);
  await faulty.until('it is reported', isFailing);
  expect(faulty.linesOf('stillborn').at(-1)).toMatchObject({ desired: 1, figures: { queued: 0, liveWorkers: 0 } });
  await faulty.deploy('stillborn', WORKER_COMMAND);
  await faulty.until('it is no longer', () => !isFailing());
});

test('a pool at zero gets its first worker as soon as there is work, and that worker takes it', async () => {
  const work = await start('broken', 'first of its revision', 0.1);
  await work.result();
  const task = faulty.tasks.get((await work.describe()).lastWorkerIdentity!);
  expect(task?.taskDefinition).toBe('broken:2');
});

test('missing workflow code fails one workflow task after another: the fleet stays the same size, and the reason says so', async () => {
  const handles = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((number) =>
      faulty.client.workflow.start('NoSuchWorkflow', { taskQueue: 'broken', workflowId: `broken-${number}` }),
    ),
  );
  await faulty.until('it is recognized', () => held('broken', 'workflow-failures').length >= 3);
  expect(growing(held('broken', 'workflow-failures'))).toEqual([]);
  await Promise.all(handles.map((handle) => handle.terminate()));
});

test('an image that crashes at start-up gets no more tasks, and the reason says so; once fixed, all work is done', async () => {
  const work = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((number) => start('crashing', `waits-${number}`, 1)));
  await faulty.until('it is recognized', () => held('crashing', 'not-starting').length >= 3);
  expect(growing(held('crashing', 'not-starting'))).toEqual([]);
  await faulty.deploy('crashing', WORKER_COMMAND);
  await Promise.all(work.map((handle) => handle.result()));
  const recovered = faulty.linesOf('crashing').at(-1)!;
  expect(recovered.reason).not.toBe('not-starting');
});

test('work that kills every worker it reaches is recognized, and no more tasks are ordered for it', async () => {
  const poison = await start('poisoned', 'poison', 100);
  const killed = new Set<string>();
  const strike = async () => {
    const { lastWorkerIdentity: task } = await poison.describe();
    if (task && !killed.has(task) && (await faulty.kill(task))) killed.add(task);
    return held('poisoned', 'crashing').length >= 3;
  };
  // Each attempt waits twice as long as the one before it.
  await faulty.until('it is recognized', strike, 180);
  expect(killed.size).toBeGreaterThanOrEqual(3);
  expect(growing(held('poisoned', 'crashing'))).toEqual([]);
  await poison.terminate('it kills its workers');
  await (await start('poisoned', 'harmless', 0.1)).result();
});

test('during an outage downstream, while all attempts fail, the fleet stays the same size; afterwards all work is done', async () => {
  let out = true;
  const downstream = createServer((_, response) => response.writeHead(out ? 503 : 200).end());
  downstream.listen(0, '127.0.0.1');
  await once(downstream, 'listening');
  const call = (number: number) =>
    faulty.client.activity.start('call', {
      id: `call-${number}`,
      taskQueue: 'outage',
      args: [`http://127.0.0.1:${(downstream.address() as AddressInfo).port}`],
      startToCloseTimeout: '10 seconds',
      retry: { initialInterval: '1 second', backoffCoefficient: 1 },
    });
  const first = await Promise.all([1, 2].map(call));
  await faulty.until('it is recognized', () => held('outage', 'failing').length >= 3);
  const more = await Promise.all(Array.from({ length: 30 }, (_, index) => call(10 + index)));
  const before = held('outage', 'failing').length;
  await faulty.until('it is held', () => held('outage', 'failing').length >= before + 5);
  expect(growing(held('outage', 'failing'))).toEqual([]);

  out = false;
  await Promise.all([...first, ...more].map((handle) => handle.result()));
  downstream.close();
  const since = faulty.linesOf('outage').length;
  await faulty.until('two ticks later', () => faulty.linesOf('outage').length >= since + 3);
  expect(faulty.linesOf('outage').at(-1)?.reason).not.toBe('failing');
});

test('a queue throttled by the server gets no more tasks; without the limit all work is done', async () => {
  await limit(0.5);
  const work = await Promise.all(
    Array.from({ length: 24 }, (_, number) => start('throttled', `throttled-${number}`, 0.1)),
  );
  await faulty.until('it is recognized', () => held('throttled', 'rate-limited').length >= 3);
  expect(growing(held('throttled', 'rate-limited'))).toEqual([]);
  await limit(undefined);
  await Promise.all(work.map((handle) => handle.result()));
});

test('tasks that run but take no work are recognized, and no more are ordered; once fixed, all work is done', async () => {
  await faulty.until('it is recognized', () => held('mute', 'not-serving').length > 0);
  const more = await Promise.all([1, 2, 3, 4].map((number) => start('mute', `unheard-${number}`, 0.1)));
  const before = held('mute', 'not-serving').length;
  await faulty.until('it is held', () => held('mute', 'not-serving').length >= before + 3);
  expect(growing(held('mute', 'not-serving'))).toEqual([]);
  await faulty.deploy('mute', WORKER_COMMAND);
  await Promise.all([faulty.client.activity.getHandle('unheard'), ...more].map((handle) => handle.result()));
});

/** How many activities per second the server dispatches from the queue. */
async function limit(requestsPerSecond: number | undefined): Promise<void> {
  await faulty.client.workflowService.updateTaskQueueConfig({
    namespace: 'default',
    taskQueue: 'throttled',
    taskQueueType: 2,
    updateQueueRateLimit: {
      reason: 'test',
      ...(requestsPerSecond !== undefined && { rateLimit: { requestsPerSecond } }),
    },
  });
}

function start(pool: string, id: string, seconds: number) {
  return faulty.client.activity.start('executeStrategyDirectly', {
    id,
    taskQueue: pool,
    args: ['sequential', { task: id, steps: ['Answer'] }, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '5 minutes',
    heartbeatTimeout: '3 seconds',
    retry: { initialInterval: '1 second', backoffCoefficient: 1 },
  });
}

function held(pool: string, reason: string): TickLine[] {
  return faulty.linesOf(pool).filter((line) => line.reason === reason);
}

function growing(lines: TickLine[]): TickLine[] {
  return lines.filter(({ desired, tasks }) => 'desired' in tasks && desired > tasks.desired);
}
