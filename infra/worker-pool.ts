/** One pool on Fargate: the task definition and service of its workers, and what the scaler is told of it. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../contract/metrics.ts';
import { poolConfigSchema } from '../contract/pool-config.ts';
import { SCALER_KEY } from '../contract/state-table.ts';
import type { TemporalProps, WorkerPoolProps } from './props.ts';

export interface WorkerPoolEnvironment {
  poolName: string;
  temporal: TemporalProps;
  cluster: ecs.ICluster;
  securityGroups: ec2.ISecurityGroup[];
  image: ecs.ContainerImage;
  stateTable: dynamodb.ITable;
  /** The SSM path below which the scaler finds its pools. */
  poolsPath: string;
}

/** Fargate waits this long between SIGTERM and SIGKILL at the most. */
const STOP_TIMEOUT = Duration.seconds(120);
/** Activities may go on this long after SIGTERM; the rest of the stop timeout is for saying goodbye. */
const DRAIN = Duration.seconds(100);

export class WorkerPool extends Construct {
  readonly poolName: string;
  readonly taskQueue: string;
  readonly service: ecs.FargateService;
  readonly taskRole: iam.Role;
  readonly logGroup: logs.LogGroup;

  constructor(scope: Construct, id: string, environment: WorkerPoolEnvironment, props: WorkerPoolProps) {
    super(scope, id);
    this.poolName = environment.poolName;
    this.taskQueue = props.taskQueue;
    this.logGroup = new logs.LogGroup(this, 'Logs', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.taskRole = this.#taskRole(environment);
    this.service = this.#service(environment, this.#taskDefinition(environment, props));
    this.#tellScaler(environment, props);
  }

  /** A worker may protect tasks of its cluster, read its own cordon and the scaler's last tick, and publish metrics. */
  #taskRole({ cluster, stateTable }: WorkerPoolEnvironment): iam.Role {
    const role = new iam.Role(this, 'TaskRole', { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
        resources: [
          Stack.of(this).formatArn({ service: 'ecs', resource: 'task', resourceName: `${cluster.clusterName}/*` }),
        ],
      }),
    );
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['dynamodb:BatchGetItem'],
        resources: [stateTable.tableArn],
        conditions: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['${aws:userid}', SCALER_KEY] } },
      }),
    );
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['cloudwatch:PutMetricData'],
        resources: ['*'], // CloudWatch knows no resource for it; the namespace is the limit
        conditions: { StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACE } },
      }),
    );
    return role;
  }

  #taskDefinition({ temporal, image, stateTable }: WorkerPoolEnvironment, props: WorkerPoolProps) {
    const definition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: props.cpu ?? 1024,
      memoryLimitMiB: props.memoryLimitMiB ?? 2048,
      taskRole: this.taskRole,
      runtimePlatform: { cpuArchitecture: props.cpuArchitecture ?? ecs.CpuArchitecture.X86_64 },
    });
    definition.addContainer('worker', {
      image: props.image ?? image,
      command: props.command ?? ['node', 'main.js'],
      stopTimeout: STOP_TIMEOUT,
      // An image that is not ours has its own idea of health.
      ...(props.image ? {} : { healthCheck: HEALTH_CHECK }),
      logging: ecs.LogDrivers.awsLogs({ logGroup: this.logGroup, streamPrefix: 'worker' }),
      environment: {
        ...props.environment,
        TEMPORAL_ADDRESS: temporal.address,
        TEMPORAL_NAMESPACE: temporal.namespace,
        TEMPORAL_TASK_QUEUE: props.taskQueue,
        ELASTIC_WORKERS_POOL: this.poolName,
        ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: String(props.slotsPerTask ?? DEFAULT_SLOTS),
        ELASTIC_WORKERS_STATE_TABLE: stateTable.tableName,
        ELASTIC_WORKERS_TASK_ROLE_ID: roleIdOf(this.taskRole),
        ELASTIC_WORKERS_DRAIN_SECONDS: String(DRAIN.toSeconds()),
        ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: String(STOP_TIMEOUT.toSeconds()),
      },
    });
    return definition;
  }

  #service({ cluster, securityGroups }: WorkerPoolEnvironment, taskDefinition: ecs.FargateTaskDefinition) {
    const inPublicSubnets = cluster.vpc.privateSubnets.length === 0;
    const service = new ecs.FargateService(this, 'Service', {
      cluster,
      taskDefinition,
      securityGroups,
      assignPublicIp: inPublicSubnets,
      vpcSubnets: { subnetType: inPublicSubnets ? ec2.SubnetType.PUBLIC : ec2.SubnetType.PRIVATE_WITH_EGRESS },
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      enableECSManagedTags: true,
      propagateTags: ecs.PropagatedTagSource.SERVICE,
    });
    // The count is the scaler's alone: were it in the template, a deployment in mid-day would reset the fleet.
    (service.node.defaultChild as ecs.CfnService).addPropertyDeletionOverride('DesiredCount');
    return service;
  }

  #tellScaler({ cluster, poolsPath }: WorkerPoolEnvironment, props: WorkerPoolProps): void {
    const config = poolConfigSchema.parse({
      pool: this.poolName,
      taskQueue: props.taskQueue,
      cluster: cluster.clusterName,
      service: this.service.serviceName,
      taskRoleId: roleIdOf(this.taskRole),
      policy: {
        minTasks: props.minTasks,
        maxTasks: props.maxTasks,
        slotsPerTask: props.slotsPerTask ?? DEFAULT_SLOTS,
        targetWaitSeconds: props.targetWait?.toSeconds(),
        scaleInAfterSeconds: props.scaleInAfter?.toSeconds(),
      },
    });
    new ssm.StringParameter(this, 'Config', {
      parameterName: `${poolsPath}/${this.poolName}`,
      description: `What the scaler knows of the worker pool ${this.poolName}`,
      stringValue: Stack.of(this).toJsonString(config),
    });
  }
}

const DEFAULT_SLOTS = 20;

/** ECS replaces a task that is not healthy, work and all: so only a crash loop counts, not a drain or a lost server. */
const HEALTH_CHECK: ecs.HealthCheck = {
  command: [
    'CMD',
    'node',
    '-e',
    "fetch('http://127.0.0.1:8080/health/live').then(({ status }) => { if (status !== 200) throw new Error(status) })",
  ],
  interval: Duration.seconds(30),
  retries: 3,
  startPeriod: Duration.seconds(120),
};

function roleIdOf(role: iam.Role): string {
  return (role.node.defaultChild as iam.CfnRole).attrRoleId;
}
