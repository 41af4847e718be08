/** The emulator where it has AWS's rules instead of MiniStack's, with local Fargate in front of it as in the demo. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateServiceCommand,
  DescribeClustersCommand,
  DescribeServicesCommand,
  ECSClient,
  ListServicesCommand,
  type Service,
} from '@aws-sdk/client-ecs';
import { emulatorCredentials, exportLine, startEmulator, type LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate, type LocalFargate } from '../../local/fargate/index.ts';
import { localClient } from '../../local/observe.ts';
import { freePorts } from '../../local/process.ts';
import { Stacks, type Resources } from './stacks.ts';

const IMAGE = 'example.test/worker:1';

let directory: string;
let emulator: LocalEmulator;
let fargate: LocalFargate;
let ecs: ECSClient;
let stacks: Stacks;
let stackCount = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'emulator-'));
  const [port] = (await freePorts(1)) as [number];
  emulator = await startEmulator({ directory, environment: { AWS_ENDPOINT_URL_ECS: `http://127.0.0.1:${port}` } });
  fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    port,
    images: { [IMAGE]: directory },
    startDelaySeconds: { min: 0.1, max: 0.2 },
    logDirectory: join(directory, 'tasks'),
    environment: emulatorCredentials(emulator.url),
    pollMilliseconds: 50,
    stopGraceSeconds: 1,
  });
  ecs = new ECSClient(localClient(fargate.url));
  stacks = new Stacks(emulator.url);
}, 60_000);

afterAll(async () => {
  await fargate?.stop();
  await emulator?.stop();
  await rm(directory, { recursive: true, force: true });
});

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
    const resources = fleet(name, {
      CapacityProviderStrategy: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
      AvailabilityZoneRebalancing: 'DISABLED',
      DeploymentConfiguration: {
        MaximumPercent: 150,
        MinimumHealthyPercent: 100,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      PropagateTags: 'SERVICE',
      EnableECSManagedTags: true,
    });
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
    const { status, reasons } = await stacks.deploy(
      name,
      fleet(name, { CapacityProviderStrategy: [{ CapacityProvider: 'FARGATE', Weight: 1 }] }),
    );
    expect(status).toBe('ROLLBACK_COMPLETE');
    expect(reasons[0]).toContain('a capacity provider that is not associated with the cluster');
  });

  test('is checked by CreateService, too, and one of an unknown name is told apart.', async () => {
    const name = newStack();
    await stacks.deploy(name, only(fleet(name, { LaunchType: 'FARGATE' }), 'Cluster', 'Task'));
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
    const { Cluster, Task, Service } = fleet(name, { CapacityProviderStrategy: [{ CapacityProvider: 'FARGATE' }] });
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
function fleet(name: string, service: Record<string, unknown>): Resources {
  return {
    Cluster: { Type: 'AWS::ECS::Cluster', Properties: { ClusterName: name } },
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

async function serviceOf(cluster: string): Promise<Service> {
  const { serviceArns: services = [] } = await ecs.send(new ListServicesCommand({ cluster }));
  return (await ecs.send(new DescribeServicesCommand({ cluster, services }))).services![0]!;
}

async function providersOf(cluster: string): Promise<string[]> {
  const { clusters = [] } = await ecs.send(new DescribeClustersCommand({ clusters: [cluster] }));
  return clusters[0]!.capacityProviders!;
}
