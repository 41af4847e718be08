/**
 * The commands that the documents show, ours and those of the AWS CLI, run against a deployed stack at work: ours by a user
 * with exactly the permissions that docs/cli.md lists.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm';
import { STACKS_PATH, type StackConfig } from '../../contract/stack-config.ts';
import { localClient } from '../../local/observe.ts';
import { ensureTools } from '../../local/tools.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import { onCall } from '../cli/on-call.ts';
import { runCli } from '../cli/served-stacks.ts';
import { commandsIn } from '../docs/commands.ts';
import { documents } from '../docs/markdown.ts';
import { missingFrom } from '../docs/shown.ts';
import { TestedPlant } from './tested-plant.ts';
import { until } from '../until.ts';

/** More than the fleets can do at once, so that some of it waits while the commands run. */
const WORK = { 'quick-response-queue': 160, 'complex-analysis-queue': 40 };

const tested = new TestedPlant('command-line', { maxTasks: 2 });

let keys: Record<string, string>;

beforeAll(async () => {
  await tested.start();
  keys = await onCall(tested.emulatorUrl);
}, 300_000);
afterAll(() => tested.stop(), 120_000);

test('status, doctor, explain and eval describe the pools as the document shows', async () => {
  await Promise.all(
    Object.entries(WORK).flatMap(([taskQueue, pieces]) =>
      Array.from({ length: pieces }, (_, index) => tested.startWork(`watched-${taskQueue}-${index}`, taskQueue, 15)),
    ),
  );
  const commands = ['status', 'doctor', 'explain complex-analysis --last 3', 'eval quick-response'];
  const answers = new Map<string, string[]>(commands.map((command) => [command, []]));
  const missing = () =>
    [...answers].flatMap(([command, seen]) => missingFrom(seen, command).map((line) => `${command}: ${line}`));
  await until(
    'all lines are seen',
    300,
    async () => {
      for (const command of commands) answers.get(command)?.push(await cli(...command.split(' ')));
      return missing().length === 0;
    },
    missing,
  );
  expect(missing()).toEqual([]);
}, 360_000);

test('drain empties a busy task as the document shows', async () => {
  await until('the work is done', 180, async () => (await tested.countWork('Running')) === 0);
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => tested.startWork(`drained-${index}`, 'quick-response-queue', 60)),
  );
  const task = await until('a task is at work', 120, async () => {
    const [{ record }] = JSON.parse(await cli('eval', 'quick-response', '--json')) as [{ record: TickRecord }];
    const workers = Array.isArray(record.workers) ? record.workers : [];
    return workers.find(({ usedSlots }) => usedSlots > 0)?.task ?? undefined;
  });
  expect(missingFrom([await cli('drain', task)], 'drain')).toEqual([]);
  await until('the fleets are at zero', 180, () => tested.tasksAtWork() === 0);
  expect(tested.stopCodes()).toEqual(new Set(['ServiceSchedulerInitiated']));
}, 600_000);

test('every AWS CLI command that the documents show is answered', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aws-cli-'));
  for (const file of ['api-key.txt', 'new-api-key.txt']) writeFileSync(join(folder, file), 'secret');
  const { aws } = await ensureTools({ aws: true });
  const run = async (args: string[]) => {
    const env = { ...tested.environment, AWS_DEFAULT_REGION: 'us-east-1', AWS_PAGER: '', PATH: process.env.PATH };
    return promisify(execFile)(aws, args, { cwd: folder, env }).catch((error: { stderr: string }) => error);
  };
  const names = await namesForCommands();
  const shown = documents().flatMap(({ snippets }) => snippets.filter(({ language }) => language === 'sh'));
  const commands = shown
    .flatMap(({ text }) => commandsIn(text))
    .filter(([program]) => program === 'aws')
    .map(([, ...args]) => args.map((arg) => arg.replaceAll(/\$([A-Z_]+)|"fast"/g, (name) => names[name] ?? name)))
    // Only version 2 of the CLI has the first; the emulator lacks the second.
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
}, 480_000);

/** Values for the variables in the documents' commands, and a busy task. */
async function namesForCommands(): Promise<Record<string, string>> {
  const [{ pool = '', cluster = '', service = '', taskQueue = '' } = {}] = tested.pools;
  await tested.startWork('to-be-stopped', taskQueue, 200);
  const ofService = (task: { service: string }) => service.endsWith(task.service);
  await until('a task runs', 120, async () => tested.tasksRunning(service) > 0 && (await cli('explain', pool)) !== '');
  const task = tested.fargate.tasks().find((each) => ofService(each) && each.lastStatus === 'RUNNING');
  const { services = [] } = await tested.ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
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
  const ssm = new SSMClient(localClient(tested.emulatorUrl));
  const { Parameters = [] } = await ssm.send(new GetParametersByPathCommand({ Path: STACKS_PATH }));
  return Parameters.map(({ Value = '{}' }) => JSON.parse(Value) as StackConfig);
}

async function cli(...args: string[]): Promise<string> {
  return (await runCli(args, { env: { ...tested.environment, ...keys } })).stdout;
}
