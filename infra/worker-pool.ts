/** One pool: the task definition and ECS service of its workers, their permissions, and the pool's settings for the scaler. */
import { Annotations, Names, RemovalPolicy, Stack, Tags } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct, type IConstruct, type IDependable } from 'constructs';
import type { MetricKey, MetricSet } from '../contract/metrics.ts';
import { POOL_TAG, STACK_TAG } from '../contract/service-tags.ts';
import { WORKER_CONTAINER } from '../contract/sidecar.ts';
import { stackIdIn } from '../contract/stack-config.ts';
import { acknowledge, acknowledgeWildcard } from './acknowledge.ts';
import { sidecarImage, workerImage } from './assets.ts';
import { metricsOf, poolMetric } from './metrics.ts';
import { tellScaler } from './parameters.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';
import type { ElasticWorkersProps } from './props.ts';
import { addSidecar } from './sidecar-containers.ts';
import { workerContainer } from './worker-container.ts';
import { portConflicts } from './worker-ports.ts';
import { workerRights } from './worker-rights.ts';
import { workerService, type WorkerService } from './worker-service.ts';

/** A pool as other constructs see it: grant it permissions, allow connections, use its metrics. */
export interface IWorkerPool extends IConstruct, iam.IGrantable, ec2.IConnectable {
  readonly poolName: string;
  readonly taskQueue: string;
  readonly service: ecs.IBaseService;
  readonly taskRole: iam.IRole;
  readonly logGroup: logs.ILogGroup;
  /** Tasks queued. */
  metricBacklog(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** Age of the oldest queued task. Published with `metrics: 'full'`, or for another worker's image. */
  metricBacklogAge(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** Running activities. Published with `metrics: 'full'`. */
  metricBusySlots(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** Busy slots in percent. Published with `metrics: 'full'`. */
  metricSlotUtilization(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  metricDesiredTasks(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** Published with `metrics: 'full'`. */
  metricRunningTasks(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** Failed activity attempts in percent. */
  metricErrorRate(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  metricScalerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** How long activities waited for a worker, p95. Published by this package's worker. */
  metricScheduleToStart(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
  /** How long activities took, p95. Published by this package's worker. */
  metricTaskDuration(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
}

/** Settings that all pools of a stack share. */
export interface SharedByPools {
  cluster: ecs.ICluster;
  subnets: ec2.SubnetSelection;
  assignPublicIp: boolean;
  securityGroups: ec2.ISecurityGroup[];
  workerImage?: ecs.ContainerImage | undefined;
  sidecarImage?: ecs.ContainerImage | undefined;
  stateTable: dynamodb.ITable;
  encryptionKey?: kms.IKey | undefined;
  logRetention: logs.RetentionDays;
  metrics: MetricSet;
  preset?: ElasticWorkersProps['preset'];
  /** The SSM path under which the scaler finds its pools. */
  poolsPath: string;
}

export interface WorkerPoolOptions extends SharedByPools {
  poolName: string;
  settings: PoolSettings;
  temporal: TemporalSettings;
  /** The files of its entry; see entries.ts. */
  files: string | undefined;
}

export class WorkerPool extends Construct implements IWorkerPool {
  /** Distinguishes the stack from others in its account and region, in metrics and tags. */
  readonly stackId: string;
  readonly poolName: string;
  readonly taskQueue: string;
  readonly settings: PoolSettings;
  readonly temporal: TemporalSettings;
  readonly service: WorkerService;
  readonly taskRole: iam.IRole;
  readonly grantPrincipal: iam.IPrincipal;
  readonly connections: ec2.Connections;
  readonly logGroup: logs.ILogGroup;
  /** The parameter in which the scaler finds the pool. */
  readonly told: IDependable;
  readonly #metrics: MetricSet;

  constructor(scope: Construct, id: string, options: WorkerPoolOptions) {
    super(scope, id);
    const { settings } = options;
    this.stackId = stackIdIn(options.poolsPath);
    this.poolName = options.poolName;
    this.taskQueue = settings.taskQueue;
    this.settings = settings;
    this.temporal = options.temporal;
    this.#metrics = options.metrics;
    this.logGroup = settings.logGroup ?? this.#newLogGroup(options);
    this.taskRole = settings.taskRole ?? this.#newTaskRole();
    this.grantPrincipal = this.taskRole.grantPrincipal;
    const rights = workerRights(this, { ...options, stackId: this.stackId }, this.taskRole);
    const taskDefinition = this.#newTaskDefinition(options);
    this.service = workerService(this, { ...options, taskDefinition, rights });
    // At validation, when the task also has the containers that others add.
    this.node.addValidation({
      validate: () => portConflicts({ ...settings, poolName: this.poolName }, taskDefinition),
    });
    Tags.of(this.service).add(STACK_TAG, this.stackId);
    Tags.of(this.service).add(POOL_TAG, this.poolName);
    this.connections = this.service.connections;
    const taskRoleId = taskRoleIdOf(this.taskRole, settings);
    this.told = tellScaler(this, { ...options, service: this.service, taskRoleId });
  }

  metricBacklog(options?: cloudwatch.MetricOptions) {
    return this.#metric('backlog', options);
  }
  metricBacklogAge(options?: cloudwatch.MetricOptions) {
    return this.#metric('backlogAge', options);
  }
  metricBusySlots(options?: cloudwatch.MetricOptions) {
    return this.#metric('busySlots', options);
  }
  metricSlotUtilization(options?: cloudwatch.MetricOptions) {
    return this.#metric('slotUtilization', options);
  }
  metricDesiredTasks(options?: cloudwatch.MetricOptions) {
    return this.#metric('desiredTasks', options);
  }
  metricRunningTasks(options?: cloudwatch.MetricOptions) {
    return this.#metric('runningTasks', options);
  }
  metricErrorRate(options?: cloudwatch.MetricOptions) {
    return this.#metric('errorRate', options);
  }
  metricScalerErrors(options?: cloudwatch.MetricOptions) {
    return this.#metric('scalerErrors', { statistic: 'Sum', ...options });
  }
  metricScheduleToStart(options?: cloudwatch.MetricOptions) {
    return this.#metric('scheduleToStart', { statistic: 'p95', ...options });
  }
  metricTaskDuration(options?: cloudwatch.MetricOptions) {
    return this.#metric('taskDuration', { statistic: 'p95', ...options });
  }

  #metric(key: MetricKey, options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    if (!metricsOf(this.settings, this.#metrics).includes(key)) {
      Annotations.of(this).addWarningV2(
        `temporal-elastic-workers:${key}`,
        `the metric ${key} of pool ${this.poolName} is not published with metrics '${this.#metrics}' and protection '${this.settings.protection}'`,
      );
    }
    return poolMetric(this, key, options);
  }

  #newLogGroup({ encryptionKey, logRetention }: WorkerPoolOptions): logs.LogGroup {
    return new logs.LogGroup(this, 'Logs', {
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
      ...(encryptionKey && { encryptionKey }),
    });
  }

  #newTaskRole(): iam.Role {
    return new iam.Role(this, 'TaskRole', { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
  }

  #newTaskDefinition(options: WorkerPoolOptions): ecs.TaskDefinition {
    const { settings } = this;
    const { cpuArchitecture = ecs.CpuArchitecture.X86_64 } = settings;
    const common = {
      // The CDK would use the construct's path, which two stacks may share: their revisions would end up in one family.
      family: Names.uniqueResourceName(this, { maxLength: LONGEST_FAMILY }),
      taskRole: this.taskRole,
      ...(settings.protection === 'sidecar' && { pidMode: ecs.PidMode.TASK }),
      ...(settings.executionRole && { executionRole: settings.executionRole }),
    };
    const definition = settings.capacityProvider
      ? new ecs.Ec2TaskDefinition(this, 'Task', { ...common, networkMode: ecs.NetworkMode.AWS_VPC })
      : new ecs.FargateTaskDefinition(this, 'Task', {
          ...common,
          cpu: settings.cpu,
          memoryLimitMiB: settings.memory,
          runtimePlatform: { cpuArchitecture, operatingSystemFamily: ecs.OperatingSystemFamily.LINUX },
          ...(settings.ephemeralStorageGiB !== undefined && { ephemeralStorageGiB: settings.ephemeralStorageGiB }),
        });
    const told = {
      stackId: this.stackId,
      poolName: this.poolName,
      stateTable: options.stateTable.tableName,
      taskRoleId: taskRoleIdOf(this.taskRole, settings),
    };
    const worker = definition.addContainer(WORKER_CONTAINER, {
      ...workerContainer({ ...told, settings, temporal: this.temporal, preset: options.preset }),
      image: imageOf(settings, options),
      logging: ecs.LogDrivers.awsLogs({ logGroup: this.logGroup, streamPrefix: 'worker' }),
      // A process that hangs cannot be ended from within if it is the first of its container (worker/processes/pulse.ts).
      ...(settings.protection === 'worker' && {
        linuxParameters: new ecs.LinuxParameters(definition, 'worker-linux', { initProcessEnabled: true }),
      }),
    });
    if (!settings.executionRole) grantPullByUri(definition, worker.imageName);
    if (settings.protection === 'sidecar') {
      addSidecar(definition, worker, {
        ...told,
        image: options.sidecarImage ?? sidecarImage(cpuArchitecture),
        logGroup: this.logGroup,
        stopTimeoutSeconds: settings.stopTimeoutSeconds,
        onInstances: settings.capacityProvider !== undefined,
      });
    }
    acknowledge(
      definition,
      'ECS2',
      'The variables are settings. Secrets come from Secrets Manager, and variables that look like secrets are rejected.',
    );
    if (definition.executionRole && !settings.executionRole) {
      acknowledgeWildcard(definition.executionRole, '*', 'ecr:GetAuthorizationToken supports no resource.');
    }
    return definition;
  }
}

/** ECS's limit. */
const LONGEST_FAMILY = 255;

function imageOf({ image, entry, cpuArchitecture }: PoolSettings, options: WorkerPoolOptions): ecs.ContainerImage {
  if (image) return image;
  if (entry === undefined) return options.workerImage ?? workerImage(cpuArchitecture);
  return options.files === undefined
    ? ecs.ContainerImage.fromRegistry('not-bundled')
    : workerImage(cpuArchitecture, options.files);
}

/** `ContainerImage.fromRegistry` grants no permission to pull from a private repository, unlike other ways to name an ECR image. */
function grantPullByUri(definition: ecs.TaskDefinition, imageName: string): void {
  const [, account, region, repository] = ECR_URI.exec(imageName) ?? [];
  if (account === undefined || region === undefined || repository === undefined) return;
  const repositoryArn = Stack.of(definition).formatArn({
    service: 'ecr',
    account,
    region,
    resource: 'repository',
    resourceName: repository,
  });
  const attributes = { repositoryArn, repositoryName: repository };
  ecr.Repository.fromRepositoryAttributes(definition, 'Repository', attributes).grantPull(
    definition.obtainExecutionRole(),
  );
}

const ECR_URI = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^:@]+)/;

/** Imported roles need `taskRoleId` (see pool-problems.ts). */
function taskRoleIdOf(role: iam.IRole, { taskRoleId }: PoolSettings): string {
  const resource = role.node.defaultChild;
  return taskRoleId ?? (resource instanceof iam.CfnRole ? resource.attrRoleId : role.roleName);
}
