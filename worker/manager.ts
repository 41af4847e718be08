/**
 * One connection to Temporal and the Worker that polls over it. It can be paused and resumed any number of times, and
 * stopped with a deadline; whatever runs meanwhile is finished.
 *
 * The SDK cannot pause a Worker: pausing shuts it down, which ends its polling while its activities run on, and resuming
 * makes a new one on the same connection. Resuming does not wait for the old one: for the time its last activities take,
 * a task can hold up to twice its slots. A third one has to wait, so that it never becomes more than that.
 */
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, NativeConnection, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import * as activities from './activities.ts';
import { temporalLogger, type Logger } from './logging.ts';
import { RunningActivities, type RunningActivity } from './running-activities.ts';

export interface WorkerManagerOptions {
  address: string;
  namespace: string;
  taskQueue: string;
  /** As Temporal shows it; the ECS task's id, so that heartbeats can be matched with tasks. */
  identity: string;
  maxConcurrentActivities: number;
  /** How often the worker reports its slots to Temporal; the process's first manager sets it for all. */
  heartbeatSeconds: number;
  /** How long `stopWorker` waits for what runs. In the last tenth of it activities are cancelled to save their progress. */
  drainSeconds: number;
  /** Built ahead (a bundle's path or code), or the source to bundle at start. */
  workflows: WorkflowBundleOption | { workflowsPath: string };
  log: Logger;
  /** Called when an activity began or ended and when polling ended. */
  onChange?: () => void;
}

/** Thrown when the worker cannot serve as it was configured: server out of reach, unknown namespace. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** What was cut off by the end of the drain; empty after a graceful stop. */
export interface Stopped {
  unfinished: RunningActivity[];
}

const CONNECT_TIMEOUT_MS = 15_000;

export class TemporalWorkerManager {
  readonly #options: WorkerManagerOptions;
  readonly #running: RunningActivities;
  readonly #stopped = Promise.withResolvers<Stopped>();
  readonly #draining = new Set<Worker>();
  #connection: NativeConnection | undefined;
  #bundle: WorkflowBundleOption | undefined;
  #polling: Worker | undefined;
  #creating = false;
  #wanted: 'polling' | 'paused' | 'stopped' = 'polling';
  #begun = false;

  constructor(options: WorkerManagerOptions) {
    this.#options = options;
    this.#running = new RunningActivities(() => options.onChange?.());
    this.#stopped.promise.catch(() => undefined);
  }

