/**
 * The whole loop with real parts: the Temporal server, `cdk deploy` to the emulator, the Lambda invoked by its schedule,
 * tasks as real processes. Work is pushed; the service is seen to scale out, and in again, and nothing is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { ECSClient, DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { localClient } from '../../local/observe.ts';
import { readOutcomes } from '../../local/outcomes.ts';
import { startPlant, type Plant } from '../../local/plant.ts';
import { ensureTools } from '../../local/tools.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/types.ts';

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
    Array.from({ length: 40 }, (_, index) => startWork(`work-${index}`, pool?.taskQueue ?? '', 4 + (index % 5))),
  );
  let peak = 0;
  await until(async () => {
    peak = Math.max(peak, await desired());
    return (await countCompleted()) === 40;
  }, 180);
  expect(peak).toBeGreaterThan(1);
  await until(async () => (await desired()) === 0 && tasksAtWork() === 0, 120);

  const outcomes = await readOutcomes(plant.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.map(({ end }) => end)).toEqual(Array.from({ length: 40 }, () => 'completed'));
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
