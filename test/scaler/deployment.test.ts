/** Deployments while long activities run, with real parts: our worker as it is built, local Fargate, the scaler's ticks. */
import { readOutcomes } from '../../local/outcomes.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/types.ts';
import { fleetOfOurs } from './fleet.ts';

jest.setTimeout(240_000);

const fleet = fleetOfOurs({ minTasks: 2, maxTasks: 2 });

beforeAll(() => fleet.start(), 60_000);
afterAll(() => fleet.stop(), 30_000);

const deployments = async () => (await fleet.service()).deployments ?? [];
const isOver = async () => {
  const [newest, ...older] = await deployments();
  return older.length === 0 && newest?.rolloutState === 'COMPLETED' && newest;
};

async function startWork(name: string, seconds: number) {
  const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
  return fleet.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue: fleet.taskQueue,
    workflowId: name,
    args: ['sequential', { task: name, steps: ['Answer'] }, config],
  });
}

test('five deployments in a row while long activities run lose none of them, and the last one ends', async () => {
  await fleet.until('two workers report', async () => (await isOver()) && reporting() === 2);
  const long = await Promise.all([startWork('long-1', 45), startWork('long-2', 45)]);
  await fleet.until('the long activities run', () => busySlots() === 2);

  for (let revision = 2; revision <= 6; revision += 1) {
    await fleet.deploy();
    await fleet.until('the deployment has begun', async () =>
      (await fleet.service()).taskDefinition?.endsWith(`:${revision}`),
    );
    const seen = fleet.records.length;
    await fleet.until('the scaler has looked three times', () => fleet.records.length >= seen + 3);
  }
  await Promise.all(long.map((handle) => handle.result()));
  const last = await fleet.until('the last deployment is over', isOver);
  expect(last.taskDefinition).toMatch(/:6$/);
  await Promise.all([startWork('after', 1)].map(async (handle) => (await handle).result()));

  const outcomes = await readOutcomes(fleet.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
  expect(outcomes.map(({ end }) => end)).toEqual(['completed', 'completed', 'completed']);
});

function workers() {
  const { workers: read } = fleet.records.at(-1) ?? {};
  return Array.isArray(read) ? read.filter(({ ageSeconds }) => ageSeconds < 5) : [];
}

const reporting = () => workers().length;
const busySlots = () => workers().reduce((sum, { usedSlots }) => sum + usedSlots, 0);
