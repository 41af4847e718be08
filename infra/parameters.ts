/**
 * What the scaler is told of each pool, and the command line of the stack: SSM parameters, written by the schemas that they
 * are read with.
 */
import { Stack } from 'aws-cdk-lib';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { poolConfigSchema } from '../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema, stackIdIn, type StackConfig } from '../contract/stack-config.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';
import { taskDollarsPerHour } from './standing-cost.ts';

export interface ToldToScaler {
  poolName: string;
  settings: PoolSettings;
  temporal: TemporalSettings;
  cluster: ecs.ICluster;
  service: ecs.IBaseService;
  taskRoleId: string;
  /** The SSM path below which the scaler finds its pools. */
  poolsPath: string;
}

export function tellScaler(
  pool: Construct,
  { poolName, settings, temporal, ...told }: ToldToScaler,
): ssm.StringParameter {
  const config = poolConfigSchema.parse({
    pool: poolName,
    taskQueue: settings.taskQueue,
    cluster: told.cluster.clusterName,
    service: told.service.serviceName,
    taskRoleId: told.taskRoleId,
    policy: policyOf(settings),
    ...(settings.schedules && {
      schedules: settings.schedules.map((schedule) => ({ timeZone: 'UTC', ...schedule })),
    }),
    // Else it is where the scaler's own environment says.
    ...(settings.temporal && { temporal: temporalConfig(temporal) }),
    protection: settings.protection,
  });
  return new ssm.StringParameter(pool, 'Config', {
    parameterName: `${told.poolsPath}/${poolName}`,
    description: `What the scaler knows of the worker pool ${poolName}`,
    stringValue: Stack.of(pool).toJsonString(config),
  });
}

export type ToldToCommandLine = Omit<StackConfig, 'region' | 'temporal'> & { temporal: TemporalSettings };

export function tellCommandLine(workers: Construct, { temporal, ...told }: ToldToCommandLine): void {
  const stack = Stack.of(workers);
  const config = stackConfigSchema.parse({ ...told, region: stack.region, temporal: temporalConfig(temporal) });
  new ssm.StringParameter(workers, 'Config', {
    parameterName: `${STACKS_PATH}/${stackIdIn(told.poolsPath)}`,
    description: `Where the parts of ${workers.node.path} are, for the elastic-workers command line`,
    stringValue: stack.toJsonString(config),
  });
}

function policyOf(settings: PoolSettings) {
  return {
    minTasks: settings.minTasks,
    maxTasks: settings.maxTasks,
    // The least: what a task has come to hold beyond it is in its heartbeats, and remembered.
    slotsPerTask: typeof settings.slots === 'number' ? settings.slots : settings.slots.min,
    targetWaitSeconds: settings.targetWaitSeconds,
    scaleInAfterSeconds: settings.scaleInAfterSeconds,
    spendCapDollarsPerHour: settings.spendCapDollarsPerHour,
    taskDollarsPerHour: taskDollarsPerHour(settings),
  };
}

function temporalConfig({ address, namespace, tls, scalerSecret }: TemporalSettings) {
  return { address, namespace, tls, ...(scalerSecret && { secret: scalerSecret.secretArn }) };
}
