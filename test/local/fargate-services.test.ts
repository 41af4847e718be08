/** Local Fargate keeps services at their counts, and leaves nothing behind at its end. */
import { readFile } from 'node:fs/promises';
import { DeleteServiceCommand, DescribeTasksCommand, StopTaskCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import {
  CLUSTER,
  IMAGE,
  START_DELAY_SECONDS,
  createService,
  describeService,
  ecs,
  emulator,
  fargate,
  isAlive,
  logged,
  protect,
  reportOf,
  reports,
  runningTasks,
  startFargate,
  statusesOf,
  stopFargate,
  until,
  untilRunning,
  untilStopped,
} from './fargate-under-test.ts';

jest.setTimeout(120_000);

beforeAll(startFargate);
afterAll(stopFargate);

describe('A service', () => {
  test('keeps its desired count of tasks, each going through PROVISIONING and PENDING to RUNNING.', async () => {
    const service = await createService({ desiredCount: 2 });
    const tasks = await untilRunning(service, 2);
    for (const task of tasks) {
      expect(task).toMatchObject({
        desiredStatus: 'RUNNING',
        group: `service:${service}`,
        launchType: 'FARGATE',
        cpu: '256',
        memory: '512',
        containers: [{ name: 'worker', image: IMAGE, lastStatus: 'RUNNING' }],
      });
      expect(task.taskArn).toMatch(/^arn:aws:ecs:us-east-1:\d{12}:task\/contract\/[0-9a-f]{32}$/);
      expect(statusesOf(task)).toEqual(['PROVISIONING', 'PENDING', 'RUNNING']);
      const started = (task.startedAt!.getTime() - task.createdAt!.getTime()) / 1000;
      expect(started).toBeGreaterThanOrEqual(START_DELAY_SECONDS.min - 0.01);
      expect(task.pullStartedAt!.getTime()).toBeLessThan(task.startedAt!.getTime());
    }
    const described = await describeService(service);
    expect(described).toMatchObject({
      desiredCount: 2,
      runningCount: 2,
      pendingCount: 0,
      deployments: [{ status: 'PRIMARY', rolloutState: 'COMPLETED', runningCount: 2, failedTasks: 0 }],
    });
    expect(tasks.map(({ startedBy }) => startedBy)).toEqual(Array(2).fill(described.deployments![0]!.id));
    expect(described.events![0]!.message).toBe(`(service ${service}) has reached a steady state.`);
  });

  test('is scaled out and in by UpdateService, and its usage is measured.', async () => {
    const service = await createService({ desiredCount: 0, exitCode: 3 });
    const updated = await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 3 }));
    expect(updated.service).toMatchObject({ desiredCount: 3, runningCount: 0 });
    const tasks = await untilRunning(service, 3);
    await Promise.all(tasks.map(reportOf));
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 1 }));
    const stopped = await untilStopped(service, 2);
    const reason = `Scaling activity initiated by (deployment ${tasks[0]!.startedBy})`;
    for (const task of stopped) {
      expect(task).toMatchObject({ stopCode: 'ServiceSchedulerInitiated', stoppedReason: reason });
      expect(task.containers![0]!.exitCode).toBe(3);
      expect(task.stoppingAt!.getTime()).toBeLessThanOrEqual(task.stoppedAt!.getTime());
    }
    const usage = fargate.usage()[service]!;
    expect(usage).toMatchObject({ tasksLaunched: 3, peakRunningTasks: 3, billedTaskSeconds: 180 });
    expect(usage.taskSeconds).toBeGreaterThan(0);
    expect(usage.history).toContainEqual(expect.objectContaining({ desired: 3, running: 3, pending: 0 }));
    expect(usage.history.at(-1)).toMatchObject({ desired: 1, running: 1, pending: 0 });
  });

  test('replaces a task that StopTask stopped, protected or not.', async () => {
    const service = await createService({ desiredCount: 1 });
    const [task] = await untilRunning(service, 1);
    await protect([task!.taskArn!], true);
    const { task: stopping } = await ecs.send(
      new StopTaskCommand({ cluster: CLUSTER, task: task!.taskArn, reason: 'by hand' }),
    );
    expect(stopping).toMatchObject({ desiredStatus: 'STOPPED', lastStatus: 'DEACTIVATING' });
    const [stopped] = await untilStopped(service, 1);
    expect(stopped).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'by hand', lastStatus: 'STOPPED' });
    expect(statusesOf(stopped!).slice(3)).toEqual(['DEACTIVATING', 'STOPPING', 'DEPROVISIONING', 'STOPPED']);
    const [replacement] = await untilRunning(service, 1);
    expect(replacement!.taskArn).not.toBe(task!.taskArn);
  });

  test('waits longer each time before replacing a task that crashes.', async () => {
    const service = await createService({ desiredCount: 1, behaviour: 'crash', exitCode: 7 });
    const crashed = await untilStopped(service, 4);
    for (const task of crashed) {
      expect(task).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 7 }] });
      expect(task.stoppedReason).toBe('Essential container in task exited');
    }
    const oldestFirst = crashed.sort((a, b) => a.createdAt!.getTime() - b.createdAt!.getTime());
    const gaps = oldestFirst
      .slice(1)
      .map((task, index) => task.createdAt!.getTime() - oldestFirst[index]!.stoppingAt!.getTime());
    for (const [index, least] of [200, 400, 800].entries()) expect(gaps[index]).toBeGreaterThanOrEqual(least);
    const described = await describeService(service);
    expect(described.deployments![0]!.failedTasks).toBeGreaterThanOrEqual(4);
    expect(described.events!.map(({ message }) => message)).toContain(
      `(service ${service}) is unable to consistently start tasks successfully.`,
    );
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
  });

  test('whose image does not exist has tasks that fail to start.', async () => {
    const service = await createService({ desiredCount: 1, image: 'example.test/nowhere:1' });
    const [failed] = await untilStopped(service, 1);
    expect(failed).toMatchObject({
      stopCode: 'TaskFailedToStart',
      stoppedReason: 'CannotPullContainerError: no such image: example.test/nowhere:1',
    });
    expect(failed!.startedAt).toBeUndefined();
    expect(failed!.containers![0]!.exitCode).toBeUndefined();
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
  });

  test('that is deleted stops its tasks.', async () => {
    const service = await createService({ desiredCount: 2 });
    await untilRunning(service, 2);
    await ecs.send(new DeleteServiceCommand({ cluster: CLUSTER, service, force: true }));
    await untilStopped(service, 2);
    expect(await describeService(service)).toMatchObject({ status: 'INACTIVE', runningCount: 0 });
    await expect(ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service }))).rejects.toMatchObject({
      name: 'ServiceNotActiveException',
    });
  });
});

