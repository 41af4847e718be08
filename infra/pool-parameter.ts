/** What the scaler is told of a pool: one SSM parameter, written by the schema that the scaler reads it with. */
import { Stack } from 'aws-cdk-lib';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { poolConfigSchema } from '../contract/pool-config.ts';
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
