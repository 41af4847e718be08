/** The scaler as a Lambda function: invoked each minute, with permissions for its own pools only. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct, type IConstruct } from 'constructs';
import { chunks } from '../contract/chunks.ts';
import { LONGEST_INVOCATION_SECONDS } from '../contract/invocation.ts';
import { METRIC_NAMESPACE, type MetricSet } from '../contract/metrics.ts';
import { scalerEnvironment } from '../contract/scaler-environment.ts';
import { acknowledge, acknowledgeLint, acknowledgeWildcard } from './acknowledge.ts';
import { scalerCode } from './assets.ts';
import { SCALER_ENVIRONMENT, type TemporalSettings } from './presets.ts';
import { grantRights } from './rights.ts';
import type { WorkerPool } from './worker-pool.ts';
import { namesOfCapacityProviders } from './worker-service.ts';
import { mayRead } from './worker-rights.ts';

interface ScalerFunctionProps {
  temporal: TemporalSettings;
  cluster: ecs.ICluster;
  pools: WorkerPool[];
  /** The workers' subnets. */
  subnetIds: string[];
  stateTable: dynamodb.ITable;
  poolsPath: string;
  tickSeconds: number;
  mode: 'act' | 'observe';
  metrics: MetricSet;
  /** MiB. */
  scalerMemory: number;
  tracing: boolean;
  logRetention: logs.RetentionDays;
  /** Subnets of the VPC, if the function is to run in it. */
  vpcSubnets?: ec2.SubnetSelection | undefined;
  role?: iam.IRole | undefined;
  logGroup?: logs.ILogGroup | undefined;
  encryptionKey?: kms.IKey | undefined;
}

export class ScalerFunction extends Construct {
  readonly function: lambda.Function;
  readonly logGroup: logs.ILogGroup;

  constructor(scope: Construct, id: string, props: ScalerFunctionProps) {
    super(scope, id);
    const role =
      props.role ?? new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup = props.logGroup ?? this.#newLogGroup(props);
    const rights = grantRights(this, role, this.#statements(props));
    for (const { encryptionKey } of secretsOf(props)) encryptionKey?.grantDecrypt(role);
    props.encryptionKey?.grant(role, ...TABLE_KEY_ACTIONS);
    this.function = this.#newFunction(role, props);
    this.function.node.addDependency(rights);
    this.#acknowledge(role, rights, props);
    this.#schedule(props);
  }

  #newLogGroup({ logRetention, encryptionKey }: ScalerFunctionProps): logs.LogGroup {
    return new logs.LogGroup(this, 'Logs', {
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
      ...(encryptionKey && { encryptionKey }),
    });
  }

