/**
 * Finds work that a deployment would have to wait for: activities that have run for longer than an hour. The server has no index
 * of running activities, so the workflows that have been open longest are described one by one, up to a limit that is reported.
 */
import type { Connection } from '@temporalio/client';
import { Pace } from '../../scaler/read/pace.ts';
import { secondsOf } from '../../scaler/read/protobuf.ts';
import type { TemporalConnection } from '../../scaler/read/temporal-connection.ts';
import { duration } from '../../deployed/words.ts';
import { reasonOf } from '../../deployed/stacks.ts';
import type { PlacedPool, Places } from '../../deployed/temporal-places.ts';
import { ok, unseen, wrong, type Check } from './check.ts';
import { codeOf, examinePlaces, NOT_FOUND, UNIMPLEMENTED } from './server.ts';

const LONG_SECONDS = 3600;
const DESCRIBED = 200;
const A_PAGE = 1000;
const PAGES = 10;

type Service = Connection['workflowService'];
type Workflow = NonNullable<Awaited<ReturnType<Service['listWorkflowExecutions']>>['executions']>[number];
type Standalone = NonNullable<Awaited<ReturnType<Service['listActivityExecutions']>>['executions']>[number];
type Pending = NonNullable<Awaited<ReturnType<Service['describeWorkflowExecution']>>['pendingActivities']>[number];

interface LongActivity {
  taskQueue: string;
  /** Its type, and the workflow it belongs to. */
  what: string;
  seconds: number;
  /** How much longer the server lets it run. */
  leftSeconds?: number;
}

interface Found {
  activities: LongActivity[];
  /** What was not looked at. */
  notes: string[];
}

export function examineLongWork(places: Places, now: number): Promise<Check[]> {
  return examinePlaces(places, now, 'long work', ({ connection, pools }) => checkLongWork(connection, pools, now));
}

async function checkLongWork(connection: TemporalConnection, pools: PlacedPool[], now: number): Promise<Check[]> {
  const search = new Search(connection, now);
  try {
    const [ofWorkflows, alone] = await Promise.all([search.ofWorkflows(), search.standalone(pools)]);
    const notes = [...ofWorkflows.notes, ...alone.notes];
    const byQueue = Map.groupBy([...ofWorkflows.activities, ...alone.activities], ({ taskQueue }) => taskQueue);
    return pools.map((pool) => judge(pool, byQueue.get(pool.taskQueue) ?? [], notes));
  } catch (error) {
    return pools.map(({ pool }) => unseen('long work', `could not check: ${reasonOf(error)}`, pool));
  }
}

function judge({ pool, taskQueue }: PlacedPool, activities: LongActivity[], notes: string[]): Check {
  const note = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  const [oldest] = activities.toSorted((a, b) => b.seconds - a.seconds);
  if (oldest === undefined) {
    return ok('long work', `no activity of '${taskQueue}' has run for longer than an hour${note}`, pool);
  }
  const left = oldest.leftSeconds === undefined ? '' : `, which may run for another ${duration(oldest.leftSeconds)}`;
  const has = activities.length === 1 ? 'activity has' : 'activities have';
  return wrong(
    'long work',
    `${activities.length} ${has} run for longer than an hour; the longest: ${oldest.what}, for ${duration(oldest.seconds)}${left}${note}`,
    {
      matters:
        "a deployment that changes this pool's service ends only when its old tasks have finished their work; CloudFormation waits three hours, then rolls back the whole stack",
      mend: 'wait until they have finished, or until the longest has less than three hours to go; or deploy without waiting: npx cdk deploy --express --rollback (docs/how-to/deploy-with-long-work.md)',
    },
    pool,
  );
}

/** Searches a namespace, paced so that other clients are not throttled. */
class Search {
  readonly #connection: TemporalConnection;
  readonly #now: number;
  readonly #pace = new Pace();
  readonly #never = new AbortController().signal;

  constructor(connection: TemporalConnection, now: number) {
    this.#connection = connection;
    this.#now = now;
  }

