/**
 * One connection to Temporal and the Worker that serves a task queue over it. It can be paused and resumed any number of
 * times, and stopped with a deadline; whatever runs meanwhile is finished.
 *
 * The SDK cannot pause a Worker. Pausing here means that no new poll for an activity begins (see activity-slots.ts);
 * workflow tasks, which take milliseconds and leave nothing behind, are served until the worker is stopped, so that
 * no workflow waits for its cached state to time out.
 */
import { Client } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, type WorkerOptions, type WorkflowBundleOption } from '@temporalio/worker';
import { ActivitySlots, MAX_OPEN_POLLS } from './activity-slots.ts';
import type { TemporalAccess } from './credentials.ts';
import { StartError } from './errors.ts';
import { temporalLogger, type Logger } from './logging.ts';
import { figuresOf, Measurements, type TaskCounts, type TaskMeasurement } from './measurements.ts';
import { RunningActivities } from './running-activities.ts';
import type { PauseReason } from './scale-in.ts';
import type { Health, MetricsSnapshot, Stopped, Workforce } from './workforce.ts';

export interface WorkerManagerOptions extends TemporalAccess {
  taskQueue: string;
  /** As Temporal shows it; the ECS task's id, so that heartbeats can be matched with tasks. */
  identity: string;
  maxConcurrentActivities: number;
  /** Workflows kept in memory between their tasks. Default: the SDK's choice, by the heap's size. */
  maxCachedWorkflows?: number | undefined;
  /** How often the worker reports its slots to Temporal; the process's first manager sets it for all. */
  heartbeatSeconds: number;
  /** How often activities' heartbeats reach the server, when their heartbeat timeout does not say. */
  heartbeatThrottleSeconds?: number;
  /** The same, whatever their heartbeat timeout is. */
  maxHeartbeatThrottleSeconds?: number;
  /** How long `stopWorker` lets activities run on before it cancels them, so that they save their progress. */
  shutdownGraceSeconds: number;
  /** How long `stopWorker` takes at the most. */
  shutdownForceSeconds: number;
  /** Built ahead (a bundle's path or code), or the source to bundle at start. */
  workflows: WorkflowBundleOption | { workflowsPath: string };
  /** What the SDK's Worker runs and shall have besides; its interceptors of activities come after our own. */
  worker: Pick<WorkerOptions, 'activities' | 'plugins' | 'interceptors' | 'sinks' | 'dataConverter'>;
  log: Logger;
  /** Called when an activity began or ended and when a poll ended. */
  onChange?: () => void;
  /** Called with each attempt of an activity that ended. */
  onTask?: (task: TaskMeasurement) => void;
  /** Where this process serves the SDK's own metrics, `host:port`; the process's first manager sets it for all. */
  sdkMetricsAddress?: string | undefined;
  /** How often the connection is tried. */
  probeSeconds?: number;
  /** Milliseconds. */
  now?: () => number;
}

const CONNECT_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 5000;

export class TemporalWorkerManager implements Workforce {
  readonly #options: WorkerManagerOptions;
  readonly #running: RunningActivities;
  readonly #measurements: Measurements;
  readonly #slots: ActivitySlots;
  readonly #stopped = Promise.withResolvers<Stopped>();
  #access: TemporalAccess;
  #connection: NativeConnection | undefined;
  #worker: Worker | undefined;
  #begun = false;
  #stopping = false;
  #paused: PauseReason | undefined;
  #failure: string | undefined;
  #unreachable: string | undefined;
  #probes: NodeJS.Timeout | undefined;

  constructor(options: WorkerManagerOptions) {
    this.#options = options;
    this.#access = options;
    this.#running = new RunningActivities();
    this.#slots = new ActivitySlots(options.maxConcurrentActivities, () => this.#changed());
    const { now = Date.now, onTask } = options;
    this.#measurements = new Measurements({ now, isActive: () => this.isHealthy, onTask });
    this.#stopped.promise.catch(() => undefined);
  }

