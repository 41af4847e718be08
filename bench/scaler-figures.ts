/** What the benchmark of the scaler makes of what it saw. */

/** What the scaler's process tells after an invocation. */
export interface Usage {
  ticks: number;
  lines: Line[];
  /** When each pool was first given tasks, in epoch milliseconds. */
  pools: Record<string, number>;
  /** So far, by service and operation. */
  requests: Record<string, number>;
  cpuSeconds: number;
  /** At its peak so far. */
  residentBytes: number;
  heapBytes: number;
  loadMs: number;
}

/** A tick record as it was written. */
export interface Line {
  /** When the tick began. */
  now: number;
  /** From there to the line. */
  ms: number;
  reason: string;
  bytes: number;
  unknown: boolean;
  carried: boolean;
  failed: boolean;
  /** Begun so far in the process. */
  requests: number;
}

export interface Tick {
  startedAt: number;
  ms: number;
  /** When half of the pools were decided on. */
  medianMs: number;
  pools: number;
  unknown: number;
  carried: number;
  failed: number;
  requests: number;
}

export function ticksOf(lines: Line[], requestsBefore: number): Tick[] {
  let before = requestsBefore;
  return [...Map.groupBy(lines, ({ now }) => now)].map(([startedAt, ofTick]) => {
    const until = Math.max(...ofTick.map((line) => line.requests));
    const requests = until - before;
    before = until;
    const count = (what: 'unknown' | 'carried' | 'failed') => ofTick.filter((line) => line[what]).length;
    return {
      startedAt,
      ms: Math.max(...ofTick.map(({ ms }) => ms)),
      medianMs: quantile(
        ofTick.map(({ ms }) => ms),
        0.5,
      ),
      pools: ofTick.length,
      unknown: count('unknown'),
      carried: count('carried'),
      failed: count('failed'),
      requests,
    };
  });
}

export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** Of counters that only grow. */
export function since(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/** `temporal DescribeTaskQueue`, `ecs DescribeServices` … by their first word. */
export function byService(requests: Record<string, number>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of Object.entries(requests)) {
    const [service = ''] = name.split(' ');
    sums[service] = (sums[service] ?? 0) + count;
  }
  return sums;
}
