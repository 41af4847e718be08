/** The emulator where it has AWS's rules instead of MiniStack's, with local Fargate in front of it as in the demo. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateServiceCommand,
  DescribeClustersCommand,
  DescribeServicesCommand,
  ECSClient,
  ListServicesCommand,
  PutClusterCapacityProvidersCommand,
  UpdateServiceCommand,
  UpdateTaskProtectionCommand,
  type Deployment,
  type Service,
} from '@aws-sdk/client-ecs';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { emulatorCredentials, exportLine, startEmulator } from '../../local/emulator.ts';
import type { EmulatorOptions, LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate, type LocalFargate, type TaskSummary } from '../../local/fargate/index.ts';
import { localClient } from '../../local/observe.ts';
import { freePorts } from '../../local/process.ts';
import { Stacks, type Resources } from './stacks.ts';

jest.setTimeout(90_000);

const IMAGE = 'example.test/worker:1';
const NO_IMAGE = 'example.test/nothing:1';
const ON_DEMAND = [{ CapacityProvider: 'FARGATE', Weight: 1 }];

let directory: string;
let emulator: LocalEmulator;
let fargate: LocalFargate;
let ecs: ECSClient;
let stacks: Stacks;
let stackCount = 0;

beforeAll(() => start({}));
afterAll(stop);

async function start(options: EmulatorOptions): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'emulator-'));
  const [port] = (await freePorts(1)) as [number];
  emulator = await startEmulator({
    ...options,
    directory,
    environment: { AWS_ENDPOINT_URL_ECS: `http://127.0.0.1:${port}` },
  });
  fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    port,
    images: { [IMAGE]: directory },
    startDelaySeconds: { min: 0.1, max: 0.2 },
    logDirectory: join(directory, 'tasks'),
    environment: emulatorCredentials(emulator.url),
    pollMilliseconds: 50,
    stopGraceSeconds: 1,
    restartBackoff: { firstSeconds: 0.1, maxSeconds: 0.2, steadyAfterSeconds: 5 },
  });
  ecs = new ECSClient(localClient(fargate.url));
  stacks = new Stacks(emulator.url);
}

async function stop(): Promise<void> {
  await fargate?.stop();
  await emulator?.stop();
  await rm(directory, { recursive: true, force: true });
}

describe('A capacity provider strategy', () => {
  test('may name the providers that the template associates with the cluster, and the service is as the template says.', async () => {
    const name = newStack();
    const providers = {
      Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
      Properties: {
        Cluster: name,
        CapacityProviders: ['FARGATE', 'FARGATE_SPOT'],
        DefaultCapacityProviderStrategy: [],
      },
      DependsOn: ['Cluster'],
    };
    const service = {
      CapacityProviderStrategy: ON_DEMAND,
      AvailabilityZoneRebalancing: 'DISABLED',
      DeploymentConfiguration: {
        MaximumPercent: 150,
        MinimumHealthyPercent: 100,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      PropagateTags: 'SERVICE',
      EnableECSManagedTags: true,
    };
    const resources = fleet(name, service, []);
    resources['Service']!.DependsOn = ['Providers'];
    expect(await stacks.deploy(name, { ...resources, Providers: providers })).toMatchObject({
      status: 'CREATE_COMPLETE',
    });
    expect(await serviceOf(name)).toMatchObject({
      capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }],
      availabilityZoneRebalancing: 'DISABLED',
      deploymentConfiguration: {
        maximumPercent: 150,
        minimumHealthyPercent: 100,
        deploymentCircuitBreaker: { enable: true, rollback: true },
      },
      propagateTags: 'SERVICE',
      enableECSManagedTags: true,
    });
    expect((await serviceOf(name)).launchType).toBeUndefined();
    expect(await providersOf(name)).toEqual(['FARGATE', 'FARGATE_SPOT']);
  });

  test('that names a provider not associated with the cluster fails the service, and with it the stack.', async () => {
    const name = newStack();
    const { status, reasons } = await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }, []));
    expect(status).toBe('ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('a capacity provider that is not associated with the cluster');
  });

  test('is checked by CreateService, too, and one of an unknown name is told apart.', async () => {
    const name = newStack();
    await stacks.deploy(name, only(fleet(name, {}, []), 'Cluster', 'Task'));
    const create = (capacityProvider: string) =>
      ecs.send(
        new CreateServiceCommand({
          cluster: name,
          serviceName: 'by-api',
          taskDefinition: name,
          capacityProviderStrategy: [{ capacityProvider, weight: 1 }],
        }),
      );
    const error = { name: 'InvalidParameterException' };
    await expect(create('FARGATE')).rejects.toMatchObject({
      ...error,
      message: expect.stringContaining('not associated with the cluster'),
    });
    await expect(create('NOBODY')).rejects.toMatchObject({
      ...error,
      message: expect.stringContaining('was not found'),
    });
  });

  test('keeps its providers: they stay while a service uses them, and when another property of the cluster changes.', async () => {
    const name = newStack();
    const { Cluster, Task, Service } = fleet(name, { CapacityProviderStrategy: ON_DEMAND }, []);
    const associated = (providers: string[]): Resources => ({
      Cluster: Cluster!,
      Task: Task!,
      Providers: {
        Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
        Properties: { Cluster: { Ref: 'Cluster' }, CapacityProviders: providers, DefaultCapacityProviderStrategy: [] },
      },
      Service: { ...Service!, DependsOn: ['Providers'] },
    });
    expect((await stacks.deploy(name, associated(['FARGATE']))).status).toBe('CREATE_COMPLETE');
    const { status, reasons } = await stacks.deploy(name, associated(['FARGATE_SPOT']));
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('in use');
    Cluster!.Properties['Tags'] = [{ Key: 'of', Value: 'a cluster' }];
    expect((await stacks.deploy(name, associated(['FARGATE']))).status).toBe('UPDATE_COMPLETE');
    expect(await providersOf(name)).toEqual(['FARGATE']);
  });
});

describe('A service in a template', () => {
  test('that has a launch type and gets a strategy is replaced: its task is stopped at work, protected or not.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { LaunchType: 'FARGATE' }));
    const before = await serviceOf(name);
    const protectedTask = await runningTask(before, { protect: true });
    expect((await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }))).status).toBe(
      'UPDATE_COMPLETE',
    );
    const after = await serviceOf(name);
    expect(after.serviceArn).not.toBe(before.serviceArn);
    expect(after.capacityProviderStrategy).toMatchObject([{ capacityProvider: 'FARGATE' }]);
    await runningTask(after);
    const { services: [replaced] = [] } = await ecs.send(
      new DescribeServicesCommand({ cluster: name, services: [before.serviceArn!] }),
    );
    expect(replaced!.status).not.toBe('ACTIVE');
    await until('the task at work has been stopped', () => taskOf(protectedTask).exitCode !== undefined);
    expect(taskOf(protectedTask)).toMatchObject({ stopCode: 'ServiceSchedulerInitiated' });
  });

  test('on FARGATE that gets FARGATE_SPOT is updated: a deployment of the same definition, and the protected task works on.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }));
    const before = await serviceOf(name);
    expect(before.availabilityZoneRebalancing).toBe('ENABLED');
    const protectedTask = await runningTask(before, { protect: true });
    const strategy = [...ON_DEMAND, { CapacityProvider: 'FARGATE_SPOT', Weight: 9 }];
    expect((await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: strategy }))).status).toBe(
      'UPDATE_COMPLETE',
    );
    const after = await serviceOf(name);
    expect(after).toMatchObject({ serviceArn: before.serviceArn, taskDefinition: before.taskDefinition });
    expect(primaryOf(after).id).not.toBe(primaryOf(before).id);
    expect(primaryOf(after).capacityProviderStrategy).toHaveLength(2);
    await runningTask(after);
    expect(taskOf(protectedTask)).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING' });
  });

  const elsewhere = { AwsvpcConfiguration: { Subnets: ['subnet-2'] } };
  const nonce = { EnableForceNewDeployment: true, ForceNewDeploymentNonce: '2' };
  const percents = { MaximumPercent: 300, MinimumHealthyPercent: 50 };
  test.each([
    ['NetworkConfiguration', elsewhere, { networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-2'] } } }],
    ['ForceNewDeployment', nonce, {}],
    ['AvailabilityZoneRebalancing', 'DISABLED', { availabilityZoneRebalancing: 'DISABLED' }],
    [
      'DeploymentConfiguration',
      percents,
      { deploymentConfiguration: { maximumPercent: 300, minimumHealthyPercent: 50 } },
    ],
    ['Tags', [{ Key: 'owner', Value: 'us' }], { tags: [{ key: 'owner', value: 'us' }] }],
  ])('is updated in place when %s changes; only what tasks are made of starts a deployment.', async (...row) => {
    const [property, value, described] = row;
    const name = newStack();
    const properties = { CapacityProviderStrategy: ON_DEMAND };
    await stacks.deploy(name, fleet(name, properties));
    const { tags: _, ...before } = await serviceOf(name);
    const change = { [property]: value };
    expect((await stacks.deploy(name, fleet(name, { ...properties, ...change }))).status).toBe('UPDATE_COMPLETE');
    const { tags = [], ...after } = await serviceOf(name);
    const own = tags.filter(({ key }) => !key!.startsWith('aws:'));
    expect({ ...after, tags: own }).toMatchObject({ serviceArn: before.serviceArn, ...described });
    const isNew = primaryOf(after).id !== primaryOf(before).id;
    expect(isNew).toBe(['NetworkConfiguration', 'ForceNewDeployment'].includes(property));
  });

  test('keeps the count that it has, and takes the one of a template that says one with any change.', async () => {
    const name = newStack();
    const properties = { CapacityProviderStrategy: ON_DEMAND };
    await stacks.deploy(name, fleet(name, { ...properties, DesiredCount: 1 }));
    const scale = async () =>
      ecs.send(
        new UpdateServiceCommand({ cluster: name, service: (await serviceOf(name)).serviceName, desiredCount: 2 }),
      );
    await scale();
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'SERVICE' }));
    expect((await serviceOf(name)).desiredCount).toBe(2);
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'SERVICE', DesiredCount: 1 }));
    await scale();
    await stacks.deploy(name, fleet(name, { ...properties, PropagateTags: 'NONE', DesiredCount: 1 }));
    expect((await serviceOf(name)).desiredCount).toBe(1);
  });

  test('of a name of its own cannot be replaced: the update fails, and the service is left as it is.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { ServiceName: 'named', LaunchType: 'FARGATE' }));
    const before = await serviceOf(name);
    const { status, reasons } = await stacks.deploy(
      name,
      fleet(name, { ServiceName: 'named', CapacityProviderStrategy: ON_DEMAND }),
    );
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('custom-named resource');
    expect(await serviceOf(name)).toMatchObject({ serviceArn: before.serviceArn, launchType: 'FARGATE' });
  });

  test('made on a strategy gets another one from UpdateService only in a forced deployment, and none only where there is a default.', async () => {
    const name = newStack();
    await stacks.deploy(name, fleet(name, { CapacityProviderStrategy: ON_DEMAND }));
    const { serviceArn: service, ...before } = await serviceOf(name);
    const update = (capacityProviders: string[], forceNewDeployment: boolean) =>
      ecs.send(
        new UpdateServiceCommand({
          cluster: name,
          service,
          capacityProviderStrategy: capacityProviders.map((capacityProvider) => ({ capacityProvider, weight: 1 })),
          forceNewDeployment,
        }),
      );
    // The one that it has already.
    await update(['FARGATE'], false);
    await expect(update(['FARGATE_SPOT'], false)).rejects.toThrow('you must force a new deployment');
    await expect(update([], true)).rejects.toThrow('No launch type to fall back to');
    const { service: after } = await update(['FARGATE_SPOT'], true);
    expect(after!.capacityProviderStrategy).toEqual([{ capacityProvider: 'FARGATE_SPOT', base: 0, weight: 1 }]);
    expect(primaryOf(after!).id).not.toBe(primaryOf(before).id);

    const byDefault = [{ capacityProvider: 'FARGATE', base: 0, weight: 1 }];
    await ecs.send(
      new PutClusterCapacityProvidersCommand({
        cluster: name,
        capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
        defaultCapacityProviderStrategy: byDefault,
      }),
    );
    expect((await update([], true)).service!.capacityProviderStrategy).toEqual(byDefault);
  });
});

describe('CloudFormation that waits until services are stable', () => {
  beforeAll(async () => {
    await stop();
    await start({ stabilizationSeconds: 6 });
  });

  test('is through with a service when its task runs, or when none is wanted.', async () => {
    for (const count of [1, 0]) {
      const name = newStack();
      const { status } = await stacks.deploy(
        name,
        fleet(name, { CapacityProviderStrategy: ON_DEMAND, DesiredCount: count }),
      );
      expect(status).toBe('CREATE_COMPLETE');
      const service = await serviceOf(name);
      expect(service).toMatchObject({ desiredCount: count, runningCount: count });
      expect(primaryOf(service).rolloutState).toBe('COMPLETED');
    }
  });

  test('rolls the whole stack back when a service has not become stable: the earlier definition, in a deployment of its own.', async () => {
    const name = newStack();
    const resources = fleet(name, { CapacityProviderStrategy: ON_DEMAND });
    const parameter = (Value: string) => ({
      Type: 'AWS::SSM::Parameter',
      Properties: { Name: name, Type: 'String', Value },
    });
    resources['Service']!.DependsOn = ['Parameter'];
    await stacks.deploy(name, { ...resources, Parameter: parameter('before') });
    const before = await serviceOf(name);
    const failing = { ...withContainer(resources, { Image: NO_IMAGE }), Parameter: parameter('after') };
    const { status, reasons } = await stacks.deploy(name, failing);
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('did not stabilize');
    const after = await serviceOf(name);
    expect(after).toMatchObject({ serviceArn: before.serviceArn, taskDefinition: before.taskDefinition });
    expect(after).toMatchObject({ runningCount: 1, deployments: [{ rolloutState: 'COMPLETED' }] });
    expect(primaryOf(after).id).not.toBe(primaryOf(before).id);
    const ssm = new SSMClient(localClient(emulator.url));
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: name }));
    expect(Parameter!.Value).toBe('before');
  });

  test('waits for a protected task in the rollback, too, and gives that up as well.', async () => {
    const name = newStack();
    const resources = fleet(name, { CapacityProviderStrategy: ON_DEMAND });
    await stacks.deploy(name, resources);
    const protectedTask = await runningTask(await serviceOf(name), { protect: true });
    const { status } = await stacks.deploy(name, withContainer(resources, { Command: ['sleep', '7200'] }));
    expect(status).toBe('UPDATE_ROLLBACK_FAILED');
    expect(taskOf(protectedTask)).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING' });
  });

  test('does not wait on when the circuit breaker has given the deployment up.', async () => {
    const name = newStack();
    const resources = fleet(name, {
      CapacityProviderStrategy: ON_DEMAND,
      DeploymentConfiguration: { DeploymentCircuitBreaker: { Enable: true, Rollback: true } },
    });
    await stacks.deploy(name, resources);
    const { status, reasons } = await stacks.deploy(name, withContainer(resources, { Image: NO_IMAGE }));
    expect(status).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('Circuit Breaker was triggered');
  });

  test('leaves no service behind when a new one has not become stable.', async () => {
    const name = newStack();
    const resources = withContainer(fleet(name, { CapacityProviderStrategy: ON_DEMAND }), { Image: NO_IMAGE });
    // The cluster is another stack's: it is there to be asked afterwards.
    await stacks.deploy(`${name}-cluster`, only(resources, 'Cluster'));
    resources['Service']!.Properties['Cluster'] = name;
    const { status } = await stacks.deploy(name, only(resources, 'Task', 'Service'));
    expect(status).toBe('ROLLBACK_COMPLETE');
    expect((await ecs.send(new ListServicesCommand({ cluster: name }))).serviceArns).toEqual([]);
  });
});

test('the line that the demo prints sets, when it is pasted into a shell, all that AWS’s tools ask for', () => {
  const line = exportLine('http://127.0.0.1:1', 'http://127.0.0.1:2');
  const set = execFileSync('sh', ['-c', `${line}; env`], { encoding: 'utf8', env: { PATH: process.env.PATH } });
  expect(
    set
      .split('\n')
      .filter((variable) => variable.startsWith('AWS_'))
      .toSorted(),
  ).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^AWS_ACCESS_KEY_ID=./),
      'AWS_ENDPOINT_URL=http://127.0.0.1:1',
      'AWS_ENDPOINT_URL_ECS=http://127.0.0.1:2',
      'AWS_REGION=us-east-1',
      expect.stringMatching(/^AWS_SECRET_ACCESS_KEY=./),
    ]),
  );
});

/** Its cluster and its task definition's family have the same name. */
function newStack(): string {
  stackCount += 1;
  return `stack-${stackCount}`;
}

