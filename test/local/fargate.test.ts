/**
 * The contract of local Fargate, said through ECS's own client. Workers are real processes that report how they were
 * started; whatever needs more than ECS's API (their processes, their agent) is this machine's side of the contract.
 */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
  GetTaskProtectionCommand,
  ListTagsForResourceCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateServiceCommand,
  UpdateTaskProtectionCommand,
} from '@aws-sdk/client-ecs';
import type {
  CapacityProviderStrategyItem,
  ContainerDefinition,
  DeploymentCircuitBreaker,
  HealthCheck,
  Service,
  Task,
} from '@aws-sdk/client-ecs';
import { emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import type { LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate } from '../../local/fargate/index.ts';
import type { LocalFargate, TaskSummary } from '../../local/fargate/index.ts';
import { localClient } from '../../local/observe.ts';

interface Report {
  pid: number;
  childPid?: number;
  directory: string;
  environment: Record<string, string>;
  metadata: Record<string, unknown>;
}

const FIXTURES = join(import.meta.dirname, 'fargate-fixtures');
const IMAGE = 'example.test/worker:1';
const CLUSTER = 'contract';
const START_DELAY_SECONDS = { min: 0.1, max: 0.3 };

let emulator: LocalEmulator;
let fargate: LocalFargate;
let ecs: ECSClient;
let directory: string;
let reportServer: Server;
const reports: Report[] = [];
const changes: TaskSummary[] = [];
const logged: string[] = [];
let clockOffset = 0;
let serviceCount = 0;

jest.setTimeout(120_000);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'local-fargate-'));
  emulator = await startEmulator({ directory });
  reportServer = createServer((request, response) => {
    response.end();
    void readAll(request).then((body) => reports.push(JSON.parse(body)));
  }).listen(0, '127.0.0.1');
  await once(reportServer, 'listening');
  fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    images: { [IMAGE]: FIXTURES },
    startDelaySeconds: START_DELAY_SECONDS,
    logDirectory: join(directory, 'tasks'),
    environment: emulatorCredentials(emulator.url),
    pollMilliseconds: 50,
    healthChecks: true,
    // So long have all processes of the file at once to take note of SIGTERM.
    stopGraceSeconds: 5,
    restartBackoff: { firstSeconds: 0.2, maxSeconds: 2, steadyAfterSeconds: 5 },
    now: () => Date.now() + clockOffset,
    onTaskChange: (task) => changes.push(task),
    log: (message) => logged.push(message),
  });
  ecs = new ECSClient({
    endpoint: fargate.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await ecs.send(new CreateClusterCommand({ clusterName: CLUSTER, capacityProviders: ['FARGATE', 'FARGATE_SPOT'] }));
});

afterAll(async () => {
  await fargate?.stop();
  await emulator?.stop();
  reportServer?.close();
  await rm(directory, { recursive: true, force: true });
});

