/** A task is drained manually, with real parts: our built worker, local Fargate, the scaler's ticks, the command as a process. */
import { DRAIN_TAG } from '../../contract/service-tags.ts';
import { fleetOfOurs } from '../scaler/fleet.ts';
import { runCli } from './served-stacks.ts';

jest.setTimeout(300_000);

const fleet = fleetOfOurs({ minTasks: 2, maxTasks: 2 });

beforeAll(async () => {
  await fleet.start();
  await fleet.tellCommandLine();
}, 120_000);
afterAll(() => fleet.stop(), 60_000);

const drain = (...args: string[]) => runCli(['drain', ...args], { env: fleet.environment });

function workers() {
  const { workers: read } = fleet.records.at(-1) ?? {};
  return Array.isArray(read) ? read.filter(({ ageSeconds }) => ageSeconds < 5) : [];
}

const busyTask = () => workers().find(({ usedSlots }) => usedSlots > 0)?.task;
const isRunning = (task: string) => fleet.running().some(({ taskId }) => taskId === task);

test('a drained task finishes an activity that may run only once, has a successor meanwhile, and then stops', async () => {
  await fleet.until('two workers report', () => workers().length === 2);
  // Long enough to start draining the task, to see its successor and to be refused a second time.
  const activity = await fleet.client.activity.start('executeStrategyDirectly', {
    id: 'once',
    taskQueue: fleet.taskQueue,
    args: ['sequential', { task: 'x', steps: ['Answer'] }, { offlineModel: { secondsPerAsk: 30 } }],
    startToCloseTimeout: '2 minutes',
    retry: { maximumAttempts: 1 },
  } as Parameters<typeof fleet.client.activity.start>[1]);
  const task = await fleet.until('the activity runs', () => busyTask() ?? undefined);

  const drained = drain(task.slice(0, 12));
  await fleet.until('a third task is up beside the two', () => fleet.running().length === 3);
  expect(isRunning(task)).toBe(true);
  const again = await drain(task, '--json');
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is already being drained, since 20') });

  await expect(activity.result()).resolves.toMatchObject({ asks: 1 });
  const { code, stdout } = await drained;
  expect(stdout).toMatch(
    /^fleet: from the scaler’s next tick, task \w+ takes no new work[^]* cordoned; 1 activity left\n[^]*gone after \d+ s: Scaling activity/,
  );
  expect(code).toBe(0);
  const stopped = fleet.fargate.tasks().filter(({ lastStatus }) => lastStatus === 'STOPPED');
  expect(stopped.map(({ taskId, stopCode }) => [taskId, stopCode])).toEqual([[task, 'ServiceSchedulerInitiated']]);
  expect(fleet.running()).toHaveLength(2);
  const { desiredCount, tags = [] } = await fleet.service();
  expect({ desiredCount, tags }).toEqual({ desiredCount: 2, tags: [] });
  expect(fleet.errors).toEqual([]);
});

test('without waiting, the command ends at once, and the task is still removed', async () => {
  const [first] = fleet.running();
  const { code, stdout } = await drain(first!.taskArn, '--no-wait', '--json');
  expect({ code, told: JSON.parse(stdout) }).toMatchObject({
    code: 0,
    told: { pool: 'fleet', task: first!.taskId, gone: false },
  });
  const statusOf = (task: string) => fleet.fargate.tasks().find(({ taskId }) => taskId === task)?.lastStatus;
  await fleet.until('it is gone', () => statusOf(first!.taskId) === 'STOPPED');
  await fleet.until('its successor is up', () => workers().length === 2 && fleet.running().length === 2);
  const [second] = fleet.running();
  await drain(second!.taskId, '--no-wait');
  const { tags = [] } = await fleet.service();
  // Setting the next tag removes the first one.
  expect(tags.map(({ key }) => key)).toEqual([`${DRAIN_TAG}${second!.taskId}`]);
});
