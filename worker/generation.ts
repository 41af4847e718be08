/**
 * One Worker of the Temporal SDK, and its end. The SDK's core shuts a Worker down when its polls have been refused for a
 * minute (PermissionDenied, Unauthenticated, Unimplemented, NotFound ...), and the SDK then throws away what its activities
 * still achieve. Here such a Worker is only over: it takes no more work, but finishes and reports what it runs, while the
 * manager serves on with the next generation.
 */
import { type NativeConnection, ShutdownError, TransportError, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivitySlotSupplier } from './activity-slots.ts';
import { withHeapOfThreads } from './workflow-memory.ts';

export interface GenerationOptions {
  connection: NativeConnection;
  slots: ActivitySlotSupplier;
  worker: WorkerOptions;
  /** Of the thread that runs workflows. */
  heapMebibytes: number;
  /** Called once, when core has shut the Worker down by itself, with what was refused. */
  onOver: (why: string) => void;
}

export class Generation {
  readonly #worker: Worker;
  readonly #slots: ActivitySlotSupplier;
  #over = false;

  static async create({
    connection,
    slots,
    worker: options,
    heapMebibytes,
    onOver,
  }: GenerationOptions): Promise<Generation> {
    const create = () => PatientWorker.create({ ...options, connection });
    const worker = (await withHeapOfThreads(heapMebibytes, create)) as PatientWorker;
    const generation = new Generation(worker, slots);
    worker.endure((why) => generation.end() && onOver(why));
    return generation;
  }

  private constructor(worker: Worker, slots: ActivitySlotSupplier) {
    this.#worker = worker;
    this.#slots = slots;
  }

  /** Settles when all that it ran is finished after `end`; rejects when it fails for another reason than the server. */
  run(): Promise<void> {
    return this.#worker.run();
  }

  /** Takes no more work and finishes what it runs. False when it was over already. */
  end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#slots.retire();
    if (this.#worker.getState() === 'RUNNING') this.#worker.shutdown();
    return true;
  }

  get isOver(): boolean {
    return this.#over;
  }

  get cachedWorkflows(): number {
    return this.#worker.getStatus().numCachedWorkflows;
  }

  get connection(): NativeConnection {
    return this.#worker.connection!;
  }

  set connection(connection: NativeConnection) {
    this.#worker.connection = connection;
  }
}

class PatientWorker extends Worker {
  endure(onOver: (why: string) => void): void {
    const { pollActivityTask, pollWorkflowActivation } = this.nativeWorker;
    Object.assign(this.nativeWorker, {
      pollActivityTask: patient(pollActivityTask, onOver),
      pollWorkflowActivation: patient(pollWorkflowActivation, onOver),
    });
  }
}

/**
 * A poll that is refused does not fail: its Worker is over, and polled on until core says that nothing more comes, which
 * is once all that runs is finished. Each refusal takes a round trip, so that this never spins.
 */
export function patient<T>(poll: () => Promise<T>, onOver: (why: string) => void): () => Promise<T> {
  return async () => {
    for (;;) {
      try {
        return await poll();
      } catch (error) {
        const refused = error instanceof TransportError;
        if (refused || error instanceof ShutdownError) onOver((error as Error).message);
        if (!refused) throw error;
      }
    }
  };
}