describe('A service', () => {
  test('keeps its desired count of tasks, each going from PROVISIONING over PENDING to RUNNING.', async () => {
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

  test('waits longer each time before it replaces a task that crashes.', async () => {
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

  test('that is deleted takes its tasks along.', async () => {
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

describe('A service in a deployment', () => {
  const circuitBreaker = { enable: true, rollback: true };

  test('goes back to what ran before when the new tasks keep failing.', async () => {
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

  test('without a way back starts no more of them, and keeps what runs.', async () => {
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

  test('protects no more tasks than it shall have.', async () => {
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

test('A service protects no more tasks than its count while tasks that are too many finish, without a deployment.', async () => {
  const service = await createService({ desiredCount: 2 });
  const [first, second] = (await untilRunning(service, 2)).map(({ taskArn }) => taskArn!);
  expect((await protect([first!, second!], true)).failures).toEqual([]);
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 1 }));
  expect((await protect([first!], true)).failures).toMatchObject([{ arn: first, reason: 'DEPLOYMENT_BLOCKED' }]);
  await protect([second!], false);
  await untilRunning(service, 1);
  expect((await protect([first!], true)).failures).toEqual([]);
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

describe('A service on capacity providers', () => {
  test('has its base on demand and the rest by weight, and loses Spot tasks, protected or not.', async () => {
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

describe('A container', () => {
  test('finds its variables, its secrets, its agent and its metadata, and nothing else of this machine.', async () => {
    const secret = await emulatorCall('secretsmanager.CreateSecret', {
      Name: 'contract/secret',
      SecretString: JSON.stringify({ user: 'someone', port: 7233 }),
    });
    await emulatorCall('AmazonSSM.PutParameter', {
      Name: '/contract/parameter',
      Value: 'a value',
      Type: 'SecureString',
    });
    process.env['ONLY_ON_THIS_MACHINE'] = 'yes';
    const service = await createService({
      desiredCount: 1,
      secrets: [
        { name: 'WHOLE_SECRET', valueFrom: String(secret['ARN']) },
        { name: 'SECRET_USER', valueFrom: `${String(secret['ARN'])}:user::` },
        { name: 'SECRET_BY_NAME', valueFrom: 'contract/secret:port::' },
        { name: 'PARAMETER', valueFrom: '/contract/parameter' },
      ],
    });
    const [task] = await untilRunning(service, 1);
    const { environment, metadata, directory: workingDirectory } = await reportOf(task!);
    expect(environment).toMatchObject({
      SERVICE: service,
      WHOLE_SECRET: JSON.stringify({ user: 'someone', port: 7233 }),
      SECRET_USER: 'someone',
      SECRET_BY_NAME: '7233',
      PARAMETER: 'a value',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: emulator.url,
    });
    expect(environment).not.toHaveProperty('ONLY_ON_THIS_MACHINE');
    expect(workingDirectory).toBe(FIXTURES);
    expect(metadata).toMatchObject({
      Cluster: task!.clusterArn,
      TaskARN: task!.taskArn,
      Family: service,
      Revision: '1',
      DesiredStatus: 'RUNNING',
      Limits: { CPU: 0.25, Memory: 512 },
      LaunchType: 'FARGATE',
      AvailabilityZone: 'us-east-1a',
      Containers: [{ Name: 'worker', Image: IMAGE }],
    });
    const container = await (await fetch(environment['ECS_CONTAINER_METADATA_URI_V4']!)).json();
    expect(container).toMatchObject({ Name: 'worker', KnownStatus: 'RUNNING' });
  });

  test('of a task with a role has its credentials, and no others, and is refused what its policies do not allow.', async () => {
    const role = 'task-role';
    await iam('CreateRole', {
      RoleName: role,
      AssumeRolePolicyDocument: policy({ Action: 'sts:AssumeRole', Principal: '*' }),
    });
    const service = await createService({ desiredCount: 1, role });
    const [task] = await untilRunning(service, 1);
    const { environment } = await reportOf(task!);
    expect(Object.keys(environment)).not.toContain('AWS_ACCESS_KEY_ID');
    const keys = await (await fetch(environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']!)).json();
    const credentials = {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.Token,
    };
    const own = new ECSClient({ ...localClient(fargate.url), credentials });
    const describe = () => own.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [service] }));
    const body = JSON.stringify({ ProtectionEnabled: true });
    const protectItself = () =>
      agentCall(`${environment['ECS_AGENT_URI']}/task-protection/v1/state`, { method: 'PUT', body });

    const taskId = task!.taskArn!.split('/').at(-1);
    const refused = {
      name: 'AccessDeniedException',
      message: expect.stringContaining(`assumed-role/task-role/${taskId}`),
    };
    await expect(describe()).rejects.toMatchObject(refused);
    expect(await protectItself()).toMatchObject({ status: 400, body: { error: { Code: 'AccessDeniedException' } } });

    const PolicyDocument = policy({ Action: ['ecs:DescribeServices', 'ecs:UpdateTaskProtection'], Resource: '*' });
    await iam('PutRolePolicy', { RoleName: role, PolicyName: 'rights', PolicyDocument });
    expect((await describe()).services).toMatchObject([{ serviceName: service }]);
    expect(await protectItself()).toMatchObject({ status: 200, body: { protection: { ProtectionEnabled: true } } });

    const forged = { ...credentials, secretAccessKey: 'guessed' };
    const other = new ECSClient({ ...localClient(fargate.url), credentials: forged });
    await expect(other.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [service] }))).rejects.toThrow(
      /signature/,
    );
  });

  test('whose health check fails is replaced, protected or not.', async () => {
    const sick = join(directory, 'sick');
    const command = ['CMD-SHELL', `test ! -e ${sick}`];
    const service = await createService({
      desiredCount: 1,
      healthCheck: { command, interval: 1, timeout: 2, retries: 2 },
    });
    const [task] = await until(async () => {
      const running = await runningTasks(service);
      return running[0]?.healthStatus === 'HEALTHY' && running;
    });
    await protect([task!.taskArn!], true);
    await writeFile(sick, '');
    const [stopped] = await untilStopped(service, 1);
    expect(stopped).toMatchObject({ taskArn: task!.taskArn, stoppedReason: 'Task failed container health checks' });
    await rm(sick);
    await until(async () => (await runningTasks(service))[0]?.healthStatus === 'HEALTHY');
  });

  test('whose health check asks the worker is asked at a port of its own, as on AWS it has a network of its own.', async () => {
    const asked = join(directory, 'asked');
    const command = ['CMD-SHELL', `echo $ELASTIC_WORKERS_HEALTH_PORT http://127.0.0.1:8080/health/live >> ${asked}`];
    const service = await createService({
      desiredCount: 2,
      healthCheck: { command, interval: 1, timeout: 2, retries: 2 },
    });
    const lines = await until(async () => {
      const running = await runningTasks(service);
      if (running.length < 2 || running.some(({ healthStatus }) => healthStatus !== 'HEALTHY')) return undefined;
      return new Set((await readFile(asked, 'utf8')).trim().split('\n'));
    });
    const ports = [...lines].map((line) => /^(\d+) http:\/\/127\.0\.0\.1:(\d+)\/health\/live$/.exec(line)?.slice(1));
    expect(ports).toHaveLength(2);
    for (const [told, at] of ports as [string, string][]) expect(told).toBe(at);
  });

  test('whose secret does not exist is never started.', async () => {
    const service = await createService({ desiredCount: 1, secrets: [{ name: 'NONE', valueFrom: 'contract/none' }] });
    const [failed] = await untilStopped(service, 1);
    expect(failed!.stopCode).toBe('TaskFailedToStart');
    expect(failed!.stoppedReason).toMatch(/^ResourceInitializationError: unable to pull secrets .*contract\/none/);
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
  });

  test('that ignores SIGTERM is killed after its stopTimeout, with everything it started.', async () => {
    const service = await createService({ desiredCount: 1, behaviour: 'ignore', stopTimeout: 1 });
    const [task] = await untilRunning(service, 1);
    const { pid, childPid } = await reportOf(task!);
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: 0 }));
    const [stopped] = await untilStopped(service, 1);
    expect(stopped!.containers![0]!.exitCode).toBe(137);
    expect(stopped!.executionStoppedAt!.getTime() - stopped!.stoppingAt!.getTime()).toBeGreaterThanOrEqual(990);
    await until(() => !isAlive(pid) && !isAlive(childPid!));
  });

  test('defined by CloudFormation gets its secrets too, and follows the stack.', async () => {
    await cloudFormation('CreateStack', stackTemplate(1));
    const [task] = await untilRunning('from-stack', 1);
    expect((await reportOf(task!)).environment).toMatchObject({ FROM_STACK: 'someone' });
    await cloudFormation('UpdateStack', stackTemplate(2));
    await untilRunning('from-stack', 2);
    await cloudFormation('DeleteStack');
    await untilStopped('from-stack', 2);
  });
});

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
    clockOffset += 61_000;
    await untilStopped(service, 1);
  });

  test('protects itself through its agent, until it is being stopped.', async () => {
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

  test('outlives a deployment, which otherwise replaces task by task and never runs fewer than it should.', async () => {
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

describe('The endpoint', () => {
  test('lists tasks in pages.', async () => {
    const service = await createService({ desiredCount: 5 });
    const running = await untilRunning(service, 5);
    const pages: string[][] = [];
    let nextToken: string | undefined;
    do {
      const page = await ecs.send(
        new ListTasksCommand({
          cluster: CLUSTER,
          serviceName: service,
          maxResults: 2,
          ...(nextToken && { nextToken }),
        }),
      );
      pages.push(page.taskArns!);
      nextToken = page.nextToken;
    } while (nextToken);
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(pages.flat().sort()).toEqual(running.map(({ taskArn }) => taskArn!).sort());
    const family = await ecs.send(new ListTasksCommand({ cluster: CLUSTER, family: service }));
    expect(family.taskArns).toHaveLength(5);
  });

  test('hands tags on, and DescribeServices includes them when asked.', async () => {
    const service = await createService({ desiredCount: 0 });
    const { serviceArn: resourceArn } = await describeService(service);
    const read = async () => {
      const command = new DescribeServicesCommand({ cluster: CLUSTER, services: [service], include: ['TAGS'] });
      return (await ecs.send(command)).services![0]!.tags;
    };
    await ecs.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'a', value: '1' }] }));
    await ecs.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'b', value: '2' }] }));
    await ecs.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }));
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, forceNewDeployment: true }));
    expect(await read()).toEqual([{ key: 'b', value: '2' }]);
    expect((await ecs.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual(await read());
  });

  test('tells what is missing.', async () => {
    const missing = `arn:aws:ecs:us-east-1:000000000000:task/${CLUSTER}/${'0'.repeat(32)}`;
    const services = await ecs.send(new DescribeServicesCommand({ cluster: CLUSTER, services: ['none'] }));
    expect(services).toMatchObject({ services: [], failures: [{ reason: 'MISSING' }] });
    const tasks = await ecs.send(new DescribeTasksCommand({ cluster: CLUSTER, tasks: [missing] }));
    expect(tasks).toMatchObject({ tasks: [], failures: [{ arn: missing, reason: 'MISSING' }] });
    expect(await protect([missing], true)).toMatchObject({ failures: [{ arn: missing, reason: 'MISSING' }] });
  });

  const names = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padStart(32, '0'));
  const protection = (expiresInMinutes: number, count = 1) =>
    new UpdateTaskProtectionCommand({
      cluster: CLUSTER,
      tasks: names(count),
      protectionEnabled: true,
      expiresInMinutes,
    });
  const refusals: [what: string, name: string, command: object][] = [
    ['no such cluster', 'ClusterNotFoundException', new ListTasksCommand({ cluster: 'none' })],
    ['no such cluster', 'ClusterNotFoundException', new DescribeServicesCommand({ cluster: 'none', services: ['a'] })],
    ['no such cluster', 'ClusterNotFoundException', new UpdateServiceCommand({ cluster: 'none', service: 'a' })],
    ['no such service', 'ServiceNotFoundException', new UpdateServiceCommand({ cluster: CLUSTER, service: 'none' })],
    ['no such service', 'ServiceNotFoundException', new ListTasksCommand({ cluster: CLUSTER, serviceName: 'none' })],
    ['no such task', 'InvalidParameterException', new StopTaskCommand({ cluster: CLUSTER, task: names(1)[0] })],
    ['no services', 'InvalidParameterException', new DescribeServicesCommand({ cluster: CLUSTER, services: [] })],
    [
      '11 services',
      'InvalidParameterException',
      new DescribeServicesCommand({ cluster: CLUSTER, services: names(11) }),
    ],
    ['no tasks', 'InvalidParameterException', new DescribeTasksCommand({ cluster: CLUSTER, tasks: [] })],
    ['101 tasks', 'InvalidParameterException', new DescribeTasksCommand({ cluster: CLUSTER, tasks: names(101) })],
    ['101 a page', 'InvalidParameterException', new ListTasksCommand({ cluster: CLUSTER, maxResults: 101 })],
    ['a false token', 'InvalidParameterException', new ListTasksCommand({ cluster: CLUSTER, nextToken: 'false' })],
    [
      'a desired count below 0',
      'InvalidParameterException',
      new UpdateServiceCommand({ cluster: CLUSTER, service: 'none', desiredCount: -1 }),
    ],
    ['protection of 11 tasks', 'InvalidParameterException', protection(60, 11)],
    ['protection for 0 minutes', 'InvalidParameterException', protection(0)],
    ['protection for 2881 minutes', 'InvalidParameterException', protection(2881)],
  ];
  test.each(refusals)('refuses %s with %s.', async (_what, name, command) => {
    await expect(ecs.send(command as ListTasksCommand)).rejects.toMatchObject({ name });
  });

  test('refuses RunTask, which the emulator would only pretend to do.', async () => {
    const refused = ecs.send(new RunTaskCommand({ cluster: CLUSTER, taskDefinition: 'any' }));
    await expect(refused).rejects.toMatchObject({ name: 'UnsupportedFeatureException' });
  });

  test('hands every other call on to the emulator, and the answer back, byte for byte.', async () => {
    const service = await createService({ desiredCount: 0 });
    const described = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition: service }));
    expect(described.taskDefinition).toMatchObject({ family: service, revision: 1 });
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 256));
    const headers = signedFor('s3');
    await fetch(`${fargate.url}/a-bucket`, { method: 'PUT', headers });
    await fetch(`${fargate.url}/a-bucket/a%20key?x-id=PutObject`, { method: 'PUT', body: bytes, headers });
    for (const url of [fargate.url, emulator.url]) {
      const read = await fetch(`${url}/a-bucket/a%20key`, { headers });
      expect(Buffer.from(await read.arrayBuffer()).equals(bytes)).toBe(true);
    }
    const urls = [fargate.url, emulator.url];
    const missing = await Promise.all(urls.map((url) => fetch(`${url}/a-bucket/none`, { headers })));
    expect(missing.map(({ status }) => status)).toEqual([404, 404]);
  });
});

