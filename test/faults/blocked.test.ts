/**
 * An activity that computes for two minutes without a pause, in the worker as it is built, on local Fargate, which runs the
 * health checks that containers have: longer than ECS bears one that fails (90 seconds by default; that local Fargate replaces
 * such a task, protected or not, is in test/local/fargate.test.ts). In real time, as none of these times can be shortened.
 */
import { Rig } from './rig.ts';

jest.setTimeout(400_000);

const POOL = 'pool';
const BLOCKED_SECONDS = 120;
const rig = new Rig([{ name: POOL, policy: { slotsPerTask: 1, maxTasks: 1 }, blockedSeconds: BLOCKED_SECONDS }]);

beforeAll(() => rig.start());
afterAll(() => rig.stop());

test('a task whose event loop stands still for two minutes is kept, and reports what it ran', async () => {
  // It is blocked before it has ended, however late the worker reports.
  const work = await rig.client.activity.start('executeStrategyDirectly', {
    id: 'blocking',
    taskQueue: POOL,
    args: ['sequential', { task: 'compute', steps: ['Answer'] }, { offlineModel: { secondsPerAsk: 60 } }],
    startToCloseTimeout: '4 minutes',
    retry: { maximumAttempts: 1 },
  });
  const task = await rig.until('it runs', async () => (await work.describe()).lastWorkerIdentity);
  await rig.until('its event loop stands still', () => rig.block(task));
  const blockedAt = Date.now();
  await work.result();
  expect(Date.now() - blockedAt).toBeGreaterThan(BLOCKED_SECONDS * 1000 * 0.9);
  expect(rig.running(POOL).map(({ taskId }) => taskId)).toEqual([task]);
  expect(rig.lines.flatMap(({ cordon }) => cordon)).toEqual([]);
});
