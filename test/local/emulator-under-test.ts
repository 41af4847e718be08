/** The emulator with local Fargate in front of it as in the demo, and stacks of one service, for the files that test its rules. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  DescribeClustersCommand,
  DescribeServicesCommand,
  ECSClient,
  ListServicesCommand,
  UpdateTaskProtectionCommand,
  type Deployment,
  type Service,
} from '@aws-sdk/client-ecs';
import { emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import type { EmulatorOptions, LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate, type LocalFargate, type TaskSummary } from '../../local/fargate/index.ts';
import { localClient } from '../../local/observe.ts';
import { freePorts } from '../../local/process.ts';
import { Stacks, type Resources } from './stacks.ts';

const IMAGE = 'example.test/worker:1';
export const NO_IMAGE = 'example.test/nothing:1';
export const ON_DEMAND = [{ CapacityProvider: 'FARGATE', Weight: 1 }];

let directory: string;
/** Of the test file: set by `start`. */
export let emulator: LocalEmulator;
export let ecs: ECSClient;
export let stacks: Stacks;
let fargate: LocalFargate;
let stackCount = 0;

export async function start(options: EmulatorOptions = {}): Promise<void> {
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

export async function stop(): Promise<void> {
  await fargate?.stop();
  await emulator?.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Its cluster and its task definition's family have the same name. */
export function newStack(): string {
  stackCount += 1;
  return `stack-${stackCount}`;
}

/** A cluster and a service of one task. */
export function fleet(
  name: string,
  service: Record<string, unknown>,
  providers = ['FARGATE', 'FARGATE_SPOT'],
): Resources {
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

export function only(resources: Resources, ...names: string[]): Resources {
  return Object.fromEntries(Object.entries(resources).filter(([name]) => names.includes(name)));
}

export function withContainer({ Task, ...others }: Resources, change: object): Resources {
  const [container] = Task!.Properties['ContainerDefinitions'] as object[];
  const ContainerDefinitions = [{ ...container, ...change }];
  return { ...others, Task: { ...Task!, Properties: { ...Task!.Properties, ContainerDefinitions } } };
}

export async function serviceOf(cluster: string): Promise<Service> {
  const { serviceArns: services = [] } = await ecs.send(new ListServicesCommand({ cluster }));
  return (await ecs.send(new DescribeServicesCommand({ cluster, services, include: ['TAGS'] }))).services![0]!;
}

export async function providersOf(cluster: string): Promise<string[]> {
  const { clusters = [] } = await ecs.send(new DescribeClustersCommand({ clusters: [cluster] }));
  return clusters[0]!.capacityProviders!;
}

export function primaryOf({ deployments = [] }: Service): Deployment {
  return deployments.find(({ status }) => status === 'PRIMARY')!;
}

/** Of the service's newest deployment, once it is there; its id. */
export async function runningTask(service: Service, { protect = false } = {}): Promise<string> {
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

export function taskOf(id: string): TaskSummary {
  return fargate.tasks().find(({ taskId }) => taskId === id)!;
}

export async function until<T>(what: string, condition: () => T | false | undefined): Promise<T> {
  const giveUpAt = Date.now() + 60_000;
  while (Date.now() < giveUpAt) {
    const found = condition();
    if (found) return found;
    await delay(50);
  }
  throw new Error(`not within a minute: ${what}`);
}
