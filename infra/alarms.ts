/** A pool's six alarms. Each description, which whoever is on call reads first, says what the alarm means and where its runbook is. */
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { SILENT_AFTER_SECONDS } from '../contract/invocation.ts';
import { poolMetric, waitMetricOf } from './metrics.ts';
import type { AlarmThresholds } from './props.ts';
import type { WorkerPool } from './worker-pool.ts';

interface PoolAlarmsProps {
  pool: WorkerPool;
  thresholds?: AlarmThresholds | undefined;
  runbookUrl?: string | undefined;
}

export class PoolAlarms extends Construct {
  readonly alarms: cloudwatch.Alarm[];
  readonly #runbooks: string;

  constructor(scope: Construct, id: string, { pool, thresholds = {}, runbookUrl }: PoolAlarmsProps) {
    super(scope, id);
    this.#runbooks = runbookUrl?.replace(/\/+$/, '') ?? 'docs/runbooks of temporal-elastic-workers';
    const { workerDownMinutes = 1, queueDepth = 100, queueDepthMinutes = 3, errorRatePercent = 5 } = thresholds;
    const { latencySeconds = 30, latencyMinutes = 3, pinnedAtMaxMinutes = 3 } = thresholds;
    const { scalerDownMinutes = SILENT_AFTER_SECONDS / 60 } = thresholds;
    const { poolName: name } = pool;
    this.alarms = [
      this.#alarm('WorkerDown', 'worker-down', {
        metric: poolMetric(pool, 'workersDown', { statistic: cloudwatch.Stats.MAXIMUM }),
        threshold: 1,
        evaluationPeriods: workerDownMinutes,
        alarmDescription: `${name}: for ${minutes(workerDownMinutes)}, no worker was alive although work is waiting or tasks are desired, or a new revision does not start. The newest decision's reason says which: not-starting means that tasks find no capacity or crash on start. Check the service's events and the newest task's log.`,
      }),
      this.#alarm('QueueDepth', 'queue-depth', {
        metric: poolMetric(pool, 'backlog', { statistic: cloudwatch.Stats.MINIMUM }),
        threshold: queueDepth,
        evaluationPeriods: queueDepthMinutes,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        alarmDescription: `${name}: for ${minutes(queueDepthMinutes)}, more than ${queueDepth} tasks waited in the queue. The newest decision's reason says why the fleet does not grow faster.`,
      }),
      this.#alarm('ErrorRate', 'error-rate', {
        metric: poolMetric(pool, 'errorRate'),
        threshold: errorRatePercent,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        alarmDescription: `${name}: more than ${errorRatePercent}% of activity attempts failed over 5 minutes. Check what the activities depend on; more tasks do not help.`,
      }),
      this.#latency(pool, latencySeconds, latencyMinutes),
      this.#alarm('ScalerDown', 'scaler-down', {
        metric: poolMetric(pool, 'desiredTasks', { statistic: cloudwatch.Stats.SAMPLE_COUNT }),
        threshold: 1,
        evaluationPeriods: scalerDownMinutes,
        comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.BREACHING,
        alarmDescription: `${name}: for ${minutes(scalerDownMinutes)}, the scaler made no decision about the pool, because it is not running or cannot read Temporal or ECS. The fleet does not shrink and hardly grows. Check the scaler function's log and its schedule.`,
      }),
      this.#alarm('PinnedAtMax', 'pinned-at-max', {
        metric: poolMetric(pool, 'pinnedAtMax', { statistic: cloudwatch.Stats.MINIMUM }),
        threshold: 1,
        evaluationPeriods: pinnedAtMaxMinutes,
        alarmDescription: `${name}: for ${minutes(pinnedAtMaxMinutes)}, more tasks were needed than maxTasks allows. Raise maxTasks, or find out why there is so much work.`,
      }),
    ];
  }

  #latency(pool: WorkerPool, seconds: number, evaluationPeriods: number): cloudwatch.Alarm {
    return this.#alarm('Latency', 'latency', {
      metric: poolMetric(pool, waitMetricOf(pool.settings), { statistic: cloudwatch.Stats.p(95) }),
      threshold: seconds,
      evaluationPeriods,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      alarmDescription: `${pool.poolName}: for ${minutes(evaluationPeriods)}, the p95 wait for a worker was over ${seconds} seconds. Raise maxTasks or minTasks, or lower targetWaitSeconds.`,
    });
  }

  #alarm(
    id: string,
    runbook: string,
    props: Partial<cloudwatch.AlarmProps> & Pick<cloudwatch.AlarmProps, 'metric' | 'threshold'>,
  ): cloudwatch.Alarm {
    return new cloudwatch.Alarm(this, id, {
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      ...props,
      alarmDescription: `${props.alarmDescription} Runbook: ${this.#runbooks}/${runbook}`,
    });
  }
}

function minutes(count: number): string {
  return count === 1 ? 'a minute' : `${count} minutes`;
}