/** A cluster and a service of one task. */
function fleet(name: string, service: Record<string, unknown>, providers = ['FARGATE', 'FARGATE_SPOT']): Resources {
  return {
    Cluster: { Type: 'AWS::ECS::Cluster', Properties: { ClusterName: name, CapacityProviders: providers } },
    Task: {
      Type: 'AWS::ECS::TaskDefinition',
      Properties: {
        Family: name,
        Cpu: '256',
        Memory: '512',
        NetworkMode: 'awsvpc',
        RequiresCompatibilities: ['FARGATE'],
        ContainerDefinitions: [{ Name: 'worker', Image: IMAGE, Command: ['sleep', '3600'], StopTimeout: 2 }],
      },
    },
    Service: {
      Type: 'AWS::ECS::Service',
      Properties: {
        Cluster: { Ref: 'Cluster' },
        TaskDefinition: { Ref: 'Task' },
        NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
        ...service,
      },
    },
  };
}

function only(resources: Resources, ...names: string[]): Resources {
  return Object.fromEntries(Object.entries(resources).filter(([name]) => names.includes(name)));
}

function withContainer({ Task, ...others }: Resources, change: object): Resources {
  const [container] = Task!.Properties['ContainerDefinitions'] as object[];
  const ContainerDefinitions = [{ ...container, ...change }];
  return { ...others, Task: { ...Task!, Properties: { ...Task!.Properties, ContainerDefinitions } } };
}

