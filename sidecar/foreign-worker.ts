/**
 * A worker of any SDK as the scale-in protocol sees it. All that can be asked of it is to end: SIGTERM, once, and then
 * however long it takes. So its cordon is final. What it does cannot be seen: it counts as busy for as long as it is there.
 */
import type { CordonReader } from '../worker/cordon-reading.ts';
import type { PauseReason, PollingWorker } from '../worker/scale-in.ts';
import type { Log } from './log.ts';

/** A worker that has not started yet, and may once the protocol would let it take work. */
export class WorkerToStart implements PollingWorker {
  readonly runningActivities = 0;
  readonly drained = true;
  readonly ended = false;
  mayStart = false;

  pause(): void {}

  resume(): void {
    this.mayStart = true;
  }
}

export interface ForeignWorkerParts {
  /** Sends SIGTERM to the worker's main process; throws when that is not allowed. */
  terminate(): void;
  isAlive(): boolean;
  /** Milliseconds. */
  now: () => number;
  remindSeconds: number;
  log: Log;
}

export class ForeignWorker implements PollingWorker {
  readonly #parts: ForeignWorkerParts;
  #ended = false;
  #toldAt: number | undefined;
  #remindedAt = 0;
  #unprotected = false;

  constructor(parts: ForeignWorkerParts) {
    this.#parts = parts;
  }

  /** Unknown, so at least one. */
  get runningActivities(): number {
    return this.#ended ? 0 : 1;
  }

  get drained(): boolean {
    return this.#ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether it was told to end. */
  get told(): boolean {
    return this.#toldAt !== undefined;
  }

  pause(reason: PauseReason): void {
    if (this.#ended) return;
    if (reason === 'cordoned') this.#tell();
    else if (!this.#unprotected) {
      this.#unprotected = true;
      this.#parts.log.warn(
        {},
        'The task is not protected, and the worker takes work all the same: it cannot be paused',
      );
    }
  }

  resume(): void {
    this.#unprotected = false;
  }

  /** Looks whether it is still there; to be called often. True once it has ended. */
  watch(): boolean {
    const { isAlive, now, remindSeconds, log } = this.#parts;
    if (this.#ended || !isAlive()) return (this.#ended = true);
    if (this.#toldAt === undefined || now() - this.#remindedAt < remindSeconds * 1000) return false;
    this.#remindedAt = now();
    const waitedSeconds = Math.round((now() - this.#toldAt) / 1000);
    log.warn(
      { waitedSeconds },
      'Waiting for the worker to end after SIGTERM: it finishes what it runs, or ignores the signal. The task stays until it ends',
    );
    return false;
  }

  #tell(): void {
    if (this.#toldAt !== undefined) return;
    const { terminate, isAlive, now, log } = this.#parts;
    // Its number may be another process's by now.
    if (!isAlive()) return;
    try {
      terminate();
    } catch (error) {
      // ESRCH: it has just ended by itself.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      log.error({ error: String(error) }, 'The worker cannot be sent SIGTERM: run the sidecar as root, with CAP_KILL');
      return;
    }
    this.#toldAt = now();
    this.#remindedAt = now();
    log.info({}, 'Cordoned: sent SIGTERM to the worker, and wait without a deadline until it has ended');
  }
}

/** Once the worker was told to end there is no way back, whatever the table says later. */
export function finalCordons(readCordon: CordonReader, worker: ForeignWorker): CordonReader {
  return async () => {
    const reading = await readCordon();
    return reading.known && worker.told ? { ...reading, cordoned: true } : reading;
  };
}
