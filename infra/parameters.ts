/**
 * What the scaler is told of each pool, and the command line of the stack: SSM parameters, written by the schemas that they
 * are read with.
 */
import { Stack } from 'aws-cdk-lib';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { poolConfigSchema } from '../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema } from '../contract/stack-config.ts';
import type { ElasticWorkers } from './elastic-workers.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';
import { taskDollarsPerHour } from './standing-cost.ts';
import type { WorkerPool, WorkerPoolOptions } from './worker-pool.ts';

export function tellScaler(pool: WorkerPool, { cluster, poolsPath }: WorkerPoolOptions, taskRoleId: string): void {
  const { poolName, settings, temporal } = pool;
  const config = poolConfigSchema.parse({
    pool: poolName,
    taskQueue: settings.taskQueue,
    cluster: cluster.clusterName,
    service: pool.service.serviceName,
    taskRoleId,
    policy: policyOf(settings),
    ...(settings.schedules && {
      schedules: settings.schedules.map((schedule) => ({ timeZone: 'UTC', ...schedule })),
    }),
    // Else it is where the scaler's own environment says.
    ...(settings.temporal && { temporal: temporalConfig(temporal) }),
    protection: settings.protection,
  });
  new ssm.StringParameter(pool, 'Config', {
    parameterName: `${poolsPath}/${poolName}`,
    description: `What the scaler knows of the worker pool ${poolName}`,
    stringValue: Stack.of(pool).toJsonString(config),
  });
}

export function tellCommandLine(workers: ElasticWorkers, poolsPath: string, temporal: TemporalSettings): void {
  const stack = Stack.of(workers);
  const config = stackConfigSchema.parse({
    poolsPath,
    stateTable: workers.stateTable.tableName,
    scalerFunction: workers.scaler.functionName,
    scalerLogGroup: workers.scalerLogGroup.logGroupName,
    ...(workers.dashboard && { dashboard: workers.dashboard.dashboardName }),
    region: stack.region,
    temporal: temporalConfig(temporal),
  });
  new ssm.StringParameter(workers, 'Config', {
    parameterName: `${STACKS_PATH}${poolsPath.slice(poolsPath.lastIndexOf('/'))}`,
    description: `Where the parts of ${workers.node.path} are, for the elastic-workers command line`,
    stringValue: stack.toJsonString(config),
  });
}

function policyOf(settings: PoolSettings) {
  return {
    minTasks: settings.minTasks,
    maxTasks: settings.maxTasks,
    slotsPerTask: settings.slots,
    targetWaitSeconds: settings.targetWaitSeconds,
    scaleInAfterSeconds: settings.scaleInAfterSeconds,
    spendCapDollarsPerHour: settings.spendCapDollarsPerHour,
    taskDollarsPerHour: taskDollarsPerHour(settings),
  };
}

function temporalConfig({ address, namespace, tls, secret }: TemporalSettings) {
  return { address, namespace, tls, ...(secret && { secret: secret.secretArn }) };
}