  /** Connects, checks that the server knows the namespace, and loads the workflows. Nothing is polled yet. */
  async startWorker(): Promise<void> {
    installRuntime(this.#options);
    const connection = await connect(this.#access);
    try {
      await checkNamespace(connection, this.#access);
      this.#worker = await this.#createWorker(connection);
      this.#connection = connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
    this.#probes = setInterval(() => void this.#probe(), (this.#options.probeSeconds ?? 15) * 1000).unref();
  }

  /** Polls, unless paused before, until stopped; rejects when the worker fails for good. */
  runWorker(): Promise<Stopped> {
    if (this.#worker === undefined) throw new Error('The manager has no worker: call startWorker() first.');
    if (!this.#stopping) this.#begin(this.#worker);
    return this.#stopped.promise;
  }

  /** Stops polling, finishes what runs, and settles `runWorker`; past `shutdownForceSeconds` with what is unfinished. */
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
  pause(reason: PauseReason = 'unprotected'): void {
    this.#paused = reason;
    this.#slots.close();
  }

  resume(): void {
    this.#paused = undefined;
    if (!this.#stopping) this.#slots.open();
  }

  /** Goes on over a new connection with new credentials; rejects, and changes nothing, when these do not work. */
  async useAccess(access: TemporalAccess): Promise<void> {
    const connection = await connect(access);
    try {
      await checkNamespace(connection, access);
      if (this.#worker === undefined) throw new Error('The manager has no worker: call startWorker() first.');
      this.#worker.connection = connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
    const previous = this.#connection;
    this.#connection = connection;
    this.#access = access;
    this.#reached();
    // Polls that are open on it go on until they end.
    await previous?.close();
  }

  /** For the connection in use now: after `useAccess` ask for another. */
  getClient(): Client {
    if (this.#connection === undefined) throw new Error('The manager has no connection: call startWorker() first.');
    return new Client({ connection: this.#connection, namespace: this.#access.namespace });
  }

  /** Whether it takes work. */
  get isHealthy(): boolean {
    return this.health.healthy;
  }

  get health(): Health {
    const state = this.#worker?.getStatus().runState;
    if (this.#failure !== undefined) return unhealthy('not polling', this.#failure);
    if (this.#stopping) return unhealthy('draining', 'The worker was told to stop.');
    if (state === undefined || !this.#begun) return unhealthy('starting', 'The worker does not poll yet.');
    if (this.#unreachable !== undefined) return unhealthy('not connected', this.#unreachable);
    if (this.#paused === 'cordoned') return unhealthy('draining', 'The scaler cordoned this task.');
    if (this.#paused) return unhealthy('not polling', 'The task is not protected from scale-in (yet).');
    if (state !== 'RUNNING') return unhealthy('not polling', `The Temporal SDK's worker is ${state}.`);
    return { healthy: true };
  }

  get counts(): TaskCounts {
    return this.#measurements.counts;
  }

  get tasksProcessed(): number {
    return this.counts.tasksProcessed;
  }

  /** Seconds; null before the first task. */
  get averageTaskDuration(): number | null {
    return figuresOf(this.counts).average_task_duration;
  }

  /** From 0 to 1; null before the first task. */
  get errorRate(): number | null {
    return figuresOf(this.counts).error_rate;
  }

  async metrics(): Promise<MetricsSnapshot[]> {
    const ours = await this.#measurements.registry.getMetricsAsJSON();
    return [{ process: this.#options.identity, ours, sdk: await sdkMetrics(this.#options.sdkMetricsAddress) }];
  }

  get runningActivities(): number {
    return this.#slots.used;
  }

  /** Paused, and nothing runs, nor is a poll open that could bring something to run. */
  get drained(): boolean {
    return this.#slots.closed && this.#slots.idle;
  }

  #changed(): void {
    if (this.#stopping && this.#slots.idle) setImmediate(() => this.#shutDown());
    this.#options.onChange?.();
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
      this.#failure = `The worker failed: ${(error as Error).message}`;
      this.#stopped.reject(error);
    } finally {
      clearInterval(this.#probes);
    }
  }

  /**
   * An open poll ends by itself within the server's long-poll time, a minute by default. It is given that time, since a
   * task on its way to a poll that is broken off is lost until its timeout; but only as long as what it may still bring
   * can be finished, as tasks here go.
   */
  #limitDrain(): void {
    const { shutdownGraceSeconds, shutdownForceSeconds, log } = this.#options;
    const patienceSeconds = Math.max(1, shutdownGraceSeconds - this.#measurements.longestTaskSeconds);
    const leave = () => {
      this.#shutDown();
      if (this.#running.count === 0) return;
      log.warn({ unfinished: this.#running.list() }, 'The drain is nearly over: cancelling what still runs');
      this.#running.leave();
    };
    const timers = [
      setTimeout(() => this.#shutDown(), patienceSeconds * 1000),
      setTimeout(leave, shutdownGraceSeconds * 1000),
      setTimeout(() => this.#stopped.resolve({ unfinished: this.#running.list() }), shutdownForceSeconds * 1000),
    ];
    void this.#stopped.promise.catch(() => undefined).finally(() => timers.forEach(clearTimeout));
  }

  async #probe(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    try {
      await describeNamespace(connection, this.#access.namespace, PROBE_TIMEOUT_MS);
      this.#reached();
    } catch (error) {
      if (connection !== this.#connection || this.#stopping) return;
      const why = `Temporal at ${this.#access.address} does not answer: ${(error as Error).message}`;
      if (this.#unreachable === undefined) this.#options.log.warn({ why }, 'Not connected to Temporal');
      this.#unreachable = why;
    }
  }

  #reached(): void {
    if (this.#unreachable !== undefined) this.#options.log.info({}, 'Connected to Temporal again');
    this.#unreachable = undefined;
  }

  async #createWorker(connection: NativeConnection): Promise<Worker> {
    const { taskQueue, identity, workflows, maxCachedWorkflows, worker } = this.#options;
    const { heartbeatThrottleSeconds = 30, maxHeartbeatThrottleSeconds = 60 } = this.#options;
    const own = [this.#measurements.intercept, this.#running.intercept];
    return Worker.create({
      ...worker,
      connection,
      namespace: this.#access.namespace,
      taskQueue,
      identity,
      ...('workflowsPath' in workflows ? workflows : { workflowBundle: workflows }),
      interceptors: { ...worker.interceptors, activity: [...own, ...(worker.interceptors?.activity ?? [])] },
      tuner: {
        activityTaskSlotSupplier: this.#slots,
        // The SDK's defaults, which a tuner has to repeat.
        workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 40 },
        localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
        nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 100 },
      },
      activityTaskPollerBehavior: { type: 'simple-maximum', maximum: MAX_OPEN_POLLS },
      ...(maxCachedWorkflows !== undefined && { maxCachedWorkflows }),
      // The default of 0 cancels activities the moment a shutdown begins. Here the manager itself sees to the deadline,
      // since a pause has none: see running-activities.ts.
      shutdownGraceTime: '365 days',
      defaultHeartbeatThrottleInterval: heartbeatThrottleSeconds * 1000,
      maxHeartbeatThrottleInterval: maxHeartbeatThrottleSeconds * 1000,
    });
  }
}

function unhealthy(reason: Extract<Health, { healthy: false }>['reason'], detail: string): Health {
  return { healthy: false, reason, detail };
}

let runtimeInstalled = false;

/** The SDK's runtime is one a process. It must not act on signals by itself: stopping is the manager's. */
function installRuntime({ heartbeatSeconds, log, sdkMetricsAddress }: WorkerManagerOptions): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  const core = log.isLevelEnabled('trace') ? 'DEBUG' : 'WARN';
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: {
      logging: { filter: { core, other: 'ERROR' }, forward: {} },
      ...(sdkMetricsAddress !== undefined && {
        metrics: { prometheus: { bindAddress: sdkMetricsAddress, useSecondsForDurations: true } },
      }),
    },
    workerHeartbeatInterval: heartbeatSeconds * 1000,
    shutdownSignals: [],
  });
}

async function connect({ address, tls, apiKey, metadata }: TemporalAccess): Promise<NativeConnection> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer')), CONNECT_TIMEOUT_MS);
  try {
    const connecting = NativeConnection.connect({
      address,
      tls: tls ?? false,
      ...(apiKey !== undefined && { apiKey }),
      ...(metadata && { metadata }),
    });
    return await Promise.race([connecting, deadline.promise]);
  } catch (error) {
    throw new StartError(whyNot(address, tls, (error as Error).message), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function whyNot(address: string, tls: TemporalAccess['tls'], message: string): string {
  if (/unauthenticated|authentication|permission/i.test(message)) {
    return `The Temporal server at ${address} does not accept the credentials: check TEMPORAL_API_KEY or the client certificate (${message}).`;
  }
  const encryption = tls ? 'that it speaks TLS and its certificate is valid' : 'that it does not ask for TLS';
  return (
    `No Temporal server answers at ${address}: check TEMPORAL_ADDRESS, that the server runs, ${encryption}, and the ` +
    `network's rules (${message}).`
  );
}

async function checkNamespace(connection: NativeConnection, { address, namespace }: TemporalAccess) {
  try {
    await describeNamespace(connection, namespace, CONNECT_TIMEOUT_MS);
  } catch (error) {
    throw new StartError(
      `The Temporal server at ${address} does not give access to the namespace "${namespace}": check ` +
        `TEMPORAL_NAMESPACE and the credentials, or create the namespace (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

async function describeNamespace(connection: NativeConnection, namespace: string, timeoutMs: number) {
  await connection.withDeadline(Date.now() + timeoutMs, () =>
    connection.workflowService.describeNamespace({ namespace }),
  );
}

/** Nothing rather than an error: our own metrics are worth having without the SDK's. */
async function sdkMetrics(address: string | undefined): Promise<string> {
  if (address === undefined) return '';
  try {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(2000) });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}
