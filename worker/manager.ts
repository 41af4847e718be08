/**
 * One connection to Temporal and the Worker that serves a task queue over it. It can be paused and resumed any number of
 * times, and stopped with a deadline; whatever runs meanwhile is finished.
 *
 * The SDK cannot pause a Worker. Pausing here means that no new poll for an activity begins (see activity-slots.ts);
 * workflow tasks, which take milliseconds and leave nothing behind, are served until the worker is stopped, so that
 * no workflow waits for its cached state to time out.
 */
import { Client } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { ActivitySlots, MAX_OPEN_POLLS } from './activity-slots.ts';
import { temporalLogger, type Logger } from './logging.ts';
import { workerPlugins } from './plugin.ts';
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
  /** Called when an activity began or ended and when a poll ended. */
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

/**
 * Once told to stop, polls that bring nothing for so long are broken off. There is a deadline then, and work that came
 * late might not be finished by it; with work waiting, a poll brings it within milliseconds.
 */
const QUIET_BEFORE_STOP_MS = 1000;

export class TemporalWorkerManager {
  readonly #options: WorkerManagerOptions;
  readonly #running: RunningActivities;
  readonly #slots: ActivitySlots;
  readonly #stopped = Promise.withResolvers<Stopped>();
  #connection: NativeConnection | undefined;
  #worker: Worker | undefined;
  #begun = false;
  #stopping = false;
  #quiet: NodeJS.Timeout | undefined;

  constructor(options: WorkerManagerOptions) {
    this.#options = options;
    this.#running = new RunningActivities();
    this.#slots = new ActivitySlots(options.maxConcurrentActivities, () => this.#changed());
    this.#stopped.promise.catch(() => undefined);
  }

  /** Connects, checks that the server knows the namespace, and loads the workflows. Nothing is polled yet. */
  async startWorker(): Promise<void> {
    installRuntime(this.#options);
    const connection = await connect(this.#options);
    try {
      await checkNamespace(connection, this.#options);
      this.#worker = await this.#createWorker(connection);
      this.#connection = connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Polls, unless paused before, until stopped; rejects when the worker fails for good. */
  runWorker(): Promise<Stopped> {
    if (this.#worker === undefined) throw new Error('The manager has no worker: call startWorker() first.');
    if (!this.#stopping) this.#begin(this.#worker);
    return this.#stopped.promise;
  }

  /** Stops polling, finishes what runs, and settles `runWorker`; past `drainSeconds` with what is unfinished. */
  stopWorker(): Promise<Stopped> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#slots.close();
      this.#limitDrain();
      // A Worker that never ran would hold on to its threads and the connection.
      if (this.#worker) this.#begin(this.#worker);
      else this.#stopped.resolve({ unfinished: [] });
      this.#changed();
    }
    return this.#stopped.promise;
  }

  /** Takes no new activities until `resume`; what runs goes on without a deadline. */
  pause(): void {
    this.#slots.close();
  }

  resume(): void {
    if (!this.#stopping) this.#slots.open();
  }

  getClient(): Client {
    if (this.#connection === undefined) throw new Error('The manager has no connection: call startWorker() first.');
    return new Client({ connection: this.#connection, namespace: this.#options.namespace });
  }

  get runningActivities(): number {
    return this.#slots.used;
  }

  /** Paused, and nothing runs, nor is a poll open that could bring something to run. */
  get drained(): boolean {
    return this.#slots.closed && this.#slots.idle;
  }

  #changed(): void {
    if (this.#stopping) this.#shutDownWhenQuiet();
    this.#options.onChange?.();
  }

  #shutDownWhenQuiet(): void {
    clearTimeout(this.#quiet);
    if (this.#slots.used > 0) return;
    this.#quiet = setTimeout(() => this.#shutDown(), this.#slots.idle ? 0 : QUIET_BEFORE_STOP_MS);
  }

  #shutDown(): void {
    if (this.#worker?.getState() === 'RUNNING') this.#worker.shutdown();
  }

  #begin(worker: Worker): void {
    if (!this.#begun) void this.#run(worker);
    this.#begun = true;
  }

  async #run(worker: Worker): Promise<void> {
    try {
      await worker.run();
      if (!this.#stopping) throw new Error('The worker ended without having been told to.');
      await this.#connection?.close();
      this.#stopped.resolve({ unfinished: [] });
    } catch (error) {
      this.#stopped.reject(error);
    }
  }

  #limitDrain(): void {
    const { drainSeconds, log } = this.#options;
    const leave = () => {
      this.#shutDown();
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

  async #createWorker(connection: NativeConnection): Promise<Worker> {
    const { namespace, taskQueue, identity, workflows } = this.#options;
    return Worker.create({
      connection,
      namespace,
      taskQueue,
      identity,
      ...('workflowsPath' in workflows ? workflows : { workflowBundle: workflows }),
      plugins: workerPlugins(),
      interceptors: { activity: [this.#running.intercept] },
      tuner: {
        activityTaskSlotSupplier: this.#slots,
        // The SDK's defaults, which a tuner has to repeat.
        workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 40 },
        localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
        nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
      },
      activityTaskPollerBehavior: { type: 'simple-maximum', maximum: MAX_OPEN_POLLS },
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
