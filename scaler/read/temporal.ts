/**
 * Reads the pools' signals from Temporal: each queue's backlog, and every worker's slots from one sweep of heartbeats per namespace.
 * Each answer is read separately, so that one pool's or server's failure leaves the others known. Anyone with permission to report a
 * worker writes some of this: its number and size are limited, and invalid numbers are unknown.
 */
import type { Connection } from '@temporalio/client';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { known, type QueueReading, type Reading, type Unknown } from '../policy.ts';
import { Pace } from './pace.ts';
import { numberOf, secondsOf } from './protobuf.ts';
import { WorkerListing, type ReportedWorker } from './workers.ts';
import { TemporalConnection, type ConnectionOptions, type TemporalPlace } from './temporal-connection.ts';

/** As in temporal.api.enums.v1.TaskQueueType. */
export const QUEUE_TYPES = { workflow: 1, activity: 2, nexus: 3 } as const;
/** As in temporal.api.enums.v1.RateLimitSource. */
const SET_FOR_THE_QUEUE = 1;
const SET_BY_WORKERS = 2;
/** What is not answered within this time is unknown for this tick: the other pools' ticks do not wait for it. */
const ANSWER_WITHIN_MS = 7000;
const TOO_LATE: Unknown = { unknown: `no answer within ${ANSWER_WITHIN_MS / 1000} s` };
/** How many queues at rest are read per second; if there are more than fit between two ticks, each is read less often. */
const RESTING_A_SECOND = 50;
/** A tick may come a little early. */
const TICKS_VARY_SECONDS = 1;
/** An operation that found no worker is visible in the queue's rates for twice this long. */
const NEXUS_EVERY_SECONDS = 15;
/** The longest that the last reading of a queue at rest is used if there was no time to read it again. */
const STANDS_SECONDS = 60;
const REASON_LENGTH = 500;
/** No queue or worker is this large, and the state table could not hold what is computed from larger numbers. */
const MOST = 1e12;

/** `readSecondsAgo` is set if an earlier reading is used. */
export type ReadQueue = QueueReading & { readSecondsAgo?: number };

export interface TemporalSignals {
  activityQueue: Reading<ReadQueue>;
  workflowQueue: Reading<ReadQueue>;
  /** Read only for pools at rest, now and then, if possible: for other pools the workers' heartbeats show it. */
  nexusQueue?: ReadQueue;
  workers: Reading<ReportedWorker[]>;
}

/** A pool `atRest` had no task and no work at its last decision: it is read after the others. */
type QueueOfPool = Pick<PoolConfig, 'pool' | 'taskQueue' | 'temporal'> & { atRest?: boolean };

export class TemporalReader {
  readonly #home: TemporalPlace;
  readonly #options: ConnectionOptions;
  readonly #namespaces = new Map<string, NamespaceReader>();

  /** `home` is the Temporal of pools that name none. */
  constructor(home: TemporalPlace, options: ConnectionOptions = {}) {
    this.#home = home;
    this.#options = options;
  }

  /** Reads all pools' task queues; see readEach. */
  async read(pools: QueueOfPool[], now: number): Promise<Map<string, TemporalSignals>> {
    const read = [...this.readEach(pools, now)].map(async ([pool, signals]) => [pool, await signals] as const);
    return new Map(await Promise.all(read));
  }

