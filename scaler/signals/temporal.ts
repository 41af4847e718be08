/**
 * What Temporal knows of the pools: each queue's backlog, and every worker's slots from one sweep of heartbeats a
 * namespace. Each answer is read on its own, so that one pool's failure, or one server's, leaves the others known. Whoever may
 * report a worker writes some of it: what is taken on is bounded in number and in size, and a number that is none is unknown.
 */
import type { Connection } from '@temporalio/client';
import type { PoolConfig } from '../../contract/pool-config.ts';
import type { QueueReading, Reading, WorkerReading } from '../policy.ts';
import { TemporalConnection, type ConnectionOptions, type TemporalPlace } from './temporal-connection.ts';

type Sizes = number | { toNumber(): number } | null | undefined;
type Duration = { seconds?: Sizes; nanos?: number | null } | null | undefined;

/** As in temporal.api.enums.v1.TaskQueueType. */
export const QUEUE_TYPES = { workflow: 1, activity: 2 } as const;
const HEARTBEATS_A_PAGE = 1000;
/** A namespace that has not answered in so long is unknown for this tick: the others' ticks do not wait for it. */
const ANSWER_WITHIN_MS = 6000;
/** Twice the tasks that the largest pool may have. */
const WORKERS_OF_A_QUEUE = 10_000;
/** An SDK's key has 36 characters, ours and hosts' names less than 255; longer ones would fill the pool's memory and the log. */
const KEY_LENGTH = 64;
const NAME_LENGTH = 255;
const REASON_LENGTH = 500;
/** No queue is so long and no worker so large; what is reckoned from larger numbers, the state table could not hold. */
const MOST = 1e12;
const MOST_SLOTS = 100_000;
const MOST_AGE_SECONDS = 1e9;

/** A worker as it reports itself; which task it runs in is for the reader to find out. */
export interface ReportedWorker extends WorkerReading {
  /** Its identity's parts and its host's name: what may say which task it is. */
  names: string[];
  /** Slots in use of any kind: activities, local ones, workflow tasks, Nexus. */
  busy: boolean;
}

export interface TemporalSignals {
  activityQueue: Reading<QueueReading>;
  workflowQueue: Reading<QueueReading>;
  workers: Reading<ReportedWorker[]>;
}

type QueueOfPool = Pick<PoolConfig, 'pool' | 'taskQueue' | 'temporal'>;

export class TemporalReader {
  readonly #home: TemporalPlace;
  readonly #options: ConnectionOptions;
  readonly #namespaces = new Map<string, NamespaceReader>();

  /** `home` is where the queues of pools are that do not say where. */
  constructor(home: TemporalPlace, options: ConnectionOptions = {}) {
    this.#home = home;
    this.#options = options;
  }

