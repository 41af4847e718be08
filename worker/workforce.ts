/**
 * Those who do a task's work, seen as one: a manager in this very process, or a pool of processes with one each. The
 * scale-in protocol, the health endpoint and the drain see nothing else.
 */
import type { TaskCounts } from './measurements.ts';
import type { RunningActivity } from './running-activities.ts';
import type { PollingWorker } from './scale-in.ts';

/** What was cut off by the end of the drain; empty after a graceful stop. */
export interface Stopped {
  unfinished: RunningActivity[];
  /** Processes that crashed or were killed meanwhile: what they ran was cut off, whatever it was. */
  cutOff?: string[];
}

export type Health =
  | { healthy: true }
  | {
      healthy: false;
      reason: 'starting' | 'not connected' | 'not polling' | 'draining';
      detail: string;
    };

/** Metrics of one process: ours as prom-client's JSON, the SDK's as text; `process` tells them apart. */
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
