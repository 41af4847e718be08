/** A pool's figures in CloudWatch. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { METRIC_NAMESPACE, METRICS, POOL_DIMENSION, type MetricKey } from '../contract/metrics.ts';

export function poolMetric(pool: string, key: MetricKey, options: cloudwatch.MetricOptions = {}): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[key].name,
    dimensionsMap: { [POOL_DIMENSION]: pool },
    period: Duration.minutes(1),
    statistic: cloudwatch.Stats.AVERAGE,
    ...options,
  });
}
