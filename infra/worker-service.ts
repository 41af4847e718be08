/** A pool's ECS service: what it runs on, how it is deployed, and which resources must exist for as long as it does. */
import { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Dependable, type Construct, type IConstruct, type IDependable } from 'constructs';
import { MAXIMUM_PERCENT, MINIMUM_HEALTHY_PERCENT } from '../contract/deployment.ts';
import type { PoolSettings } from './presets.ts';

interface WorkerServiceOptions {
  settings: PoolSettings;
  cluster: ecs.ICluster;
  subnets: ec2.SubnetSelection;
  assignPublicIp: boolean;
  securityGroups: ec2.ISecurityGroup[];
  taskDefinition: ecs.TaskDefinition;
  /** The workers' permissions. */
  rights: IDependable;
}

export type WorkerService = ecs.FargateService | ecs.Ec2Service;

export function workerService(scope: Construct, options: WorkerServiceOptions): WorkerService {
  const { settings, cluster, subnets: vpcSubnets, securityGroups, assignPublicIp, taskDefinition } = options;
  const common = {
    cluster,
    taskDefinition,
    securityGroups,
    vpcSubnets,
    capacityProviderStrategies: strategyOf(settings),
    minHealthyPercent: MINIMUM_HEALTHY_PERCENT,
    maxHealthyPercent: MAXIMUM_PERCENT,
    circuitBreaker: { rollback: true },
    // It is on by default and starts and stops tasks without the scaler; AWS does not document that it spares protected ones.
    availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
    enableECSManagedTags: true,
    propagateTags: ecs.PropagatedTagSource.SERVICE,
  };
  // No desiredCount: only the scaler sets the count. In the template it would reset the fleet on each deployment.
  const service = settings.capacityProvider
    ? onInstances(new ecs.Ec2Service(scope, 'Service', common))
    : new ecs.FargateService(scope, 'Service', { ...common, assignPublicIp });
  service.node.addDependency(...neededToTheEnd(options));
  return service;
}

/**
 * The CDK writes the default of this create-only property for one kind of service and not for the other: a pool that switches
 * would be replaced although nothing differs.
 */
function onInstances(service: ecs.Ec2Service): ecs.Ec2Service {
  (service.node.defaultChild as ecs.CfnService).addPropertyDeletionOverride('SchedulingStrategy');
  return service;
}

/**
 * Always a strategy, never a launch type: CloudFormation can update a strategy, but replaces the service to remove a launch type,
 * which stops its tasks in mid-work.
 */
function strategyOf({ capacityProvider, spot, onDemandBase }: PoolSettings): ecs.CapacityProviderStrategy[] {
  if (capacityProvider) return [{ capacityProvider, weight: 1 }];
  if (!spot) return [{ capacityProvider: 'FARGATE', weight: 1 }];
  const base = { capacityProvider: 'FARGATE', base: onDemandBase, weight: 0 };
  return [{ capacityProvider: 'FARGATE_SPOT', weight: 1 }, ...(onDemandBase > 0 ? [base] : [])];
}

export function namesOfCapacityProviders(settings: PoolSettings): string[] {
  return strategyOf(settings).map(({ capacityProvider }) => capacityProvider);
}

/**
 * CloudFormation creates these before the service and deletes them after it: tasks need them when they start and while they
 * drain. Resources that the template refers to anyway (log group, table) are not repeated.
 */
function neededToTheEnd(options: WorkerServiceOptions): IDependable[] {
  const { cluster, subnets, securityGroups, taskDefinition, rights } = options;
  return [
    capacityProvidersOf(cluster),
    cluster.vpc.selectSubnets(subnets).internetConnectivityEstablished,
    rulesOf(securityGroups),
    taskDefinition.obtainExecutionRole(),
    rights,
  ];
}

/**
 * The resource that associates capacity providers with the cluster. The CDK creates it during synthesis, so it is looked up then.
 * The cluster itself need not be listed: the service refers to it.
 */
function capacityProvidersOf(cluster: ecs.ICluster): IDependable {
  const providers: IDependable = {};
  Dependable.implement(providers, {
    get dependencyRoots() {
      return cluster.node.findAll().filter((each) => each instanceof ecs.CfnClusterCapacityProviderAssociations);
    },
  });
  return providers;
}

/**
 * The rules that let workers reach others. `connections.allowTo()` adds them later, some under the other's construct, so they
 * are looked up at synth. A rule in another stack cannot be waited for, because it refers to this one.
 */
function rulesOf(securityGroups: ec2.ISecurityGroup[]): IDependable {
  const rules: IDependable = {};
  Dependable.implement(rules, {
    get dependencyRoots() {
      return securityGroups.flatMap((group) => {
        const stack = Stack.of(group);
        const id = (value: string | undefined) => JSON.stringify(stack.resolve(value));
        const ours = id(group.securityGroupId);
        return stack.node.findAll().filter((construct) => id(groupLetOut(construct)) === ours);
      });
    },
  });
  return rules;
}

function groupLetOut(construct: IConstruct): string | undefined {
  if (construct instanceof ec2.CfnSecurityGroupEgress) return construct.groupId;
  return construct instanceof ec2.CfnSecurityGroupIngress ? construct.sourceSecurityGroupId : undefined;
}