describe('At the end', () => {
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

interface ServiceOptions {
  desiredCount: number;
  behaviour?: 'serve' | 'crash' | 'ignore';
  exitCode?: number;
  stopTimeout?: number;
  image?: string;
  healthCheck?: HealthCheck;
  circuitBreaker?: DeploymentCircuitBreaker;
  capacityProviderStrategy?: CapacityProviderStrategyItem[];
  secrets?: { name: string; valueFrom: string }[];
  /** The task's. */
  role?: string;
}

/** A service, and a task definition family, of a name of its own. */
async function createService(options: ServiceOptions): Promise<string> {
  serviceCount += 1;
  const service = `service-${serviceCount}`;
  await registerTaskDefinition(service, options);
  await ecs.send(
    new CreateServiceCommand({
      cluster: CLUSTER,
      serviceName: service,
      taskDefinition: service,
      desiredCount: options.desiredCount,
      ...(options.capacityProviderStrategy
        ? { capacityProviderStrategy: options.capacityProviderStrategy }
        : { launchType: 'FARGATE' }),
      ...(options.circuitBreaker && {
        deploymentConfiguration: { deploymentCircuitBreaker: options.circuitBreaker },
      }),
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    }),
  );
  return service;
}

async function registerTaskDefinition(family: string, options: Partial<ServiceOptions>): Promise<void> {
  const container: ContainerDefinition = {
    name: 'worker',
    image: options.image ?? IMAGE,
    command: ['node', 'worker.mjs'],
    stopTimeout: options.stopTimeout ?? 10,
    environment: Object.entries({ SERVICE: family, ...behaviour(options) }).map(([name, value]) => ({ name, value })),
    ...(options.healthCheck && { healthCheck: options.healthCheck }),
    ...(options.secrets && { secrets: options.secrets }),
  };
  await ecs.send(
    new RegisterTaskDefinitionCommand({
      family,
      ...(options.role && { taskRoleArn: `arn:aws:iam::000000000000:role/${options.role}` }),
      cpu: '256',
      memory: '512',
      networkMode: 'awsvpc',
      requiresCompatibilities: ['FARGATE'],
      containerDefinitions: [container],
    }),
  );
}

async function deployRevision(service: string, options: Partial<ServiceOptions>): Promise<void> {
  await registerTaskDefinition(service, options);
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, taskDefinition: service }));
}

