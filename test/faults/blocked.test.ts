/**
 * An activity that computes for two minutes without a pause, in the built worker on local Fargate, which runs container
 * health checks. That is longer than ECS tolerates a failing one (90 seconds by default; test/local/fargate-containers.test.ts shows
 * that local Fargate replaces such a task, protected or not). In real time, because none of these times can be shortened.
 */
import { FaultyStack } from './faulty-stack.ts';

jest.setTimeout(400_000);

const POOL = 'pool';
const BLOCKED_SECONDS = 120;
const faulty = new FaultyStack([
  { name: POOL, policy: { slotsPerTask: 1, maxTasks: 1 }, blockedSeconds: BLOCKED_SECONDS },
]);

beforeAll(() => faulty.start());
afterAll(() => faulty.stop());

test('a task whose event loop is blocked for two minutes is kept, and reports the result of its work', async () => {
  // It blocks before it ends, however late the worker reports.
  const work = await faulty.client.activity.start('executeStrategyDirectly', {
    id: 'blocking',
    taskQueue: POOL,
    args: ['sequential', { task: 'compute', steps: ['Answer'] }, { offlineModel: { secondsPerAsk: 60 } }],
    startToCloseTimeout: '4 minutes',
    retry: { maximumAttempts: 1 },
  });
  const task = await faulty.until('it runs', async () => (await work.describe()).lastWorkerIdentity);
  await faulty.until('its event loop stands still', () => faulty.block(task));
  const blockedAt = Date.now();
  await work.result();
  expect(Date.now() - blockedAt).toBeGreaterThan(BLOCKED_SECONDS * 1000 * 0.9);
  expect(faulty.running(POOL).map(({ taskId }) => taskId)).toEqual([task]);
  expect(faulty.lines.flatMap(({ cordon }) => cordon)).toEqual([]);
});
