/**
 * One page for all pools: alarms at the top, then one row per pool: backlog, tasks, slots, waits, failures, decisions and cost.
 * Figures that are not published as metrics are read from the tick records.
 */
import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { MetricKey, MetricSet } from '../contract/metrics.ts';
import { metricsOf, poolMetric, waitMetricOf } from './metrics.ts';
import { taskDollarsPerHour } from './standing-cost.ts';
import type { WorkerPool } from './worker-pool.ts';

interface PoolsDashboardProps {
  pools: WorkerPool[];
  alarms: cloudwatch.Alarm[];
  metrics: MetricSet;
  scalerLogGroup: ILogGroup;
}

export function poolsDashboard(scope: Construct, id: string, props: PoolsDashboardProps): cloudwatch.Dashboard {
  const { pools, alarms } = props;
  const dashboard = new cloudwatch.Dashboard(scope, id);
  for (let from = 0; from < alarms.length; from += ALARMS_A_WIDGET)
    dashboard.addWidgets(statusOf(alarms.slice(from, from + ALARMS_A_WIDGET)));
  for (const pool of pools) {
    dashboard.addWidgets(nameOf(pool));
    dashboard.addWidgets(...rowOf(pool, props));
  }
  return dashboard;
}

/** CloudWatch shows a hundred at most; this many are whole pools. */
const ALARMS_A_WIDGET = 96;

function statusOf(alarms: cloudwatch.Alarm[]): cloudwatch.IWidget {
  const height = 1 + 2 * Math.ceil(alarms.length / 6);
  return new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms, width: 24, height });
}

/** Above the row, because the row's widgets are too narrow to have it in each title. */
function nameOf({ poolName, taskQueue }: WorkerPool): cloudwatch.IWidget {
  return new cloudwatch.TextWidget({ markdown: `### ${poolName}: task queue ${taskQueue}`, width: 24, height: 1 });
}

interface Line {
  label: string;
  /** The metric, if it is published. */
  key: MetricKey;
  /** Otherwise the tick record's field. */
  field: string;
  right?: boolean;
}

function rowOf(pool: WorkerPool, props: PoolsDashboardProps): cloudwatch.IWidget[] {
  const lines = (title: string, width: number, ...of: Line[]) => linesOf({ title, width, pool, props }, of);
  return [
    lines(
      'Waiting',
      4,
      { label: 'Tasks queued', key: 'backlog', field: 'figures.queued' },
      { label: 'Age of the oldest (s)', key: 'backlogAge', field: 'figures.ageSeconds', right: true },
    ),
    lines(
      'Tasks',
      4,
      { label: 'Desired', key: 'desiredTasks', field: 'desired' },
      { label: 'Running', key: 'runningTasks', field: 'figures.runningTasks' },
    ),
    lines('Busy slots', 3, { label: 'Busy', key: 'busySlots', field: 'figures.busySlots' }),
    graph('Wait (s)', 3, waits(pool)),
    graph('Failures', 3, [
      poolMetric(pool, 'errorRate', { label: 'Failed attempts (%)' }),
      poolMetric(pool, 'scalerErrors', { label: 'Scaler errors', statistic: cloudwatch.Stats.SUM }),
    ]),
    new cloudwatch.LogQueryWidget({
      title: 'Decisions',
      width: 5,
      height: HEIGHT,
      view: cloudwatch.LogQueryVisualizationType.TABLE,
      logGroupNames: [props.scalerLogGroup.logGroupName],
      queryLines: [
        filterOf(pool),
        'stats earliest(@timestamp) as since, latest(desired) as tasks by reason, bin(10m)',
        'sort since desc',
        'limit 20',
      ],
    }),
    costOf(pool),
  ];
}

const HEIGHT = 5;

/** All lines of a widget come from one source: metrics if all are published, otherwise the scaler's log. */
function linesOf(
  widget: { title: string; width: number; pool: WorkerPool; props: PoolsDashboardProps },
  lines: Line[],
): cloudwatch.IWidget {
  const { title, width, pool, props } = widget;
  const published = metricsOf(pool.settings, props.metrics);
  if (lines.every(({ key }) => published.includes(key))) {
    const metrics = (right: boolean) =>
      lines.filter((line) => (line.right ?? false) === right).map(({ key, label }) => poolMetric(pool, key, { label }));
    return graph(title, width, metrics(false), metrics(true));
  }
  const columns = lines.map(({ field, label }) => `max(${field}) as \`${label}\``).join(', ');
  return new cloudwatch.LogQueryWidget({
    title,
    width,
    height: HEIGHT,
    view: cloudwatch.LogQueryVisualizationType.LINE,
    logGroupNames: [props.scalerLogGroup.logGroupName],
    queryLines: [filterOf(pool), `stats ${columns} by bin(1m)`],
  });
}

/** The pool's tick records; the log group may also contain another stack's. */
function filterOf({ stackId, poolName }: WorkerPool): string {
  return `filter v = 1 and stack = '${stackId}' and pool = '${poolName}'`;
}

function waits(pool: WorkerPool): cloudwatch.IMetric[] {
  return [50, 95].map((percentile) =>
    poolMetric(pool, waitMetricOf(pool.settings), {
      label: `p${percentile}`,
      statistic: cloudwatch.Stats.p(percentile),
    }),
  );
}

/** The cost of the desired tasks; without a known price, their number has to do. */
function costOf(pool: WorkerPool): cloudwatch.IWidget {
  const dollars = taskDollarsPerHour(pool.settings);
  const tasks = poolMetric(pool, 'desiredTasks', { label: 'Tasks' });
  const cost = new cloudwatch.MathExpression({
    expression: `tasks * ${dollars}`,
    usingMetrics: { tasks },
    label: 'USD per hour',
    period: Duration.minutes(1),
  });
  return new cloudwatch.SingleValueWidget({
    title: 'Cost',
    width: 2,
    height: HEIGHT,
    metrics: [dollars === undefined ? tasks : cost],
  });
}

function graph(title: string, width: number, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []) {
  return new cloudwatch.GraphWidget({
    title,
    width,
    height: HEIGHT,
    left,
    right,
    leftYAxis: { min: 0 },
    rightYAxis: { min: 0 },
  });
}
