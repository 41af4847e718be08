/** How long work waited, minute by minute, from the metric: p50 and p95. */
import { GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import type { Span } from '../deployed/scaler-log.ts';
import type { Stack } from '../deployed/stacks.ts';
import { dimensionsOf, METRIC_NAMESPACE } from '../contract/metrics.ts';
import type { WaitView } from './view.ts';

const PERCENTILES = ['p50', 'p95'] as const;

export async function readWaits(stack: Stack, pool: string, metric: string, { from, to }: Span): Promise<WaitView[]> {
  const Metric = {
    Namespace: METRIC_NAMESPACE,
    MetricName: metric,
    Dimensions: dimensionsOf({ stack: stack.id, pool }),
  };
  const waits = new Map<number, WaitView>();
  let NextToken: string | undefined;
  do {
    const answer = await stack.aws.cloudwatch.send(
      new GetMetricDataCommand({
        StartTime: new Date(Math.floor(from / 60_000) * 60_000),
        EndTime: new Date(to),
        MetricDataQueries: PERCENTILES.map((Stat) => ({ Id: Stat, MetricStat: { Metric, Period: 60, Stat } })),
        NextToken,
      }),
    );
    for (const { Id, Timestamps = [], Values = [] } of answer.MetricDataResults ?? []) {
      Timestamps.forEach((time, index) => {
        const now = time.getTime();
        waits.set(now, { ...(waits.get(now) ?? { now, p50: null, p95: null }), [String(Id)]: Values[index] ?? null });
      });
    }
    ({ NextToken } = answer);
  } while (NextToken);
  return [...waits.values()];
}
