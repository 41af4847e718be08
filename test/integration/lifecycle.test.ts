/**
 * A stack's whole life on the CDK's command line, with work in flight all the time: deployed, updated, with a pool added, with a
 * pool removed, destroyed. Every activity is tried only once, so that any loss is visible.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Service } from '@aws-sdk/client-ecs';
import { localClient, readPoolConfigs } from '../../local/observe.ts';
import { REPOSITORY } from '../../local/tools.ts';
import type { TestedWorkers } from './app.ts';
import { until } from '../until.ts';
import { TestedStack } from './tested-stack.ts';

jest.setTimeout(600_000);

const stack = new TestedStack('lifecycle');
const FLEET = 40;

/** Our worker; another one with a sidecar; and tasks so small that forty fit on one machine. */
const pools: TestedWorkers['pools'] = {
  ours: { taskQueue: 'ours', slots: 2, maxTasks: 2 },
  theirs: { taskQueue: 'theirs', slots: 1, maxTasks: 2, image: 'theirs:1', command: ['node', 'plain-worker.mjs'] },
  forty: { taskQueue: 'forty', image: 'sleep:1', command: ['sleep', '3600'], sidecar: false, maxTasks: 50 },
};
const changed = Object.fromEntries(
  Object.entries(pools).map(([name, pool]) => [name, { ...pool, minTasks: 2, environment: { CHANGED: 'yes' } }]),
);
const added = { ...changed, late: { taskQueue: 'late', slots: 2, maxTasks: 1 } };
const workers = (of: TestedWorkers['pools']) => ({ Workers: { tickSeconds: 5, pools: of } });

const results: Promise<unknown>[] = [];
const enough = new AbortController();
const flows: Promise<void>[] = [];
let connection: NativeConnection;
let workflows: Worker;
let serving: Promise<void>;

beforeAll(async () => {
  const fixtures = join(REPOSITORY, 'test/scaler/fixtures');
  await stack.start({ fargate: { images: { 'theirs:1': fixtures, 'sleep:1': '/' } } });
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  connection = await NativeConnection.connect({ address: stack.temporal.address });
  workflows = await Worker.create({
    connection,
    workflowsPath: join(import.meta.dirname, 'fixtures/once.ts'),
    taskQueue: 'workflows',
  });
  serving = workflows.run();
  flows.push(
    flowOf(() => ask('ours', 6)),
    flowOf(() => ask('ours', 9)),
    flowOf(() => nap('theirs', 5)),
  );
});

afterAll(async () => {
  enough.abort();
  workflows?.shutdown();
  await serving;
  await connection?.close();
  await stack.stop();
});

test('a deployed stack takes waiting work, and scales out to the limit set by a tag', async () => {
  await stack.deploy(workers(pools));
  await stack.tag('forty', { minTasks: String(FLEET) });
  await stack.invokeScaler('Workers');
  await until('forty tasks run', 120, () => running('forty') === FLEET);
  await until('work is done by both', 120, () => finished('ours') > 0 && finished('theirs') > 0);
  expect((await stack.service('forty')).desiredCount).toBe(FLEET);
});

test('the log has the fields that the dashboard reads', async () => {
  const template = await readFile(join(stack.directory, 'cdk.out/Tested.template.json'), 'utf8');
  const fields = new Set([...template.matchAll(/(?:max|latest)\(([\w.]+)\) as/g)].map(([, field]) => field!));
  expect(fields).toContain('figures.busySlots');

  const logs = new CloudWatchLogsClient(localClient(stack.emulatorUrl));
  const { logGroups = [] } = await logs.send(new DescribeLogGroupsCommand({}));
  const logGroupName = logGroups.find((each) => each.logGroupName?.includes('ScalerLogs'))?.logGroupName;
  const record = await until('an invocation has ended, whose log is there', 180, async () => {
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
    const line = events.find(({ message = '' }) => message.startsWith('{"v":1,'))?.message;
    return line === undefined ? undefined : JSON.parse(line);
  });
  const valueOf = (field: string) => field.split('.').reduce((at, name) => at?.[name], record);
  expect([...fields].filter((field) => valueOf(field) === undefined)).toEqual([]);
});

