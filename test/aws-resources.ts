/** Resources on local AWS without CloudFormation, in the form that the construct creates, for tests and benchmarks. */
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateServiceCommand,
  DescribeServicesCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  type ECSClient,
  type RegisterTaskDefinitionCommandInput,
  type Service,
} from '@aws-sdk/client-ecs';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { MAXIMUM_PERCENT, MINIMUM_HEALTHY_PERCENT } from '../contract/deployment.ts';
import { SERVICE_TAGS } from '../contract/service-tags.ts';
import { PARTITION_KEY } from '../contract/state-table.ts';
import { localClient } from '../local/observe.ts';

export async function createStateTable(emulatorUrl: string, name: string): Promise<void> {
  await new DynamoDBClient(localClient(emulatorUrl)).send(
    new CreateTableCommand({
      TableName: name,
      KeySchema: [{ AttributeName: PARTITION_KEY, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: PARTITION_KEY, AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
}

export async function putParameter(emulatorUrl: string, name: string, value: object): Promise<void> {
  const parameter = new PutParameterCommand({ Name: name, Value: JSON.stringify(value), Type: 'String' });
  await new SSMClient(localClient(emulatorUrl)).send(parameter);
}

/** Returns `family:revision`. */
export async function registerTask(ecs: ECSClient, definition: RegisterTaskDefinitionCommandInput): Promise<string> {
  const { taskDefinition } = await ecs.send(new RegisterTaskDefinitionCommand(definition));
  return `${taskDefinition?.family}:${taskDefinition?.revision}`;
}

interface NewService {
  cluster: string;
  name: string;
  taskDefinition: string;
  desiredCount?: number;
  capacityProviders?: string[];
  /** In local Fargate each subnet is an availability zone. */
  subnets?: string[];
  /** Off in the construct. */
  zoneRebalancing?: boolean;
}

export async function createService(ecs: ECSClient, service: NewService): Promise<void> {
  const { cluster, name, taskDefinition, desiredCount = 0, zoneRebalancing = false } = service;
  const { capacityProviders = ['FARGATE'], subnets = ['subnet-1'] } = service;
  await ecs.send(
    new CreateServiceCommand({
      cluster,
      serviceName: name,
      taskDefinition,
      desiredCount,
      capacityProviderStrategy: capacityProviders.map((capacityProvider) => ({ capacityProvider, weight: 1 })),
      deploymentConfiguration: { maximumPercent: MAXIMUM_PERCENT, minimumHealthyPercent: MINIMUM_HEALTHY_PERCENT },
      availabilityZoneRebalancing: zoneRebalancing ? 'ENABLED' : 'DISABLED',
      networkConfiguration: { awsvpcConfiguration: { subnets } },
    }),
  );
}

export async function readService(ecs: ECSClient, cluster: string, name: string): Promise<Service> {
  const request = new DescribeServicesCommand({ cluster, services: [name], include: ['TAGS'] });
  const { services = [] } = await ecs.send(request);
  return services[0] as Service;
}

/** Sets tags on a pool's service, as a person would, without a deployment. */
export async function tagService(
  ecs: ECSClient,
  { serviceArn }: Service,
  limits: Partial<Record<keyof typeof SERVICE_TAGS, string>>,
): Promise<void> {
  const tags = Object.entries(limits).map(([name, value]) => ({
    key: SERVICE_TAGS[name as keyof typeof SERVICE_TAGS],
    value,
  }));
  await ecs.send(new TagResourceCommand({ resourceArn: serviceArn, tags }));
}
