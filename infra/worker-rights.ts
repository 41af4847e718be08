/** A worker's permissions. */
import { Stack } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../contract/metrics.ts';
import { POOL_TAG, STACK_TAG } from '../contract/service-tags.ts';
import { SCALER_KEY } from '../contract/state-table.ts';
import { acknowledgeWildcard } from './acknowledge.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';

interface WorkerRightsOptions {
  stackId: string;
  poolName: string;
  settings: PoolSettings;
  temporal: TemporalSettings;
  cluster: ecs.ICluster;
  stateTable: dynamodb.ITable;
  encryptionKey?: kms.IKey | undefined;
}

/**
 * A policy of its own, so that its acknowledgements do not cover what others grant the role. A worker that protects itself, or
 * a sidecar, may protect tasks within its pool, and read its own cordon and the scaler's last tick. Such a worker may also publish
 * metrics. Each worker may read the secret of its own Temporal and call its own model, if that is a Bedrock model.
 */
export function workerRights(scope: Construct, options: WorkerRightsOptions, role: iam.IRole): iam.Policy {
  const { secret } = options.temporal;
  const policy = new iam.Policy(scope, 'Rights', { roles: [role] });
  if (secret) {
    policy.addStatements(mayRead([secret]));
    secret.encryptionKey?.grantDecrypt(role);
  }
  options.encryptionKey?.grant(role, 'kms:Decrypt', 'kms:DescribeKey');
  allowToProtectItself(policy, options);
  if (options.settings.protection === 'worker') allowToPublish(policy);
  const [, bedrockId] = /^bedrock:(.+)$/.exec(options.settings.model ?? '') ?? [];
  if (bedrockId !== undefined) allowToAsk(policy, bedrockId);
  return policy;
}

/** For a secret known only by name, the six characters that Secrets Manager adds to its ARN are unknown. */
export function mayRead(secrets: ISecret[]): iam.PolicyStatement {
  return new iam.PolicyStatement({
    actions: ['secretsmanager:GetSecretValue'],
    resources: secrets.map(({ secretFullArn, secretArn }) => secretFullArn ?? `${secretArn}-??????`),
  });
}

function allowToProtectItself(policy: iam.Policy, options: WorkerRightsOptions): void {
  const { stackId, poolName, cluster, stateTable } = options;
  const tasks = Stack.of(policy).formatArn({
    service: 'ecs',
    resource: 'task',
    resourceName: `${cluster.clusterName}/*`,
  });
  policy.addStatements(
    new iam.PolicyStatement({
      actions: ['ecs:UpdateTaskProtection'],
      resources: [tasks],
      conditions: {
        StringEquals: { [`aws:ResourceTag/${POOL_TAG}`]: poolName },
        // Tasks started by an earlier version lack this tag, and must be able to protect themselves until they end.
        StringEqualsIfExists: { [`aws:ResourceTag/${STACK_TAG}`]: stackId },
      },
    }),
    new iam.PolicyStatement({
      actions: ['dynamodb:BatchGetItem'],
      resources: [stateTable.tableArn],
      conditions: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['${aws:userid}', SCALER_KEY] } },
    }),
  );
  acknowledgeWildcard(policy, tasks, 'Tasks are not known before they run; the right is limited to cluster and pool.');
}

function allowToPublish(policy: iam.Policy): void {
  policy.addStatements(
    new iam.PolicyStatement({
      actions: ['cloudwatch:PutMetricData'],
      resources: ['*'],
      conditions: { StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACE } },
    }),
  );
  acknowledgeWildcard(
    policy,
    '*',
    'CloudWatch supports no resource for metrics; the right is limited to their namespace.',
  );
}

/** An inference profile is a geography's prefix before a model's id, and stands for that model in the geography's regions: both need permission. */
const PROFILE = /^(?:global|apac|us-gov|[a-z]{2})\.(.+)$/;

function allowToAsk(policy: iam.Policy, id: string): void {
  const resources = modelResources(Stack.of(policy), id);
  const actions = ['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'];
  policy.addStatements(new iam.PolicyStatement({ actions, resources }));
  for (const resource of resources.filter((each) => each.includes('*'))) {
    acknowledgeWildcard(policy, resource, 'An inference profile stands for one model in several regions.');
  }
}

function modelResources({ partition, region, account }: Stack, id: string): string[] {
  if (id.startsWith('arn:')) return [id];
  const [, model] = PROFILE.exec(id) ?? [];
  if (model === undefined) return [`arn:${partition}:bedrock:${region}::foundation-model/${id}`];
  return [
    `arn:${partition}:bedrock:${region}:${account}:inference-profile/${id}`,
    `arn:${partition}:bedrock:*::foundation-model/${model}`,
  ];
}
