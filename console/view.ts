/** What the server sends to the page: current figures of all pools, and the ticks and waits of one. Times are epoch milliseconds. */
import type { PoolStatus } from '../deployed/status.ts';
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
  /** Null if they could not be read. */
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

/** Unknown figures are null. */
export interface TickView {
  now: number;
  queued: number | null;
  ageSeconds: number | null;
  busySlots: number | null;
  slots: number | null;
  running: number | null;
  starting: number | null;
  cordoned: number | null;
  /** Attempts since the previous tick. */
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
  /** Send it back to receive only what is new since. */
  cursor: number;
  ticks: TickView[];
  waits: WaitView[];
  /** The pool's settings as the scaler last used them, with schedules and an operator's overrides. */
  policy: Policy;
  problems: string[];
}
