/**
 * What the scaler says of itself: one tick record a pool a tick as a line of JSON, and the CloudWatch metrics.
 * Metrics are collected over some ticks and sent together; what could not be sent is sent with the next.
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
  type MetricKey,
  type MetricSet,
} from '../contract/metrics.ts';
import { known, type Decision, type Outcome } from './policy.ts';
import type { PoolConfig } from '../contract/pool-config.ts';
import { chunks } from '../contract/chunks.ts';
import { bytesOf, fitting, shortIds, type TickRecord } from './tick-record.ts';
import { errorRate, workersDown, type Trailing } from './trailing.ts';

const METRICS_A_CALL = 1000;
/** Metrics older than this no longer matter to an alarm; without a bound an outage of CloudWatch would fill memory. */
const METRICS_KEPT = 20_000;
const SEND_EVERY_MS = 25_000;
/** A longer line would arrive in pieces, none of them JSON: Lambda cuts at 256 KiB. */
const LINE_BYTES = 250_000;
const CORDONS_BYTES = 60_000;
const ERRORS_A_LINE = 50;
const ERROR_LENGTH = 500;

export interface TelemetrySettings {
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
      // CloudWatch refuses all metrics of a call in which one is no number.
      if (!Number.isFinite(value)) continue;
      this.#pending.push(datum(stack, record, key, value));
    }
  }

  /** Sends what has gathered when it is time. Never throws: a failure is logged and the metrics are kept. */
  async send(now: number, options: { force?: boolean } = {}): Promise<void> {
    if (!options.force && now - this.#sentAt < SEND_EVERY_MS) return;
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

interface Told extends Decision {
  stack: string;
  figures: object;
  errors: string[];
}

function lineOf(record: TickRecord, told: Told): string {
  const line = JSON.stringify({ ...record, ...told });
  if (Buffer.byteLength(line) <= LINE_BYTES) return line;
  const { cordon, errors } = told;
  const most = errors.slice(0, ERRORS_A_LINE).map((error) => error.slice(0, ERROR_LENGTH));
  const short: Told = {
    ...told,
    cordon: bytesOf(cordon) <= CORDONS_BYTES ? cordon : shortIds(cordon),
    errors: most.length < errors.length ? [...most, `and ${errors.length - most.length} more`] : most,
  };
  return JSON.stringify({ ...fitting(record, LINE_BYTES - bytesOf(short)), ...short });
}

/** What is null or undefined is not known, and not published. */
type Values = Partial<Record<MetricKey, number | null | undefined>>;

function valuesOf(record: TickRecord, { decision, figures }: Outcome, errors: string[]): Values {
  const { activityQueue, workflowQueue, tasks, workers } = record;
  const unknowns = [activityQueue, workflowQueue, workers, tasks].filter((reading) => !known(reading));
  return {
    backlog: figures.queued,
    backlogAge: figures.ageSeconds,
    busySlots: figures.busySlots,
    slotUtilization: utilization(figures.busySlots, figures.slots),
    // Not decided is not published: an alarm rings when nothing was decided for some minutes.
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
