/** Destroys the proof's stack, and asks CloudFormation and the services themselves whether anything is left of it. */
import { DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { paginateGetParametersByPath } from '@aws-sdk/client-ssm';
import { STACKS_PATH } from '../../contract/stack-config.ts';
import { count } from '../../deployed/words.ts';
import { reasonOf, type Stack } from '../../deployed/stacks.ts';
import { cdk } from './cdk.ts';
import type { Evidence } from './course.ts';
import { readStack, type Site } from './site.ts';
import { until } from './until.ts';

/** Deleted resources are still listed for a while. */
const LIMIT_SECONDS = 180;
const STAYED = /DELETE_(?!COMPLETE)|^(CREATE|UPDATE)/;

/** Runs even if the command was interrupted; a second Ctrl-C ends it anyway. Open workflows are terminated first. */
export async function destroy({ settings, shell, work, cloudFormation }: Site): Promise<Evidence> {
  const terminated = await work.terminate();
  if ((await readStack(cloudFormation)) === undefined) return { says: 'no stack was created' };
  await cdk('destroy', ['--force'], settings, { env: shell.env });
  const ofWork = terminated === 0 ? '' : `; terminated ${count(terminated, 'workflow')} of the proof`;
  return { says: `CloudFormation has deleted the stack${ofWork}` };
}

export async function nothingLeft(site: Site): Promise<Evidence> {
  let left: string[] = [];
  const shell = { now: site.shell.now, signal: new AbortController().signal };
  const nothing = async () => {
    left = (await Promise.all([stackOf(site), ...asked(site)])).flat();
    return left.length === 0 || undefined;
  };
  await until(shell, 'nothing is left', LIMIT_SECONDS, nothing, () => left.join(', '));
  if (site.arn === undefined) return { says: 'there is no stack', figures: { left: 0 } };
  const all = count(site.resources.length, 'resource');
  return {
    says: `none of the stack's ${all} remain in CloudFormation, ECS, SSM, DynamoDB, CloudWatch or CloudWatch Logs`,
    figures: { left: 0 },
  };
}

async function stackOf(site: Site): Promise<string[]> {
  const stack = await readStack(site.cloudFormation);
  if (stack !== undefined) return [`the stack, ${stack.StackStatus}`];
  if (site.arn === undefined) return [];
  const resources = await site.resourcesOf(site.arn);
  return resources
    .filter(({ ResourceStatus = '' }) => STAYED.test(ResourceStatus))
    .map(
      ({ ResourceType, LogicalResourceId, ResourceStatus }) =>
        `${ResourceType} ${LogicalResourceId}, ${ResourceStatus}`,
    );
}

function asked({ stackIfAny, resources }: Site): Promise<string[]>[] {
  if (stackIfAny === undefined) return [];
  const { aws, config } = stackIfAny;
  const names = (type: string) =>
    resources.flatMap((each) => (each.ResourceType === type ? (each.PhysicalResourceId ?? []) : []));
  return [
    services(stackIfAny),
    ...[STACKS_PATH, config.poolsPath].map((path) => parameters(stackIfAny, path)),
    ...names('AWS::Logs::LogGroup').map((group) => logGroup(stackIfAny, group)),
    ...names('AWS::DynamoDB::Table').map((name) => table(stackIfAny, name)),
    (async () => {
      const { MetricAlarms = [] } = await aws.cloudwatch.send(
        new DescribeAlarmsCommand({ AlarmNames: names('AWS::CloudWatch::Alarm') }),
      );
      return MetricAlarms.map(({ AlarmName }) => `alarm ${AlarmName}`);
    })(),
  ];
}

async function services({ aws, pools }: Stack): Promise<string[]> {
  const left = pools.map(async ({ cluster, service }) => {
    try {
      const { services = [] } = await aws.ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
      return services
        .filter(({ status }) => status !== 'INACTIVE')
        .map(({ status }) => `service ${service}, ${status}`);
    } catch (error) {
      if (reasonOf(error).startsWith('ClusterNotFound')) return [];
      throw error;
    }
  });
  return (await Promise.all(left)).flat();
}

/** Only this stack's parameters; other stacks have their own. */
async function parameters({ aws, config }: Stack, Path: string): Promise<string[]> {
  const own = config.poolsPath.slice(config.poolsPath.lastIndexOf('/'));
  const found: string[] = [];
  for await (const { Parameters = [] } of paginateGetParametersByPath({ client: aws.ssm }, { Path, Recursive: true })) {
    found.push(...Parameters.map(({ Name = '' }) => Name));
  }
  return found.filter((name) => name.includes(own)).map((name) => `parameter ${name}`);
}

async function logGroup({ aws }: Stack, logGroupNamePrefix: string): Promise<string[]> {
  const { logGroups = [] } = await aws.logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix }));
  return logGroups.map(({ logGroupName }) => `log group ${logGroupName}`);
}

async function table({ aws }: Stack, TableName: string): Promise<string[]> {
  try {
    const { Table } = await aws.table.send(new DescribeTableCommand({ TableName }));
    return [`table ${TableName}, ${Table?.TableStatus}`];
  } catch (error) {
    if (reasonOf(error).startsWith('ResourceNotFound')) return [];
    throw error;
  }
}
