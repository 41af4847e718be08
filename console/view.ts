/** What the server tells the page: figures of one moment, of all pools, and the ticks and waits of one. Times are epoch milliseconds. */
import type { PoolStatus } from '../cli/status.ts';
import type { Policy, Reason } from '../scaler/policy.ts';

export interface Overview {
  stack: string;
  region: string | null;
  now: number;
  pools: PoolOverview[];
  problems: string[];
}

export interface PoolOverview extends Omit<PoolStatus, 'alarms'> {
  taskQueue: string;
  namespace: string;
  links: Link[];
  /** Null when they could not be read. */
  alarms: AlarmView[] | null;
}

export interface Link {
  text: string;
  url: string;
}

export interface AlarmView {
  name: string;
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  description: string;
  since: number | null;
}

/** A figure that is not known is null. */
export interface TickView {
  now: number;
  queued: number | null;
  ageSeconds: number | null;
  busySlots: number | null;
  slots: number | null;
  running: number | null;
  starting: number | null;
  cordoned: number | null;
  /** Attempts since the tick before. */
  processed: number | null;
  failed: number | null;
  desired: number;
  cordon: string[];
  reason: Reason;
  detail: string;
  errors: string[];
}

export interface WaitView {
  now: number;
  p50: number | null;
  p95: number | null;
}

export interface PoolHistory {
  /** Hand it in again to be told only what is new since. */
  cursor: number;
  ticks: TickView[];
  waits: WaitView[];
  /** The pool's settings as the scaler last took them: with schedules, and what an operator has overruled. */
  policy: Policy;
  problems: string[];
}
