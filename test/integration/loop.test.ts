/**
 * The whole loop with real parts: the Temporal server, `cdk deploy` to the emulator, the Lambda invoked by its schedule,
 * tasks as real processes. Work is pushed; the service is seen to scale out, and in again, and nothing is lost.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CloudWatchClient, DescribeAlarmsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { ECSClient, DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { localClient, readPoolConfigs } from '../../local/observe.ts';
import { readOutcomes } from '../../local/outcomes.ts';
import { startPlant, type Plant } from '../../local/plant.ts';
import { deployStack } from '../../local/stack.ts';
import { ensureTools, LOCAL_DIRECTORY } from '../../local/tools.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/types.ts';

/** As it is, with what is built already. */
const APP = 'node infra/app.ts';
const DIRECTORY = join(LOCAL_DIRECTORY, 'loop');
/** More than one task can do while another starts. */
const PIECES = 80;

const closers: (() => Promise<void>)[] = [];
let plant: Plant;

beforeAll(async () => {
  plant = await startPlant({
    tools: await ensureTools(),
    seed: 1,
    startDelay: { min: 1, max: 2 },
    onProgress: () => {},
    signal: new AbortController().signal,
    closers,
    app: APP,
    directory: DIRECTORY,
    context: { env: 'production' },
  });
}, 180_000);

afterAll(async () => {
  for (const close of closers.toReversed()) await close();
}, 60_000);

test('a fleet is taken to zero, grows for work that waits, loses none of it, and goes back to zero', async () => {
  const pool = plant.pools.find(({ taskQueue }) => taskQueue === 'complex-analysis-queue');
  const desired = await watchDesired(pool?.cluster ?? '', pool?.service ?? '');
  await until(async () => (await desired()) === 0 && tasksAtWork() === 0, 150);

  await Promise.all(
    Array.from({ length: PIECES }, (_, index) => startWork(`work-${index}`, pool?.taskQueue ?? '', 4 + (index % 5))),
  );
  let peak = 0;
  await until(async () => {
    peak = Math.max(peak, await desired());
    return (await countCompleted()) === PIECES;
  }, 180);
  expect(peak).toBeGreaterThan(1);
  await until(async () => (await desired()) === 0 && tasksAtWork() === 0, 120);

  const outcomes = await readOutcomes(plant.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.map(({ end }) => end)).toEqual(Array.from({ length: PIECES }, () => 'completed'));
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
}, 480_000);

test('the metrics on which alarms and dashboard stand are published for each pool', async () => {
  const client = new CloudWatchClient(localClient(plant.emulatorUrl));
  const { Metrics = [] } = await client.send(new ListMetricsCommand({ Namespace: METRIC_NAMESPACE }));
  const names = new Set(Metrics.map(({ MetricName }) => MetricName));
  expect([...names]).toEqual(
    expect.arrayContaining(['Backlog', 'BusySlots', 'DesiredTasks', 'RunningTasks', 'WorkersDown']),
  );
});

test('-c env=staging is deployed over it: two tasks a pool are there, and are watched', async () => {
  const { Dashboard } = await deployPreset('staging');
  await until(async () => plant.pools.every(({ service }) => tasksRunning(service) === 2), 180);
  expect(Dashboard).toBeDefined();
  expect(await countAlarms()).toBe(12);
}, 240_000);

test('-c env=development is deployed over that: workers start with it, and nobody is woken up', async () => {
  const { Dashboard } = await deployPreset('development');
  await until(async () => tasksAtWork() === 0, 180);
  expect(Dashboard).toBeUndefined();
  expect(await countAlarms()).toBe(0);
  expect((await readPoolConfigs(plant.emulatorUrl)).map(({ policy }) => policy.maxTasks)).toEqual([2, 2]);
}, 240_000);

test('no task has ended by itself in all that', () => {
  const codes = plant.fargate.tasks().map(({ stopCode }) => stopCode);
  expect(new Set(codes)).toEqual(new Set(['ServiceSchedulerInitiated']));
});

function deployPreset(env: string) {
  const context = { env, temporalAddress: plant.temporal.address };
  return deployStack({ emulatorUrl: plant.emulatorUrl, app: APP, directory: DIRECTORY, context });
}

async function countAlarms(): Promise<number> {
  const client = new CloudWatchClient(localClient(plant.emulatorUrl));
  const { MetricAlarms = [] } = await client.send(new DescribeAlarmsCommand({ MaxRecords: 100 }));
  return MetricAlarms.length;
}

function tasksRunning(service: string): number {
  const isOf = (task: { service: string }) => service.endsWith(task.service);
  return plant.fargate.tasks().filter((task) => isOf(task) && task.lastStatus === 'RUNNING').length;
}

async function watchDesired(cluster: string, service: string): Promise<() => Promise<number>> {
  const ecs = new ECSClient(localClient(plant.fargate.url));
  return async () => {
    const { services = [] } = await ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
    return services[0]?.desiredCount ?? -1;
  };
}

function tasksAtWork(): number {
  return plant.fargate.tasks().filter(({ lastStatus }) => lastStatus !== 'STOPPED').length;
}

async function countCompleted(): Promise<number> {
  const { count } = await plant.client.workflow.count(`ExecutionStatus = 'Completed'`);
  return count;
}

async function startWork(workflowId: string, taskQueue: string, seconds: number): Promise<void> {
  const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
  const input = { task: workflowId, steps: ['Answer'] };
  await plant.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue,
    workflowId,
    args: ['sequential', input, config],
  });
}

async function until(condition: () => Promise<boolean>, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} seconds: ${condition}`);
    await delay(500);
  }
}