async function messagesOf(service: string): Promise<string[]> {
  return ((await describeService(service)).events ?? []).map(({ message = '' }) => message);
}

function behaviour({ behaviour = 'serve', exitCode = 0 }: Partial<ServiceOptions>): Record<string, string> {
  const reportUrl = `http://127.0.0.1:${(reportServer.address() as AddressInfo).port}`;
  return { REPORT_URL: reportUrl, BEHAVIOUR: behaviour, EXIT_CODE: String(exitCode) };
}

async function describeService(service: string): Promise<Service> {
  const { services } = await ecs.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [service] }));
  return services![0]!;
}

async function tasksOf(service: string, desiredStatus: 'RUNNING' | 'STOPPED'): Promise<Task[]> {
  const { taskArns } = await ecs.send(new ListTasksCommand({ cluster: CLUSTER, serviceName: service, desiredStatus }));
  if (taskArns!.length === 0) return [];
  return (await ecs.send(new DescribeTasksCommand({ cluster: CLUSTER, tasks: taskArns! }))).tasks!;
}

async function runningTasks(service: string): Promise<Task[]> {
  return (await tasksOf(service, 'RUNNING')).filter(({ lastStatus }) => lastStatus === 'RUNNING');
}

function untilRunning(service: string, count: number): Promise<Task[]> {
  return until(async () => {
    const tasks = await runningTasks(service);
    return tasks.length === count && tasks;
  });
}

