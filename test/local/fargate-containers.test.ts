/** What a container in local Fargate finds, and how it ends. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DescribeServicesCommand, ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { localClient } from '../../local/observe.ts';
import {
  CLUSTER,
  FIXTURES,
  IMAGE,
  agentCall,
  behaviour,
  createService,
  directory,
  ecs,
  emulator,
  fargate,
  isAlive,
  protect,
  reportOf,
  runningTasks,
  signedFor,
  startFargate,
  stopFargate,
  until,
  untilRunning,
  untilStopped,
} from './fargate-under-test.ts';

jest.setTimeout(120_000);

beforeAll(startFargate);
afterAll(stopFargate);

describe('A container', () => {
  test('gets its variables, secrets, agent and metadata, and nothing else from this machine.', async () => {
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

  test('of a task with a role gets the credentials of that role only, and is refused what its policies do not allow.', async () => {
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

  test('whose health check calls the worker is called on a port of its own, because on AWS it has its own network.', async () => {
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

  test('that ignores SIGTERM is killed after its stopTimeout, along with everything it started.', async () => {
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
