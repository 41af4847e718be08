/**
 * The scaler's telemetry: one tick record per pool and tick as a line of JSON, and the CloudWatch metrics. Metrics are collected
 * over several ticks and sent together; metrics that could not be sent are sent with the next batch.
 */
import {
  PutMetricDataCommand,
  type CloudWatchClient,
  type MetricDatum,
  type StandardUnit,
} from '@aws-sdk/client-cloudwatch';
import {
  dimensionsOf,
  isPublished,
  METRIC_NAMESPACE,
  METRICS,
  METRICS_SENT_EVERY_SECONDS,
  type MetricKey,
  type MetricSet,
} from '../../contract/metrics.ts';
import { known, type Outcome } from '../policy.ts';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { chunks } from '../../contract/chunks.ts';
import { bytesOf, fitting, shortIds, type TickRecord } from './tick-record.ts';
import type { LoggedOutcome } from './written.ts';
import { errorRate, workersDown, type Trailing } from './trailing.ts';

const METRICS_A_CALL = 1000;
/** Older metrics no longer matter to alarms, and without a limit an outage of CloudWatch would fill the memory. */
const METRICS_KEPT = 20_000;
/** Lambda splits longer lines at 256 KiB, and the pieces would not be JSON. */
const LINE_BYTES = 250_000;
const CORDONS_BYTES = 60_000;
const ERRORS_A_LINE = 50;
const ERROR_LENGTH = 500;

interface TelemetrySettings {
  /** The stack's id. */
  stack: string;
  metrics: MetricSet;
}

export class Telemetry {
  readonly #client: CloudWatchClient;
  readonly #log: (line: string) => void;
  readonly #settings: TelemetrySettings;
  #pending: MetricDatum[] = [];
  #sentAt = 0;

  constructor(client: CloudWatchClient, log: (line: string) => void, settings: TelemetrySettings) {
    this.#client = client;
    this.#settings = settings;
    this.#log = log;
  }

  report(
    record: TickRecord,
    outcome: Outcome,
    errors: string[],
    { protection }: Pick<PoolConfig, 'protection'>,
    trailing: Trailing,
  ): void {
    const values = {
      ...valuesOf(record, outcome, errors),
      workersDown: workersDown(trailing, record, outcome),
      errorRate: errorRate(trailing),
    };
    const figures = { ...outcome.figures, runningTasks: values.runningTasks };
    const { stack, metrics } = this.#settings;
    this.#log(lineOf(record, { stack, ...outcome.decision, figures, errors }));
    for (const [key, value] of Object.entries(values) as [MetricKey, Values[MetricKey]][]) {
      if (value === null || value === undefined || !isPublished(key, metrics, protection)) continue;
      // CloudWatch rejects all metrics of a call if one is not a number.
      if (!Number.isFinite(value)) continue;
      this.#pending.push(datum(stack, record, key, value));
    }
  }

  /** Sends the collected metrics when it is time. Never throws: a failure is logged and the metrics are kept. */
  async send(now: number, options: { force?: boolean } = {}): Promise<void> {
    if (!options.force && now - this.#sentAt < METRICS_SENT_EVERY_SECONDS * 1000) return;
    this.#sentAt = now;
    const sending = chunks(this.#pending, METRICS_A_CALL);
    this.#pending = [];
    await Promise.all(sending.map((batch) => this.#sendBatch(batch)));
    this.#pending = this.#pending.slice(-METRICS_KEPT);
  }

  async #sendBatch(batch: MetricDatum[]): Promise<void> {
    try {
      await this.#client.send(new PutMetricDataCommand({ Namespace: METRIC_NAMESPACE, MetricData: batch }));
    } catch (error) {
      this.#log(JSON.stringify({ level: 'error', message: `metrics not sent: ${String(error)}` }));
      this.#pending.push(...batch);
    }
  }
}

function lineOf(record: TickRecord, written: LoggedOutcome): string {
  const line = JSON.stringify({ ...record, ...written });
  if (Buffer.byteLength(line) <= LINE_BYTES) return line;
  const { cordon, errors } = written;
  const most = errors.slice(0, ERRORS_A_LINE).map((error) => error.slice(0, ERROR_LENGTH));
  const short: LoggedOutcome = {
    ...written,
    cordon: bytesOf(cordon) <= CORDONS_BYTES ? cordon : shortIds(cordon),
    errors: most.length < errors.length ? [...most, `and ${errors.length - most.length} more`] : most,
  };
  return JSON.stringify({ ...fitting(record, LINE_BYTES - bytesOf(short)), ...short });
}

/** Null or undefined means unknown, and is not published. */
type Values = Partial<Record<MetricKey, number | null | undefined>>;

function valuesOf(record: TickRecord, { decision, figures }: Outcome, errors: string[]): Values {
  const { activityQueue, workflowQueue, tasks, workers } = record;
  const unknowns = [activityQueue, workflowQueue, workers, tasks].filter((reading) => !known(reading));
  return {
    backlog: figures.queued,
    backlogAge: figures.ageSeconds,
    busySlots: figures.busySlots,
    slotUtilization: utilization(figures.busySlots, figures.slots),
    // Without a decision nothing is published: an alarm fires after some minutes without one.
    desiredTasks: unknowns.length === 0 ? decision.desired : null,
    runningTasks: known(tasks) ? tasks.running.length : null,
    pinnedAtMax: Number(decision.reason === 'maximum'),
    scalerErrors: errors.length,
    signalsUnknown: unknowns.length,
  };
}

function datum(stack: string, { pool, now }: TickRecord, key: MetricKey, Value: number): MetricDatum {
  const { name, unit } = METRICS[key];
  return {
    MetricName: name,
    Unit: unit as StandardUnit,
    Timestamp: new Date(now),
    Dimensions: dimensionsOf({ stack, pool }),
    Value,
  };
}

function utilization(busy: number | null, slots: number | null): number | null {
  return busy === null || !slots ? null : (100 * busy) / slots;
}
