/**
 * The upgrade from 0.1 with work in flight: this repository's app as it was in 0.1, deployed by its own code, is updated to the current
 * app. Old workers finish what they hold, workflows that began on them end on new ones, and nothing is lost.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ListServicesCommand } from '@aws-sdk/client-ecs';
import { readOutcomes } from '../../local/outcomes.ts';
import { LOCAL_CONTEXT, readPlant } from '../../local/plant.ts';
import { deployStacks } from '../../local/stack.ts';
import { REPOSITORY } from '../../local/tools.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { DeployedSite } from '../tested-site.ts';
import { until } from '../until.ts';
import { invokeScalers } from './tested-stack.ts';

jest.setTimeout(600_000);

/** The sources of 0.1 without its tests and documents, as of commit f463f86. */
const OLD_SOURCES = join(import.meta.dirname, 'fixtures/release-0.1.tar.gz');
const OLD_IMAGE = 'worker:0.1';
const QUEUES = ['quick-response-queue', 'complex-analysis-queue'];

const site = new DeployedSite('upgrade');
const old = join(site.directory, '0.1');

beforeAll(async () => {
  mkdirSync(old, { recursive: true });
  execFileSync('tar', ['-xzf', OLD_SOURCES, '-C', old]);
  symlinkSync(join(REPOSITORY, 'node_modules'), join(old, 'node_modules'));
  await site.start({ fargate: { images: { [OLD_IMAGE]: join(old, 'dist/worker') } } });
});

afterAll(() => site.stop());

test('a stack of 0.1 is updated with work in flight: nothing is lost, although its services are replaced', async () => {
  await deployStacks({ ...deployment(), project: old, context: { ...deployment().context, workerImage: OLD_IMAGE } });
  await invokeScalers(site.emulatorUrl);
  const work = QUEUES.flatMap((queue) => [1, 2, 3].map((number) => startWork(queue, `before-${number}`)));
  for (const queue of QUEUES) await until(`${queue} is at work`, 180, () => site.hasStarted(queue));
  const [services, tasks] = [await serviceNames(), new Set(site.running().map(({ taskId }) => taskId))];

  await deployStacks({ ...deployment(), app: 'node infra/app.ts' });
  await invokeScalers(site.emulatorUrl);
  work.push(...QUEUES.map((queue) => startWork(queue, 'after')));
  const handles = await Promise.all(work);
  await Promise.all(handles.map((handle) => handle.result()));

  // 0.1 gave its services a launch type, which ECS cannot change to a capacity provider.
  expect(await serviceNames()).not.toEqual(expect.arrayContaining(services));
  expect((await readPlant(site.emulatorUrl)).pools.map(({ pool }) => pool)).toContain('quick-response');
  const outcomes = await readOutcomes(site.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
  expect(outcomes.map(({ end }) => end)).toEqual(handles.map(() => 'completed'));
  await until('the old tasks are gone', 180, () =>
    site.fargate.tasks().every(({ taskId, lastStatus }) => !tasks.has(taskId) || lastStatus === 'STOPPED'),
  );
});

function deployment() {
  const { emulatorUrl, directory, temporal } = site;
  return {
    emulatorUrl,
    directory,
    context: { ...LOCAL_CONTEXT, temporalAddress: temporal.address, maxTasks: 3 },
  };
}

/** Two steps: the first is under way during the update, and the second comes after it. */
function startWork(taskQueue: string, name: string) {
  const input = { task: name, steps: ['Think', 'Answer'] };
  return site.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue,
    workflowId: `${taskQueue}-${name}`,
    args: ['sequential', input, { offlineModel: { secondsPerAsk: 30 } }],
  });
}

async function serviceNames(): Promise<string[]> {
  const cluster = site.fargate.tasks()[0]!.taskArn.split('/')[1];
  const { serviceArns = [] } = await site.ecs.send(new ListServicesCommand({ cluster }));
  return serviceArns.map((arn) => arn.split('/').at(-1)!).toSorted();
}
