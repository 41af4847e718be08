/**
 * Pools of Temporal workers on ECS Fargate, and the scaler that sizes them.
 *
 *     new ElasticWorkers(stack, 'Workers', {
 *       temporal: { address: 'temporal.example.com:7233', namespace: 'default' },
 *       pools: { fast: { taskQueue: 'quick-response-queue' } },
 *     });
 */
import { join } from 'node:path';
import { Duration, Names, RemovalPolicy } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { PARTITION_KEY, TIME_TO_LIVE } from '../contract/state-table.ts';
import { PoolAlarms } from './alarms.ts';
import { poolsDashboard } from './dashboard.ts';
import { problemsOf, type ElasticWorkersProps, type WorkerPoolProps } from './props.ts';
import { ScalerFunction } from './scaler-function.ts';
import { WorkerPool, type WorkerPoolEnvironment } from './worker-pool.ts';

export class ElasticWorkers extends Construct {
  readonly cluster: ecs.ICluster;
  readonly stateTable: dynamodb.Table;
  readonly pools: WorkerPool[];
  readonly scaler: lambda.Function;
  readonly alarms: cloudwatch.Alarm[];
  readonly dashboard: cloudwatch.Dashboard;

  /** Throws one error that lists every problem of the props. */
  constructor(scope: Construct, id: string, props: ElasticWorkersProps) {
    super(scope, id);
    const problems = problemsOf(props);
    if (problems.length > 0) throw new Error(`ElasticWorkers ${this.node.path}:\n- ${problems.join('\n- ')}`);

    this.cluster = props.cluster ?? this.#newCluster();
    this.stateTable = this.#newStateTable();
    const poolsPath = `/elastic-workers/${Names.uniqueId(this)}`;
    this.pools = this.#newPools(props, poolsPath);
    this.scaler = new ScalerFunction(this, 'Scaler', {
      temporal: props.temporal,
      cluster: this.cluster,
      pools: this.pools,
      stateTable: this.stateTable,
      poolsPath,
      tick: props.tick ?? Duration.seconds(10),
      mode: props.mode ?? 'act',
    }).function;
    this.alarms = this.#newAlarms(props);
    this.dashboard = poolsDashboard(
      this,
      'Dashboard',
      this.pools.map(({ poolName }) => poolName),
    );
  }

  /** Public subnets and no NAT gateway, which alone would cost more than a small fleet; nothing listens there. */
  #newCluster(): ecs.Cluster {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [{ name: 'workers', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
    });
    return new ecs.Cluster(this, 'Cluster', { vpc });
  }

  /** Nothing in it is worth keeping when the stack goes: the scaler starts afresh without it. */
  #newStateTable(): dynamodb.Table {
    return new dynamodb.Table(this, 'State', {
      partitionKey: { name: PARTITION_KEY, type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: TIME_TO_LIVE,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  #newPools(props: ElasticWorkersProps, poolsPath: string): WorkerPool[] {
    const shared: Omit<WorkerPoolEnvironment, 'poolName'> = {
      temporal: props.temporal,
      cluster: this.cluster,
      securityGroups: [
        new ec2.SecurityGroup(this, 'WorkerSecurityGroup', {
          vpc: this.cluster.vpc,
          description: 'Temporal workers: they call out, nothing calls in',
        }),
      ],
      image: props.image ?? workerImage(),
      stateTable: this.stateTable,
      poolsPath,
    };
    return Object.entries(props.pools).map(
      ([poolName, pool]: [string, WorkerPoolProps]) => new WorkerPool(this, poolName, { ...shared, poolName }, pool),
    );
  }

  #newAlarms({ alarmThresholds, alarmActions = [] }: ElasticWorkersProps): cloudwatch.Alarm[] {
    const alarms = this.pools.flatMap((pool) => new PoolAlarms(pool, 'Alarms', pool.poolName, alarmThresholds).alarms);
    for (const alarm of alarms) {
      alarm.addAlarmAction(...alarmActions);
      alarm.addOkAction(...alarmActions);
    }
    return alarms;
  }
}

function workerImage(): ecs.ContainerImage {
  return ecs.ContainerImage.fromAsset(join(import.meta.dirname, '..'), {
    file: 'worker/Dockerfile',
    exclude: ['*', '!package.json', '!package-lock.json', '!dist/worker', '!worker/Dockerfile'],
  });
}
