import type { CloudWatchClient, MetricDatum, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { METRICS, poolIn, type MetricSet } from '../../contract/metrics.ts';
import { decide, DEFAULT_POLICY, type Outcome } from '../../scaler/policy.ts';
import { Telemetry } from '../../scaler/report/telemetry.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import { trail } from '../../scaler/report/trailing.ts';

const queue = { backlog: 3, ageSeconds: 1, addRate: 0, dispatchRate: 0, rateLimited: false };
const worker = { key: 'w', task: 'a', ageSeconds: 1, usedSlots: 1, slots: 2, processed: 0, failed: 0 };
const record: TickRecord = {
  v: 1,
  pool: 'fast',
  now: 1_800_000_000_000,
  policy: {},
  activityQueue: queue,
  workflowQueue: queue,
  workers: [worker],
  tasks: { desired: 1, running: ['a'], pending: [], cordoned: [], outdated: [] },
};

/** The names of the metrics that a tick with some work publishes. */
async function published(
  metrics: MetricSet,
  protection: 'worker' | 'sidecar' = 'worker',
  read: TickRecord = record,
): Promise<string[]> {
  const names: string[] = [];
  const client = {
    send: async ({ input }: PutMetricDataCommand) =>
      void names.push(...(input.MetricData ?? []).map(({ MetricName = '' }) => MetricName)),
  };
  const telemetry = new Telemetry(client as unknown as CloudWatchClient, () => {}, { stack: 'stack', metrics });
  const outcome = decide(read, undefined, DEFAULT_POLICY, read.now);
  const worked = { ...outcome, figures: { ...outcome.figures, processed: 4, failed: 1 } };
  telemetry.report(read, worked, [], { protection }, trail(undefined, read, worked));
  await telemetry.send(record.now, { force: true });
  return names.toSorted();
}

test('the essential metrics are those that the alarms use', async () => {
  expect(await published('essential')).toEqual([
    'Backlog',
    'DesiredTasks',
    'ErrorRate',
    'PinnedAtMax',
    'ScalerErrors',
    'WorkersDown',
  ]);
});

test('the metrics and the tick record name the pool’s stack', async () => {
  const sent: MetricDatum[] = [];
  const lines: string[] = [];
  const client = { send: async ({ input }: PutMetricDataCommand) => void sent.push(...(input.MetricData ?? [])) };
  for (const stack of ['blue', 'green']) {
    const settings = { stack, metrics: 'full' as const };
    const telemetry = new Telemetry(client as unknown as CloudWatchClient, (line) => lines.push(line), settings);
    const outcome = decide(record, undefined, DEFAULT_POLICY, record.now);
    telemetry.report(record, outcome, [], { protection: 'worker' }, trail(undefined, record, outcome));
    await telemetry.send(record.now, { force: true });
  }
  const of = (stack: string) => sent.filter(({ Dimensions }) => poolIn(stack, Dimensions) === 'fast');
  expect([of('blue').length, of('green').length]).toEqual([sent.length / 2, sent.length / 2]);
  expect(lines.map((line) => (JSON.parse(line) as { stack: string }).stack)).toEqual(['blue', 'green']);
});

test('for workers that publish no metrics, the backlog age is essential: it stands in for the wait', async () => {
  const [ours, others] = [await published('essential'), await published('essential', 'sidecar')];
  expect(others.filter((name) => !ours.includes(name))).toEqual(['BacklogAgeSeconds']);
});

test('a pool that could not be read publishes no decision, which an alarm reports', async () => {
  const unread = { ...record, workers: { unknown: 'deadline exceeded' } };
  expect(await published('essential', 'worker', unread)).not.toContain('DesiredTasks');
});

const SETTINGS = { stack: 'stack', metrics: 'essential' } as const;

/** The published values of a metric, tick by tick; undefined for none. */
function watch(name: string) {
  const values: (number | undefined)[] = [];
  const client = {
    send: async ({ input }: PutMetricDataCommand) =>
      void values.push(input.MetricData?.find(({ MetricName }) => MetricName === name)?.Value),
  };
  /** The table passes one process's results to the next: here each tick is in a new process. */
  let stored: string | undefined;
  const report = async (read: TickRecord, outcome: Outcome) => {
    const telemetry = new Telemetry(client as unknown as CloudWatchClient, () => {}, SETTINGS);
    const trailing = trail(stored && JSON.parse(stored), read, outcome);
    stored = JSON.stringify(trailing);
    telemetry.report(read, outcome, [], { protection: 'worker' }, trailing);
    await telemetry.send(read.now, { force: true });
  };
  return { report, values };
}

test('workers count as down only after a minute and two start-up times without any: a cold start fires no alarm', async () => {
  const { report, values } = watch('WorkersDown');
  const tickAt = async (seconds: number, workers: (typeof worker)[]) => {
    const tasks = { ...record.tasks, running: workers.map(({ task }) => task!), desired: 1 };
    const read = { ...record, workers, tasks, now: record.now + seconds * 1000 };
    await report(read, decide(read, undefined, DEFAULT_POLICY, read.now));
  };
  for (const seconds of [0, 140]) await tickAt(seconds, []);
  await tickAt(145, [worker]);
  for (const seconds of [150, 290, 300, 310]) await tickAt(seconds, []);
  await tickAt(320, [worker]);
  expect(values).toEqual([0, 0, 0, 0, 0, 1, 1, 0]);
});

test('workers of running tasks without reports do not count as down, unless they leave work waiting', async () => {
  const { report, values } = watch('WorkersDown');
  let memory: unknown;
  const tickAt = async (seconds: number, backlog: number) => {
    const activityQueue = { ...record.activityQueue, backlog, ageSeconds: backlog > 0 ? 60 : 0 };
    const read = { ...record, activityQueue, workers: [], now: record.now + seconds * 1000 };
    const outcome = decide(read, memory, { ...DEFAULT_POLICY, minTasks: 1 }, read.now);
    ({ memory } = outcome);
    await report(read, outcome);
  };
  for (let seconds = 0; seconds <= 300; seconds += 10) await tickAt(seconds, 0);
  expect(new Set(values)).toEqual(new Set([undefined]));
  for (let seconds = 310; seconds <= 600; seconds += 10) await tickAt(seconds, 3);
  expect(values.at(-1)).toBe(1);
});

test('the error rate covers five minutes, and needs at least three failures', async () => {
  const { report, values } = watch('ErrorRate');
  const outcome = decide(record, undefined, DEFAULT_POLICY, record.now);
  const tickAt = async (seconds: number, processed: number, failed: number) => {
    const figures = { ...outcome.figures, processed, failed };
    const read = { ...record, now: record.now + seconds * 1000 };
    await report(read, { ...outcome, figures });
  };
  await tickAt(0, 1, 1);
  await tickAt(60, 10, 1);
  await tickAt(120, 9, 2);
  await tickAt(330, 1, 0);
  await tickAt(1000, 0, 0);
  expect(values).toEqual([0, 0, 20, 15, undefined]);
});

test('the full metrics are all but the two that the workers publish', async () => {
  const { taskDuration: _, scheduleToStart: __, ...ofScaler } = METRICS;
  expect(await published('full')).toEqual(
    Object.values(ofScaler)
      .map(({ name }) => name)
      .toSorted(),
  );
});
