/** The CloudWatch metrics, named once for publishers and alarms. */

import type { Protection } from './protection.ts';

export const METRIC_NAMESPACE = 'TemporalElasticWorkers';

/** The pool that a metric belongs to: several stacks in an account and region may have pools of the same name. */
export interface MetricSubject {
  /** The stack's id, as in the command line (stack-config.ts). Undefined for a worker that no stack has deployed. */
  stack?: string | undefined;
  pool: string;
}

const STACK_DIMENSION = 'Stack';
const POOL_DIMENSION = 'Pool';

interface MetricDimension {
  Name: string;
  Value: string;
}

export function dimensionsOf({ stack, pool }: MetricSubject): MetricDimension[] {
  return [
    ...(stack === undefined ? [] : [{ Name: STACK_DIMENSION, Value: stack }]),
    { Name: POOL_DIMENSION, Value: pool },
  ];
}

/** The pool whose metric has these dimensions; undefined if they belong to no pool of the stack. */
export function poolIn(stack: string, dimensions: { Name?: string | undefined; Value?: string | undefined }[] = []) {
  const valueOf = (name: string) => dimensions.find(({ Name }) => Name === name)?.Value;
  return valueOf(STACK_DIMENSION) === stack ? valueOf(POOL_DIMENSION) : undefined;
}

/** A custom metric costs money per month and pool, so by default only what the alarms need is published. */
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
 * Whether the metric is published for a pool. Workers that protect themselves are ours, and publish their own metrics whatever
 * the set; for others the age of the backlog stands in for the wait, and has the alarm.
 */
export function isPublished(key: MetricKey, set: MetricSet, protection: Protection): boolean {
  if ('fromWorkers' in METRICS[key]) return protection === 'worker';
  return set === 'full' || 'essential' in METRICS[key] || (key === 'backlogAge' && protection !== 'worker');
}

/** How often an invocation of the scaler sends its metrics: each request is paid for. */
export const METRICS_SENT_EVERY_SECONDS = 25;

/** The number of alarms that infra/alarms.ts creates. */
export const ALARMS_A_POOL = 6;