function untilStopped(service: string, count: number): Promise<Task[]> {
  return until(async () => {
    const tasks = (await tasksOf(service, 'STOPPED')).filter(({ lastStatus }) => lastStatus === 'STOPPED');
    return tasks.length >= count && tasks;
  });
}

function protect(tasks: string[], protectionEnabled: boolean, expiresInMinutes?: number) {
  return ecs.send(
    new UpdateTaskProtectionCommand({
      cluster: CLUSTER,
      tasks,
      protectionEnabled,
      ...(expiresInMinutes !== undefined && { expiresInMinutes }),
    }),
  );
}

/** The scheduler has looked at every service again once a service made only now is steady. */
async function anotherReconciliation(): Promise<void> {
  await untilRunning(await createService({ desiredCount: 1 }), 1);
}

function reportOf(task: Task): Promise<Report> {
  return until(() => reports.find(({ metadata }) => metadata['TaskARN'] === task.taskArn));
}

function statusesOf(task: Task): string[] {
  const last = changes.findLast(({ taskArn }) => taskArn === task.taskArn);
  return last!.history.map(({ status }) => status);
}

async function agentCall(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  const body = (await response.json()) as Record<string, Record<string, unknown> | undefined>;
  return { status: response.status, body };
}

async function emulatorCall(target: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const headers = { ...signedFor('any'), 'Content-Type': 'application/x-amz-json-1.1', 'X-Amz-Target': target };
  const response = await fetch(emulator.url, { method: 'POST', headers, body: JSON.stringify(input) });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

async function iam(action: string, parameters: Record<string, string>): Promise<void> {
  const body = new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters });
  const response = await fetch(emulator.url, { method: 'POST', body, headers: signedFor('iam') });
  expect(response.status).toBe(200);
}

