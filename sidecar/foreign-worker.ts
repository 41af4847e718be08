/**
 * A worker of any SDK as the scale-in protocol sees it. It can only be told to end, with one SIGTERM, and may then take as long as it
 * needs. Its cordon is therefore final. What it does cannot be seen, so it counts as busy for as long as it runs.
 */
import type { CordonReader } from '../worker/scale-in/cordon-reading.ts';
import type { PauseReason, PollingWorker } from '../worker/scale-in/protocol.ts';
import type { Log } from './log.ts';

/** A worker that has not started yet, and may start once the protocol would let it take work. */
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

interface ForeignWorkerParts {
  /** Sends SIGTERM to the worker's main process; throws if that is not allowed. */
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

  /** Unknown, so it counts as at least one. */
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
        'The task is not protected, but the worker keeps taking work, because it cannot be paused',
      );
    }
  }

  resume(): void {
    this.#unprotected = false;
  }

  /** Checks whether it is still running; call it often. True once it has ended. */
  watch(): boolean {
    const { isAlive, now, remindSeconds, log } = this.#parts;
    if (this.#ended || !isAlive()) return (this.#ended = true);
    if (this.#toldAt === undefined || now() - this.#remindedAt < remindSeconds * 1000) return false;
    this.#remindedAt = now();
    const waitedSeconds = Math.round((now() - this.#toldAt) / 1000);
    log.warn(
      { waitedSeconds },
      'Waiting for the worker to end after SIGTERM: it is finishing its work, or ignores the signal. The task stays until the worker ends',
    );
    return false;
  }

  #tell(): void {
    if (this.#toldAt !== undefined) return;
    const { terminate, isAlive, now, log } = this.#parts;
    // Its process id may belong to another process by now.
    if (!isAlive()) return;
    try {
      terminate();
    } catch (error) {
      // ESRCH: it has just ended by itself.
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      log.error({ error: String(error) }, 'Cannot send SIGTERM to the worker: run the sidecar as root, with CAP_KILL');
      return;
    }
    this.#toldAt = now();
    this.#remindedAt = now();
    log.info({}, 'Cordoned: sent SIGTERM to the worker; waiting for it to end, without a deadline');
  }
}

/** Once the worker was told to end, there is no way back, whatever the table contains later. */
export function finalCordons(readCordon: CordonReader, worker: ForeignWorker): CordonReader {
  return async () => {
    const reading = await readCordon();
    return reading.known && worker.told ? { ...reading, cordoned: true } : reading;
  };
}
