/** What a controller reads and orders, and what a run of the model returns. */
import type { Signals } from '../../scaler/policy.ts';

/** The exact counts: for charts, and for controllers that need no signals. */
export interface Truth {
  queued: number;
  busy: number;
  running: number;
  starting: number;
  cordoned: number;
  desired: number;
  /** Work that found no free slot when it arrived, since the last tick. */
  unmatched: number;
  /** Since the start. */
  dispatched: number;
}

export interface Order {
  desired: number;
  cordon?: string[];
  reason?: string;
}

/** Orders the number of tasks every `tickSeconds`. Each run gets a new one, because it may remember. */
export interface Controller {
  name: string;
  tickSeconds: number;
  /** Its workers protect themselves and leave only when cordoned and done; otherwise ECS may stop any task. */
  protects: boolean;
  /** How long its tasks may finish work after they are stopped (default: the setting of the same name). */
  stopGraceSeconds?: number;
  look(signals: () => Signals, truth: Truth, nowSeconds: number): Order;
}

export interface Sample extends Truth {
  atSeconds: number;
  arrived: number;
  reason: string;
}

export interface Result {
  controller: string;
  /** From arrival to the start of the attempt that got it done, in the order of the work. */
  waits: Float64Array;
  /** Billed task-seconds: from the order to the stop, at least a minute each. */
  billedSeconds: number;
  /** Slot-seconds of all attempts, including lost ones. */
  busySeconds: number;
  /** Attempts that ended because their task was stopped. */
  killed: number;
  failed: number;
  /** Work not done at the horizon. */
  undone: number;
  /** Tasks above the minimum at the horizon. */
  tasksLeft: number;
  peakTasks: number;
  launched: number;
  decisions: number;
  /** Ticks by reason. */
  reasons: Record<string, number>;
  horizonSeconds: number;
  samples: Sample[];
}
