/**
 * SSM parameters that describe each pool to the scaler, and the stack to the command line. They are written with the schemas
 * that they are read with.
 */
import { Stack } from 'aws-cdk-lib';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import { poolConfigSchema } from '../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema, stackIdIn, type StackConfig } from '../contract/stack-config.ts';
import type { PoolSettings, TemporalSettings } from './presets.ts';
import { taskDollarsPerHour } from './standing-cost.ts';

interface ToldToScaler {
  poolName: string;
  settings: PoolSettings;
  temporal: TemporalSettings;
  cluster: ecs.ICluster;
  service: ecs.IBaseService;
  taskRoleId: string;
  /** The SSM path under which the scaler finds its pools. */
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
    // Otherwise the scaler's own environment applies.
    ...(settings.temporal && { temporal: temporalConfig(temporal) }),
    protection: settings.protection,
  });
  return new ssm.StringParameter(pool, 'Config', {
    parameterName: `${told.poolsPath}/${poolName}`,
    description: `Settings of the worker pool ${poolName}, for the scaler`,
    stringValue: Stack.of(pool).toJsonString(config),
  });
}

type ToldToCommandLine = Omit<StackConfig, 'region' | 'temporal'> & { temporal: TemporalSettings };

export function tellCommandLine(workers: Construct, { temporal, ...told }: ToldToCommandLine): void {
  const stack = Stack.of(workers);
  const config = stackConfigSchema.parse({ ...told, region: stack.region, temporal: temporalConfig(temporal) });
  new ssm.StringParameter(workers, 'Config', {
    parameterName: `${STACKS_PATH}/${stackIdIn(told.poolsPath)}`,
    description: `Resources of ${workers.node.path}, for the elastic-workers command line`,
    stringValue: stack.toJsonString(config),
  });
}

function policyOf(settings: PoolSettings) {
  return {
    minTasks: settings.minTasks,
    maxTasks: settings.maxTasks,
    // The minimum: more slots than that are reported in heartbeats, and remembered.
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
