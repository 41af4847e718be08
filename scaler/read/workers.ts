/**
 * The workers that a namespace lists, with their slots. An empty list is believed only if the namespace collects heartbeats: with
 * heartbeats turned off, the list is empty too. `workersInfo`, which contains all figures of a worker, is deprecated: if a worker is
 * listed without them, they are read by its key.
 */
import type { Connection } from '@temporalio/client';
import type { Reading, SlotsReading, WorkerReading } from '../policy.ts';
import type { Pace } from './pace.ts';
import { secondsOf } from './protobuf.ts';
import type { TemporalConnection } from './temporal-connection.ts';

const HEARTBEATS_A_PAGE = 1000;
/** How many queues a query may name for the server to accept it; pools' queue names hardly ever have characters other than these. */
const QUEUES_A_QUERY = 50;
const PLAIN_NAME = /^[\w.:/@ -]+$/;
/** Twice the tasks of the largest possible pool. */
const WORKERS_OF_A_QUEUE = 10_000;
/** Read by key in one tick; the others' figures are those of an earlier tick. */
const DESCRIBED_A_TICK = 400;
const CAPABILITY_STANDS_MS = 60_000;
/** What our worker reports for slots whose number changes (see worker/temporal/heartbeat-slots.ts); other suppliers do not report their number. */
const ELASTIC = 'Elastic';
const SAYS_AVAILABLE = new Set(['Fixed', ELASTIC]);
/** An SDK's key has 36 characters, our names and host names fewer than 255; longer ones would fill the pool's memory and the log. */
const KEY_LENGTH = 64;
const NAME_LENGTH = 255;
const MOST_SLOTS = 100_000;
const MOST_AGE_SECONDS = 1e9;
/** As in google.rpc.Code. */
const [INVALID_ARGUMENT, NOT_FOUND] = [3, 5];
const TASK_ID = /^[0-9a-f]{32}$/;

/** A worker as it reports itself; the reader finds out which task it runs in. */
export interface ReportedWorker extends WorkerReading {
  /** The parts of its identity and its host name, which may identify the task. */
  names: string[];
}

export type Heartbeat = NonNullable<
  NonNullable<
    Awaited<ReturnType<Connection['workflowService']['listWorkers']>>['workersInfo']
  >[number]['workerHeartbeat']
>;

/** As in temporal.api.enums.v1.WorkerStatus: running and shutting down; one that has shut down is a ghost. */
export const ALIVE = new Set([1, 2]);

interface Asking {
  now: number;
  /** Aborted at the deadline. */
  ended: AbortSignal;
}

/** The id of the task that the worker runs in, by its identity, host name or address; null if none matches. */
export function taskOf(
  { task, names }: Pick<ReportedWorker, 'task' | 'names'>,
  ids: Set<string>,
  addresses: Map<string, string>,
): string | null {
  if (task !== null && ids.has(task)) return task;
  for (const name of names) {
    const found = ids.has(name) ? name : addresses.get(addressIn(name));
    if (found !== undefined) return found;
  }
  // The id of a task that is gone, in our workers' form: certainly none of the current tasks, and not another worker.
  return [task ?? '', ...names].find((name) => TASK_ID.test(name)) ?? null;
}

/** A task in a VPC has a host name like `ip-10-0-1-2.eu-central-1.compute.internal`. */
function addressIn(name: string): string {
  const [, ...parts] = /^ip-(\d+)-(\d+)-(\d+)-(\d+)(?:\.|$)/.exec(name) ?? [];
  return parts.length === 4 ? parts.join('.') : name;
}

interface Listed {
  reported: Map<string, Heartbeat[]>;
  /** Workers listed without slots: their queue by key. */
  bare: Map<string, string>;
}

/** Undefined if there are too many queues to name, or if a name could end its own quotation marks. */
function queryOf(queues: string[]): string | undefined {
  if (queues.length > QUEUES_A_QUERY || !queues.every((queue) => PLAIN_NAME.test(queue))) return undefined;
  return queues.map((queue) => `TaskQueue = '${queue}'`).join(' OR ');
}

function isEmpty({ reported, bare }: Listed): boolean {
  return reported.size === 0 && bare.size === 0;
}

export class WorkerListing {
  readonly #connection: TemporalConnection;
  readonly #pace: Pace;
  /** The newest heartbeats, by key, of workers that were listed without them. */
  #described = new Map<string, Heartbeat>();
  #capability = { at: -Infinity, off: false };
  /** Whether the server lists by queue; unknown until it has listed a worker that way. */
  #listsByQueue: boolean | undefined;