  #newFunction(role: iam.IRole, props: ScalerFunctionProps): lambda.Function {
    return new lambda.Function(this, 'Function', {
      description: 'Sizes pools of Temporal workers by queued and running work',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code: scalerCode(),
      handler: 'index.handler',
      role,
      memorySize: props.scalerMemory,
      timeout: Duration.seconds(LONGEST_INVOCATION_SECONDS),
      // A failed or late minute is not retried: the next one reads everything afresh.
      retryAttempts: 0,
      maxEventAge: Duration.seconds(60),
      tracing: props.tracing ? lambda.Tracing.ACTIVE : lambda.Tracing.DISABLED,
      logGroup: this.logGroup,
      ...(props.vpcSubnets && { vpc: props.cluster.vpc, vpcSubnets: props.vpcSubnets, allowPublicSubnet: false }),
      ...(props.encryptionKey && { environmentEncryption: props.encryptionKey }),
      environment: environmentOf(props),
    });
  }

  #statements({ cluster, pools, subnetIds, stateTable, poolsPath, vpcSubnets, ...props }: ScalerFunctionProps) {
    const stack = Stack.of(this);
    const secrets = secretsOf({ pools, ...props });
    return [
      statement(['logs:CreateLogStream', 'logs:PutLogEvents'], [this.logGroup.logGroupArn]),
      statement(['dynamodb:BatchGetItem', 'dynamodb:BatchWriteItem', 'dynamodb:PutItem'], [stateTable.tableArn]),
      ...chunks(pools, POOLS_A_STATEMENT).map((some) => mayScale(some, subnetIds)),
      statement(['ecs:DescribeTasks'], [this.#tasksOf(cluster)]),
      statement(['ecs:ListTasks'], ['*'], { ArnEquals: { 'ecs:cluster': cluster.clusterArn } }),
      statement(
        ['ssm:GetParametersByPath'],
        [stack.formatArn({ service: 'ssm', resource: 'parameter', resourceName: poolsPath.slice(1) })],
      ),
      statement(['cloudwatch:PutMetricData'], ['*'], { StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACE } }),
      ...chunks(secrets, POOLS_A_STATEMENT).map(mayRead),
      ...(vpcSubnets ? [statement(NETWORK_ACTIONS, ['*'])] : []),
    ];
  }

  #tasksOf(cluster: ecs.ICluster): string {
    return Stack.of(this).formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` });
  }

  #acknowledge(role: iam.IRole, rights: IConstruct, { cluster, tracing }: ScalerFunctionProps): void {
    acknowledgeWildcard(
      rights,
      this.#tasksOf(cluster),
      'Tasks are not known before they run; the right is limited to cluster and service.',
    );
    acknowledgeWildcard(
      rights,
      '*',
      'ecs:ListTasks of a service and cloudwatch:PutMetricData support no resource, and are limited to the cluster and the namespace by a condition; in a VPC Lambda needs the network interface actions, which support none either.',
    );
    acknowledgeWildcard(rights, this.logGroup.logGroupArn, 'The streams of the function’s own log group.');
    if (tracing) acknowledgeWildcard(role, '*', 'X-Ray supports no resource for traces.');
    acknowledge(this.function, 'L1', 'The bundle is built and tested for Node.js 24.');
    acknowledgeLint(this.function, 'W3005', 'The CDK lists the role in DependsOn although the function refers to it.');
  }

  #schedule({ pools }: ScalerFunctionProps): void {
    const role = new iam.Role(this, 'InvokeRole', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    const right = new iam.Policy(this, 'InvokeRight', {
      roles: [role],
      statements: [statement(['lambda:InvokeFunction'], [this.function.functionArn])],
    });
    const schedule = new scheduler.Schedule(this, 'EveryMinute', {
      description: 'Invokes the scaler',
      schedule: scheduler.ScheduleExpression.rate(Duration.minutes(1)),
      // The target would add permission to invoke every version of the function.
      target: new LambdaInvoke(this.function, {
        role: role.withoutPolicyUpdates(),
        retryAttempts: 0,
        maxEventAge: Duration.seconds(60),
      }),
    });
    // So that the first tick finds all pools, and the last is over before their services are deleted. It already refers to the function.
    const { children, defaultChild } = this.function.node;
    const partsOfFunction = children.filter((child) => child !== defaultChild);
    schedule.node.addDependency(right, ...partsOfFunction, ...pools.map(({ told }) => told));
  }
}

/** Key permissions for reading and writing the table, and for Lambda to decrypt the function's environment. */
const TABLE_KEY_ACTIONS = [
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:Encrypt',
  'kms:GenerateDataKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
];

/** What Lambda itself does with the function's role to run it in a VPC. */
const NETWORK_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

function environmentOf({ temporal, stateTable, poolsPath, tickSeconds, mode, metrics }: ScalerFunctionProps) {
  return {
    ...SCALER_ENVIRONMENT,
    ...scalerEnvironment({
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      TEMPORAL_TLS: `${temporal.tls}`,
      ELASTIC_WORKERS_TEMPORAL_SECRET: temporal.scalerSecret?.secretArn,
      ELASTIC_WORKERS_STATE_TABLE: stateTable.tableName,
      ELASTIC_WORKERS_POOLS_PATH: poolsPath,
      ELASTIC_WORKERS_TICK_SECONDS: tickSeconds,
      ELASTIC_WORKERS_MODE: mode,
      ELASTIC_WORKERS_METRICS: metrics,
    }),
  };
}

/** As many as fit into a managed policy: each has a service and a task definition. */
const POOLS_A_STATEMENT = 14;

/**
 * Reads the services and changes their count. IAM has conditions for some of what else UpdateService could change: if a request contains
 * one of these, it must equal the current value. (Source: service authorization reference, ECS, UpdateService.)
 */
function mayScale(pools: WorkerPool[], subnetIds: string[]): iam.PolicyStatement {
  const services = pools.map(({ service }) => service.serviceArn);
  const definitions = pools.map(({ service }) => service.taskDefinition.taskDefinitionArn);
  const off = ['enable-execute-command', 'enable-service-connect', 'enable-ebs-volumes', 'enable-vpc-lattice'];
  return statement(['ecs:DescribeServices', 'ecs:UpdateService'], services, {
    ArnEqualsIfExists: { 'ecs:task-definition': definitions },
    BoolIfExists: Object.fromEntries(off.map((key) => [`ecs:${key}`, 'false'])),
    'ForAllValues:StringEquals': {
      'ecs:capacity-provider': [...new Set(pools.flatMap(({ settings }) => namesOfCapacityProviders(settings)))],
      'ecs:subnet': subnetIds,
    },
    Null: { 'ecs:namespace': 'true' },
  });
}

/** Each once, even if pools share them. */
function secretsOf({ temporal, pools }: Pick<ScalerFunctionProps, 'temporal' | 'pools'>): secretsmanager.ISecret[] {
  const secrets = [temporal, ...pools.map((pool) => pool.temporal)].flatMap(({ scalerSecret }) => scalerSecret ?? []);
  return [...new Map(secrets.map((secret) => [secret.secretArn, secret])).values()];
}

function statement(actions: string[], resources: string[], conditions: Record<string, unknown> = {}) {
  return new iam.PolicyStatement({ actions, resources, conditions });
}
