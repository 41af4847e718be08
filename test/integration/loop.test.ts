/**
 * The whole loop with real parts: the Temporal server, `cdk deploy` to the emulator, the Lambda invoked by its schedule,
 * tasks as real processes. Work is pushed; the service is seen to scale out, and in again, and nothing is lost.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { CloudWatchClient, DescribeAlarmsCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { ECSClient, DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { STACKS_PATH, type StackConfig } from '../../contract/stack-config.ts';
import { emulatorCredentials } from '../../local/emulator.ts';
import { localClient, readPoolConfigs } from '../../local/observe.ts';
import { readOutcomes } from '../../local/outcomes.ts';
import { startPlant, type Plant } from '../../local/plant.ts';
import { deployStack } from '../../local/stack.ts';
import { ensureTools, LOCAL_DIRECTORY } from '../../local/tools.ts';
import type { TickRecord } from '../../scaler/tick-record.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/types.ts';
import { runCli } from '../cli/rig.ts';
import { commandsIn } from '../docs/commands.ts';
import { documents } from '../docs/markdown.ts';
import { missingFrom } from '../docs/shown.ts';

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
    return (await count('Completed')) === PIECES;
  }, 180);
  expect(peak).toBeGreaterThan(1);
  await until(async () => (await desired()) === 0 && tasksAtWork() === 0, 120);

  const outcomes = await readOutcomes(plant.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.map(({ end }) => end)).toEqual(Array.from({ length: PIECES }, () => 'completed'));
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
}, 480_000);

test('the command line tells of it all as the document shows', async () => {
  const slots = 20;
  await Promise.all(
    plant.pools.flatMap(({ taskQueue }) =>
      Array.from({ length: 4 * slots }, (_, index) => startWork(`watched-${taskQueue}-${index}`, taskQueue, 15)),
    ),
  );
  const commands = ['status', 'doctor', 'explain complex-analysis --last 3', 'eval quick-response'];
  const answers = new Map<string, string[]>(commands.map((command) => [command, []]));
  const missing = () =>
    [...answers].flatMap(([command, seen]) => missingFrom(seen, command).map((line) => `${command}: ${line}`));
  await until(
    async () => {
      for (const command of commands) answers.get(command)?.push(await cli(...command.split(' ')));
      return missing().length === 0;
    },
    180,
    missing,
  );

  await until(async () => (await count('Running')) === 0, 180);
  await Promise.all(
    Array.from({ length: slots }, (_, index) => startWork(`drained-${index}`, 'quick-response-queue', 30)),
  );
  let task = '';
  await until(async () => {
    const [{ record }] = JSON.parse(await cli('eval', 'quick-response', '--json')) as [{ record: TickRecord }];
    const workers = Array.isArray(record.workers) ? record.workers : [];
    task = workers.find(({ usedSlots }) => usedSlots > 0)?.task ?? '';
    return task !== '';
  }, 60);
  const drained = await cli('drain', task);
  expect(missingFrom([drained], 'drain')).toEqual([]);
  await until(async () => tasksAtWork() === 0, 180);
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

test('the AWS CLI is answered to every command that the documents show', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aws-cli-'));
  for (const file of ['api-key.txt', 'new-api-key.txt']) writeFileSync(join(folder, file), 'secret');
  const { aws } = await ensureTools({ aws: true });
  const run = async (args: string[]) => {
    const env = { ...environment(), AWS_DEFAULT_REGION: 'us-east-1', AWS_PAGER: '', PATH: process.env.PATH };
    return promisify(execFile)(aws, args, { cwd: folder, env }).catch((error: { stderr: string }) => error);
  };
  const names = await namesForCommands();
  const shown = documents().flatMap(({ snippets }) => snippets.filter(({ language }) => language === 'sh'));
  const commands = shown
    .flatMap(({ text }) => commandsIn(text))
    .filter(([program]) => program === 'aws')
    .map(([, ...args]) => args.map((arg) => arg.replaceAll(/\$([A-Z_]+)|"fast"/g, (name) => names[name] ?? name)))
    // The CLI's version 2 alone has the one; the emulator has not the other.
    .filter(([service, operation]) => service !== 'application-autoscaling' && operation !== 'tail');
  expect(commands.length).toBeGreaterThan(15);
  const unanswered: unknown[] = [];
  for (const args of commands) {
    const { stdout = '', stderr } = (await run(args)) as { stdout?: string; stderr: string };
    if (stderr !== '' || (args.includes('--query') && /^(null|None)?$/.test(stdout.trim()))) {
      unanswered.push({ command: args.join(' '), stdout, stderr });
    }
  }
  rmSync(folder, { recursive: true });
  expect(unanswered).toEqual([]);
}, 240_000);

/** What the variables in the documents' commands stand for, and a task at work. */
async function namesForCommands(): Promise<Record<string, string>> {
  const [{ pool = '', cluster = '', service = '', taskQueue = '' } = {}] = plant.pools;
  await startWork('to-be-stopped', taskQueue, 200);
  const ofService = (task: { service: string }) => service.endsWith(task.service);
  await until(async () => tasksRunning(service) > 0 && (await cli('explain', pool)) !== '', 120);
  const task = plant.fargate.tasks().find((each) => ofService(each) && each.lastStatus === 'RUNNING');
  const ecs = new ECSClient(localClient(plant.fargate.url));
  const { services = [] } = await ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
  const [stack] = await openStacks();
  return {
    '"fast"': `"${pool}"`,
    $CLUSTER: cluster,
    $SERVICE: service,
    $OLD_SERVICE: service,
    $SERVICE_ARN: services[0]?.serviceArn ?? '',
    $TASK: task?.taskId ?? '',
    $TASK_DEFINITION: services[0]?.taskDefinition ?? '',
    $SCALER_FUNCTION: stack?.scalerFunction ?? '',
    $SCALER_LOG_GROUP: stack?.scalerLogGroup ?? '',
  };
}

async function openStacks(): Promise<StackConfig[]> {
  const ssm = new SSMClient(localClient(plant.emulatorUrl));
  const { Parameters = [] } = await ssm.send(new GetParametersByPathCommand({ Path: STACKS_PATH }));
  return Parameters.map(({ Value = '{}' }) => JSON.parse(Value) as StackConfig);
}

const environment = () => ({ ...emulatorCredentials(plant.emulatorUrl), AWS_ENDPOINT_URL_ECS: plant.fargate.url });

async function cli(...args: string[]): Promise<string> {
  return (await runCli(args, { env: environment() })).stdout;
}

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

async function count(status: 'Running' | 'Completed'): Promise<number> {
  return (await plant.client.workflow.count(`ExecutionStatus = '${status}'`)).count;
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

async function until(condition: () => Promise<boolean>, seconds: number, last: () => unknown = () => condition) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} seconds: ${last()}`);
    await delay(500);
  }
}
