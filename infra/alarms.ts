/** A pool's alarms: what each means is in its description, which whoever is on call reads first. */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { METRIC_NAMESPACE, METRICS, POOL_DIMENSION, type MetricKey } from '../contract/metrics.ts';
import type { AlarmThresholds } from './props.ts';

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

export class PoolAlarms extends Construct {
  readonly alarms: cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, pool: string, thresholds: AlarmThresholds = {}) {
    super(scope, id);
    const { queueDepth = 100, errorRate = 5, latency = Duration.seconds(30) } = thresholds;
    this.alarms = [
      this.#alarm('WorkerDown', {
        metric: poolMetric(pool, 'workersDown', { statistic: cloudwatch.Stats.MINIMUM }),
        threshold: 1,
        alarmDescription: `${pool}: for a minute no worker has been alive although work waits or tasks are asked for. Look at the service's events and the newest task's log.`,
      }),
      this.#alarm('QueueDepth', {
        metric: poolMetric(pool, 'backlog', { statistic: cloudwatch.Stats.MAXIMUM }),
        threshold: queueDepth + 1,
        alarmDescription: `${pool}: more than ${queueDepth} tasks wait in the queue. The newest decision's reason says why the fleet does not grow faster.`,
      }),
      this.#alarm('ErrorRate', {
        metric: poolMetric(pool, 'errorRate', { period: Duration.minutes(5) }),
        threshold: errorRate,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        alarmDescription: `${pool}: more than ${errorRate} % of activity attempts failed over 5 minutes. Look for what they depend on; more tasks do not help.`,
      }),
      this.#alarm('Latency', {
        metric: poolMetric(pool, 'scheduleToStart', { statistic: cloudwatch.Stats.p(95) }),
        threshold: latency.toSeconds(),
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        alarmDescription: `${pool}: one activity in twenty waits over ${latency.toSeconds()} seconds for a worker. Raise maxTasks or minTasks, or lower the wait target.`,
      }),
      this.#alarm('ScalerDown', {
        metric: poolMetric(pool, 'desiredTasks', { statistic: cloudwatch.Stats.SAMPLE_COUNT }),
        threshold: 1,
        evaluationPeriods: 3,
        comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.BREACHING,
        alarmDescription: `${pool}: for 3 minutes the scaler has not decided about the pool. Its fleet stands still. Look at the scaler function's log and its schedule.`,
      }),
      this.#alarm('PinnedAtMax', {
        metric: poolMetric(pool, 'pinnedAtMax', { statistic: cloudwatch.Stats.MINIMUM }),
        threshold: 1,
        evaluationPeriods: 3,
        alarmDescription: `${pool}: for 3 minutes more tasks were needed than maxTasks allows. Raise maxTasks, or find out why there is so much work.`,
      }),
    ];
  }

  #alarm(id: string, props: Partial<cloudwatch.AlarmProps> & Pick<cloudwatch.AlarmProps, 'metric' | 'threshold'>) {
    return new cloudwatch.Alarm(this, id, {
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      ...props,
    });
  }
}
