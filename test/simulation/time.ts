/**
 * The world's time. Nothing waits: future events are put in a queue, and the clock jumps from one to the next.
 * Shipped code awaits promises; after an event that settled some, all of it runs on until it waits for the world again,
 * so that equal seeds give equal histories to the last step.
 */
import { EventQueue } from '../../simulate/event-queue.ts';

/** Monday, 00:00 UTC. */
const EPOCH_MS = Date.UTC(2026, 0, 5);

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

export class VirtualTime {
  now = EPOCH_MS;
  events = 0;
  readonly #events = new EventQueue<{ at: number; happen: () => void }>();
  #stirred = false;

  get hours(): number {
    return (this.now - EPOCH_MS) / HOUR;
  }

  at(at: number, happen: () => void): void {
    this.#events.add({ at: Math.max(at, this.now), happen });
  }

  after(milliseconds: number, happen: () => void): void {
    this.at(this.now + milliseconds, happen);
  }

  /** What `effect` returns, or throws, in this many milliseconds. */
  later<T>(milliseconds: number, effect: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.after(milliseconds, () => {
        this.stir();
        try {
          resolve(effect());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  /** To be called by an event after which shipped code can continue. */
  stir(): void {
    this.#stirred = true;
  }

  /** Runs events until `end`, or until `done` returns true, which is checked once a virtual minute. */
  async runUntil(end: number, done: () => boolean = () => false): Promise<void> {
    let askAt = this.now;
    while (this.#events.nextAt <= end) {
      if (this.#events.nextAt >= askAt) {
        if (done()) return;
        askAt += MINUTE;
      }
      const { at, happen } = this.#events.take()!;
      this.now = at;
      this.events += 1;
      happen();
      if (this.#stirred) await this.#settle();
    }
    this.now = end;
  }

  /** Node.js runs pending promises before this. */
  #settle(): Promise<void> {
    this.#stirred = false;
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