describe('A service on capacity providers', () => {
  test('runs its base on demand and the rest by weight, and loses Spot tasks whether protected or not.', async () => {
    const service = await createService({
      desiredCount: 5,
      stopTimeout: 3,
      capacityProviderStrategy: [
        { capacityProvider: 'FARGATE', base: 1, weight: 1 },
        { capacityProvider: 'FARGATE_SPOT', weight: 3 },
      ],
    });
    const tasks = await untilRunning(service, 5);
    const spot = tasks.filter(({ capacityProviderName }) => capacityProviderName === 'FARGATE_SPOT');
    expect(spot).toHaveLength(3);
    await protect(
      spot.map(({ taskArn }) => taskArn!),
      true,
    );
    await Promise.all(tasks.map(reportOf));

    expect(fargate.reclaimSpot(2)).toHaveLength(2);
    const stopped = await untilStopped(service, 2);
    for (const task of stopped) {
      expect(task).toMatchObject({ stopCode: 'SpotInterruption', capacityProviderName: 'FARGATE_SPOT' });
      expect(task.containers![0]!.exitCode).toBe(0);
    }
    const again = await untilRunning(service, 5);
    expect(again.filter(({ capacityProviderName }) => capacityProviderName === 'FARGATE_SPOT')).toHaveLength(3);
    await ecs.send(new DeleteServiceCommand({ cluster: CLUSTER, service, force: true }));
  });
});

describe('When it ends', () => {
  let service: string;

  test('an emulator that no longer answers changes nothing.', async () => {
    service = await createService({ desiredCount: 2, behaviour: 'ignore', stopTimeout: 120 });
    const tasks = (await untilRunning(service, 2)).map(({ taskArn }) => taskArn!);
    await Promise.all((await runningTasks(service)).map(reportOf));
    await emulator.stop();
    await until(() => logged.some((message) => message.startsWith("Cannot read the emulator's services")));
    const described = await ecs.send(new DescribeTasksCommand({ cluster: CLUSTER, tasks }));
    expect(described.tasks).toMatchObject([{ lastStatus: 'RUNNING' }, { lastStatus: 'RUNNING' }]);
    expect((await fetch(`${fargate.url}/a-bucket/a%20key`)).status).toBe(503);
  });

  test('stopping local Fargate leaves no process behind, and each task has its log.', async () => {
    await fargate.stop();
    expect(reports.length).toBeGreaterThan(10);
    await until(() => reports.every(({ pid, childPid }) => !isAlive(pid) && !(childPid && isAlive(childPid))));
    const tasks = fargate.tasks().filter((task) => task.service === service);
    expect(tasks).toMatchObject([{ exitCode: 137 }, { exitCode: 137 }]);
    for (const { logFile } of tasks) expect(await readFile(logFile, 'utf8')).toContain('SIGTERM ignored');
    await expect(fetch(fargate.url)).rejects.toThrow('fetch failed');
  });
});
