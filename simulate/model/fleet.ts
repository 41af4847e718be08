/** The service's tasks, and other workers that serve the same queues. */
import type { Random } from '../random.ts';
import { KINDS, type Kind, type Settings } from './settings.ts';
import { Available, newTask, type ModelTask, type Slots } from './task.ts';

/** Fargate bills at least this much of each task. */
export const LEAST_BILLED_SECONDS = 60;

export class Fleet {
  readonly #settings: Settings;
  /** Starting, running or stopping. */
  readonly tasks: ModelTask[] = [];
  readonly foreign: ModelTask[] = [];
  /** Stopped tasks whose heartbeats Temporal may still list. */
  ghosts: ModelTask[] = [];
  /** Slots that can take work. */
  readonly available: Record<Kind, Available> = { activity: new Available(), workflowTask: new Available() };
  desired: number;
  revision = 0;
  launched = 0;
  peakTasks = 0;
  billedSeconds = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.desired = settings.minTasks;
  }

  add(now: number): ModelTask {
    const { slots, usableSlots, workflowSlots } = this.#settings;
    const sizes = { activity: Math.min(slots, usableSlots), workflowTask: workflowSlots };
    const task = newTask({ number: ++this.launched, isOwn: true, now, revision: this.revision, sizes });
    this.tasks.push(task);
    this.peakTasks = Math.max(this.peakTasks, this.tasks.length);
    return task;
  }

  addForeign(): ModelTask {
    const sizes = { activity: this.#settings.foreign.slots, workflowTask: 0 };
    const worker = newTask({ number: this.foreign.length + 1, isOwn: false, now: 0, revision: 0, sizes });
    this.foreign.push(worker);
    return worker;
  }

  setPolling(task: ModelTask, polling: boolean): void {
    task.polling = polling;
    KINDS.forEach((kind) => this.updateAvailable(task.slots[kind]));
  }

  /** A task takes activities only while it polls or has a poll open. */
  updateAvailable(slots: Slots): void {
    const { task, held, size } = slots;
    const kind = slots === task.slots.activity ? 'activity' : 'workflowTask';
    const isPolling = kind === 'workflowTask' || task.polling || task.pollEndsAt < Infinity;
    this.available[kind].set(slots, task.state === 'running' && isPolling && held.size < size);
  }

  running(): ModelTask[] {
    return this.tasks.filter(({ state }) => state === 'running');
  }

  isOutdated({ revision }: ModelTask): boolean {
    return revision < this.revision;
  }

  /** A task whose work is done may be stopped while there are more than desired. An outdated task waits for new ones to run. */
  hasMoreThanDesired(task: ModelTask): boolean {
    return (this.isOutdated(task) ? this.running() : this.tasks).length > this.desired;
  }

  /** The next tasks that ECS stops: ones that are still starting first, and then any running task that is not protected. */
  excess(of: { alive: ModelTask[]; count: number; protects: boolean; random: Random }): ModelTask[] {
    const { alive, count, protects, random } = of;
    const pending = alive.filter(({ state }) => state === 'pending');
    pending.sort((a, b) => Number(b.cordoned) - Number(a.cordoned) || b.orderedAt - a.orderedAt);
    const stopped = pending.slice(0, Math.max(0, count));
    const unprotected = alive.filter(({ state, leaving }) => state === 'running' && (leaving || !protects));
    while (stopped.length < count && unprotected.length > 0) {
      stopped.push(...unprotected.splice(Math.floor(random() * unprotected.length), 1));
    }
    return stopped;
  }

  remove(task: ModelTask, now: number): void {
    task.state = 'stopped';
    this.setPolling(task, false);
    task.stoppedAt = now;
    this.bill(task, now);
    this.tasks.splice(this.tasks.indexOf(task), 1);
    if (task.heartbeat !== undefined) this.ghosts.push(task);
  }

  bill(task: ModelTask, until: number): void {
    this.billedSeconds += Math.max(until - task.orderedAt, LEAST_BILLED_SECONDS);
  }

  counts(): { running: number; starting: number; cordoned: number; desired: number } {
    const starting = this.tasks.filter(({ state }) => state === 'pending').length;
    const cordoned = this.tasks.filter((task) => task.cordoned || task.state === 'stopping').length;
    return { running: this.tasks.length - starting, starting, cordoned, desired: this.desired };
  }
}
