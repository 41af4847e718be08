/** What the server knows of a queue's workers: heartbeats of some seconds ago, and ghosts of workers that are gone. */
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import type { Faults } from './faults.ts';
import { SECOND, type VirtualTime } from './time.ts';
import { newThread, WORKFLOW_SLOTS, type WorkflowThread } from './workflow-tasks.ts';

const GHOST_MS = 320 * SECOND;

/** A worker as the server knows it by its heartbeats. */
export interface Reporting {
  key: string;
  /** Its task according to its identity, and all of its names. */
  task: string;
  names: string[];
  heartbeatMs: number;
  usedSlots: number;
  processed: number;
  failed: number;
}

interface Heartbeat {
  worker: Reporting;
  /** The newest multiple of the interval, since the worker's start, that was reported. */
  since: number;
  at: number | undefined;
  usedSlots: number;
  processed: number;
  failed: number;
  workflowTasks: { usedSlots: number; processed: number };
  thread: WorkflowThread;
  goneAt: number | undefined;
}

interface Parts {
  time: VirtualTime;
  faults: Faults;
  pool: string;
}

export class Heartbeats {
  readonly #time: VirtualTime;
  readonly #faults: Faults;
  readonly #pool: string;
  readonly #reachable: () => boolean;
  #all: Heartbeat[] = [];

  constructor({ time, faults, pool }: Parts, reachable: () => boolean) {
    this.#time = time;
    this.#faults = faults;
    this.#pool = pool;
    this.#reachable = reachable;
  }

  register(worker: Reporting): void {
    this.#all.push({
      worker,
      since: this.#time.now,
      at: undefined,
      usedSlots: 0,
      processed: 0,
      failed: 0,
      workflowTasks: { usedSlots: 0, processed: 0 },
      thread: newThread(),
      goneAt: undefined,
    });
  }

  report(worker: Reporting): void {
    const heartbeat = this.#all.find((each) => each.worker === worker);
    if (heartbeat !== undefined) this.#beat(heartbeat);
  }

  reportThread(thread: WorkflowThread): void {
    for (const each of this.#all) if (each.thread === thread) this.#beat(each);
  }

  unregister(worker: Reporting): void {
    this.report(worker);
    for (const heartbeat of this.#all) {
      if (heartbeat.worker !== worker) continue;
      heartbeat.goneAt = this.#time.now;
      heartbeat.thread.gone = true;
    }
  }

  /** As a server that has lost its state does, until the workers report again. */
  forget(): void {
    this.#all = this.#all.filter(({ goneAt }) => goneAt === undefined);
    for (const heartbeat of this.#all) heartbeat.at = undefined;
  }

  /** Whether there is a worker at all. */
  get anyWorker(): boolean {
    return this.#all.some(({ goneAt }) => goneAt === undefined);
  }

  /** Of the workers that are there. */
  threads(): WorkflowThread[] {
    return this.#all.flatMap(({ goneAt, thread }) => (goneAt === undefined ? thread : []));
  }

  list(): ReportedWorker[] {
    const { now } = this.#time;
    if (this.#faults.active('temporal.noHeartbeats', this.#pool)) return [];
    this.#all = this.#all.filter(({ goneAt }) => goneAt === undefined || now - goneAt < GHOST_MS);
    const forgetful = this.#faults.active('temporal.forgetsWorkers', this.#pool);
    return this.#all.flatMap((heartbeat, index) => {
      if (forgetful && index % 2 === 0) return [];
      this.#beat(heartbeat);
      const { worker, at, usedSlots, processed, failed, workflowTasks: tasks } = heartbeat;
      if (at === undefined) return [];
      // Slots that are not of the SDK's fixed kind are reported without how many are free.
      const { key, task, names } = worker;
      const ageSeconds = (now - at) / 1000;
      const workflowTasks = { ...tasks, slots: WORKFLOW_SLOTS };
      const busy = usedSlots + tasks.usedSlots > 0;
      return [{ key, task, names, busy, ageSeconds, usedSlots, slots: null, processed, failed, workflowTasks }];
    });
  }

  #beat(heartbeat: Heartbeat): void {
    const { worker, since, goneAt, thread } = heartbeat;
    const isStale = this.#faults.active('temporal.staleHeartbeats', this.#pool);
    if (goneAt !== undefined || !this.#reachable() || isStale) return;
    const at = since + Math.floor((this.#time.now - since) / worker.heartbeatMs) * worker.heartbeatMs;
    if (at === since || at === heartbeat.at) return;
    const { usedSlots, processed, failed } = worker;
    const workflowTasks = { usedSlots: thread.used, processed: thread.processed };
    Object.assign(heartbeat, { at, usedSlots, processed, failed, workflowTasks });
  }
}
