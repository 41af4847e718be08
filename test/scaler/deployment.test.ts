/** Deployments during long activities, with real parts: our built worker, local Fargate, the scaler's ticks. */
import { readOutcomes } from '../../local/outcomes.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { fleetOfOurs, type Fleet } from './fleet.ts';

jest.setTimeout(240_000);

let fleet: Fleet;

beforeEach(async () => {
  fleet = fleetOfOurs({ minTasks: 2, maxTasks: 2 });
  await fleet.start();
  await fleet.until('two workers report', async () => (await fleet.deployed()) && fleet.reporting().length === 2);
}, 150_000);
afterEach(() => fleet.stop(), 60_000);

test('five deployments in a row during long activities lose none of them, and the last deployment ends', async () => {
  const long = await Promise.all([fleet.startWork('long-1', 45), fleet.startWork('long-2', 45)]);
  await fleet.until('the long activities run', () => fleet.busySlots() === 2);

  for (let revision = 2; revision <= 6; revision += 1) {
    await fleet.deploy();
    await fleet.until('the deployment has started', async () =>
      (await fleet.service()).taskDefinition?.endsWith(`:${revision}`),
    );
    const seen = fleet.records.length;
    await fleet.until('the scaler has ticked three times', () => fleet.records.length >= seen + 3);
  }
  await Promise.all(long.map((handle) => handle.result()));
  const last = await fleet.until('the last deployment is over', () => fleet.deployed());
  expect(last.taskDefinition).toMatch(/:6$/);
  await (await fleet.startWork('after', 1)).result();

  const outcomes = await readOutcomes(fleet.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
  expect(outcomes.map(({ end }) => end)).toEqual(['completed', 'completed', 'completed']);
});

test('a deployment of the same task definition ends, loses nothing, and runs two fleets only while the old one works', async () => {
  const old = fleet.running().map(({ taskId }) => taskId);
  const long = await Promise.all([fleet.startWork('long-1', 45), fleet.startWork('long-2', 45)]);
  await fleet.until('the long activities run', () => fleet.busySlots() === 2);

  await fleet.forceDeployment();
  const before = fleet.decisions.length;
  await fleet.until('the old tasks are cordoned', () =>
    old.every((task) => fleet.decisions.at(-1)?.cordon.includes(task)),
  );
  // New tasks take work although ECS does not allow their protection while the old ones are protected.
  await (await fleet.startWork('meanwhile', 1)).result();
  expect(fleet.running()).toHaveLength(4);
  await Promise.all(long.map((handle) => handle.result()));
  await fleet.until('the old tasks are gone', async () => (await fleet.deployed()) && fleet.running().length === 2);

  const decisions = fleet.decisions.slice(before);
  expect([...new Set(decisions.flatMap(({ cordon }) => cordon))].toSorted()).toEqual(old.toSorted());
  expect(new Set(decisions.map(({ desired }) => desired))).toEqual(new Set([2]));
  const outcomes = await readOutcomes(fleet.client, GENERIC_STRATEGY_WORKFLOW);
  expect(outcomes.flatMap(({ lostAttempts }) => lostAttempts)).toEqual([]);
  expect(outcomes.map(({ end }) => end)).toEqual(['completed', 'completed', 'completed']);
});
