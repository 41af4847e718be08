/** Another service's worker on a pool's queue: it reports, runs in no task of the service, and stops whenever it likes. */
import type { Reporting } from './heartbeats.ts';
import type { Poll, TaskQueue, Work } from './temporal.ts';
import { SECOND, type VirtualTime } from './time.ts';

const SLOTS = 5;

export class ForeignWorker implements Reporting {
  readonly key: string;
  readonly task: string;
  readonly names: string[];
  readonly heartbeatMs = 10 * SECOND;
  usedSlots = 0;
  processed = 0;
  failed = 0;
  readonly #time: VirtualTime;
  readonly #queue: TaskQueue;
  readonly #fails: () => boolean;
  readonly #polls = new Set<Poll>();
  #isLeaving = false;

  constructor(name: string, time: VirtualTime, queue: TaskQueue, fails: () => boolean) {
    this.key = `foreign-${name}`;
    this.task = `1@${name}`;
    this.names = ['1', name];
    this.#time = time;
    this.#queue = queue;
    this.#fails = fails;
    queue.register(this);
    for (let slot = 0; slot < SLOTS; slot += 1) this.#poll();
  }

  /** It finishes what it holds. */
  leave(): void {
    this.#isLeaving = true;
    for (const poll of this.#polls) this.#queue.drop(poll);
    this.#goIfDone();
  }

  #poll(): void {
    if (this.#isLeaving) return this.#goIfDone();
    const poll: Poll = {
      take: (work) => {
        this.#polls.delete(poll);
        if (work === undefined) this.#poll();
        else this.#run(work);
      },
    };
    this.#polls.add(poll);
    this.#queue.open(poll);
  }

  #run(work: Work): void {
    this.#queue.report(this);
    this.usedSlots += 1;
    const { epoch } = this.#queue;
    this.#time.after(work.poisoned ? SECOND : work.serviceMs, () => this.#finish(work, epoch));
  }

  /** Work that would kill a task of the pool costs it the attempt. */
  #finish(work: Work, epoch: number): void {
    if (!this.#queue.reachable) return this.#time.after(5 * SECOND, () => this.#finish(work, epoch));
    this.#queue.report(this);
    this.usedSlots -= 1;
    this.processed += 1;
    const failed = work.poisoned || this.#fails();
    if (failed) this.failed += 1;
    this.#queue.ended(work, epoch, failed ? 'failed' : 'done');
    this.#poll();
  }

  #goIfDone(): void {
    if (this.usedSlots === 0) this.#queue.unregister(this);
  }
}
