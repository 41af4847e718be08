/**
 * A queue's workflow tasks: each worker has separate slots for them, and one thread for all of them, so that a slot is in
 * use while its task waits its turn. Some go to the worker that has the workflow cached, and appear in no count.
 */
import type { Random } from '../../simulate/random.ts';
import { SECOND, type VirtualTime } from './time.ts';

export const WORKFLOW_SLOTS = 40;
const STICKY_SHARE = 0.5;
/** A workflow task's timeout, after which any worker may take it. */
const TIMES_OUT_AFTER_MS = 10 * SECOND;

/** A worker that serves workflow tasks until it stops. */
export interface WorkflowThread {
  used: number;
  processed: number;
  freeAt: number;
  gone: boolean;
}

export function newThread(): WorkflowThread {
  return { used: 0, processed: 0, freeAt: 0, gone: false };
}

interface Parts {
  time: VirtualTime;
  random: Random;
  threads: () => WorkflowThread[];
  /** To be called before a worker's figures change. */
  onChange: (thread: WorkflowThread) => void;
  onAdd: () => void;
  onDispatch: () => void;
  onDone: () => void;
}

export class WorkflowTasks {
  readonly #parts: Parts;
  #waiting: { ms: number; since: number }[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get queued(): number {
    return this.#waiting.length;
  }

  get inUse(): number {
    return this.#parts.threads().reduce((sum, { used }) => sum + used, 0);
  }

  get headSince(): number {
    return this.#waiting[0]?.since ?? Infinity;
  }

  add(ms: number): void {
    const { random, onAdd, time } = this.#parts;
    const free = this.#free();
    if (this.#waiting.length === 0 && free.length > 0 && random() < STICKY_SHARE) return this.#run(free, ms);
    onAdd();
    this.#waiting.push({ ms, since: time.now });
    this.dispatch();
  }

  dispatch(): void {
    while (this.#waiting.length > 0) {
      const free = this.#free();
      if (free.length === 0) return;
      this.#parts.onDispatch();
      this.#run(free, this.#waiting.shift()!.ms);
    }
  }

  /** Loses all waiting tasks; returns how many. */
  empty(): number {
    const lost = this.#waiting.length;
    this.#waiting = [];
    return lost;
  }

  #free(): WorkflowThread[] {
    return this.#parts.threads().filter(({ used }) => used < WORKFLOW_SLOTS);
  }

  #run(free: WorkflowThread[], ms: number): void {
    const { time, random, onChange, onDone } = this.#parts;
    const thread = free[Math.floor(random() * free.length)]!;
    onChange(thread);
    thread.used += 1;
    thread.freeAt = Math.max(time.now, thread.freeAt) + ms;
    time.at(thread.freeAt, () => {
      if (thread.gone) return time.after(TIMES_OUT_AFTER_MS, () => this.add(ms));
      onChange(thread);
      thread.used -= 1;
      thread.processed += 1;
      onDone();
      this.dispatch();
    });
  }
}
