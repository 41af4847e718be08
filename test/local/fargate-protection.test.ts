/** Protection from scale-in in local Fargate. */
import { GetTaskProtectionCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import {
  CLUSTER,
  advanceClock,
  agentCall,
  anotherReconciliation,
  createService,
  describeService,
  ecs,
  fargate,
  protect,
  registerTaskDefinition,
  reportOf,
  runningTasks,
  startFargate,
  stopFargate,
  until,
  untilRunning,
  untilStopped,
} from './fargate-under-test.ts';

jest.setTimeout(120_000);

beforeAll(startFargate);
afterAll(stopFargate);

describe('A protected task', () => {
  test('is never stopped by scale-in, however long the service stays above its desired count.', async () => {
    const service = await createService({ desiredCount: 4 });
    const arns = (await untilRunning(service, 4)).map(({ taskArn }) => taskArn!);
    await protect(arns.slice(1), true);
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
    expect((await untilStopped(service, 1))[0]!.taskArn).toBe(arns[0]);
    await anotherReconciliation();
    expect(await describeService(service)).toMatchObject({ desiredCount: 0, runningCount: 3 });
    await protect(arns.slice(1, 2), false);
    const stopped = (await untilStopped(service, 2)).map(({ taskArn }) => taskArn!);
    expect(stopped.sort()).toEqual(arns.slice(0, 2).sort());
    expect((await runningTasks(service)).map(({ taskArn }) => taskArn).sort()).toEqual(arns.slice(2).sort());
    await protect(arns.slice(2), false);
    await untilStopped(service, 4);
  });

  test('loses its protection when it expires.', async () => {
    const service = await createService({ desiredCount: 1 });
    const [task] = await untilRunning(service, 1);
    const { protectedTasks } = await protect([task!.taskArn!], true, 1);
    expect(protectedTasks![0]!.expirationDate!.getTime()).toBeGreaterThan(Date.now() + 55_000);
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
    await anotherReconciliation();
    expect(await runningTasks(service)).toHaveLength(1);
    advanceClock(61_000);
    await untilStopped(service, 1);
  });

  test('protects itself through its agent until it is being stopped.', async () => {
    const service = await createService({ desiredCount: 1, behaviour: 'ignore', stopTimeout: 2 });
    const [task] = await untilRunning(service, 1);
    const { environment } = await reportOf(task!);
    const state = `${environment['ECS_AGENT_URI']}/task-protection/v1/state`;
    const put = (body: string) => agentCall(state, { method: 'PUT', body });
    expect(await agentCall(state)).toEqual({
      status: 200,
      body: { protection: { ProtectionEnabled: false, TaskArn: task!.taskArn } },
    });
    const on = await put('{"ProtectionEnabled":true,"ExpiresInMinutes":60}');
    expect(on).toMatchObject({
      status: 200,
      body: { protection: { ProtectionEnabled: true, TaskArn: task!.taskArn } },
    });
    expect(Date.parse(on.body.protection!['ExpirationDate'] as string)).toBeGreaterThan(Date.now() + 59 * 60_000);
    const seen = await ecs.send(new GetTaskProtectionCommand({ cluster: CLUSTER, tasks: [task!.taskArn!] }));
    expect(seen.protectedTasks).toMatchObject([{ taskArn: task!.taskArn, protectionEnabled: true }]);

    const refused = { status: 400, body: { error: { Arn: task!.taskArn, Code: 'InvalidParameterException' } } };
    expect(await put('{"ProtectionEnabled":true,"ExpiresInMinutes":0}')).toMatchObject(refused);
    expect(await put('{}')).toMatchObject(refused);
    expect((await agentCall(state.replace(/api\/[^/]*/, 'api/unknown'))).status).toBe(404);

    expect(await put('{"ProtectionEnabled":false}')).toMatchObject({
      body: { protection: { ProtectionEnabled: false } },
    });
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
    const failure = { Arn: task!.taskArn, Reason: 'TASK_NOT_VALID' };
    expect(await put('{"ProtectionEnabled":true}')).toMatchObject({ status: 200, body: { failure } });
    expect((await protect([task!.taskArn!], true)).failures).toMatchObject([{ reason: 'TASK_NOT_VALID' }]);
  });

  test('outlives a deployment, which replaces the other tasks one by one and never runs too few.', async () => {
    const service = await createService({ desiredCount: 2 });
    const old = await untilRunning(service, 2);
    const kept = old[0]!.taskArn!;
    await protect([kept], true);
    const oldDeployment = old[0]!.startedBy;
    await registerTaskDefinition(service, { behaviour: 'serve' });
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, taskDefinition: service }));
    await untilStopped(service, 1);
    const deploying = await until(async () => {
      const described = await describeService(service);
      return described.runningCount === 3 && described.pendingCount === 0 && described;
    });
    expect(deploying.deployments).toMatchObject([
      { status: 'PRIMARY', desiredCount: 2, runningCount: 2, rolloutState: 'IN_PROGRESS' },
      { status: 'ACTIVE', id: oldDeployment, desiredCount: 1, runningCount: 1 },
    ]);
    expect((await runningTasks(service)).filter(({ startedBy }) => startedBy === oldDeployment)).toMatchObject([
      { taskArn: kept },
    ]);
    await protect([kept], false);
    await until(async () => {
      const { deployments } = await describeService(service);
      return deployments?.length === 1 && deployments[0]!.rolloutState === 'COMPLETED';
    });
    const fleet = fargate.usage()[service]!.history;
    const full = fleet.findIndex(({ running }) => running === 2);
    expect(Math.min(...fleet.slice(full).map(({ running }) => running))).toBe(2);
    expect(Math.max(...fleet.map(({ running, pending }) => running + pending))).toBeLessThanOrEqual(4);
  });
});

test('A service protects no more tasks than its desired count while surplus tasks finish, even without a deployment.', async () => {
  const service = await createService({ desiredCount: 2 });
  const [first, second] = (await untilRunning(service, 2)).map(({ taskArn }) => taskArn!);
  expect((await protect([first!, second!], true)).failures).toEqual([]);
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 1 }));
  expect((await protect([first!], true)).failures).toMatchObject([{ arn: first, reason: 'DEPLOYMENT_BLOCKED' }]);
  await protect([second!], false);
  await untilRunning(service, 1);
  expect((await protect([first!], true)).failures).toEqual([]);
});
