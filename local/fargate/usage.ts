/** The usage of the services' tasks: seconds as Fargate bills them, and the fleet's size over time. */
import type { LocalTask } from './task.ts';

/** Fargate bills by the second from the pull of the image to the end, at least a minute. */
const MINIMUM_BILLED_SECONDS = 60;

export interface FleetSample {
  /** Epoch milliseconds. */
  at: number;
  desired: number;
  running: number;
  pending: number;
}

export interface ServiceUsage {
  /** From the pull of the image to the end, of all tasks so far. */
  taskSeconds: number;
  /** The same with Fargate's minimum of a minute for each task. */
  billedTaskSeconds: number;
  tasksLaunched: number;
  peakRunningTasks: number;
  /** One sample for each change, oldest first. */
  history: FleetSample[];
}

export class UsageMeter {
  readonly #services = new Map<string, ServiceUsage>();
  readonly #counted = new Set<string>();

  taskLaunched(service: string): void {
    this.#of(service).tasksLaunched += 1;
  }

  taskStopped(task: LocalTask, now: number): void {
    if (this.#counted.has(task.id)) return;
    this.#counted.add(task.id);
    addTask(this.#of(task.origin.service.serviceName), task, now);
  }

  sample(service: string, sample: FleetSample): void {
    const usage = this.#of(service);
    usage.peakRunningTasks = Math.max(usage.peakRunningTasks, sample.running);
    const last = usage.history.at(-1);
    if (last && last.desired === sample.desired && last.running === sample.running && last.pending === sample.pending)
      return;
    usage.history.push(sample);
  }

  /** Usage up to now, by service name, with the tasks that have not stopped yet. */
  report(tasks: readonly LocalTask[], now: number): Record<string, ServiceUsage> {
    const report = Object.fromEntries([...this.#services].map(([name, usage]) => [name, structuredClone(usage)]));
    for (const task of tasks) {
      const usage = report[task.origin.service.serviceName];
      if (usage && !this.#counted.has(task.id)) addTask(usage, task, now);
    }
    return report;
  }

  #of(service: string): ServiceUsage {
    const known = this.#services.get(service);
    if (known) return known;
    const usage = { taskSeconds: 0, billedTaskSeconds: 0, tasksLaunched: 0, peakRunningTasks: 0, history: [] };
    this.#services.set(service, usage);
    return usage;
  }
}

function addTask(usage: ServiceUsage, task: LocalTask, now: number): void {
  const pullStartedAt = task.enteredAt('PENDING');
  if (pullStartedAt === undefined) return;
  const seconds = ((task.enteredAt('STOPPED') ?? now) - pullStartedAt) / 1000;
  usage.taskSeconds += seconds;
  usage.billedTaskSeconds += Math.max(MINIMUM_BILLED_SECONDS, seconds);
}
