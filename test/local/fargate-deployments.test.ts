/** Deployments of services in local Fargate. */
import { UpdateServiceCommand } from '@aws-sdk/client-ecs';
import {
  CLUSTER,
  anotherReconciliation,
  createService,
  deployRevision,
  describeService,
  ecs,
  messagesOf,
  protect,
  runningTasks,
  startFargate,
  stopFargate,
  tasksOf,
  until,
  untilRunning,
  untilStopped,
} from './fargate-under-test.ts';

jest.setTimeout(120_000);

beforeAll(startFargate);
afterAll(stopFargate);

describe('A service in a deployment', () => {
  const circuitBreaker = { enable: true, rollback: true };

  test('rolls back to the previous revision when the new tasks keep failing.', async () => {
    const service = await createService({ desiredCount: 1, circuitBreaker });
    const [good] = await untilRunning(service, 1);
    await deployRevision(service, { image: 'example.test/nowhere:1' });
    await until(async () => (await messagesOf(service)).some((message) => message.includes('rolling back to')));
    const described = await until(async () => {
      const now = await describeService(service);
      return now.deployments?.length === 1 && now.deployments[0]!.rolloutState === 'COMPLETED' && now;
    });
    expect(described.taskDefinition).toBe(good!.taskDefinitionArn);
    const failed = (await tasksOf(service, 'STOPPED')).filter(({ stopCode }) => stopCode === 'TaskFailedToStart');
    expect(failed).toHaveLength(3);
  });

  test('without rollback stops starting failing tasks, and keeps what runs.', async () => {
    const service = await createService({ desiredCount: 1, circuitBreaker: { enable: true, rollback: false } });
    const [good] = await untilRunning(service, 1);
    await deployRevision(service, { image: 'example.test/nowhere:1' });
    await until(async () => (await describeService(service)).deployments?.[0]?.rolloutState === 'FAILED');
    await anotherReconciliation();
    expect(await runningTasks(service)).toMatchObject([{ taskArn: good!.taskArn }]);
  });

  test('takes no sixth one while protected tasks keep five open, but counts all the same.', async () => {
    const service = await createService({ desiredCount: 5 });
    const kept: string[] = [];
    for (let revision = 1; revision <= 5; revision += 1) {
      const newest = await until(async () => {
        const tasks = (await runningTasks(service)).filter(({ taskArn }) => !kept.includes(taskArn!));
        const isRolledOut = tasks.length === 5 && new Set(tasks.map(({ startedBy }) => startedBy)).size === 1;
        return isRolledOut && tasks[0]!.taskArn!;
      });
      await protect([newest], true);
      kept.push(newest);
      if (revision < 5) await deployRevision(service, {});
    }
    expect((await describeService(service)).deployments).toHaveLength(5);
    await expect(deployRevision(service, {})).rejects.toThrow('5 active deployments exist');
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 1 }));
    await protect(kept, false);
    await until(async () => (await describeService(service)).deployments?.length === 1);
    await deployRevision(service, {});
  });

  test('protects no more tasks than its desired count.', async () => {
    const service = await createService({ desiredCount: 1 });
    const [old] = await untilRunning(service, 1);
    await protect([old!.taskArn!], true);
    await deployRevision(service, {});
    const tasks = await untilRunning(service, 2);
    const added = tasks.find(({ taskArn }) => taskArn !== old!.taskArn)!.taskArn!;
    expect((await protect([added], true)).failures).toMatchObject([{ arn: added, reason: 'DEPLOYMENT_BLOCKED' }]);
    expect((await protect([old!.taskArn!], true)).failures).toEqual([]);
    await protect([old!.taskArn!], false);
    await untilStopped(service, 1);
    expect((await protect([added], true)).failures).toEqual([]);
  });
});

test('A deployment of the same task definition starts tasks of its own, which carry its id.', async () => {
  const service = await createService({ desiredCount: 1 });
  const [old] = await untilRunning(service, 1);
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, forceNewDeployment: true }));
  const added = await until(async () => {
    const tasks = await runningTasks(service);
    return tasks.length === 1 && tasks[0]!.taskArn !== old!.taskArn && tasks[0];
  });
  expect(added.taskDefinitionArn).toBe(old!.taskDefinitionArn);
  expect(added.startedBy).toBe((await describeService(service)).deployments?.[0]?.id);
  expect(added.startedBy).not.toBe(old!.startedBy);
});
