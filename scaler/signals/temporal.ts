/**
 * What Temporal knows of the pools: each queue's backlog, and every worker's slots from one sweep of heartbeats a
 * namespace. Each answer is read on its own, so that one pool's failure, or one server's, leaves the others known.
 */
import type { Connection } from '@temporalio/client';
import type { PoolConfig } from '../../contract/pool-config.ts';
import type { QueueReading, Reading, WorkerReading } from '../policy.ts';
import { TemporalConnection, type ConnectionOptions, type TemporalPlace } from './temporal-connection.ts';

type Sizes = number | { toNumber(): number } | null | undefined;
type Duration = { seconds?: Sizes; nanos?: number | null } | null | undefined;

/** As in temporal.api.enums.v1.TaskQueueType. */
const QUEUE_TYPES = { workflow: 1, activity: 2 } as const;
const HEARTBEATS_A_PAGE = 1000;
/** A namespace that has not answered in so long is unknown for this tick: the others' ticks do not wait for it. */
const ANSWER_WITHIN_MS = 6000;

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

const NOT_READ: TemporalSignals = {
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
    const sweep = reading(() => this.#workersByQueue(new Set(taskQueues), now));
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
      backlog: numberOf(stats.approximateBacklogCount),
      ageSeconds: secondsOf(stats.approximateBacklogAge),
      addRate: stats.tasksAddRate ?? 0,
      dispatchRate: stats.tasksDispatchRate ?? 0,
      rateLimited: stats.rateLimitingActive ?? false,
    };
  }

  /** The whole listing or an error: a truncated one would take workers on its later pages for gone. */
  async #workersByQueue(taskQueues: Set<string>, now: number): Promise<Map<string, ReportedWorker[]>> {
    const byQueue = new Map<string, ReportedWorker[]>();
    let nextPageToken: Uint8Array | null | undefined;
    do {
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
        workers.push(workerOf(heartbeat, now));
        byQueue.set(taskQueue, workers);
      }
      nextPageToken = page.nextPageToken;
    } while (nextPageToken && nextPageToken.length > 0);
    return byQueue;
  }
}

type Heartbeat = NonNullable<
  NonNullable<
    Awaited<ReturnType<Connection['workflowService']['listWorkers']>>['workersInfo']
  >[number]['workerHeartbeat']
>;

/** As in temporal.api.enums.v1.WorkerStatus: running and shutting down; one that has shut down is a ghost. */
const ALIVE = new Set([1, 2]);

function workerOf(heartbeat: Heartbeat, now: number): ReportedWorker {
  const slots = heartbeat.activityTaskSlotsInfo;
  const used = slots?.currentUsedSlots ?? 0;
  const { workflowTaskSlotsInfo, localActivitySlotsInfo, nexusTaskSlotsInfo } = heartbeat;
  const ofAllKinds = [slots, workflowTaskSlotsInfo, localActivitySlotsInfo, nexusTaskSlotsInfo];
  return {
    key: heartbeat.workerInstanceKey ?? '',
    // Of several processes in one task each has the task's id, and a number behind it.
    task: heartbeat.workerIdentity?.split('#')[0] || null,
    names: [...(heartbeat.workerIdentity ?? '').split(/[@#]/), heartbeat.hostInfo?.hostName ?? ''].filter(Boolean),
    busy: ofAllKinds.some((kind) => (kind?.currentUsedSlots ?? 0) > 0),
    ageSeconds: Math.max(0, now / 1000 - secondsOf(heartbeat.heartbeatTime)),
    usedSlots: used,
    slots: slots?.slotSupplierKind === 'Fixed' ? used + (slots.currentAvailableSlots ?? 0) : null,
    processed: slots?.totalProcessedTasks ?? 0,
    failed: slots?.totalFailedTasks ?? 0,
  };
}

async function reading<T>(read: () => Promise<T>): Promise<Reading<T>> {
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`no answer within ${ANSWER_WITHIN_MS / 1000} s`)), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([read(), tooLate]);
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(late);
  }
}

function numberOf(value: Sizes): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

function secondsOf(duration: Duration): number {
  return numberOf(duration?.seconds) + (duration?.nanos ?? 0) / 1e9;
}
