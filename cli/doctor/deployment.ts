/** Checks what must hold before a deployment and costs little to check, and what ECS would do to tasks by itself. */
import {
  DescribeClustersCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  type CapacityProviderStrategyItem,
  type Service,
} from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { DEFAULT_POLICY } from '../../scaler/policy.ts';
import { reasonOf, type Stack } from '../../deployed/stacks.ts';
import { checkFargateQuota, type Account } from './account.ts';
import { ok, refused, wrong, type Check } from './check.ts';

export async function examineServices(stack: Stack, account: Account): Promise<Check[]> {
  const read = await Promise.all(stack.pools.map((pool) => readService(stack, pool)));
  const clusters = Map.groupBy(read, ({ pool }) => pool.cluster);
  const ofClusters = [...clusters].map(([cluster, found]) => checkCapacityProviders(stack, cluster, found));
  const zones = read.flatMap(({ pool, service, check }) => check ?? checkZones(pool, service));
  return [...(await Promise.all(ofClusters)), await checkQuota(stack, account, read), ...zones];
}

/** Counts all Fargate pools at their maximum, whatever their share of Spot. */
async function checkQuota({ aws }: Stack, account: Account, read: Read[]): Promise<Check> {
  try {
    const vcpus = read.map(async ({ pool, service }) => {
      if (service === undefined || !isOnFargate(service)) return 0;
      const request = new DescribeTaskDefinitionCommand({ taskDefinition: service.taskDefinition });
      const { taskDefinition } = await aws.ecs.send(request);
      return ((pool.policy.maxTasks ?? DEFAULT_POLICY.maxTasks) * Number(taskDefinition?.cpu ?? 0)) / 1024;
    });
    return await checkFargateQuota(
      account,
      (await Promise.all(vcpus)).reduce((sum, each) => sum + each, 0),
    );
  } catch (error) {
    return refused('Fargate quota', reasonOf(error), 'ecs:DescribeTaskDefinition');
  }
}

interface Read {
  pool: PoolConfig;
  service?: Service | undefined;
  check?: Check;
}

async function readService({ aws }: Stack, pool: PoolConfig): Promise<Read> {
  try {
    const request = { cluster: pool.cluster, services: [pool.service] };
    const { services = [] } = await aws.ecs.send(new DescribeServicesCommand(request));
    return { pool, service: services[0] };
  } catch (error) {
    return { pool, check: refused('ECS service', reasonOf(error), 'ecs:DescribeServices', pool.pool) };
  }
}

/** A service without the setting needs no check. */
export function checkZones({ pool, cluster, service: name }: PoolConfig, service: Service | undefined): Check[] {
  const says = service?.availabilityZoneRebalancing;
  if (says === undefined) return [];
  if (says === 'DISABLED') return [ok('zone rebalancing', 'off', pool)];
  return [
    wrong(
      'zone rebalancing',
      `ECS rebalances the tasks of ${name} across availability zones`,
      {
        matters:
          'ECS then starts and stops tasks by itself, against the scaler, and AWS does not promise that it spares busy ones',
        mend: `redeploy the stack, which turns it off; for a service that is not part of this stack: aws ecs update-service --cluster ${cluster} --service ${name} --availability-zone-rebalancing DISABLED`,
      },
      pool,
    ),
  ];
}

async function checkCapacityProviders({ aws }: Stack, cluster: string, read: Read[]): Promise<Check> {
  try {
    const { clusters = [] } = await aws.ecs.send(new DescribeClustersCommand({ clusters: [cluster] }));
    const { capacityProviders = [], defaultCapacityProviderStrategy = [] } = clusters[0] ?? {};
    const needed = new Set(read.flatMap(({ service }) => neededBy(service)));
    const missing = [...needed].filter((provider) => !capacityProviders.includes(provider));
    if (missing.length === 0) return ok('capacity providers', `${cluster} has ${[...needed].join(', ')}`, cluster);
    return wrong(
      'capacity providers',
      `the cluster ${cluster} lacks ${missing.join(', ')}`,
      {
        matters: 'a service cannot be created or updated with a capacity provider that its cluster lacks',
        mend:
          'a cluster created by the stack gets them with the deployment; for another cluster: ' +
          putProviders(cluster, [...capacityProviders, ...missing], defaultCapacityProviderStrategy),
      },
      cluster,
    );
  } catch (error) {
    return refused('capacity providers', reasonOf(error), 'ecs:DescribeClusters', cluster);
  }
}

const FARGATE = ['FARGATE', 'FARGATE_SPOT'];

/** Both Fargate providers, whichever is in use, so that the other can be chosen later. */
function neededBy(service: Service | undefined): string[] {
  return isOnFargate(service) ? FARGATE : providersOf(service);
}

function isOnFargate(service: Service | undefined): boolean {
  const providers = providersOf(service);
  return providers.length === 0 || providers.some((provider) => FARGATE.includes(provider));
}

function providersOf(service: Service | undefined): string[] {
  return (service?.capacityProviderStrategy ?? []).flatMap(({ capacityProvider }) => capacityProvider ?? []);
}

/** The command replaces the whole list, so it names the existing providers too. */
function putProviders(cluster: string, providers: string[], strategy: CapacityProviderStrategyItem[]): string {
  const command = `aws ecs put-cluster-capacity-providers --cluster ${cluster} --capacity-providers ${providers.join(' ')}`;
  return `${command} --default-capacity-provider-strategy '${JSON.stringify(strategy)}'`;
}
