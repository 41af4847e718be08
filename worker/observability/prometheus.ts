/** The metrics of all processes of a task as one Prometheus text: ours are summed, the SDK's are distinguished by a label. */
import { AggregatorRegistry } from 'prom-client';
import type { MetricsSnapshot } from '../workforce.ts';

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export async function prometheusText(snapshots: MetricsSnapshot[]): Promise<string> {
  const ours = await AggregatorRegistry.aggregate(snapshots.map((each) => each.ours)).metrics();
  const several = snapshots.length > 1;
  return ours + merge(snapshots.map(({ process, sdk }) => (several ? labelled(sdk, process) : sdk)));
}

/** Prometheus requires the series of a metric together, under one HELP and one TYPE. */
function merge(texts: string[]): string {
  const metrics = new Map<string, { comments: Set<string>; samples: string[] }>();
  for (const text of texts) {
    let current = '';
    for (const line of text.split('\n').filter(Boolean)) {
      if (line.startsWith('# ')) current = line.split(' ', 3)[2] ?? '';
      const metric = metrics.get(current) ?? { comments: new Set(), samples: [] };
      metrics.set(current, metric);
      if (line.startsWith('#')) metric.comments.add(line);
      else metric.samples.push(line);
    }
  }
  return [...metrics.values()].flatMap(({ comments, samples }) => [...comments, ...samples, '']).join('\n');
}

function labelled(text: string, process: string): string {
  const label = `process="${process.replaceAll(/["\\\n]/g, '_')}"`;
  return text.replaceAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? /gm, (_, name: string, labels?: string) =>
    labels ? `${name}{${labels},${label}} ` : `${name}{${label}} `,
  );
}
