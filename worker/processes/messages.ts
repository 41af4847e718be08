/** The messages between a pool and its processes. */
import type { TaskCounts } from '../observability/measurements.ts';
import type { RunningActivity } from '../temporal/running-activities.ts';
import type { PauseReason } from '../scale-in/protocol.ts';
import type { Health, MetricsSnapshot } from '../workforce.ts';

/** The environment variables that make a process one of a pool's. */
export const MEMBER_IDENTITY = 'ELASTIC_WORKERS_MEMBER_IDENTITY';
export const MEMBER_SLOTS = 'ELASTIC_WORKERS_MEMBER_SLOTS';
export const MEMBER_SHARE = 'ELASTIC_WORKERS_MEMBER_SHARE';

/** `order` counts up, so that a report shows which orders the process has received. */
export type ToMember =
  | { type: 'pause'; order: number; reason: PauseReason }
  | { type: 'resume'; order: number }
  | { type: 'stop' }
  | { type: 'metrics'; request: number };

export interface MemberReport {
  /** The last order carried out; 0 before the first: a process starts paused. */
  order: number;
  drained: boolean;
  runningActivities: number;
  health: Health;
  counts: TaskCounts;
}

export type FromMember =
  | { type: 'report'; report: MemberReport }
  | { type: 'metrics'; request: number; snapshots: MetricsSnapshot[] }
  | { type: 'cannot start'; message: string }
  | { type: 'stopped'; unfinished: RunningActivity[] };
