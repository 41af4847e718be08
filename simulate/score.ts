/** A run's figures of waits and cost, and one score for both. */
import type { Clairvoyant } from './clairvoyant.ts';
import type { Result } from './model.ts';

/** Fargate, Linux on x86, us-east-1, on demand. */
export const PRICES = { vcpuHour: 0.04048, gigabyteHour: 0.004445 };
export interface TaskSize {
  vcpu: number;
  gigabytes: number;
}
export const DEFAULT_TASK_SIZE: TaskSize = { vcpu: 1, gigabytes: 2 };
export const SCORE_WAIT_SECONDS = 30;

export interface Summary {
  controller: string;
  work: number;
  taskHours: number;
  dollars: number;
  /** Relative to the clairvoyant fleet's task-seconds. */
  costRatio: number;
  waitMean: number;
  waitP50: number;
  waitP95: number;
  waitP99: number;
  waitMax: number;
  score: number;
  /** The busy share of the billed slots. */
  utilization: number;
  killed: number;
  failed: number;
  undone: number;
  tasksLeft: number;
  peakTasks: number;
  launched: number;
}

export function summarize(
  result: Result,
  reference: Clairvoyant,
  slots: number,
  size: TaskSize = DEFAULT_TASK_SIZE,
): Summary {
  const costRatio = reference.billedSeconds === 0 ? 1 : result.billedSeconds / reference.billedSeconds;
  return {
    ...waitFigures(result.waits, costRatio),
    controller: result.controller,
    work: result.waits.length,
    taskHours: result.billedSeconds / 3600,
    dollars: dollarsOf(result.billedSeconds, size),
    utilization: result.billedSeconds === 0 ? 0 : result.busySeconds / (result.billedSeconds * slots),
    killed: result.killed,
    failed: result.failed,
    undone: result.undone,
    tasksLeft: result.tasksLeft,
    peakTasks: result.peakTasks,
    launched: result.launched,
  };
}

type WaitFigures = Pick<Summary, 'costRatio' | 'waitMean' | 'waitP50' | 'waitP95' | 'waitP99' | 'waitMax' | 'score'>;

export function waitFigures(waits: Float64Array, costRatio: number): WaitFigures {
  const sorted = waits.toSorted();
  const waitMean = sorted.length === 0 ? 0 : sorted.reduce((sum, wait) => sum + wait, 0) / sorted.length;
  return {
    costRatio,
    waitMean,
    waitP50: quantile(sorted, 0.5),
    waitP95: quantile(sorted, 0.95),
    waitP99: quantile(sorted, 0.99),
    waitMax: quantile(sorted, 1),
    score: scoreOf(costRatio, waitMean),
  };
}

export function scoreOf(costRatio: number, waitMeanSeconds: number): number {
  return costRatio + waitMeanSeconds / SCORE_WAIT_SECONDS;
}

export function dollarsOf(taskSeconds: number, { vcpu, gigabytes }: TaskSize): number {
  return (taskSeconds / 3600) * (vcpu * PRICES.vcpuHour + gigabytes * PRICES.gigabyteHour);
}

/** Nearest rank; the values must be sorted. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function geometricMean(values: number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
