/**
 * The workers of a task as one: a manager in this process, or a pool of processes with one each. The scale-in protocol, the health
 * endpoint and the drain see nothing else.
 */
import type { TaskCounts } from './observability/measurements.ts';
import type { RunningActivity } from './temporal/running-activities.ts';
import type { PollingWorker } from './scale-in/protocol.ts';

/** Work that the end of the drain cut off; empty after a graceful stop. */
export interface Stopped {
  unfinished: RunningActivity[];
  /** Processes that crashed or were killed meanwhile: all of their work was cut off. */
  cutOff?: string[];
}

export type Health =
  | { healthy: true }
  | {
      healthy: false;
      reason: 'starting' | 'not connected' | 'not polling' | 'draining';
      detail: string;
    };

/** Metrics of one process: ours as prom-client's JSON, the SDK's as text; `process` distinguishes them. */
export interface MetricsSnapshot {
  process: string;
  ours: object[];
  sdk: string;
}

export interface Workforce extends PollingWorker {
  readonly health: Health;
  readonly counts: TaskCounts;
  metrics(): Promise<MetricsSnapshot[]>;
}