  /** Connects and checks that the server knows the namespace. Nothing is polled yet. */
  async startWorker(): Promise<void> {
    installRuntime(this.#options);
    this.#connection = await connect(this.#options);
    await checkNamespace(this.#connection, this.#options);
    this.#bundle = await bundleOf(this.#options);
  }

  /** Polls, unless paused before, until stopped; rejects when the worker fails for good. */
  runWorker(): Promise<Stopped> {
    this.#begun = true;
    this.#reconcile();
    return this.#stopped.promise;
  }

  /** Stops polling, finishes what runs, and settles `runWorker`; past `drainSeconds` with what is unfinished. */
  stopWorker(): Promise<Stopped> {
    if (this.#wanted !== 'stopped') {
      this.#wanted = 'stopped';
      this.#limitDrain();
      this.#reconcile();
    }
    return this.#stopped.promise;
  }

  /** Takes no new work until `resume`; what runs goes on without a deadline. */
  pause(): void {
    if (this.#wanted === 'polling') this.#wanted = 'paused';
    this.#reconcile();
  }

  resume(): void {
    if (this.#wanted === 'paused') this.#wanted = 'polling';
    this.#reconcile();
  }

  getClient(): Client {
    if (this.#connection === undefined) throw new Error('The manager has no connection: call startWorker() first.');
    return new Client({ connection: this.#connection, namespace: this.#options.namespace });
  }

  get runningActivities(): number {
    return this.#running.count;
  }

  get drained(): boolean {
    return this.#polling === undefined && !this.#creating && this.#draining.size === 0;
  }

  /** Brings what is towards what is wanted; called again whenever either changed. */
  #reconcile(): void {
    if (!this.#begun) {
      if (this.#wanted === 'stopped') this.#finish();
      return;
    }
    if (this.#wanted === 'polling') this.#poll();
    else this.#stopPolling();
    if (this.#wanted === 'stopped' && this.drained) this.#finish();
  }

  #poll(): void {
    if (this.#polling !== undefined || this.#creating || this.#draining.size > 1) return;
    this.#creating = true;
    this.#createWorker().then(
      // Run in any case, wanted or not by now: a Worker that never ran would hold on to the connection.
      (worker) => this.#run(worker),
      (error: unknown) => this.#stopped.reject(error),
    );
  }

  #stopPolling(): void {
    const worker = this.#polling;
    if (worker === undefined) return;
    this.#polling = undefined;
    this.#draining.add(worker);
    worker.shutdown();
  }

  async #run(worker: Worker): Promise<void> {
    this.#creating = false;
    this.#polling = worker;
    try {
      const ended = worker.run();
      this.#reconcile();
      await ended;
      if (this.#polling === worker) throw new Error('The worker ended without having been told to.');
    } catch (error) {
      this.#stopped.reject(error);
    } finally {
      if (this.#polling === worker) this.#polling = undefined;
      this.#draining.delete(worker);
      this.#reconcile();
      this.#options.onChange?.();
    }
  }

  #finish(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    Promise.resolve(connection?.close()).then(
      () => this.#stopped.resolve({ unfinished: [] }),
      (error: unknown) => this.#stopped.reject(error),
    );
  }

  #limitDrain(): void {
    const { drainSeconds, log } = this.#options;
    const leave = () => {
      if (this.#running.count === 0) return;
      log.warn({ unfinished: this.#running.list() }, 'The drain is nearly over: cancelling what still runs');
      this.#running.leave();
    };
    const timers = [
      setTimeout(leave, drainSeconds * 900),
      setTimeout(() => this.#stopped.resolve({ unfinished: this.#running.list() }), drainSeconds * 1000),
    ];
    void this.#stopped.promise.catch(() => undefined).finally(() => timers.forEach(clearTimeout));
  }

  async #createWorker(): Promise<Worker> {
    const { namespace, taskQueue, identity, maxConcurrentActivities } = this.#options;
    return Worker.create({
      connection: this.#connection!,
      namespace,
      taskQueue,
      identity,
      workflowBundle: this.#bundle!,
      activities,
      interceptors: { activity: [this.#running.intercept] },
      maxConcurrentActivityTaskExecutions: maxConcurrentActivities,
      // The default of 0 cancels activities the moment a shutdown begins. Here the manager itself sees to the deadline,
      // since a pause has none: see running-activities.ts.
      shutdownGraceTime: '365 days',
      maxHeartbeatThrottleInterval: '60s',
      defaultHeartbeatThrottleInterval: '30s',
    });
  }
}

let runtimeInstalled = false;

/** The SDK's runtime is one a process. It must not act on signals by itself: stopping is the manager's. */
function installRuntime({ heartbeatSeconds, log }: WorkerManagerOptions): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
    workerHeartbeatInterval: heartbeatSeconds * 1000,
    shutdownSignals: [],
  });
}

async function connect({ address }: WorkerManagerOptions): Promise<NativeConnection> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer')), CONNECT_TIMEOUT_MS);
  try {
    return await Promise.race([NativeConnection.connect({ address }), deadline.promise]);
  } catch (error) {
    throw new StartError(
      `No Temporal server answers at ${address}: check TEMPORAL_ADDRESS, that the server runs, and the network's rules ` +
        `(${(error as Error).message}).`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

async function checkNamespace(connection: NativeConnection, options: WorkerManagerOptions): Promise<void> {
  const { address, namespace } = options;
  try {
    await connection.withDeadline(Date.now() + CONNECT_TIMEOUT_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } catch (error) {
    throw new StartError(
      `The Temporal server at ${address} does not give access to the namespace "${namespace}": check ` +
        `TEMPORAL_NAMESPACE, or create the namespace (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

/** Bundled once, however often the worker is resumed. */
async function bundleOf({ workflows, log }: WorkerManagerOptions): Promise<WorkflowBundleOption> {
  if (!('workflowsPath' in workflows)) return workflows;
  return bundleWorkflowCode({ workflowsPath: workflows.workflowsPath, logger: temporalLogger(log) });
}
