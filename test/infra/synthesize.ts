/** A synthesized stack with the construct, for tests to inspect. */
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { DISABLE_ASSET_STAGING_CONTEXT } from 'aws-cdk-lib/cx-api';
import type { Construct } from 'constructs';
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { ElasticWorkers, type ElasticWorkersProps } from '../../infra/index.ts';

export const props: ElasticWorkersProps = {
  temporal: { address: 'temporal.example.com:7233', namespace: 'agents' },
  workerImage: ecs.ContainerImage.fromRegistry('example/worker:1'),
  pools: {
    fast: { taskQueue: 'quick-response-queue', slots: 20 },
    slow: { taskQueue: 'complex-analysis-queue', slots: 5, minTasks: 1, maxTasks: 40, scaleInAfterSeconds: 300 },
  },
};

export const ENVIRONMENT = { account: '123456789012', region: 'eu-west-1' };

/** Nothing is copied into its output directory: that would be some 80 MB for each stack. */
export function emptyStack(context: Record<string, unknown> = {}): Stack {
  const settings = { [DISABLE_ASSET_STAGING_CONTEXT]: true, ...context };
  return new Stack(new App({ context: settings }), 'Stack', { env: ENVIRONMENT });
}

/** The repository's own app. */
export async function ownApp(): Promise<App> {
  const context = { [DISABLE_ASSET_STAGING_CONTEXT]: true, temporalAddress: 'temporal.example.com:7233' };
  process.env.CDK_CONTEXT_JSON = JSON.stringify(context);
  process.env.CDK_DEFAULT_REGION = ENVIRONMENT.region;
  return (await import('../../infra/app.ts')).app;
}

type Changes = Partial<ElasticWorkersProps>;

/** The template is created on first access: until then a test may add to the stack. */
export function synthesize(changes: Changes | ((scope: Construct) => Changes) = {}, stack = emptyStack()) {
  const changed = typeof changes === 'function' ? changes(stack) : changes;
  const workers = new ElasticWorkers(stack, 'Workers', { ...props, ...changed });
  return {
    stack,
    workers,
    get template() {
      return Template.fromStack(stack);
    },
  };
}

/** A cluster that is there already. */
export function givenCluster(scope: Construct): ecs.ICluster {
  const vpc = ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['a', 'b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    publicSubnetIds: ['subnet-0123456789abcdef2', 'subnet-0123456789abcdef3'],
  });
  return ecs.Cluster.fromClusterAttributes(scope, 'Cluster', { clusterName: 'platform', vpc });
}

/** The only one, or the pool's. */
export function containerOf(template: Template, pool = '') {
  const tasks = Object.entries(template.findResources('AWS::ECS::TaskDefinition'));
  const [, task] = tasks.find(([id]) => id.startsWith(`WorkersPools${pool}`)) ?? [];
  const [container] = task?.Properties.ContainerDefinitions ?? [];
  const variables = (container.Environment as { Name: string; Value: unknown }[]).map(({ Name, Value }) => [
    Name,
    Value,
  ]);
  return { task: task?.Properties, container, environment: Object.fromEntries(variables) as Record<string, unknown> };
}

/** What the scaler reads of each pool. */
export function poolConfigs(template: Template) {
  return parametersBelow('/elastic-workers/', template).map((config) => poolConfigSchema.parse(config));
}

/** The SSM parameters below a path: each pool's below `/elastic-workers/`, the stack's below `/elastic-workers-stacks/`. */
export function parametersBelow(path: string, template: Template): Record<string, unknown>[] {
  return Object.values(template.findResources('AWS::SSM::Parameter'))
    .filter(({ Properties }) => Properties.Name.startsWith(path))
    .map(({ Properties }) => JSON.parse(joined(Properties.Value)) as Record<string, unknown>);
}

/** A string of the template with its references replaced by their names. */
export function joined(value: unknown): string {
  if (typeof value === 'string') return value;
  const reference = value as { Ref?: string; 'Fn::GetAtt'?: string[]; 'Fn::Join': [string, unknown[]] };
  if (reference.Ref) return `<${reference.Ref}>`;
  if (reference['Fn::GetAtt']) return `<${reference['Fn::GetAtt'].join('.')}>`;
  const [separator, parts] = reference['Fn::Join'];
  return parts.map(joined).join(separator);
}
