/**
 * Measures the activities of this process: each one as it ends, and their totals as Prometheus metrics and as three plain figures.
 */
import type { Context } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isCancellation, isGivingWay } from '../temporal/running-activities.ts';

/** `cancelled`: by its workflow, or because the worker had to stop. Neither counts as a failure. */
type Outcome = 'succeeded' | 'failed' | 'cancelled';

export interface TaskMeasurement {
  activityType: string;
  outcome: Outcome;
  durationSeconds: number;
  scheduleToStartSeconds: number;
}

export interface TaskCounts {
  tasksProcessed: number;
  tasksFailed: number;
  taskSeconds: number;
}

/** Since the start; null while there are none. */
interface TaskFigures {
  tasks_processed: number;
  average_task_duration: number | null;
  error_rate: number | null;
}

export const NO_TASKS: TaskCounts = { tasksProcessed: 0, tasksFailed: 0, taskSeconds: 0 };

export function sumOf(counts: TaskCounts[]): TaskCounts {
  return counts.reduce(
    (sum, each) => ({
      tasksProcessed: sum.tasksProcessed + each.tasksProcessed,
      tasksFailed: sum.tasksFailed + each.tasksFailed,
      taskSeconds: sum.taskSeconds + each.taskSeconds,
    }),
    NO_TASKS,
  );
}

export function figuresOf({ tasksProcessed, tasksFailed, taskSeconds }: TaskCounts): TaskFigures {
  const each = (sum: number) => (tasksProcessed === 0 ? null : sum / tasksProcessed);
  return { tasks_processed: tasksProcessed, average_task_duration: each(taskSeconds), error_rate: each(tasksFailed) };
}

interface MeasurementsOptions {
  /** Milliseconds. */
  now: () => number;
  /** Whether this process serves; asked when metrics are read. */
  isActive: () => boolean;
  onTask?: ((task: TaskMeasurement) => void) | undefined;
}

export class Measurements {
  readonly registry = new Registry();
  readonly #options: MeasurementsOptions;
  readonly #processed: Counter<'activity_type' | 'outcome'>;
  readonly #duration: Histogram<'activity_type'>;
  #counts = NO_TASKS;
  #longestTaskSeconds = 0;

  constructor(options: MeasurementsOptions) {
    this.#options = options;
    const registers = [this.registry];
    this.#processed = new Counter({
      name: 'tasks_processed_total',
      help: 'Activity attempts that ended in this worker.',
      labelNames: ['activity_type', 'outcome'],
      registers,
    });
    this.#duration = new Histogram({
      name: 'task_duration_seconds',
      help: 'How long activity attempts ran.',
      labelNames: ['activity_type'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
      registers,
    });
    new Gauge({
      name: 'active_workers',
      help: 'Worker processes of this task that are taking work.',
      registers,
      collect() {
        this.set(options.isActive() ? 1 : 0);
      },
    });
  }

  get counts(): TaskCounts {
    return this.#counts;
  }

  /** Of those that ended; 0 before the first. */
  get longestTaskSeconds(): number {
    return this.#longestTaskSeconds;
  }

  /** For a Worker's `interceptors.activity`, before all others. */
  readonly intercept = (context: Context): ActivityInterceptors => ({
    inbound: { execute: (input, next) => this.#measure(context, () => next(input)) },
  });

  async #measure<T>({ info }: Context, run: () => Promise<T>): Promise<T> {
    const startedAt = this.#options.now();
    let outcome: Outcome = 'succeeded';
    try {
      return await run();
    } catch (error) {
      outcome = isGivingWay(error) || isCancellation(error) ? 'cancelled' : 'failed';
      throw error;
    } finally {
      this.#record({
        activityType: info.activityType,
        outcome,
        durationSeconds: seconds(this.#options.now() - startedAt),
        // The two clocks are on different machines.
        scheduleToStartSeconds: seconds(startedAt - info.currentAttemptScheduledTimestampMs),
      });
    }
  }

  #record(task: TaskMeasurement): void {
    const { activityType, outcome, durationSeconds } = task;
    this.#processed.inc({ activity_type: activityType, outcome });
    this.#duration.observe({ activity_type: activityType }, durationSeconds);
    if (outcome !== 'cancelled') this.#longestTaskSeconds = Math.max(this.#longestTaskSeconds, durationSeconds);
    const tasksFailed = outcome === 'failed' ? 1 : 0;
    this.#counts = sumOf([this.#counts, { tasksProcessed: 1, tasksFailed, taskSeconds: durationSeconds }]);
    this.#options.onTask?.(task);
  }
}

function seconds(milliseconds: number): number {
  return Math.max(0, milliseconds) / 1000;
}
