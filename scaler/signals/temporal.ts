/**
 * What Temporal knows of the pools: each queue's backlog, and every worker's slots from one sweep of heartbeats a
 * namespace. Each answer is read on its own, so that one pool's failure, or one server's, leaves the others known. Whoever may
 * report a worker writes some of it: what is taken on is bounded in number and in size, and a number that is none is unknown.
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
/** What has not been answered in so long is unknown for this tick: the other pools' ticks do not wait for it. */
const ANSWER_WITHIN_MS = 7000;
const TOO_LATE: Unknown = { unknown: `no answer within ${ANSWER_WITHIN_MS / 1000} s` };
/** So many queues at rest are read: with more of them than are read from one tick to the next, each is read less often. */
const RESTING_A_SECOND = 50;
/** A tick may come a little early. */
const TICKS_VARY_SECONDS = 1;
/** An operation that found no worker shows for twice as long in the rates of the queue. */
const NEXUS_EVERY_SECONDS = 15;
/** The last reading of a queue at rest stands no longer, although there was no time to read it. */
const STANDS_SECONDS = 60;
const REASON_LENGTH = 500;
/** No queue is so long and no worker so large; what is reckoned from larger numbers, the state table could not hold. */
const MOST = 1e12;

/** `readSecondsAgo` where an earlier reading stands. */
export type ReadQueue = QueueReading & { readSecondsAgo?: number };

export interface TemporalSignals {
  activityQueue: Reading<ReadQueue>;
  workflowQueue: Reading<ReadQueue>;
  /** Of pools at rest, now and then, and where it could be read: a worker's heartbeats show the others'. */
  nexusQueue?: ReadQueue;
  workers: Reading<ReportedWorker[]>;
}

/** A pool `atRest` had no task and no work when it was last decided on: it is read after the others. */
type QueueOfPool = Pick<PoolConfig, 'pool' | 'taskQueue' | 'temporal'> & { atRest?: boolean };

export class TemporalReader {
  readonly #home: TemporalPlace;
  readonly #options: ConnectionOptions;
  readonly #namespaces = new Map<string, NamespaceReader>();

  /** `home` is where the queues of pools are that do not say where. */
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
   * Reads the namespaces' task queues side by side, those of pools at rest last: each pool's signals are there as soon as they
   * are read. Never rejects: what failed, or was not read in time, is unknown, with why.
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

/** A task queue of which nothing is known. */
export const NOT_READ: TemporalSignals = {
  activityQueue: { unknown: 'not read' },
  workflowQueue: { unknown: 'not read' },
  workers: { unknown: 'not read' },
};

type RateLimit = Awaited<ReturnType<Connection['workflowService']['describeTaskQueue']>>['effectiveRateLimit'];

type Queues = Pick<TemporalSignals, 'activityQueue' | 'workflowQueue' | 'nexusQueue'>;

/** One reading of a namespace, and the end of the time that there is for it. */
interface Sweep {
  now: number;
  ended: AbortSignal;
  late: Promise<Unknown>;
  /** How many queues are at rest. */
  resting: number;
}

/** All that is read of one namespace. */
class NamespaceReader {
  readonly #connection: TemporalConnection;
  readonly #pace = new Pace();
  readonly #workers: WorkerListing;
  /** Queues for which there was no time in the last tick. */
  readonly #late = new Set<string>();
  /** Queues that were empty when they were last read, and when that was. */
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
    // Who asks first is first.
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

  /** With many queues at rest the last reading of each stands a little longer, so that the server is not asked for all of them at once. */
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
      // Below zero where the clocks of two servers differ.
      ageSeconds: sensible('age of the backlog', Math.max(0, secondsOf(stats.approximateBacklogAge))),
      addRate: sensible('rate of tasks added', stats.tasksAddRate ?? 0),
      dispatchRate: sensible('rate of tasks dispatched', stats.tasksDispatchRate ?? 0),
      rateLimited: stats.rateLimitingActive ?? false,
      ...rateLimitOf(effectiveRateLimit),
    };
  }
}

/** Only a limit that somebody has set: the server's own is one in any case, so high that it says nothing. Zero stops the queue. */
function rateLimitOf(limit: RateLimit): Pick<QueueReading, 'rateLimit'> {
  if (limit?.rateLimitSource !== SET_FOR_THE_QUEUE && limit?.rateLimitSource !== SET_BY_WORKERS) return {};
  return { rateLimit: sensible('rate limit', limit.requestsPerSecond ?? 0) };
}

/** Also ends what is begun and comes too late: a listing without an end would go on beside all later ones. */
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

/** Throws what makes the whole reading unknown: of a number below zero, beyond all bounds, or of none, nothing can be concluded. */
function sensible(what: string, value: number): number {
  if (value >= 0 && value <= MOST) return value;
  throw new Error(`the server's ${what} makes no sense: ${value}`);
}
