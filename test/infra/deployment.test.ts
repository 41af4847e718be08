/** Effects of a deployment on the services that the emulator cannot show: asserted on the template. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Stack, type App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as autoscaling from 'aws-cdk-lib/aws-autoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { MAXIMUM_PERCENT } from '../../contract/deployment.ts';
import { MOST_TASKS } from '../../contract/pool-config.ts';
import type { WorkerPoolProps } from '../../infra/index.ts';
import { PRESETS } from '../../infra/presets.ts';
import { emptyStack, ownApp, synthesize } from './synthesize.ts';

// The apps are loaded and synthesized.
jest.setTimeout(180_000);

const examples = readdirSync(join(import.meta.dirname, '../../examples')).filter((file) => file.endsWith('.ts'));

async function appOf(file: string): Promise<App> {
  return ((await import(file)) as { app: App }).app;
}

/** Every template in this repository. A dependency cycle throws. */
async function allTemplates(): Promise<Template[]> {
  const presets = Object.keys(PRESETS).map((preset) => synthesize({ preset: preset as 'staging' }).template);
  const apps = await Promise.all([ownApp(), ...examples.map((file) => appOf(`../../examples/${file}`))]);
  const stacks = apps.flatMap((app) => app.node.children.filter((child) => Stack.isStack(child)));
  return [...presets, ...stacks.map((stack) => Template.fromStack(stack))];
}

function servicesOf(template: Template): [string, Record<string, unknown>][] {
  const services = Object.entries(template.findResources('AWS::ECS::Service'));
  return services.map(([id, { Properties }]) => [id, Properties as Record<string, unknown>]);
}

describe('every service of every preset and example', () => {
  let services: Record<string, unknown>[];
  beforeAll(async () => {
    services = (await allTemplates()).flatMap(servicesOf).map(([, properties]) => properties);
  });

  test('is checked here', () => {
    expect(services.length).toBeGreaterThan(examples.length);
  });

  test('keeps its tasks in place: rebalancing across availability zones is off', () => {
    for (const service of services) expect(service).toMatchObject({ AvailabilityZoneRebalancing: 'DISABLED' });
  });

  test('has a capacity provider strategy, not a launch type: to change that, CloudFormation would replace the service', () => {
    for (const service of services) {
      expect(service).not.toHaveProperty('LaunchType');
      expect(service.CapacityProviderStrategy).not.toEqual([]);
      expect(service.CapacityProviderStrategy).toEqual(expect.any(Array));
    }
  });

  test('has room for a hotfix while old tasks finish their work', () => {
    for (const service of services) {
      expect(service).toMatchObject({
        DeploymentConfiguration: { MinimumHealthyPercent: 100, MaximumPercent: MAXIMUM_PERCENT },
      });
    }
  });
});

test('a count of one leaves room for thousands of old tasks, and the largest count does not overflow 32 bits', () => {
  const room = (desiredCount: number) => Math.floor((desiredCount * MAXIMUM_PERCENT) / 100) - desiredCount;
  expect(room(1)).toBeGreaterThan(3000);
  expect(room(2)).toBeGreaterThan(MOST_TASKS);
  expect(MOST_TASKS * MAXIMUM_PERCENT).toBeLessThan(2 ** 31);
});

