/**
 * The Worker that serves a task queue. It can be paused and resumed any number of times, and stopped with a deadline; work that
 * runs meanwhile is finished (drain.ts).
 *
 * It survives a server that refuses it, for however long: results wait until the server answers (contact.ts), and if the SDK
 * gives a Worker up, another one takes its place while the first finishes its work (generation.ts).
 *
 * The SDK cannot pause a Worker. Pausing here means that no new poll for an activity begins (see activity-slots.ts). Workflow
 * tasks, which take milliseconds and leave nothing behind, are served until the worker is stopped, so that no workflow waits
 * for its cached state to time out.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import { ActivitySlots } from '../slots/activity-slots.ts';
import { connect, probe } from './connection.ts';
import { Contact } from './contact.ts';
import type { TemporalAccess } from './credentials.ts';
import { limitDrain } from './drain.ts';
import { memoryOfProcess } from '../slots/container-memory.ts';
import { ElasticSlots, type ProcessShare } from '../slots/elastic-slots.ts';
import { MemoryError } from '../errors.ts';
import { Generation } from './generation.ts';
import type { WorkerManagerOptions } from './manager-options.ts';
import { figuresOf, Measurements, type TaskCounts } from '../observability/measurements.ts';
import { MemoryWatch } from '../slots/memory-watch.ts';
import { Pulse } from '../processes/pulse.ts';
import { sharedNumber, type SharedWithRelay } from './relay.ts';
import { RunningActivities } from './running-activities.ts';
import { sdkOptions } from './sdk-options.ts';
import { installRuntime, sdkMetrics } from './sdk-runtime.ts';
import type { PauseReason } from '../scale-in/protocol.ts';
import type { SlotRange } from '../../contract/slots.ts';
import { mostOf } from '../slots/slots-limit.ts';
import { workflowMemoryFor } from './workflow-memory.ts';
import type { Health, MetricsSnapshot, Stopped, Workforce } from '../workforce.ts';

/** Between two attempts to continue with another Worker, if that fails although the server answers. */
const RENEW_AGAIN_MS = 5000;

export class TemporalWorkerManager implements Workforce {
  readonly #options: WorkerManagerOptions;
  readonly #running: RunningActivities;
  readonly #measurements: Measurements;
  readonly #slots: ActivitySlots;
  readonly #elastic: ElasticSlots | undefined;
  /** Slots reported in heartbeats; 0 if the SDK reports them itself. */
  readonly #reportedSlots = sharedNumber();
  readonly #pulse: Pulse;
  readonly #memory: MemoryWatch;
  readonly #stopped = Promise.withResolvers<Stopped>();
  readonly #contact: Contact;
  /** The running ones: the current one, and those that are over and finish their work. */
  readonly #generations = new Set<Generation>();
  #access: TemporalAccess;
  #current: Generation | undefined;
  #begun = false;
  #stopping = false;
  #paused: PauseReason | undefined;
  /** As last seen, because a failed thread no longer has any. */
  #cachedWorkflows = 0;
  #failure: string | undefined;
  #unreachable: string | undefined;
  #probes: NodeJS.Timeout | undefined;

