/** The CloudWatch metrics, named once for those who publish them and those who alarm on them. */

import type { Protection } from './protection.ts';

export const METRIC_NAMESPACE = 'TemporalElasticWorkers';

/** Which pool a metric is of: several stacks of an account and region may have pools of one name. */
export interface MetricSubject {
  /** The stack's id, as the command line knows it (stack-config.ts). Undefined of a worker that no stack has deployed. */
  stack?: string | undefined;
  pool: string;
}

const STACK_DIMENSION = 'Stack';
const POOL_DIMENSION = 'Pool';

export interface MetricDimension {
  Name: string;
  Value: string;
}

export function dimensionsOf({ stack, pool }: MetricSubject): MetricDimension[] {
  return [
    ...(stack === undefined ? [] : [{ Name: STACK_DIMENSION, Value: stack }]),
    { Name: POOL_DIMENSION, Value: pool },
  ];
}

/** The pool whose metric has these dimensions; undefined where they are no pool's of the stack. */
export function poolIn(stack: string, dimensions: { Name?: string | undefined; Value?: string | undefined }[] = []) {
  const valueOf = (name: string) => dimensions.find(({ Name }) => Name === name)?.Value;
  return valueOf(STACK_DIMENSION) === stack ? valueOf(POOL_DIMENSION) : undefined;
}

/** A custom metric costs money by the month and pool, so only what the alarms need is published by default. */
export const METRIC_SETS = ['essential', 'full'] as const;
export type MetricSet = (typeof METRIC_SETS)[number];

export const METRICS = {
  backlog: { name: 'Backlog', unit: 'Count', essential: true },
  backlogAge: { name: 'BacklogAgeSeconds', unit: 'Seconds' },
  busySlots: { name: 'BusySlots', unit: 'Count' },
  slotUtilization: { name: 'SlotUtilization', unit: 'Percent' },
  desiredTasks: { name: 'DesiredTasks', unit: 'Count', essential: true },
  runningTasks: { name: 'RunningTasks', unit: 'Count' },
  /** 1 while no worker is alive although minTasks > 0 or work waits; computed here since alarms cannot. */
  workersDown: { name: 'WorkersDown', unit: 'None', essential: true },
  /** 1 while more tasks are needed than maxTasks allows. */
  pinnedAtMax: { name: 'PinnedAtMax', unit: 'None', essential: true },
  errorRate: { name: 'ErrorRate', unit: 'Percent', essential: true },
  scalerErrors: { name: 'ScalerErrors', unit: 'Count', essential: true },
  signalsUnknown: { name: 'SignalsUnknown', unit: 'Count' },
  taskDuration: { name: 'TaskDurationSeconds', unit: 'Seconds', fromWorkers: true },
  scheduleToStart: { name: 'ScheduleToStartSeconds', unit: 'Seconds', fromWorkers: true },
} as const;

export type MetricKey = keyof typeof METRICS;

/**
 * Whether the metric is published of a pool. Workers that protect themselves are ours, and publish theirs whatever the
 * set; of others the age of what waits stands in for how long it waited, and an alarm on it.
 */
export function isPublished(key: MetricKey, set: MetricSet, protection: Protection): boolean {
  if ('fromWorkers' in METRICS[key]) return protection === 'worker';
  return set === 'full' || 'essential' in METRICS[key] || (key === 'backlogAge' && protection !== 'worker');
}

/** As infra/alarms.ts makes them. */
export const ALARMS_A_POOL = 6;