  async ofWorkflows(): Promise<Found> {
    const listed = await this.#list<Workflow>((service, request) => service.listWorkflowExecutions(request));
    const oldest = oldestOf(listed.all, ({ startTime }) => secondsOf(startTime));
    const activities = await Promise.all(oldest.map((workflow) => this.#pendingOf(workflow)));
    return { activities: activities.flat(), notes: noteOf(listed, oldest.length, 'open workflows') };
  }

  /** Activities that belong to no workflow; older servers have none. */
  async standalone(pools: PlacedPool[]): Promise<Found> {
    const queues = new Set(pools.map(({ taskQueue }) => taskQueue));
    try {
      const listed = await this.#list<Standalone>((service, request) => service.listActivityExecutions(request));
      const all = listed.all.filter(({ taskQueue }) => queues.has(taskQueue ?? ''));
      const oldest = oldestOf(all, ({ scheduleTime }) => secondsOf(scheduleTime));
      const activities = await Promise.all(oldest.map((activity) => this.#alone(activity)));
      return {
        activities: activities.flat(),
        notes: noteOf({ ...listed, all }, oldest.length, 'standalone activities'),
      };
    } catch (error) {
      if (codeOf(error) === UNIMPLEMENTED) return { activities: [], notes: [] };
      throw error;
    }
  }

  /** Running and started more than an hour ago; what started later cannot contain older work. */
  async #list<T>(page: (service: Service, request: ListRequest) => Promise<Page<T>>): Promise<Listed<T>> {
    const before = new Date(this.#now - LONG_SECONDS * 1000).toISOString();
    const query = `ExecutionStatus = 'Running' AND StartTime < '${before}'`;
    const all: T[] = [];
    let nextPageToken: Uint8Array | null | undefined;
    for (let pages = 0; pages < PAGES; pages += 1) {
      const request = {
        namespace: this.#connection.namespace,
        query,
        pageSize: A_PAGE,
        ...(nextPageToken && { nextPageToken }),
      };
      const answer = await this.#call((service) => page(service, request));
      all.push(...(answer.executions ?? []));
      nextPageToken = answer.nextPageToken;
      if (!nextPageToken || nextPageToken.length === 0) return { all, truncated: false };
    }
    return { all, truncated: true };
  }

  async #pendingOf({ execution, taskQueue }: Workflow): Promise<LongActivity[]> {
    const { namespace } = this.#connection;
    const described = await this.#unlessGone((service) =>
      service.describeWorkflowExecution({ namespace, execution: execution ?? {} }),
    );
    return (described?.pendingActivities ?? []).flatMap((pending) =>
      this.#long({
        ...pending,
        runState: pending.state,
        taskQueue: pending.activityOptions?.taskQueue?.name ?? taskQueue,
        startToCloseTimeout: pending.activityOptions?.startToCloseTimeout,
        of: `workflow ${execution?.workflowId}`,
      }),
    );
  }

  async #alone({ activityId, runId }: Standalone): Promise<LongActivity[]> {
    const { namespace } = this.#connection;
    const described = await this.#unlessGone((service) =>
      service.describeActivityExecution({ namespace, activityId, runId }),
    );
    return described?.info ? this.#long({ ...described.info, of: `no workflow, ${activityId}` }) : [];
  }

  #long({ runState, lastStartedTime, activityType, taskQueue, startToCloseTimeout, of }: Running): LongActivity[] {
    const seconds = this.#now / 1000 - secondsOf(lastStartedTime);
    if (!RUNNING.has(runState ?? 0) || seconds <= LONG_SECONDS) return [];
    const limit = secondsOf(startToCloseTimeout);
    const left = limit > seconds ? { leftSeconds: limit - seconds } : {};
    return [{ taskQueue: taskQueue ?? '', what: `${activityType?.name} of ${of}`, seconds, ...left }];
  }

  /** Undefined if it has ended since it was listed. */
  async #unlessGone<T>(request: (service: Service) => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#call(request);
    } catch (error) {
      if (codeOf(error) === NOT_FOUND) return undefined;
      throw error;
    }
  }

  #call<T>(request: (service: Service) => Promise<T>): Promise<T> {
    return this.#pace.run(this.#never, () => this.#connection.call(this.#now, request));
  }
}

/** As in temporal.api.enums.v1.PendingActivityState: started, or asked to cancel or pause but still running. */
const RUNNING = new Set([2, 3, 5]);

type Running = Pick<Pending, 'lastStartedTime' | 'activityType'> & {
  runState?: number | null;
  taskQueue?: string | null;
  startToCloseTimeout?: Parameters<typeof secondsOf>[0];
  of: string;
};

interface ListRequest {
  namespace: string;
  query: string;
  pageSize: number;
  nextPageToken?: Uint8Array;
}

interface Page<T> {
  executions?: T[] | null;
  nextPageToken?: Uint8Array | null;
}

interface Listed<T> {
  all: T[];
  /** Not all were listed. */
  truncated: boolean;
}

function oldestOf<T>(all: T[], startedAt: (of: T) => number): T[] {
  return all.toSorted((a, b) => startedAt(a) - startedAt(b)).slice(0, DESCRIBED);
}

function noteOf<T>({ all, truncated }: Listed<T>, looked: number, what: string): string[] {
  if (!truncated && looked === all.length) return [];
  return [`looked at the oldest ${looked} of ${truncated ? 'more than ' : ''}${all.length} ${what}`];
}