  /** Reads all pools' task queues side by side. Never throws: what failed is unknown, with why. */
  async read(pools: QueueOfPool[], now: number): Promise<Map<string, TemporalSignals>> {
    const byNamespace = Map.groupBy(pools, ({ temporal }) => this.#namespaceOf(temporal ?? this.#home));
    const read = await Promise.all(
      [...byNamespace].map(async ([namespace, ofNamespace]) => {
        const queues = await namespace.read([...new Set(ofNamespace.map(({ taskQueue }) => taskQueue))], now);
        return ofNamespace.map(({ pool, taskQueue }) => [pool, queues.get(taskQueue) ?? NOT_READ] as const);
      }),
    );
    return new Map(read.flat());
  }

  async close(): Promise<void> {
    await Promise.all([...this.#namespaces.values()].map((namespace) => namespace.close()));
  }

  #namespaceOf({ address, namespace, tls, secret }: TemporalPlace): NamespaceReader {
    const key = JSON.stringify([address, namespace, tls, secret]);
    const known = this.#namespaces.get(key);
    if (known) return known;
    const reader = new NamespaceReader(new TemporalConnection({ address, namespace, tls, secret }, this.#options));
    this.#namespaces.set(key, reader);
    return reader;
  }
}

/** A task queue of which nothing is known. */
export const NOT_READ: TemporalSignals = {
  activityQueue: { unknown: 'not read' },
  workflowQueue: { unknown: 'not read' },
  workers: { unknown: 'not read' },
};

/** All that is read of one namespace. */
class NamespaceReader {
  readonly #connection: TemporalConnection;

  constructor(connection: TemporalConnection) {
    this.#connection = connection;
  }

  async read(taskQueues: string[], now: number): Promise<Map<string, TemporalSignals>> {
    const sweep = reading((signal) => this.#workersByQueue(new Set(taskQueues), now, signal));
    const entries = taskQueues.map(async (taskQueue) => {
      const [activityQueue, workflowQueue, workers] = await Promise.all([
        reading(() => this.#describe(taskQueue, QUEUE_TYPES.activity, now)),
        reading(() => this.#describe(taskQueue, QUEUE_TYPES.workflow, now)),
        sweep,
      ]);
      const ofQueue = workers instanceof Map ? (workers.get(taskQueue) ?? []) : workers;
      return [taskQueue, { activityQueue, workflowQueue, workers: ofQueue }] as const;
    });
    return new Map(await Promise.all(entries));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #describe(taskQueue: string, type: number, now: number): Promise<QueueReading> {
    const { stats } = await this.#connection.call(now, (service) =>
      service.describeTaskQueue({
        namespace: this.#connection.namespace,
        taskQueue: { name: taskQueue, kind: 1 },
        taskQueueType: type,
        reportStats: true,
      }),
    );
    if (!stats) throw new Error('the server sent no statistics of the task queue');
    return {
      backlog: sensible('count of waiting tasks', numberOf(stats.approximateBacklogCount)),
      // Below zero where the clocks of two servers differ.
      ageSeconds: sensible('age of the backlog', Math.max(0, secondsOf(stats.approximateBacklogAge))),
      addRate: sensible('rate of tasks added', stats.tasksAddRate ?? 0),
      dispatchRate: sensible('rate of tasks dispatched', stats.tasksDispatchRate ?? 0),
      rateLimited: stats.rateLimitingActive ?? false,
    };
  }

  /** The whole listing or an error: a truncated one would take workers on its later pages for gone. */
  async #workersByQueue(
    taskQueues: Set<string>,
    now: number,
    signal: AbortSignal,
  ): Promise<Map<string, Reading<ReportedWorker[]>>> {
    const byQueue = new Map<string, ReportedWorker[]>();
    let nextPageToken: Uint8Array | null | undefined;
    do {
      signal.throwIfAborted();
      const page = await this.#connection.call(now, (service) =>
        service.listWorkers({
          namespace: this.#connection.namespace,
          pageSize: HEARTBEATS_A_PAGE,
          ...(nextPageToken ? { nextPageToken } : {}),
        }),
      );
      for (const { workerHeartbeat: heartbeat } of page.workersInfo ?? []) {
        const taskQueue = heartbeat?.taskQueue ?? '';
        if (!heartbeat || !taskQueues.has(taskQueue) || !ALIVE.has(heartbeat.status ?? 0)) continue;
        const workers = byQueue.get(taskQueue) ?? [];
        if (workers.length <= WORKERS_OF_A_QUEUE) workers.push(workerOf(heartbeat, now));
        byQueue.set(taskQueue, workers);
      }
      nextPageToken = page.nextPageToken;
    } while (nextPageToken && nextPageToken.length > 0);
    return new Map([...byQueue].map(([taskQueue, workers]) => [taskQueue, bounded(workers)]));
  }
}

function bounded(workers: ReportedWorker[]): Reading<ReportedWorker[]> {
  if (workers.length <= WORKERS_OF_A_QUEUE) return workers;
  return { unknown: `more than ${WORKERS_OF_A_QUEUE} workers report of one task queue` };
}

export type Heartbeat = NonNullable<
  NonNullable<
    Awaited<ReturnType<Connection['workflowService']['listWorkers']>>['workersInfo']
  >[number]['workerHeartbeat']
>;

/** As in temporal.api.enums.v1.WorkerStatus: running and shutting down; one that has shut down is a ghost. */
export const ALIVE = new Set([1, 2]);

function workerOf(heartbeat: Heartbeat, now: number): ReportedWorker {
  const slots = heartbeat.activityTaskSlotsInfo;
  const used = Math.min(MOST_SLOTS, count(slots?.currentUsedSlots));
  const identity = heartbeat.workerIdentity?.slice(0, NAME_LENGTH) ?? '';
  const { workflowTaskSlotsInfo, localActivitySlotsInfo, nexusTaskSlotsInfo } = heartbeat;
  const workflowFailed = count(workflowTaskSlotsInfo?.totalFailedTasks);
  const ofAllKinds = [slots, workflowTaskSlotsInfo, localActivitySlotsInfo, nexusTaskSlotsInfo];
  return {
    key: heartbeat.workerInstanceKey?.slice(0, KEY_LENGTH) ?? '',
    // Of several processes in one task each has the task's id, and a number behind it.
    task: identity.split('#')[0] || null,
    names: [...identity.split(/[@#]/), heartbeat.hostInfo?.hostName?.slice(0, NAME_LENGTH) ?? ''].filter(Boolean),
    busy: ofAllKinds.some((kind) => (kind?.currentUsedSlots ?? 0) > 0),
    ageSeconds: Math.min(MOST_AGE_SECONDS, Math.max(0, now / 1000 - secondsOf(heartbeat.heartbeatTime))),
    usedSlots: used,
    slots: slots?.slotSupplierKind === 'Fixed' ? used + Math.min(MOST_SLOTS, count(slots.currentAvailableSlots)) : null,
    processed: count(slots?.totalProcessedTasks),
    failed: count(slots?.totalFailedTasks),
    ...(workflowFailed > 0 && { workflowFailed }),
  };
}

/** A worker's own numbers: below zero they would take from what the other workers report. */
function count(value: number | null | undefined): number {
  return Math.max(0, value ?? 0);
}

/** What is begun and comes too late is ended by its signal: a listing without an end would go on beside all later ones. */
async function reading<T>(read: (signal: AbortSignal) => Promise<T>): Promise<Reading<T>> {
  const ended = new AbortController();
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([read(ended.signal), tooLate]);
  } catch (error) {
    return { unknown: (error instanceof Error ? error.message : String(error)).slice(0, REASON_LENGTH) };
  } finally {
    clearTimeout(late);
    ended.abort();
  }
}

/** Throws what makes the whole reading unknown: of a number below zero, beyond all bounds, or of none, nothing can be concluded. */
function sensible(what: string, value: number): number {
  if (value >= 0 && value <= MOST) return value;
  throw new Error(`the server's ${what} makes no sense: ${value}`);
}

function numberOf(value: Sizes): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

export function secondsOf(duration: Duration): number {
  return numberOf(duration?.seconds) + (duration?.nanos ?? 0) / 1e9;
}