function policy(statement: Record<string, unknown>): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...statement }] });
}

async function cloudFormation(action: string, template?: object): Promise<void> {
  const body = new URLSearchParams({ Action: action, Version: '2010-05-15', StackName: 'contract-stack' });
  if (template) body.set('TemplateBody', JSON.stringify(template));
  const response = await fetch(fargate.url, { method: 'POST', body, headers: signedFor('cloudformation') });
  expect(response.status).toBe(200);
}

/** By root, whose signature nobody checks. */
function signedFor(service: string): Record<string, string> {
  const scope = `Credential=test/20260101/us-east-1/${service}/aws4_request`;
  return { Authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none` };
}

function stackTemplate(desiredCount: number): object {
  const environment = Object.entries(behaviour({})).map(([Name, Value]) => ({ Name, Value }));
  return {
    Resources: {
      Secret: {
        Type: 'AWS::SecretsManager::Secret',
        Properties: { Name: 'stack/secret', SecretString: '{"user":"someone"}' },
      },
      Definition: {
        Type: 'AWS::ECS::TaskDefinition',
        Properties: {
          Family: 'from-stack',
          Cpu: '256',
          Memory: '512',
          NetworkMode: 'awsvpc',
          RequiresCompatibilities: ['FARGATE'],
          ContainerDefinitions: [
            {
              Name: 'worker',
              Image: IMAGE,
              Essential: true,
              Command: ['node', 'worker.mjs'],
              StopTimeout: 5,
              Environment: environment,
              Secrets: [{ Name: 'FROM_STACK', ValueFrom: { 'Fn::Join': ['', [{ Ref: 'Secret' }, ':user::']] } }],
            },
          ],
        },
      },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          ServiceName: 'from-stack',
          Cluster: CLUSTER,
          TaskDefinition: { Ref: 'Definition' },
          DesiredCount: desiredCount,
          LaunchType: 'FARGATE',
        },
      },
    },
  };
}

async function until<T>(condition: () => Promise<T | false | undefined> | T | false | undefined): Promise<T> {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    const found = await condition();
    if (found) return found;
    await delay(25);
  }
  throw new Error(`never came true: ${condition.toString()}`);
}

/** A process that has ended but that its new parent has not asked about yet counts as ended. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const status = `/proc/${pid}/stat`;
    return !existsSync(status) || !readFileSync(status, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
