/** A process of the pool, seen from within: carries out the pool's orders, and reports every change. */
import type { TemporalWorkerManager } from '../temporal/manager.ts';
import type { FromMember, ToMember } from './messages.ts';

/** Health can change without an event, so it is also reported regularly. */
const REPORT_EVERY_MS = 1000;

export class PoolMember {
  readonly #manager: TemporalWorkerManager;
  readonly #onStop: () => void;
  #order = 0;
  #due = false;

  /** `onStop`: called if the pool wants this process to end, or is gone itself. */
  constructor(manager: TemporalWorkerManager, onStop: () => void) {
    this.#manager = manager;
    this.#onStop = onStop;
    process.on('message', (message) => this.#obey(message as ToMember));
    process.on('disconnect', onStop);
    setInterval(() => this.report(), REPORT_EVERY_MS).unref();
  }

  /** Reports once at the end of this turn, however often it is called. */
  report(): void {
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      const { drained, runningActivities, health, counts } = this.#manager;
      tellPool({ type: 'report', report: { order: this.#order, drained, runningActivities, health, counts } });
    });
  }

  #obey(message: ToMember): void {
    if (message.type === 'stop') return this.#onStop();
    if (message.type === 'metrics') {
      const { request } = message;
      void this.#manager.metrics().then((snapshots) => tellPool({ type: 'metrics', request, snapshots }));
      return;
    }
    if (message.type === 'pause') this.#manager.pause(message.reason);
    else this.#manager.resume();
    this.#order = message.order;
    this.report();
  }
}

/** Resolves when the message has been sent; a pool that is gone is not an error. */
export function tellPool(message: FromMember): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) return resolve();
    process.send!(message, undefined, {}, () => resolve());
  });
}