describe('a pool that changes its capacity providers', () => {
  const kinds: Record<string, Partial<WorkerPoolProps>> = {
    'on demand': {},
    'Spot with a base': { spot: true, onDemandBase: 2 },
    'Spot with another base': { spot: true, onDemandBase: 5 },
    'Spot alone': { spot: true, onDemandBase: 0 },
    'instances of an EC2 capacity provider': { capacityProvider: 'gpus' },
  };
  const templateOf = (changes: Partial<WorkerPoolProps>) =>
    synthesize((scope) => ({
      cluster: clusterWithGpus(scope),
      pools: { only: { taskQueue: 'q', ...changes } },
    })).template;

  test('keeps its service: the same resource with unchanged create-only properties', () => {
    const services = Object.entries(kinds).map(([kind, changes]) => {
      const [[id, properties] = ['', {}]] = servicesOf(templateOf(changes));
      const { Cluster, Role, SchedulingStrategy, ServiceName, LaunchType } = properties;
      return { kind, id, createOnly: { Cluster, Role, SchedulingStrategy, ServiceName, LaunchType } };
    });
    const [{ id, createOnly } = { id: '', createOnly: {} }] = services;
    for (const service of services) expect(service).toMatchObject({ id, createOnly });
    expect(new Set(Object.values(kinds).map((changes) => JSON.stringify(strategyOf(templateOf(changes))))).size).toBe(
      services.length,
    );
  });

  test('finds both Fargate providers in the cluster before and after, so that none in use is removed', () => {
    for (const changes of Object.values(kinds)) {
      const associations = templateOf(changes).findResources('AWS::ECS::ClusterCapacityProviderAssociations');
      const providers = Object.values(associations).map(({ Properties }) => Properties.CapacityProviders as unknown[]);
      expect(providers).toEqual([expect.arrayContaining(['FARGATE', 'FARGATE_SPOT'])]);
    }
  });
});

function clusterWithGpus(scope: Construct): ecs.Cluster {
  const vpc = new ec2.Vpc(scope, 'Network', { maxAzs: 1 });
  const cluster = new ecs.Cluster(scope, 'Platform', { vpc });
  const autoScalingGroup = new autoscaling.AutoScalingGroup(scope, 'Instances', {
    vpc,
    instanceType: new ec2.InstanceType('g5.xlarge'),
    machineImage: ecs.EcsOptimizedImage.amazonLinux2023(),
  });
  cluster.addAsgCapacityProvider(
    new ecs.AsgCapacityProvider(scope, 'Gpus', { autoScalingGroup, capacityProviderName: 'gpus' }),
  );
  return cluster;
}

function strategyOf(template: Template): unknown {
  return servicesOf(template)[0]?.[1].CapacityProviderStrategy;
}

/** Everything that CloudFormation creates before a resource and deletes after it. */
function outliving(template: Template, id: string): Set<string> {
  const { Resources } = template.toJSON() as { Resources: Record<string, { DependsOn?: string[] }> };
  const found = new Set<string>();
  const visit = (each: string): void => {
    const resource = Resources[each];
    if (resource === undefined || found.has(each)) return;
    found.add(each);
    for (const next of [...(resource.DependsOn ?? []), ...referencesIn(resource)]) visit(next);
  };
  visit(id);
  found.delete(id);
  return found;
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'Ref') return [String(inner)];
    return key === 'Fn::GetAtt' ? [String((inner as unknown[])[0])] : referencesIn(inner);
  });
}

function typesOutliving(template: Template, id: string): string[] {
  const { Resources } = template.toJSON() as { Resources: Record<string, { Type: string }> };
  return [...new Set([...outliving(template, id)].map((each) => Resources[each]?.Type ?? ''))].toSorted();
}

function onlyOf(template: Template, type: string): string {
  const ids = Object.keys(template.findResources(type));
  expect(ids).toHaveLength(1);
  return ids[0] as string;
}

