/**
 * What Temporal knows of the pools: each queue's backlog, and every worker's slots from one sweep of heartbeats.
 * Each answer is read on its own, so that one pool's failure leaves the others known.
 */
import { Connection } from '@temporalio/client';
import type { QueueReading, Reading, WorkerReading } from '../policy.ts';

type Sizes = number | { toNumber(): number } | null | undefined;
type Duration = { seconds?: Sizes; nanos?: number | null } | null | undefined;

/** As in temporal.api.enums.v1.TaskQueueType. */
const QUEUE_TYPES = { workflow: 1, activity: 2 } as const;
const HEARTBEATS_A_PAGE = 1000;
const REQUEST_TIMEOUT_MS = 2500;

export interface TemporalSignals {
  activityQueue: Reading<QueueReading>;
  workflowQueue: Reading<QueueReading>;
  workers: Reading<WorkerReading[]>;
}

export interface TemporalSettings {
  address: string;
  namespace: string;
}

export class TemporalReader {
  readonly #settings: TemporalSettings;
  #connection: Connection | undefined;

  constructor(settings: TemporalSettings) {
    this.#settings = settings;
  }

  /** Reads all task queues side by side. Never throws: what failed is unknown, with why. */
  async read(taskQueues: string[], now: number): Promise<Map<string, TemporalSignals>> {
    const sweep = reading(() => this.#workersByQueue(new Set(taskQueues), now));
    const entries = taskQueues.map(async (taskQueue) => {
      const [activityQueue, workflowQueue, workers] = await Promise.all([
        reading(() => this.#describe(taskQueue, QUEUE_TYPES.activity)),
        reading(() => this.#describe(taskQueue, QUEUE_TYPES.workflow)),
        sweep,
      ]);
      const ofQueue = workers instanceof Map ? (workers.get(taskQueue) ?? []) : workers;
      return [taskQueue, { activityQueue, workflowQueue, workers: ofQueue }] as const;
    });
    return new Map(await Promise.all(entries));
  }

  async close(): Promise<void> {
    await this.#connection?.close();
  }

  async #describe(taskQueue: string, type: number): Promise<QueueReading> {
    const { stats } = await this.#call((service) =>
      service.describeTaskQueue({
        namespace: this.#settings.namespace,
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
  async #workersByQueue(taskQueues: Set<string>, now: number): Promise<Map<string, WorkerReading[]>> {
    const byQueue = new Map<string, WorkerReading[]>();
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const page = await this.#call((service) =>
        service.listWorkers({
          namespace: this.#settings.namespace,
          pageSize: HEARTBEATS_A_PAGE,
          ...(nextPageToken ? { nextPageToken } : {}),
        }),
      );
      for (const { workerHeartbeat: heartbeat } of page.workersInfo ?? []) {
        const taskQueue = heartbeat?.taskQueue ?? '';
        if (!heartbeat || !taskQueues.has(taskQueue) || !ALIVE.has(heartbeat.status ?? 0)) continue;
        const workers = byQueue.get(taskQueue) ?? [];
        byQueue.set(taskQueue, [...workers, workerOf(heartbeat, now)]);
      }
      nextPageToken = page.nextPageToken;
    } while (nextPageToken && nextPageToken.length > 0);
    return byQueue;
  }

  /**
   * One retry, as a connection frozen between two invocations fails once; the client's own retries are off, since they
   * hide that the server refuses us for reading too often.
   */
  async #call<T>(request: (service: Connection['workflowService']) => Promise<T>): Promise<T> {
    try {
      return await this.#callOnce(request);
    } catch {
      return await this.#callOnce(request);
    }
  }

  async #callOnce<T>(request: (service: Connection['workflowService']) => Promise<T>): Promise<T> {
    this.#connection ??= Connection.lazy({ address: this.#settings.address, interceptors: [] });
    const connection = this.#connection;
    return connection.withDeadline(Date.now() + REQUEST_TIMEOUT_MS, () => request(connection.workflowService));
  }
}

type Heartbeat = NonNullable<
  NonNullable<
    Awaited<ReturnType<Connection['workflowService']['listWorkers']>>['workersInfo']
  >[number]['workerHeartbeat']
>;

/** As in temporal.api.enums.v1.WorkerStatus: running and shutting down; one that has shut down is a ghost. */
const ALIVE = new Set([1, 2]);

function workerOf(heartbeat: Heartbeat, now: number): WorkerReading {
  const slots = heartbeat.activityTaskSlotsInfo;
  const used = slots?.currentUsedSlots ?? 0;
  return {
    key: heartbeat.workerInstanceKey ?? '',
    // Of several processes in one task each has the task's id, and a number behind it.
    task: heartbeat.workerIdentity?.split('#')[0] || null,
    ageSeconds: Math.max(0, now / 1000 - secondsOf(heartbeat.heartbeatTime)),
    usedSlots: used,
    slots: slots?.slotSupplierKind === 'Fixed' ? used + (slots.currentAvailableSlots ?? 0) : null,
    processed: slots?.totalProcessedTasks ?? 0,
    failed: slots?.totalFailedTasks ?? 0,
  };
}

async function reading<T>(read: () => Promise<T>): Promise<Reading<T>> {
  try {
    return await read();
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

function numberOf(value: Sizes): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

function secondsOf(duration: Duration): number {
  return numberOf(duration?.seconds) + (duration?.nanos ?? 0) / 1e9;
}
