/** A pool's figures in CloudWatch. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import {
  dimensionsOf,
  isPublished,
  METRIC_NAMESPACE,
  METRICS,
  type MetricKey,
  type MetricSet,
} from '../contract/metrics.ts';
import type { PoolSettings } from './presets.ts';

/** What identifies a metric's pool. */
interface PoolNames {
  stackId: string;
  poolName: string;
}

export function poolMetric(
  { stackId, poolName }: PoolNames,
  key: MetricKey,
  options: cloudwatch.MetricOptions = {},
): cloudwatch.Metric {
  const dimensions = dimensionsOf({ stack: stackId, pool: poolName });
  return new cloudwatch.Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[key].name,
    dimensionsMap: Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, Value])),
    period: Duration.minutes(1),
    statistic: cloudwatch.Stats.AVERAGE,
    ...options,
  });
}

/** The metrics published for a pool. */
export function metricsOf({ protection }: Pick<PoolSettings, 'protection'>, set: MetricSet): MetricKey[] {
  return (Object.keys(METRICS) as MetricKey[]).filter((key) => isPublished(key, set, protection));
}

/** Only our workers report how long each activity waited; for other images, the age of the oldest in the queue stands in. */
export function waitMetricOf({ protection }: Pick<PoolSettings, 'protection'>): MetricKey {
  return protection === 'worker' ? 'scheduleToStart' : 'backlogAge';
}
