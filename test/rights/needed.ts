/** The calls that each role makes, one for each of its permissions. */
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { POOL_TAG, STACK_TAG } from '../../contract/service-tags.ts';
import { stackIdIn } from '../../contract/stack-config.ts';
import { PARTITION_KEY, SCALER_KEY } from '../../contract/state-table.ts';
import type { Call } from './deployed.ts';

export const PLACE = 'us-east-1:000000000000';

export const KEY = `arn:aws:kms:${PLACE}:key/01234567-89ab-cdef-0123-456789abcdef`;

/** The names of the stack's resources. */
export interface Names {
  cluster: string;
  table: string;
  service: string;
  poolsPath: string;
  secret: string;
  scalerLogs: string;
}

const ecs = (action: string, input: object): Call => sent(`AmazonEC2ContainerServiceV20141113.${action}`, input);
const dynamodb = (action: string, input: object): Call => sent(`DynamoDB_20120810.${action}`, input);
const sent = (target: string, input: object): Call => ({ target, input });

export const updateService = (cluster: string, service: string, changes: object = {}) =>
  ecs('UpdateService', { cluster, service, desiredCount: 1, ...changes });

export const listTasks = (cluster: string) => ecs('ListTasks', { cluster, serviceName: 'any' });

export const describeTasks = (cluster: string) => ecs('DescribeTasks', { cluster, tasks: ['6478'] });

export const readItems = (table: string, ...ids: string[]) =>
  dynamodb('BatchGetItem', { RequestItems: { [table]: { Keys: ids.map((id) => ({ [PARTITION_KEY]: { S: id } })) } } });

export const putItem = (table: string, id: string) =>
  dynamodb('PutItem', { TableName: table, Item: { [PARTITION_KEY]: { S: id } } });

export const readParameters = (path: string) => sent('AmazonSSM.GetParametersByPath', { Path: path });

export const readSecret = (id: string) => sent('secretsmanager.GetSecretValue', { SecretId: id });

export const publish = (namespace: string) =>
  sent('GraniteServiceVersion20100801.PutMetricData', { Namespace: namespace, MetricData: [] });

/** The agent's call, for a task tagged with the pool and, unless an earlier version has started it, the stack. */
export const protect = (cluster: string, pool: string, stack?: string): Call => ({
  action: 'ecs:UpdateTaskProtection',
  resource: `arn:aws:ecs:${PLACE}:task/${cluster}/6478`,
  context: { [`aws:ResourceTag/${POOL_TAG}`]: pool, ...(stack && { [`aws:ResourceTag/${STACK_TAG}`]: stack }) },
});

/** Of Lambda, or of the log driver. */
export const log = (group: string): Call[] =>
  ['CreateLogStream', 'PutLogEvents'].map((action) => ({
    action: `logs:${action}`,
    resource: `arn:aws:logs:${PLACE}:log-group:${group}:log-stream:stream`,
  }));

export function ofScaler({ cluster, service, table, poolsPath, secret, scalerLogs }: Names): Call[] {
  const put = { PutRequest: { Item: { [PARTITION_KEY]: { S: 'id' } } } };
  return [
    ecs('DescribeServices', { cluster, services: [service] }),
    updateService(cluster, service),
    listTasks(cluster),
    describeTasks(cluster),
    readItems(table, 'id'),
    putItem(table, 'id'),
    dynamodb('BatchWriteItem', { RequestItems: { [table]: [put] } }),
    readParameters(poolsPath),
    readSecret(secret),
    publish(METRIC_NAMESPACE),
    ...log(scalerLogs),
  ];
}

/** Of a worker that protects itself, and of a sidecar. */
export function ofTask({ cluster, table, poolsPath, secret }: Names, pool: string, cordon: string): Call[] {
  return [
    protect(cluster, pool),
    protect(cluster, pool, stackIdIn(poolsPath)),
    readItems(table, cordon, SCALER_KEY),
    readSecret(secret),
  ];
}

/**
 * Permissions that AWS's services use in a role's name, or for calls that no emulator answers, and why no run on one machine
 * needs them. All other permissions are used by a call here.
 */
export const ELSEWHERE: { role: string; why: string; calls: Call[] }[] = [];

function only(role: string, why: string, resource: string, actions: string[]): void {
  ELSEWHERE.push({ role, why, calls: actions.map((action) => ({ action, resource })) });
}

const MODEL = 'amazon.nova-2-lite-v1:0';
only('WorkersPoolsownTaskRole', 'a model of Bedrock', `arn:aws:bedrock:eu-west-1::foundation-model/${MODEL}`, [
  'bedrock:InvokeModel',
  'bedrock:InvokeModelWithResponseStream',
]);
only('WorkersScalerRole', 'Lambda puts the function into a VPC', '*', [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
]);
only('WorkersScalerRole', 'Lambda sends traces to X-Ray', '*', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords']);
for (const role of ['WorkersPoolsownTaskRole', 'WorkersPoolsforeignTaskRole']) {
  only(role, 'DynamoDB reads with the table’s key', KEY, ['kms:Decrypt', 'kms:DescribeKey']);
}
only('WorkersScalerRole', 'DynamoDB reads and writes with the table’s key, and Lambda the environment', KEY, [
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
]);
