/**
 * One Worker of the Temporal SDK, and its end. The SDK's core shuts a Worker down when its polls have been refused for a minute
 * (PermissionDenied, Unauthenticated, Unimplemented, NotFound ...), and the SDK then discards the results of its activities. Here
 * such a Worker is only over: it takes no more work, but finishes and reports its running work, while the manager continues with
 * the next generation.
 */
import { type NativeConnection, ShutdownError, TransportError, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivitySlotSupplier } from '../slots/activity-slots.ts';
import { withHeapOfThreads } from './workflow-memory.ts';

interface GenerationOptions {
  connection: NativeConnection;
  slots: ActivitySlotSupplier;
  worker: WorkerOptions;
  /** Of the thread that runs workflows. */
  heapMebibytes: number;
  /** Called once, if core has shut the Worker down by itself, with the refusal. */
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

  /** Settles when all its work is finished after `end`; rejects if it fails for a reason other than the server. */
  run(): Promise<void> {
    return this.#worker.run();
  }

  /** Takes no more work and finishes its running work. False if it was already over. */
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
 * A refused poll does not fail: its Worker is over, and polling continues until core says that nothing more comes, which is when all
 * running work is finished. Each refusal takes a round trip, so that this never spins.
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