  constructor(connection: TemporalConnection, pace: Pace) {
    this.#connection = connection;
    this.#pace = pace;
  }

  /** By task queue; for a queue that is not included, nothing is listed. Throws if the list cannot be read, or if an empty list means nothing. */
  async read(queues: ReadonlyMap<string, unknown>, asking: Asking): Promise<Map<string, Reading<ReportedWorker[]>>> {
    const { reported, bare } = await this.#list(queues, asking);
    if (isEmpty({ reported, bare }) && (await this.#isOff(asking)))
      throw new Error(`worker heartbeats are turned off in the namespace ${this.#connection.namespace}`);
    const why = await this.#describe([...bare.keys()], asking);
    for (const key of bare.keys()) add(reported, this.#described.get(key));
    const byQueue = new Map([...reported].map(([queue, heartbeats]) => [queue, bounded(heartbeats, asking.now)]));
    for (const [key, queue] of bare) {
      if (!this.#described.has(key)) byQueue.set(queue, { unknown: `workers are listed without their slots: ${why}` });
    }
    return byQueue;
  }

  /** In a shared namespace, lists only the pools' workers, if the server supports that. */
  async #list(queues: ReadonlyMap<string, unknown>, asking: Asking): Promise<Listed> {
    const query = queryOf([...queues.keys()]);
    if (query === undefined || this.#listsByQueue === false) return this.#listBy('', queues, asking);
    try {
      const listed = await this.#listBy(query, queues, asking);
      this.#listsByQueue ||= !isEmpty(listed) || undefined;
      if (this.#listsByQueue) return listed;
    } catch (error) {
      if ((error as { code?: unknown }).code !== INVALID_ARGUMENT) throw error;
      this.#listsByQueue = false;
    }
    // A server that does not support the query might list no workers.
    const all = await this.#listBy('', queues, asking);
    if (!isEmpty(all)) this.#listsByQueue = false;
    return all;
  }

  /** Returns the whole listing or throws: in a truncated one, workers on later pages would count as gone. */
  async #listBy(query: string, queues: ReadonlyMap<string, unknown>, { now, ended }: Asking): Promise<Listed> {
    const reported = new Map<string, Heartbeat[]>();
    const bare = new Map<string, string>();
    const counts = (taskQueue: string, status: number) => queues.has(taskQueue) && ALIVE.has(status);
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const page = await this.#pace.first(ended, () => this.#listPage(now, query, nextPageToken));
      const known = new Set<string>();
      for (const { workerHeartbeat: heartbeat } of page.workersInfo ?? []) {
        if (!heartbeat) continue;
        known.add(heartbeat.workerInstanceKey ?? '');
        if (counts(heartbeat.taskQueue ?? '', heartbeat.status ?? 0)) add(reported, heartbeat);
      }
      for (const { workerInstanceKey: key, taskQueue, status } of page.workers ?? []) {
        if (key && !known.has(key) && counts(taskQueue ?? '', status ?? 0)) bare.set(key, taskQueue ?? '');
      }
      nextPageToken = page.nextPageToken;
    } while (nextPageToken && nextPageToken.length > 0);
    return { reported, bare };
  }

  #listPage(now: number, query: string, nextPageToken: Uint8Array | null | undefined) {
    return this.#connection.call(now, (service) =>
      service.listWorkers({
        namespace: this.#connection.namespace,
        pageSize: HEARTBEATS_A_PAGE,
        query,
        ...(nextPageToken ? { nextPageToken } : {}),
      }),
    );
  }

  /** Checked again after a minute. A server that does not say counts as collecting heartbeats, because it has answered the list. */
  async #isOff({ now, ended }: Asking): Promise<boolean> {
    if (now - this.#capability.at < CAPABILITY_STANDS_MS) return this.#capability.off;
    const { namespace } = this.#connection;
    const { namespaceInfo } = await this.#pace.run(ended, () =>
      this.#connection.call(now, (service) => service.describeNamespace({ namespace })),
    );
    const off = Boolean(namespaceInfo) && namespaceInfo?.capabilities?.workerHeartbeats !== true;
    this.#capability = { at: now, off };
    return off;
  }