  /**
   * Reads the namespaces' task queues concurrently, those of pools at rest last: each pool's signals are available as soon as they
   * are read. Never rejects: what failed or was not read in time is unknown, with the reason.
   */
  readEach(pools: QueueOfPool[], now: number): Map<string, Promise<TemporalSignals>> {
    const byNamespace = Map.groupBy(pools, ({ temporal }) => this.#namespaceOf(temporal ?? this.#home));
    return new Map([...byNamespace].flatMap(([namespace, ofNamespace]) => namespace.readEach(ofNamespace, now)));
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

/** A task queue about which nothing is known. */
export const NOT_READ: TemporalSignals = {
  activityQueue: { unknown: 'not read' },
  workflowQueue: { unknown: 'not read' },
  workers: { unknown: 'not read' },
};

type RateLimit = Awaited<ReturnType<Connection['workflowService']['describeTaskQueue']>>['effectiveRateLimit'];

type Queues = Pick<TemporalSignals, 'activityQueue' | 'workflowQueue' | 'nexusQueue'>;

/** One reading of a namespace, and its deadline. */
interface Sweep {
  now: number;
  ended: AbortSignal;
  late: Promise<Unknown>;
  /** The number of queues at rest. */
  resting: number;
}

/** Reads everything in one namespace. */
class NamespaceReader {
  readonly #connection: TemporalConnection;
  readonly #pace = new Pace();
  readonly #workers: WorkerListing;
  /** Queues for which there was no time in the last tick. */
  readonly #late = new Set<string>();
  /** Queues that were empty when last read, and when that was. */
  readonly #empty = new Map<string, { at: number; queues: Queues }>();
  /** When the queues of Nexus tasks were last read. */
  readonly #nexusReadAt = new Map<string, number>();

  constructor(connection: TemporalConnection) {
    this.#connection = connection;
    this.#workers = new WorkerListing(connection, this.#pace);
  }

  readEach(pools: QueueOfPool[], now: number): [string, Promise<TemporalSignals>][] {
    const byQueue = Map.groupBy(pools, ({ taskQueue }) => taskQueue);
    const isAtRest = (ofQueue: QueueOfPool[]) => ofQueue.every(({ atRest }) => atRest === true);
    const [awake, resting] = [false, true].map((atRest) => [...byQueue].filter(([, of]) => isAtRest(of) === atRest));
    const sweep = sweepAt(now, resting!.length);
    const listed = reading(sweep, () => this.#workers.read(byQueue, sweep));
    const signalsOf = async (taskQueue: string, queues: Promise<Queues>): Promise<TemporalSignals> => {
      const [read, workers] = await Promise.all([queues, listed]);
      return { ...read, workers: workers instanceof Map ? (workers.get(taskQueue) ?? []) : workers };
    };
    const [lateFirst, others] = [true, false].map((late) => awake!.filter(([queue]) => this.#late.has(queue) === late));
    const lastRead = ([queue]: [string, unknown]) => this.#empty.get(queue)?.at ?? 0;
    const longestUnreadFirst = resting!.toSorted((a, b) => lastRead(a) - lastRead(b));
    // In the order of the requests.
    const reads = [
      ...[...lateFirst!, ...others!].map(
        ([taskQueue, of]) => [of, signalsOf(taskQueue, this.#readQueues(taskQueue, sweep))] as const,
      ),
      ...longestUnreadFirst.map(
        ([taskQueue, of]) => [of, signalsOf(taskQueue, this.#restingQueues(taskQueue, sweep))] as const,
      ),
    ];
    return reads.flatMap(([of, signals]) => of.map(({ pool }) => [pool, signals] as [string, typeof signals]));
  }

  async #readQueues(taskQueue: string, sweep: Sweep, atRest = false): Promise<Queues> {
    const { now, ended } = sweep;
    const describe = (type: number) =>
      reading(sweep, () => this.#pace.run(ended, () => this.#describe(taskQueue, type, now)));
    const [activityQueue, workflowQueue, nexusQueue] = await Promise.all([
      describe(QUEUE_TYPES.activity),
      describe(QUEUE_TYPES.workflow),
      atRest && this.#isNexusDue(taskQueue, now) ? describe(QUEUE_TYPES.nexus) : undefined,
    ]);
    const queues = { activityQueue, workflowQueue, ...(nexusQueue && known(nexusQueue) && { nexusQueue }) };
    if (isLate(queues)) this.#late.add(taskQueue);
    else this.#late.delete(taskQueue);
    if (isEmpty(activityQueue) && isEmpty(workflowQueue)) this.#empty.set(taskQueue, { at: now, queues });
    else if (!isLate(queues)) this.#empty.delete(taskQueue);
    return queues;
  }

  /** With many queues at rest, the last reading of each is used a little longer, so that not all of them are read at once. */
  async #restingQueues(taskQueue: string, sweep: Sweep): Promise<Queues> {
    const last = this.#empty.get(taskQueue);
    const seconds = last === undefined ? Infinity : (sweep.now - last.at) / 1000;
    const stands = seconds < Math.min(sweep.resting / RESTING_A_SECOND - TICKS_VARY_SECONDS, STANDS_SECONDS);
    const read = stands ? undefined : await this.#readQueues(taskQueue, sweep, true);
    const lateAgain = read !== undefined && isLate(read) && seconds < STANDS_SECONDS;
    return last !== undefined && (stands || lateAgain) ? carried(last.queues, seconds) : (read ?? NOT_READ);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  #isNexusDue(taskQueue: string, now: number): boolean {
    const isDue = now - (this.#nexusReadAt.get(taskQueue) ?? 0) >= NEXUS_EVERY_SECONDS * 1000;
    if (isDue) this.#nexusReadAt.set(taskQueue, now);
    return isDue;
  }

  async #describe(taskQueue: string, type: number, now: number): Promise<QueueReading> {
    const { stats, effectiveRateLimit } = await this.#connection.call(now, (service) =>
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
      // Below zero if the clocks of two servers differ.
      ageSeconds: sensible('age of the backlog', Math.max(0, secondsOf(stats.approximateBacklogAge))),
      addRate: sensible('rate of tasks added', stats.tasksAddRate ?? 0),
      dispatchRate: sensible('rate of tasks dispatched', stats.tasksDispatchRate ?? 0),
      rateLimited: stats.rateLimitingActive ?? false,
      ...rateLimitOf(effectiveRateLimit),
    };
  }
}

/** Only a limit that somebody has set: the server's own always exists, but is too high to matter. Zero stops the queue. */
function rateLimitOf(limit: RateLimit): Pick<QueueReading, 'rateLimit'> {
  if (limit?.rateLimitSource !== SET_FOR_THE_QUEUE && limit?.rateLimitSource !== SET_BY_WORKERS) return {};
  return { rateLimit: sensible('rate limit', limit.requestsPerSecond ?? 0) };
}

/** Also aborts requests that come too late: an endless listing would otherwise continue beside all later ones. */
function sweepAt(now: number, resting: number): Sweep {
  const ending = new AbortController();
  const late = new Promise<Unknown>((resolve) => {
    setTimeout(() => {
      resolve(TOO_LATE);
      ending.abort(new Error(TOO_LATE.unknown));
    }, ANSWER_WITHIN_MS).unref();
  });
  return { now, ended: ending.signal, late, resting };
}

function isLate({ activityQueue, workflowQueue }: Queues): boolean {
  return activityQueue === TOO_LATE || workflowQueue === TOO_LATE;
}

function isEmpty(queue: Reading<QueueReading>): boolean {
  return known(queue) && queue.backlog === 0;
}

function carried({ activityQueue, workflowQueue, nexusQueue }: Queues, readSecondsAgo: number): Queues {
  return {
    activityQueue: { ...activityQueue, readSecondsAgo },
    workflowQueue: { ...workflowQueue, readSecondsAgo },
    ...(nexusQueue && { nexusQueue: { ...nexusQueue, readSecondsAgo } }),
  };
}

async function reading<T>({ late }: Sweep, read: () => Promise<T>): Promise<Reading<T>> {
  try {
    return await Promise.race([read(), late]);
  } catch (error) {
    return { unknown: (error instanceof Error ? error.message : String(error)).slice(0, REASON_LENGTH) };
  }
}

/** Throws, which makes the whole reading unknown: a number that is negative, too large or missing allows no conclusion. */
function sensible(what: string, value: number): number {
  if (value >= 0 && value <= MOST) return value;
  throw new Error(`the server's ${what} is not valid: ${value}`);
}
