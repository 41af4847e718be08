/**
 * Every deployed alarm: its fault is produced with real parts, the alarm fires, the fault is fixed as the runbook says, and
 * the alarm clears. All faults occur at the same time, each in its own pool, because alarms take minutes.
 */
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudWatchClient,
  paginateDescribeAlarmHistory,
  paginateDescribeAlarms,
  type MetricAlarm,
} from '@aws-sdk/client-cloudwatch';
import { LONGEST_INVOCATION_SECONDS } from '../../contract/invocation.ts';
import { localClient } from '../../local/observe.ts';
import { LOCAL_WORKER_DIRECTORY } from '../../local/stack.ts';
import { REPOSITORY } from '../../local/tools.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/strategies/types.ts';
import type { TestedWorkers } from './app.ts';
import { until } from '../until.ts';
import { TestedStack } from './tested-stack.ts';

const QUIET_WITHIN_SECONDS = 240;
const FIRES_WITHIN_SECONDS = 360;
const MENDED_WITHIN_SECONDS = 180;
const CLEARS_WITHIN_SECONDS = 300;
/** Alarms are evaluated every few seconds, and each look reads all of them. */
const LOOK_EVERY_MS = 3000;

const stack = new TestedStack('alarms');
/** Represents an image that can be removed. */
const image = join(stack.directory, 'image');
const processId = join(stack.directory, 'process-id');

/** In minutes, for an alarm that evaluates three by default. */
const SOONER = 2;

const always = { minTasks: 1, maxTasks: 1 };
const watched: TestedWorkers = {
  tickSeconds: 5,
  dashboard: false,
  // The rest have their defaults.
  alarmThresholds: { scalerDownMinutes: 1, pinnedAtMaxMinutes: 1, queueDepthMinutes: 1, latencyMinutes: 1 },
  pools: {
    killed: {
      taskQueue: 'killed',
      image: 'killed:1',
      sidecar: false,
      command: ['sh', '-c', `echo $$ > ${processId}; exec node main.js`],
      ...always,
    },
    flooded: { taskQueue: 'flooded', slots: 5, ...always },
    failing: { taskQueue: 'failing', slots: 5, ...always },
    small: { taskQueue: 'small', slots: 1, ...always },
  },
};
const unwatched: TestedWorkers = {
  ...watched,
  pools: { silent: { taskQueue: 'silent', image: 'silent:1', sidecar: false, command: ['sleep', '3600'] } },
};

/** By fault: the alarms that it raises, how it starts, and its fix. */
const faults: Record<
  string,
  { pool: string; alarms: string[]; begin: () => Promise<unknown>; mend: () => Promise<unknown> }
> = {
  'all workers are killed, and no new one can start': {
    pool: 'killed',
    alarms: ['WorkerDown'],
    begin: async () => {
      rmSync(image);
      process.kill(Number(readFileSync(processId, 'utf8')), 'SIGKILL');
    },
    mend: async () => symlinkSync(LOCAL_WORKER_DIRECTORY, image),
  },
  'a queue is flooded': {
    pool: 'flooded',
    alarms: ['Latency', 'PinnedAtMax', 'QueueDepth'],
    // For more than a minute they need more than maxTasks, and number over a hundred.
    begin: () => startWork('flooded', 600, { offlineModel: { secondsPerAsk: 2 } }),
    mend: async () => {},
  },
  'activities fail': {
    pool: 'failing',
    alarms: ['ErrorRate'],
    begin: () => startWork('failing', 3, { execution: 'direct' }, 'no-such-strategy'),
    mend: () => startWork('failing', 80, { offlineModel: { secondsPerAsk: 0 } }),
  },
  'there is more work than maxTasks tasks can do': {
    pool: 'small',
    alarms: ['Latency', 'PinnedAtMax'],
    begin: () => startWork('small', 60, { offlineModel: { secondsPerAsk: 4 } }),
    mend: async () => {
      await stack.tag('small', { maxTasks: '4' });
      await until('the work is done', MENDED_WITHIN_SECONDS, async () => (await countOpen('small')) === 0);
      await startWork('small', 4, { offlineModel: { secondsPerAsk: 0 } });
    },
  },
  'the scaler is stopped': {
    pool: 'silent',
    alarms: ['ScalerDown'],
    begin: () => stack.schedule('Unwatched', 'DISABLED'),
    mend: () => stack.schedule('Unwatched', 'ENABLED'),
  },
};

const courses = new Map<string, Promise<void>>();

beforeAll(async () => {
  symlinkSync(LOCAL_WORKER_DIRECTORY, image);
  await stack.start({ fargate: { images: { 'killed:1': image, 'silent:1': '/' } } });
  await stack.deploy({ Watched: watched, Unwatched: unwatched });
  // First the workers: if the scaler's first tick found none, that would fire another alarm.
  await Promise.all(Object.keys(watched.pools).map((queue) => answersWork(queue)));
  await Promise.all([stack.invokeScaler('Watched'), stack.invokeScaler('Unwatched')]);
  for (const what of Object.keys(faults)) {
    const course = runItsCourse(what);
    course.catch(() => {});
    courses.set(what, course);
  }
}, 300_000);