  /** Updates the figures of these workers, the oldest first; returns what went wrong. */
  async #describe(keys: string[], { now, ended }: Asking): Promise<string> {
    const age = (key: string) => secondsOf(this.#described.get(key)?.heartbeatTime);
    const due = keys.toSorted((a, b) => age(a) - age(b)).slice(0, DESCRIBED_A_TICK);
    const before = this.#described;
    this.#described = new Map(keys.flatMap((key) => (before.has(key) ? [[key, before.get(key)!] as const] : [])));
    let why = 'there are too many to read one by one in a tick';
    const asked = due.map(async (key) => {
      try {
        const heartbeat = await this.#pace.run(ended, () => this.#describeOne(key, now));
        if (heartbeat?.activityTaskSlotsInfo) this.#described.set(key, heartbeat);
        else why = 'DescribeWorker does not return them either';
      } catch (error) {
        why = (error as Error).message;
        if ((error as { code?: unknown }).code === NOT_FOUND) this.#described.delete(key);
      }
    });
    await Promise.all(asked);
    return why;
  }

  async #describeOne(workerInstanceKey: string, now: number): Promise<Heartbeat | null | undefined> {
    const { namespace } = this.#connection;
    const { workerInfo } = await this.#connection.call(now, (service) =>
      service.describeWorker({ namespace, workerInstanceKey }),
    );
    return workerInfo?.workerHeartbeat;
  }
}

/** One more than the limit is enough to know that there are too many. */
function add(byQueue: Map<string, Heartbeat[]>, heartbeat: Heartbeat | undefined): void {
  if (heartbeat === undefined) return;
  const queue = heartbeat.taskQueue ?? '';
  const heartbeats = byQueue.get(queue) ?? [];
  if (heartbeats.length <= WORKERS_OF_A_QUEUE) heartbeats.push(heartbeat);
  byQueue.set(queue, heartbeats);
}

function bounded(heartbeats: Heartbeat[], now: number): Reading<ReportedWorker[]> {
  if (heartbeats.length <= WORKERS_OF_A_QUEUE) return heartbeats.map((heartbeat) => workerOf(heartbeat, now));
  return { unknown: `more than ${WORKERS_OF_A_QUEUE} workers report for one task queue` };
}

function workerOf(heartbeat: Heartbeat, now: number): ReportedWorker {
  const { activityTaskSlotsInfo, workflowTaskSlotsInfo, localActivitySlotsInfo, nexusTaskSlotsInfo } = heartbeat;
  const identity = heartbeat.workerIdentity?.slice(0, NAME_LENGTH) ?? '';
  const workflowFailed = count(workflowTaskSlotsInfo?.totalFailedTasks);
  const localActivities = slotsOf(localActivitySlotsInfo).usedSlots;
  return {
    key: heartbeat.workerInstanceKey?.slice(0, KEY_LENGTH) ?? '',
    // Each of several processes in one task has the task's id followed by a number.
    task: identity.split('#')[0] || null,
    names: [...identity.split(/[@#]/), heartbeat.hostInfo?.hostName?.slice(0, NAME_LENGTH) ?? ''].filter(Boolean),
    ageSeconds: Math.min(MOST_AGE_SECONDS, Math.max(0, now / 1000 - secondsOf(heartbeat.heartbeatTime))),
    ...slotsOf(activityTaskSlotsInfo),
    ...(activityTaskSlotsInfo?.slotSupplierKind === ELASTIC && { elastic: true as const }),
    failed: count(activityTaskSlotsInfo?.totalFailedTasks),
    ...(workflowFailed > 0 && { workflowFailed }),
    ...(runsWorkflows(workflowTaskSlotsInfo) && { workflowTasks: slotsOf(workflowTaskSlotsInfo) }),
    ...(hasWorked(nexusTaskSlotsInfo) && { nexusTasks: slotsOf(nexusTaskSlotsInfo) }),
    ...(localActivities > 0 && { localActivities }),
  };
}

type SlotsInfo = Heartbeat['workflowTaskSlotsInfo'];

function slotsOf(info: SlotsInfo): SlotsReading {
  const usedSlots = slotCount(info?.currentUsedSlots);
  const kind = info?.slotSupplierKind ?? '';
  const slots = info && SAYS_AVAILABLE.has(kind) ? usedSlots + slotCount(info.currentAvailableSlots) : null;
  return { usedSlots, slots, processed: count(info?.totalProcessedTasks) };
}

/** A worker without workflows has no slots for workflow tasks. One that does not report its slots is recognized by what it did. */
function runsWorkflows(info: SlotsInfo): boolean {
  return (slotsOf(info).slots ?? 0) > 0 || hasWorked(info);
}

function hasWorked(info: SlotsInfo): boolean {
  const { usedSlots, processed } = slotsOf(info);
  return usedSlots + processed > 0;
}

function slotCount(value: number | null | undefined): number {
  return Math.min(MOST_SLOTS, count(value));
}

/** A worker's own numbers: negative ones would reduce what the other workers report. */
function count(value: number | null | undefined): number {
  return Math.max(0, value ?? 0);
}