describe('while a stack is destroyed and its tasks drain', () => {
  const pools = { only: { taskQueue: 'q' } };

  test('their network, permissions, log and table still exist', () => {
    const { template } = synthesize({ pools });
    expect(typesOutliving(template, onlyOf(template, 'AWS::ECS::Service'))).toEqual([
      'AWS::DynamoDB::Table',
      'AWS::EC2::InternetGateway',
      'AWS::EC2::Route',
      'AWS::EC2::RouteTable',
      'AWS::EC2::SecurityGroup',
      'AWS::EC2::Subnet',
      'AWS::EC2::SubnetRouteTableAssociation',
      'AWS::EC2::VPC',
      'AWS::EC2::VPCGatewayAttachment',
      'AWS::ECS::Cluster',
      'AWS::ECS::ClusterCapacityProviderAssociations',
      'AWS::ECS::TaskDefinition',
      'AWS::IAM::Policy',
      'AWS::IAM::Role',
      'AWS::Logs::LogGroup',
    ]);
    const outlive = [...outliving(template, onlyOf(template, 'AWS::ECS::Service'))];
    for (const rights of ['PoolsonlyRights', 'PoolsonlyTaskExecutionRoleDefaultPolicy']) {
      expect(outlive).toContainEqual(expect.stringContaining(rights));
    }
  });

  test('the security group rules towards Temporal still exist, on both sides', () => {
    const stack = emptyStack();
    const vpc = new ec2.Vpc(stack, 'Network', { maxAzs: 1 });
    const server = ec2.SecurityGroup.fromSecurityGroupId(stack, 'Server', 'sg-0123456789abcdef0');
    const own = new ec2.SecurityGroup(stack, 'Own', { vpc, allowAllOutbound: false });
    const result = synthesize({ vpc, securityGroups: [own], pools }, stack);
    result.workers.connections.allowTo(server, ec2.Port.tcp(7233));
    const { template } = result;
    const outlive = outliving(template, onlyOf(template, 'AWS::ECS::Service'));
    expect(outlive).toContain(onlyOf(template, 'AWS::EC2::SecurityGroupIngress'));
    expect(outlive).toContain(onlyOf(template, 'AWS::EC2::SecurityGroupEgress'));
  });

  test('the NAT gateway of a VPC with private subnets still exists', () => {
    const { template } = synthesize((scope) => ({ vpc: new ec2.Vpc(scope, 'Network', { maxAzs: 1 }), pools }));
    const types = typesOutliving(template, onlyOf(template, 'AWS::ECS::Service'));
    expect(types).toEqual(expect.arrayContaining(['AWS::EC2::NatGateway', 'AWS::EC2::VPCGatewayAttachment']));
  });

  test('nothing sets a new count: the schedule and the scaler are removed first', () => {
    const { template } = synthesize({ pools });
    const outlive = outliving(template, onlyOf(template, 'AWS::Scheduler::Schedule'));
    for (const type of ['AWS::Lambda::Function', 'AWS::Lambda::EventInvokeConfig', 'AWS::ECS::Service']) {
      expect(outlive).toContain(onlyOf(template, type));
    }
    const parameters = Object.keys(template.findResources('AWS::SSM::Parameter'));
    expect(parameters.filter((id) => outlive.has(id))).toEqual([expect.stringContaining('PoolsonlyConfig')]);
    expect(typesOutliving(template, onlyOf(template, 'AWS::Lambda::Function'))).toEqual(
      expect.arrayContaining(['AWS::DynamoDB::Table', 'AWS::IAM::Policy', 'AWS::Logs::LogGroup', 'AWS::ECS::Service']),
    );
  });
});

test('a service is created after its cluster’s capacity providers, including those of instances', () => {
  const { template } = synthesize((scope) => ({
    cluster: clusterWithGpus(scope),
    pools: { only: { taskQueue: 'q', capacityProvider: 'gpus' } },
  }));
  const outlive = outliving(template, onlyOf(template, 'AWS::ECS::Service'));
  expect(outlive).toContain(onlyOf(template, 'AWS::ECS::ClusterCapacityProviderAssociations'));
  expect(outlive).toContain(onlyOf(template, 'AWS::ECS::CapacityProvider'));
});

test('a cluster of another stack is deployed first, and has the Fargate providers', () => {
  const stack = emptyStack();
  const platform = new Stack(stack.node.root, 'Platform', { env: { account: stack.account, region: stack.region } });
  const { template } = synthesize({ cluster: new ecs.Cluster(platform, 'Cluster') }, stack);
  template.resourceCountIs('AWS::ECS::ClusterCapacityProviderAssociations', 0);
  Template.fromStack(platform).resourceCountIs('AWS::ECS::ClusterCapacityProviderAssociations', 1);
  expect(stack.dependencies).toContain(platform);
});
