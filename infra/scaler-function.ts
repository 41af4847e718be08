/** The scaler as a Lambda function: invoked each minute, one at a time, allowed to touch its own pools only. */
import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../contract/metrics.ts';
import type { TemporalProps } from './props.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface ScalerFunctionProps {
  temporal: TemporalProps;
  cluster: ecs.ICluster;
  pools: WorkerPool[];
  stateTable: dynamodb.ITable;
  poolsPath: string;
  tick: Duration;
  mode: 'act' | 'observe';
}

export class ScalerFunction extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: ScalerFunctionProps) {
    super(scope, id);
    this.function = new lambda.Function(this, 'Function', {
      description: 'Sizes the pools of Temporal workers by the work that waits and runs',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code: lambda.Code.fromAsset(join(import.meta.dirname, '../dist/scaler')),
      handler: 'index.handler',
      memorySize: 512,
      timeout: Duration.seconds(60),
      // One scaler at a time; a failed or late minute is not made up for: the next one reads the world afresh.
      reservedConcurrentExecutions: 1,
      retryAttempts: 0,
      maxEventAge: Duration.seconds(60),
      logGroup: new logs.LogGroup(this, 'Logs', {
        retention: logs.RetentionDays.ONE_MONTH,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        TEMPORAL_ADDRESS: props.temporal.address,
        TEMPORAL_NAMESPACE: props.temporal.namespace,
        ELASTIC_WORKERS_STATE_TABLE: props.stateTable.tableName,
        ELASTIC_WORKERS_POOLS_PATH: props.poolsPath,
        ELASTIC_WORKERS_TICK_SECONDS: String(props.tick.toSeconds()),
        ELASTIC_WORKERS_MODE: props.mode,
      },
    });
    this.#allow(props);
    new scheduler.Schedule(this, 'EveryMinute', {
      description: 'Invokes the scaler',
      schedule: scheduler.ScheduleExpression.rate(Duration.minutes(1)),
      target: new LambdaInvoke(this.function, { retryAttempts: 0, maxEventAge: Duration.seconds(60) }),
    });
  }

  #allow({ cluster, pools, stateTable, poolsPath }: ScalerFunctionProps): void {
    const stack = Stack.of(this);
    const ofCluster = { ArnEquals: { 'ecs:cluster': cluster.clusterArn } };
    stateTable.grant(
      this.function,
      'dynamodb:BatchGetItem',
      'dynamodb:BatchWriteItem',
      'dynamodb:PutItem',
      'dynamodb:DeleteItem',
    );
    this.#statement(
      ['ecs:DescribeServices', 'ecs:UpdateService'],
      pools.map(({ service }) => service.serviceArn),
    );
    this.#statement(
      ['ecs:DescribeTasks'],
      [stack.formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` })],
    );
    // ListTasks of a service names no resource; the cluster is the limit.
    this.#statement(['ecs:ListTasks'], ['*'], ofCluster);
    this.#statement(
      ['ssm:GetParametersByPath'],
      [stack.formatArn({ service: 'ssm', resource: 'parameter', resourceName: poolsPath.slice(1) })],
    );
    // CloudWatch knows no resource for metrics; the namespace is the limit.
    this.#statement(['cloudwatch:PutMetricData'], ['*'], {
      StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACE },
    });
  }

  #statement(actions: string[], resources: string[], conditions: Record<string, unknown> = {}): void {
    this.function.addToRolePolicy(new iam.PolicyStatement({ actions, resources, conditions }));
  }
}
