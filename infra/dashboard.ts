/** One page for all pools, one row each: what waits, who works, what goes wrong. */
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import type { MetricKey } from '../contract/metrics.ts';
import { poolMetric } from './alarms.ts';

export function poolsDashboard(scope: Construct, id: string, pools: string[]): cloudwatch.Dashboard {
  const dashboard = new cloudwatch.Dashboard(scope, id);
  for (const pool of pools) dashboard.addWidgets(...rowOf(pool));
  return dashboard;
}

function rowOf(pool: string): cloudwatch.IWidget[] {
  return [
    graph(`${pool}: waiting`, pool, { backlog: 'Tasks queued' }, { backlogAge: 'Age of the oldest (s)' }),
    graph(`${pool}: tasks`, pool, { desiredTasks: 'Desired', runningTasks: 'Running' }),
    graph(`${pool}: slots`, pool, { busySlots: 'Busy' }, { slotUtilization: 'Utilization (%)' }),
    graph(`${pool}: trouble`, pool, {
      errorRate: 'Failed attempts (%)',
      scalerErrors: 'Scaler errors',
      signalsUnknown: 'Unknown signals',
    }),
  ];
}

type Lines = Partial<Record<MetricKey, string>>;

function graph(title: string, pool: string, left: Lines, right: Lines = {}): cloudwatch.GraphWidget {
  const metrics = (lines: Lines) =>
    Object.entries(lines).map(([key, label]) => poolMetric(pool, key as MetricKey, { label }));
  return new cloudwatch.GraphWidget({
    title,
    width: 6,
    left: metrics(left),
    right: metrics(right),
    leftYAxis: { min: 0 },
    rightYAxis: { min: 0 },
  });
}