afterAll(() => stack.stop(), 120_000);

test.each(Object.keys(faults).map((what) => [what, faults[what]!.alarms.join(' and ')]))(
  'when %s, %s fires, and clears afterwards',
  async (what) => {
    await expect(courses.get(what)).resolves.toBeUndefined();
  },
  (QUIET_WITHIN_SECONDS + FIRES_WITHIN_SECONDS + MENDED_WITHIN_SECONDS + CLEARS_WITHIN_SECONDS) * 1000,
);

test('no other alarm has fired', async () => {
  const expected = Object.values(faults).map(({ pool, alarms }) => [pool, alarms]);
  const fired = Object.entries(await firedByPool()).map(([pool, alarms]) => [pool, [...alarms].sort()]);
  expect(Object.fromEntries(fired)).toEqual(Object.fromEntries(expected));
});

async function runItsCourse(what: string): Promise<void> {
  const { pool, alarms, begin, mend } = faults[what]!;
  const are = (state: string) => async () => {
    const states = await statesOf(pool);
    return alarms.every((alarm) => states.get(alarm)?.StateValue === state);
  };
  const detail = () => `${pool}: ${alarms.join(', ')}`;
  await until('all is well', QUIET_WITHIN_SECONDS, are('OK'), detail, LOOK_EVERY_MS);
  await begin();
  await Promise.all(
    alarms.map((alarm) =>
      until(
        `${alarm} of ${pool} fires`,
        secondsUntil(alarm),
        async () => (await statesOf(pool)).get(alarm)?.StateValue === 'ALARM',
        detail,
        LOOK_EVERY_MS,
      ),
    ),
  );
  await mend();
  await until('it clears', CLEARS_WITHIN_SECONDS, are('OK'), detail, LOOK_EVERY_MS);
}

/** As its runbook says, with the thresholds of `watched`. */
function secondsUntil(alarm: string): number {
  const name = alarm.replace(/(?<=[a-z])[A-Z]/g, '-$&').toLowerCase();
  const runbook = readFileSync(join(REPOSITORY, 'docs/runbooks', `${name}.md`), 'utf8');
  const [, minutes] = /The alarm\s+fires\s+within\s+(\d+)\s+minutes/.exec(runbook) ?? [];
  const isSooner = `${alarm[0]!.toLowerCase()}${alarm.slice(1)}Minutes` in watched.alarmThresholds!;
  // After the scaler's schedule has stopped, the current invocation ticks until its time is up.
  const last = alarm === 'ScalerDown' ? LONGEST_INVOCATION_SECONDS : 0;
  return (Number(minutes) - (isSooner ? SOONER : 0)) * 60 + last;
}

function cloudWatch(): CloudWatchClient {
  return new CloudWatchClient(localClient(stack.emulatorUrl));
}

async function statesOf(pool: string): Promise<Map<string, MetricAlarm>> {
  const states = new Map<string, MetricAlarm>();
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client: cloudWatch() }, {})) {
    for (const alarm of MetricAlarms) if (poolOf(alarm) === pool) states.set(kindOf(alarm.AlarmName), alarm);
  }
  return states;
}

async function firedByPool(): Promise<Record<string, Set<string>>> {
  const client = cloudWatch();
  const fired: Record<string, Set<string>> = {};
  const pools = new Map<string, string>();
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms({ client }, {})) {
    for (const alarm of MetricAlarms) pools.set(alarm.AlarmName ?? '', poolOf(alarm));
  }
  for await (const { AlarmHistoryItems = [] } of paginateDescribeAlarmHistory({ client }, {})) {
    for (const { AlarmName = '', HistorySummary = '' } of AlarmHistoryItems) {
      if (HistorySummary.endsWith('from OK to ALARM'))
        (fired[pools.get(AlarmName) ?? ''] ??= new Set()).add(kindOf(AlarmName));
    }
  }
  return fired;
}

function poolOf({ Dimensions = [] }: MetricAlarm): string {
  return Dimensions.find(({ Name }) => Name === 'Pool')?.Value ?? '';
}

function kindOf(alarmName = ''): string {
  return /Alarms([A-Z][A-Za-z]+?)[0-9A-F]{8}/.exec(alarmName)?.[1] ?? alarmName;
}

async function startWork(queue: string, count: number, config: ProcessorConfig, strategy = 'sequential') {
  const input = { task: 'Answer', steps: ['Answer'] };
  return Promise.all(
    Array.from({ length: count }, () =>
      stack.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
        taskQueue: queue,
        workflowId: `${queue}-${Math.random()}`,
        args: [strategy, input, config],
      }),
    ),
  );
}

/** A worker is running. */
async function answersWork(queue: string): Promise<void> {
  const [work] = await startWork(queue, 1, { offlineModel: { secondsPerAsk: 0 } });
  await work!.result();
}

async function countOpen(queue: string): Promise<number> {
  const { count } = await stack.client.workflow.count(`TaskQueue = '${queue}' AND ExecutionStatus = 'Running'`);
  return count;
}