async function serviceOf(cluster: string): Promise<Service> {
  const { serviceArns: services = [] } = await ecs.send(new ListServicesCommand({ cluster }));
  return (await ecs.send(new DescribeServicesCommand({ cluster, services, include: ['TAGS'] }))).services![0]!;
}

async function providersOf(cluster: string): Promise<string[]> {
  const { clusters = [] } = await ecs.send(new DescribeClustersCommand({ clusters: [cluster] }));
  return clusters[0]!.capacityProviders!;
}

function primaryOf({ deployments = [] }: Service): Deployment {
  return deployments.find(({ status }) => status === 'PRIMARY')!;
}

/** Of the service's newest deployment, once it is there; its id. */
async function runningTask(service: Service, { protect = false } = {}): Promise<string> {
  const { id } = primaryOf(service);
  const { taskId } = await until('a task runs', () =>
    fargate.tasks().find(({ deploymentId, lastStatus }) => deploymentId === id && lastStatus === 'RUNNING'),
  );
  if (protect) {
    const input = { cluster: service.clusterArn!, tasks: [taskId], protectionEnabled: true };
    await ecs.send(new UpdateTaskProtectionCommand(input));
  }
  return taskId;
}

function taskOf(id: string): TaskSummary {
  return fargate.tasks().find(({ taskId }) => taskId === id)!;
}

async function until<T>(what: string, condition: () => T | false | undefined): Promise<T> {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    const found = condition();
    if (found) return found;
    await delay(50);
  }
  throw new Error(`not within a minute: ${what}`);
}