  constructor(options: WorkerManagerOptions) {
    this.#options = options;
    this.#access = options;
    const { now = Date.now, onTask } = options;
    this.#contact = new Contact({
      ask: () => probe(this.#current!.connection, this.#access.namespace),
      onRefused: (error) => this.#refused(error),
      onAnswered: () => this.#reached(),
      now,
    });
    this.#running = new RunningActivities({
      mayReport: (ranMs) => this.#contact.mayReport(ranMs),
      onBegin: (lostAt) => this.#pulse.extend(lostAt),
      onLocal: () => this.#changed(),
      now,
    });
    const { maxConcurrentActivities: range, hungSeconds = 120, log } = options;
    this.#memory = new MemoryWatch({
      read: () => {
        this.#cachedWorkflows = this.#current?.cachedWorkflows ?? 0;
        return memoryOfProcess(this.#share.gibibytes);
      },
      onShort: (part) => log.error(this.#memoryFigures, adviceOn(`Memory is nearly full: ${Math.round(100 * part)}%`)),
    });
    this.#pulse = new Pulse(hungSeconds, (at) => this.#running.lostAt(at));
    this.#slots = new ActivitySlots(mostOf(range), () => this.#changed());
    this.#elastic = typeof range === 'number' ? undefined : this.#elasticSlots(range);
    this.#measurements = new Measurements({ now, isActive: () => this.isHealthy, onTask });
    void this.#stopped.promise.catch(() => undefined).finally(() => this.#close());
  }

  /** Connects, checks that the namespace exists, and loads the workflows. Does not poll yet. */
  async startWorker(): Promise<void> {
    installRuntime(this.#options);
    this.#current = await this.#createGeneration();
    this.#elastic?.start();
    this.#pulse.start();
    this.#memory.start();
    this.#probes = setInterval(() => void this.#contact.answered(), (this.#options.probeSeconds ?? 15) * 1000).unref();
  }

  /** Polls until stopped, unless paused before; rejects if the worker fails permanently. */
  runWorker(): Promise<Stopped> {
    if (this.#current === undefined) throw new Error('The manager has no worker: call startWorker() first.');
    if (!this.#stopping) this.#begin(this.#current);
    return this.#stopped.promise;
  }

  /** Stops polling, finishes running work, and settles `runWorker`; after `shutdownForceSeconds` also with unfinished work. */
  stopWorker(): Promise<Stopped> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#slots.close();
      this.#limitDrain();
      // A Worker that never ran would keep its threads and the connection.
      if (this.#current) this.#begin(this.#current);
      this.#changed();
      void this.#settleIfOver();
    }
    return this.#stopped.promise;
  }

  /** Takes no new activities until `resume`; running work continues without a deadline. */
  pause(reason: PauseReason = 'unprotected'): void {
    this.#paused = reason;
    this.#slots.close();
  }

  resume(): void {
    this.#paused = undefined;
    if (!this.#stopping) this.#slots.open();
  }

  /** Continues over a new connection with new credentials; rejects and changes nothing if they do not work. */
  async useAccess(access: TemporalAccess): Promise<void> {
    const current = this.#current;
    if (current === undefined) throw new Error('The manager has no worker: call startWorker() first.');
    const connection = await connect(access, this.#sharedWithRelay);
    const previous = new Set([...this.#generations, current].map((each) => each.connection));
    // Running work is also reported over it, whichever Worker runs it. Open polls continue until they end.
    for (const each of new Set([current, ...this.#generations])) each.connection = connection;
    this.#access = access;
    await Promise.all([...previous].map((each) => each.close()));
    if (this.#unreachable === undefined) return;
    this.#reached();
    // Open polls would be refused until they end.
    if (current.end()) void this.#renew(current, 'The server no longer accepts their credentials.');
  }

  /** For the current connection; ask again after `useAccess`. */
  getClient(): Client {
    if (this.#current === undefined) throw new Error('The manager has no connection: call startWorker() first.');
    return new Client({ connection: this.#current.connection, namespace: this.#access.namespace });
  }

  /** Whether it takes work. */
  get isHealthy(): boolean {
    return this.health.healthy;
  }

  get health(): Health {
    if (this.#failure !== undefined) return unhealthy('not polling', this.#failure);
    if (this.#stopping) return unhealthy('draining', 'The worker was told to stop.');
    if (!this.#current || !this.#begun) return unhealthy('starting', 'The worker is not polling yet.');
    if (this.#unreachable !== undefined) return unhealthy('not connected', this.#unreachable);
    if (this.#paused === 'cordoned') return unhealthy('draining', 'The scaler cordoned this task.');
    if (this.#paused) return unhealthy('not polling', 'The task is not protected from scale-in (yet).');
    if (this.#current.isOver)
      return unhealthy('not polling', 'The server refused polls: a new worker is being created.');
    return { healthy: true };
  }

  get counts(): TaskCounts {
    return this.#measurements.counts;
  }

  get tasksProcessed(): number {
    return this.counts.tasksProcessed;
  }

  /** In seconds; null before the first task. */
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
    return this.#slots.used + this.#running.locals;
  }

  /** Paused with nothing running, and no poll open that could bring work. */
  get drained(): boolean {
    return this.#slots.closed && this.#slots.idle && this.#running.locals === 0;
  }

  get #share(): ProcessShare {
    return this.#options.share ?? { vcpus: 1, gibibytes: Infinity };
  }

  /** What memory is used for, as far as settings can change it. */
  get #memoryFigures() {
    return {
      cachedWorkflows: this.#cachedWorkflows,
      maxCachedWorkflows: this.#maxCachedWorkflows,
      runningActivities: this.runningActivities,
    };
  }

  get #maxCachedWorkflows(): number {
    return this.#options.maxCachedWorkflows ?? workflowMemoryFor(this.#share).cachedWorkflows;
  }

  get #sharedWithRelay(): SharedWithRelay {
    return { reportedSlots: this.#reportedSlots, pulse: this.#pulse.data };
  }

  #elasticSlots(range: SlotRange): ElasticSlots {
    const { log } = this.#options;
    const onLimit = (limit: number) => {
      Atomics.store(this.#reportedSlots, 0, limit);
      log.debug({ limit }, 'Slots for activities');
    };
    return new ElasticSlots({ slots: this.#slots, range, share: this.#share, onLimit });
  }

  #limitDrain(): void {
    const { shutdownGraceSeconds, shutdownForceSeconds, log } = this.#options;
    const cancel = limitDrain({
      shutdownGraceSeconds,
      shutdownForceSeconds,
      longestTaskSeconds: this.#measurements.longestTaskSeconds,
      running: this.#running,
      shutDown: () => this.#shutDown(),
      settle: this.#stopped.resolve,
      log,
    });
    void this.#stopped.promise.catch(() => undefined).finally(cancel);
  }

  #changed(): void {
    if (this.#stopping && this.#slots.idle) setImmediate(() => this.#shutDown());
    this.#options.onChange?.();
  }

  #shutDown(): void {
    for (const each of this.#generations) each.end();
  }

  #begin(generation: Generation): void {
    if (!this.#begun) void this.#run(generation);
    this.#begun = true;
  }

  async #run(generation: Generation): Promise<void> {
    this.#generations.add(generation);
    try {
      await generation.run();
      this.#generations.delete(generation);
      await this.#closeUnused(generation.connection);
      await this.#settleIfOver();
    } catch (error) {
      this.#failure = `The worker failed: ${(error as Error).message}`;
      this.#stopped.reject(isOutOfMemory(error) ? this.#outOfMemory(error) : error);
    }
  }

  #outOfMemory(cause: unknown): MemoryError {
    const { cachedWorkflows, maxCachedWorkflows } = this.#memoryFigures;
    const full = `The workflow thread is out of memory, with ${cachedWorkflows} of ${maxCachedWorkflows} workflows cached`;
    return new MemoryError(adviceOn(full), { cause });
  }

  async #settleIfOver(): Promise<void> {
    if (!this.#stopping || this.#generations.size > 0) return;
    await this.#current?.connection.close();
    this.#stopped.resolve({ unfinished: [] });
  }

  /** After `useAccess`, generations may share a connection; the current one is also used to check whether the server answers. */
  async #closeUnused(connection: NativeConnection): Promise<void> {
    if (![...this.#generations, this.#current].some((each) => each?.connection === connection))
      await connection.close();
  }

  #close(): void {
    clearInterval(this.#probes);
    this.#elastic?.stop();
    this.#pulse.stop();
    this.#memory.stop();
    this.#contact.close();
  }

  /** Creates another generation that takes new work as soon as the server answers; the one that is over finishes its work. */
  async #renew(over: Generation, why: string): Promise<void> {
    if (this.#isEnding || over !== this.#current) return;
    const { log } = this.#options;
    log.warn(
      { why, running: this.#running.count },
      'Polls were refused: a new worker takes over when the server answers',
    );
    while (!this.#isEnding) {
      await this.#contact.answered();
      const next = await this.#tryNext();
      if (next === undefined || this.#failure !== undefined) continue;
      this.#current = next;
      void this.#run(next);
      if (!this.#generations.has(over)) await this.#closeUnused(over.connection);
      log.info({}, 'A new worker is taking work');
      return this.#changed();
    }
  }

  get #isEnding(): boolean {
    return this.#stopping || this.#failure !== undefined;
  }

  async #tryNext(): Promise<Generation | undefined> {
    try {
      return await this.#createGeneration();
    } catch (error) {
      this.#refused(error as Error);
      this.#contact.lost();
      await wait(RENEW_AGAIN_MS, undefined, { ref: false });
      return undefined;
    }
  }

  #refused(error: Error): void {
    if (this.#stopping) return;
    const why = `Temporal at ${this.#access.address} does not answer: ${error.message}`;
    if (this.#unreachable === undefined) this.#options.log.warn({ why }, 'Not connected to Temporal');
    this.#unreachable = why;
    this.#options.onRefused?.();
  }

  #reached(): void {
    if (this.#unreachable !== undefined) this.#options.log.info({}, 'Connected to Temporal again');
    this.#unreachable = undefined;
  }

  async #createGeneration(): Promise<Generation> {
    const connection = await connect(this.#access, this.#sharedWithRelay);
    try {
      const slots = this.#slots.supplier();
      const generation: Generation = await Generation.create({
        connection,
        worker: sdkOptions(this.#options, {
          namespace: this.#access.namespace,
          slots,
          maxCachedWorkflows: this.#maxCachedWorkflows,
          activityInterceptors: [this.#running.keep, this.#measurements.intercept, this.#running.intercept],
        }),
        heapMebibytes: workflowMemoryFor(this.#share).heapMebibytes,
        slots,
        onOver: (why) => void this.#renew(generation, why),
      });
      return generation;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }
}

function adviceOn(memory: string): string {
  return `${memory}. If workflows fill it, lower ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS; if activities do, use fewer slots; or give the task more memory.`;
}

/** How Node reports a thread that has reached its heap limit, in the SDK's error. */
function isOutOfMemory(error: unknown): boolean {
  return /memory limit|out of memory/i.test((error as Error)?.message ?? '');
}

function unhealthy(reason: Extract<Health, { healthy: false }>['reason'], detail: string): Health {
  return { healthy: false, reason, detail };
}
