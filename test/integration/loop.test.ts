/**
 * The whole loop with real parts: the Temporal server, `cdk deploy` to the emulator, the Lambda invoked by its schedule,
 * tasks as real processes. Work is queued; the service scales out, and in again, and nothing is lost.
 */
import { CloudWatchClient, DescribeAlarmsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { localClient, readPoolConfigs } from '../../local/observe.ts';
import { readOutcomes } from '../../local/outcomes.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { ELSEWHERE } from '../rights/needed.ts';
import { loggedCalls, statementsIn, unusedActions } from '../rights/statements.ts';
import { TestedPlant } from './tested-plant.ts';
import { until } from '../until.ts';

/** More than one task can complete while another starts. */
const PIECES = 80;

/** With more tasks on one machine, the Temporal server gets too little CPU, and then loses attempts itself. */
const tested = new TestedPlant('loop', { maxTasks: 4 });

beforeAll(() => tested.start(), 300_000);
afterAll(() => tested.stop(), 120_000);

test('a fleet scales in to zero, scales out for waiting work, loses none of it, and returns to zero', async () => {
  const pool = tested.pools.find(({ taskQueue }) => taskQueue === 'complex-analysis-queue');
  const desired = await watchDesired(pool?.cluster ?? '', pool?.service ?? '');
  const isAtZero = async () => (await desired()) === 0 && tested.tasksAtWork() === 0;
  await until('the fleet is at zero', 150, isAtZero);

  await Promise.all(
    Array.from({ length: PIECES }, (_, index) =>
      tested.startWork(`work-${index}`, pool?.taskQueue ?? '', 4 + (index % 5)),
    ),
  );
  let peak = 0;
  await until('all is done', 180, async () => {
    peak = Math.max(peak, await desired());
    return (await tested.countWork('Completed')) === PIECES;
  });
  expect(peak).toBeGreaterThan(1);
  await until('the fleet is at zero again', 120, isAtZero);

  const outcomes = await readOutcomes(tested.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.map(({ end }) => end)).toEqual(Array.from({ length: PIECES }, () => 'completed'));
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
}, 480_000);

test('the metrics that alarms and dashboard need are published for each pool', async () => {
  const { Metrics = [] } = await cloudWatch().send(new ListMetricsCommand({ Namespace: METRIC_NAMESPACE }));
  const names = new Set(Metrics.map(({ MetricName }) => MetricName));
  expect([...names]).toEqual(
    expect.arrayContaining(['Backlog', 'BusySlots', 'DesiredTasks', 'RunningTasks', 'WorkersDown']),
  );
});

test('scaler and workers used all of their permissions for that, except those that a run on one machine never needs', () => {
  const calls = ELSEWHERE.flatMap((each) => each.calls);
  const elsewhere = new Set(calls.map((call) => 'action' in call && call.action));
  const unused = unusedActions(statementsIn(tested.template('TemporalElasticWorkers')), loggedCalls(tested.logs));
  // A pool without work has no measurements.
  const ofThatPool = unused.filter((line) => /^Workers(Scaler|Poolscomplexanalysis)/.test(line));
  expect(ofThatPool.filter((line) => !elsewhere.has(line.split(' ')[1]!))).toEqual([]);
});

test('-c env=staging is deployed over it: each pool has two tasks, and alarms watch them', async () => {
  const { dashboard } = await tested.deploy({ env: 'staging' });
  await until('two tasks a pool', 180, () => tested.pools.every(({ service }) => tested.tasksRunning(service) === 2));
  expect(dashboard).toBeDefined();
  expect(await countAlarms()).toBe(18);
}, 420_000);

test('-c env=development is deployed over that: workers start with it, and no alarm notifies anyone', async () => {
  const { dashboard } = await tested.deploy({ env: 'development' });
  await until('no task is at work', 180, () => tested.tasksAtWork() === 0);
  expect(dashboard).toBeUndefined();
  expect(await countAlarms()).toBe(0);
  expect((await readPoolConfigs(tested.emulatorUrl)).map(({ policy }) => policy.maxTasks)).toEqual([2, 2, 2]);
}, 420_000);

test('no task has exited by itself in the meantime', () => {
  expect(tested.stopCodes()).toEqual(new Set(['ServiceSchedulerInitiated']));
});

function cloudWatch(): CloudWatchClient {
  return new CloudWatchClient(localClient(tested.emulatorUrl));
}

async function countAlarms(): Promise<number> {
  const { MetricAlarms = [] } = await cloudWatch().send(new DescribeAlarmsCommand({ MaxRecords: 100 }));
  return MetricAlarms.length;
}

async function watchDesired(cluster: string, service: string): Promise<() => Promise<number>> {
  return async () => {
    const { services = [] } = await tested.ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
    return services[0]?.desiredCount ?? -1;
  };
}