test('an update shows the difference, replaces all tasks, and keeps the count at forty', async () => {
  const difference = await stack.cdk('diff', workers(changed));
  expect(difference).toContain('CHANGED');
  expect(difference).not.toContain('DesiredCount');

  const before = new Set(Object.keys(pools).flatMap((pool) => stack.tasks(pool).map(({ taskId }) => taskId)));
  const seen = watch('forty');
  await stack.deploy(workers(changed));
  for (const pool of Object.keys(pools)) {
    await until(`all tasks of ${pool} are new`, 180, () => {
      const tasks = stack.tasks(pool);
      return tasks.length > 0 && tasks.every(({ taskId }) => !before.has(taskId));
    });
  }
  expect(await seen.end()).toEqual({ desired: [FLEET], fewestRunning: FLEET });
  await expect(stack.cdk('diff', workers(changed), '--fail')).resolves.toContain('no differences');
});

test('an added pool does its work, and the other pools stay unchanged', async () => {
  const before = await deploymentsOf(Object.keys(pools));
  const work = ask('late', 1);
  await stack.deploy(workers(added));
  await work;
  expect(await deploymentsOf(Object.keys(pools))).toEqual(before);
});

test('a removed pool finishes what it holds, and the other pools stay unchanged', async () => {
  const before = await deploymentsOf(Object.keys(pools));
  const work = ask('late', 15);
  await until('it is at work', 150, () => stack.hasStarted('late'));
  await stack.deploy(workers(changed));
  await work;
  await until('its tasks are gone', 120, () => stack.tasks('late').length === 0);
  expect(await deploymentsOf(Object.keys(pools))).toEqual(before);
  expect((await readPoolConfigs(stack.emulatorUrl)).map(({ pool }) => pool)).not.toContain('late');
  expect((await stack.service('forty')).desiredCount).toBe(FLEET);
});

test('a destroyed stack’s workers finish what they hold, and nothing is left behind', async () => {
  enough.abort();
  await Promise.all(flows);
  const work = ask('ours', 15);
  await until('it is at work', 150, () => stack.hasStarted('ours'));
  await stack.cdk('destroy', workers(changed), '--force');
  await work;
  await until('all tasks are gone', 150, () =>
    stack.fargate.tasks().every(({ lastStatus }) => lastStatus === 'STOPPED'),
  );
  expect(await readPoolConfigs(stack.emulatorUrl)).toEqual([]);
});

test('no work was lost', async () => {
  const ends = await Promise.allSettled(results);
  expect(ends.length).toBeGreaterThan(20);
  expect(ends.filter(({ status }) => status === 'rejected')).toEqual([]);
});

/** One piece of work after the other. */
async function flowOf(work: () => Promise<unknown>): Promise<void> {
  while (!enough.signal.aborted) {
    await work().catch(() => {});
    await delay(1000);
  }
}

const counts = new Map<string, number>();

function finished(queue: string): number {
  return counts.get(queue) ?? 0;
}

function ask(queue: string, seconds: number): Promise<unknown> {
  const input = { task: 'Answer', steps: ['Answer'] };
  const config = { offlineModel: { secondsPerAsk: seconds } };
  return start(queue, 'executeStrategyDirectly', ['sequential', input, config]);
}

function nap(queue: string, seconds: number): Promise<unknown> {
  return start(queue, 'nap', [seconds]);
}

async function start(queue: string, activity: string, args: unknown[]): Promise<void> {
  const result = stack.client.workflow.execute('once', {
    taskQueue: 'workflows',
    workflowId: `${queue}-${results.length}`,
    args: [queue, activity, args],
  });
  results.push(result);
  await result;
  counts.set(queue, finished(queue) + 1);
}

function running(pool: string): number {
  return stack.tasks(pool).filter(({ lastStatus }) => lastStatus === 'RUNNING').length;
}

/** Every count that was set, and the lowest number of running tasks, until the end. */
function watch(pool: string) {
  const desired = new Set<number | undefined>();
  let fewestRunning = Infinity;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      desired.add((await stack.service(pool)).desiredCount);
      fewestRunning = Math.min(fewestRunning, running(pool));
      await delay(100);
    }
  })();
  return {
    end: async () => {
      over.abort();
      await watching;
      return { desired: [...desired], fewestRunning };
    },
  };
}

async function deploymentsOf(names: string[]): Promise<Service['taskDefinition'][]> {
  return Promise.all(names.map(async (pool) => (await stack.service(pool)).taskDefinition));
}
