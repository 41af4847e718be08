/**
 * Sends activities' durations and waits to CloudWatch: once a minute, as values with counts, so that CloudWatch can compute
 * percentiles. Metrics that could not be sent are kept, with their minute, and sent the next time; none are dropped, however long
 * CloudWatch cannot be reached. A call whose answer was lost is sent again, and may then count twice.
 */
import type { MetricDatum, StandardUnit } from '@aws-sdk/client-cloudwatch';
import { dimensionsOf, METRIC_NAMESPACE, METRICS, type MetricSubject } from '../../contract/metrics.ts';
import type { Logger } from './logging.ts';
import type { TaskMeasurement } from './measurements.ts';

/** Sends one request; rejects if CloudWatch does not accept it. */
type MetricSender = (namespace: string, data: MetricDatum[]) => Promise<void>;

interface CloudWatchOptions extends MetricSubject {
  /** Milliseconds. */
  now: () => number;
  send?: MetricSender;
  log: Pick<Logger, 'info' | 'warn'>;
}

/** CloudWatch's limit. Source: PutMetricData, API reference. */
const VALUES_PER_DATUM = 150;
/** CloudWatch allows 1,000, but a megabyte at most. */
const DATA_PER_REQUEST = 50;

/** Minutes kept separately while CloudWatch cannot be reached; beyond that the oldest are merged, which limits the memory. */
const MINUTES_KEPT = 60;

/** Values with their counts. Rounded to three digits there are a few thousand at most. */
type Distribution = Map<number, number>;

interface Minute {
  at: number;
  taskDuration: Distribution;
  scheduleToStart: Distribution;
}

export class CloudWatchMetrics {
  readonly #options: CloudWatchOptions & { send: MetricSender };
  #minute: Minute;
  /** Not sent yet, oldest first. */
  #pending: Minute[] = [];
  #flushing: Promise<void> | undefined;
  #failing = false;

  constructor(options: CloudWatchOptions) {
    this.#options = { send: sendToCloudWatch, ...options };
    this.#minute = emptyMinute(options.now());
  }

  record({ durationSeconds, scheduleToStartSeconds }: TaskMeasurement): void {
    count(this.#minute.taskDuration, toThreeDigits(durationSeconds), 1);
    count(this.#minute.scheduleToStart, toThreeDigits(scheduleToStartSeconds), 1);
  }

  /** Sends pending metrics; call it once a minute, and before the process ends. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const { now, send, log } = this.#options;
    if (this.#minute.taskDuration.size > 0) this.#pending.push(this.#minute);
    this.#minute = emptyMinute(now());
    if (this.#pending.length > MINUTES_KEPT) this.#pending = joinOldest(this.#pending);
    try {
      for (let oldest = this.#pending[0]; oldest !== undefined; oldest = this.#pending[0]) {
        await this.#sendMinute(oldest, send);
        this.#pending.shift();
      }
      if (this.#failing) log.info({}, 'CloudWatch accepts metrics again: none were lost');
      this.#failing = false;
    } catch (error) {
      const why = (error as Error).message;
      if (!this.#failing) log.warn({ why }, 'Cannot send metrics to CloudWatch: keeping them for the next attempt');
      this.#failing = true;
    }
  }

  /** Sent data is removed part by part, so that after a failure only the rest is repeated. */
  async #sendMinute(minute: Minute, send: MetricSender): Promise<void> {
    const data = dataOf(minute, this.#options);
    for (let start = 0; start < data.length; start += DATA_PER_REQUEST) {
      const part = data.slice(start, start + DATA_PER_REQUEST);
      await send(METRIC_NAMESPACE, part);
      for (const { MetricName, Values = [] } of part) {
        const sent = MetricName === METRICS.taskDuration.name ? minute.taskDuration : minute.scheduleToStart;
        for (const value of Values) sent.delete(value);
      }
    }
  }
}

function dataOf({ at, taskDuration, scheduleToStart }: Minute, subject: MetricSubject): MetricDatum[] {
  const datum = ({ name, unit }: { name: string; unit: string }, values: [number, number][]): MetricDatum => ({
    MetricName: name,
    Unit: unit as StandardUnit,
    Timestamp: new Date(at),
    Dimensions: dimensionsOf(subject),
    Values: values.map(([value]) => value),
    Counts: values.map(([, times]) => times),
  });
  return [
    ...inParts(taskDuration).map((values) => datum(METRICS.taskDuration, values)),
    ...inParts(scheduleToStart).map((values) => datum(METRICS.scheduleToStart, values)),
  ];
}

function inParts(distribution: Distribution): [number, number][][] {
  const all = [...distribution];
  return Array.from({ length: Math.ceil(all.length / VALUES_PER_DATUM) }, (_, part) =>
    all.slice(part * VALUES_PER_DATUM, (part + 1) * VALUES_PER_DATUM),
  );
}

function joinOldest([first, second, ...rest]: Minute[]): Minute[] {
  for (const key of ['taskDuration', 'scheduleToStart'] as const) {
    for (const [value, times] of first![key]) count(second![key], value, times);
  }
  return [second!, ...rest];
}

function count(distribution: Distribution, value: number, times: number): void {
  distribution.set(value, (distribution.get(value) ?? 0) + times);
}

function emptyMinute(at: number): Minute {
  return { at, taskDuration: new Map(), scheduleToStart: new Map() };
}

function toThreeDigits(seconds: number): number {
  return Number(seconds.toPrecision(3));
}

let client: import('@aws-sdk/client-cloudwatch').CloudWatchClient | undefined;

/** Loaded on demand, a minute after the start at the earliest. */
async function sendToCloudWatch(namespace: string, data: MetricDatum[]): Promise<void> {
  const { CloudWatchClient, PutMetricDataCommand } = await import('@aws-sdk/client-cloudwatch');
  client ??= new CloudWatchClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 2000, requestTimeout: 5000, throwOnRequestTimeout: true },
  });
  await client.send(new PutMetricDataCommand({ Namespace: namespace, MetricData: data }));
}
