/** Checks which workers poll the pools' queues, and finds work on queues that no worker polls. */
import type { Connection } from '@temporalio/client';
import { QUEUE_TYPES } from '../../scaler/read/temporal.ts';
import { secondsOf } from '../../scaler/read/protobuf.ts';
import type { TemporalConnection } from '../../scaler/read/temporal-connection.ts';
import { count, duration } from '../../deployed/words.ts';
import { reasonOf } from '../../deployed/stacks.ts';
import type { PlacedPool, Places } from '../../deployed/temporal-places.ts';
import type { Fleet, Fleets } from './aws.ts';
import { checkCertificates } from './certificates.ts';
import { ok, unseen, wrong, type Check } from './check.ts';
import { codeOf, examinePlaces, UNIMPLEMENTED, type Reached } from './server.ts';
import { checkHeartbeats, checkReports, listWorkers, type ListedWorker, type Workers } from './workers.ts';

type Service = Connection['workflowService'];
type Pollers = NonNullable<Awaited<ReturnType<Service['describeTaskQueue']>>['pollers']>;

/** A poll lasts a minute at most: a poller that has been silent for longer is gone. */
const POLLS_WITHIN_SECONDS = 90;
/** How long a task may take to start. */
const PATIENCE_SECONDS = 180;
const WORKFLOWS_LOOKED_AT = 1000;
const QUEUES_LOOKED_AT = 50;

export function examineTemporal(places: Places, fleets: Fleets, now: number): Promise<Check[]> {
  return examinePlaces(places, now, 'workers', async (reached) => {
    const { connection, access, where, pools } = reached;
    const certificates = await checkCertificates(access, where, now);
    const ofPools = await Promise.all(pools.map((pool) => checkPool(reached, pool, fleets.get(pool.pool), now)));
    return [...certificates, ...ofPools.flat(), await checkQueuesNobodyPolls(connection, pools, now)];
  });
}

interface Seen {
  pollers: { workflow: Pollers; activity: Pollers };
  backlog: { workflow: number; activity: number };
  ageSeconds: number;
  workers: Workers;
}

async function checkPool(
  { connection, heartbeats }: Reached,
  pool: PlacedPool,
  fleet: Fleet | undefined,
  now: number,
): Promise<Check[]> {
  try {
    const seen = await look(connection, pool.taskQueue, now);
    const polling = checkPolling(pool, seen, fleet);
    // Without heartbeats no worker is listed, which the namespace check already reports.
    if (!heartbeats) return [polling];
    const { workers, pollers } = seen;
    const reports = fleet === undefined ? [] : checkReports(pool, workers, fleet, now);
    const polled = [...pollers.workflow, ...pollers.activity].map(({ identity }) => identity ?? '');
    if (polled.length + workers.alive.length === 0) return [polling, ...reports];
    const reporting = await checkHeartbeats(connection, pool, workers, polled, now);
    return [polling, reporting, ...reports, ...checkVersions(pool, workers.alive)];
  } catch (error) {
    if (codeOf(error) === UNIMPLEMENTED) {
      const matters = 'the scaler sees no workers and no busy slots';
      const mend = 'upgrade the Temporal server to 1.30 or newer';
      return [wrong('workers', `the server cannot list workers: ${reasonOf(error)}`, { matters, mend }, pool.pool)];
    }
    return [unseen('workers', `could not check: ${reasonOf(error)}`, pool.pool)];
  }
}

async function look(connection: TemporalConnection, taskQueue: string, now: number): Promise<Seen> {
  const [workflow, activity, workers] = await Promise.all([
    describe(connection, taskQueue, QUEUE_TYPES.workflow, now),
    describe(connection, taskQueue, QUEUE_TYPES.activity, now),
    listWorkers(connection, taskQueue, now),
  ]);
  return {
    pollers: { workflow: workflow.pollers, activity: activity.pollers },
    backlog: { workflow: workflow.backlog, activity: activity.backlog },
    ageSeconds: Math.max(workflow.ageSeconds, activity.ageSeconds),
    workers,
  };
}

async function describe(connection: TemporalConnection, taskQueue: string, taskQueueType: number, now: number) {
  const { pollers, stats } = await connection.call(now, (service) =>
    service.describeTaskQueue({
      namespace: connection.namespace,
      taskQueue: { name: taskQueue, kind: 1 },
      taskQueueType,
      reportStats: true,
    }),
  );
  return {
    pollers: (pollers ?? []).filter(({ lastAccessTime }) => ageOf(lastAccessTime, now) < POLLS_WITHIN_SECONDS),
    backlog: secondsOf({ seconds: stats?.approximateBacklogCount }),
    ageSeconds: secondsOf(stats?.approximateBacklogAge),
  };
}

function checkPolling({ pool, taskQueue }: PlacedPool, seen: Seen, fleet: Fleet | undefined): Check {
  const { pollers, backlog, ageSeconds } = seen;
  const workers = seen.workers.alive;
  const waiting = backlog.workflow + backlog.activity;
  const waits = waiting === 0 ? 'nothing waits' : `${count(waiting, 'task')} waiting for up to ${duration(ageSeconds)}`;
  const unpolled = (['workflow', 'activity'] as const).filter((type) => pollers[type].length === 0);
  const matters = 'work on this queue is not done';
  if (workers.length === 0 && unpolled.length === 2) {
    if (fleet === undefined) {
      return unseen(
        'workers',
        `no worker polls '${taskQueue}', and ECS could not be asked whether a task is running; ${waits}`,
        pool,
      );
    }
    const running = fleet.running.length;
    if (running > 0) {
      return wrong(
        'workers',
        `${count(running, 'task of the pool is', 'tasks of the pool are')} running, but no worker polls the task queue '${taskQueue}'; ${waits}`,
        {
          matters,
          mend:
            `the workers poll another queue or namespace, or cannot reach the server: compare TEMPORAL_TASK_QUEUE, TEMPORAL_NAMESPACE and ` +
            `TEMPORAL_ADDRESS in the task definition with '${taskQueue}' (the match is exact and case-sensitive), and read the newest task's log`,
        },
        pool,
      );
    }
    if (waiting > 0 && ageSeconds > PATIENCE_SECONDS) {
      return wrong(
        'workers',
        `no worker polls the task queue '${taskQueue}' and no task of the pool is running, with ${waits}`,
        {
          matters,
          mend: `run elastic-workers explain ${pool} to see what the scaler decides; the ECS and scaler checks below show what blocks it`,
        },
        pool,
      );
    }
    return ok('workers', `no worker polls '${taskQueue}', and no task is running; ${waits}`, pool);
  }
  const starved = unpolled.find((type) => backlog[type] > 0 && ageSeconds > PATIENCE_SECONDS);
  if (starved !== undefined) {
    const mend =
      starved === 'activity'
        ? "register activities in this queue's worker"
        : "register workflows in this queue's worker";
    const says = `${count(backlog[starved], `${starved} task waits`, `${starved} tasks wait`)} on '${taskQueue}', whose workers poll for ${starved === 'activity' ? 'workflow' : 'activity'} tasks only`;
    return wrong('workers', says, { matters, mend }, pool);
  }
  const identities = new Set([...pollers.workflow, ...pollers.activity].map(({ identity }) => identity));
  const who =
    identities.size > 0
      ? `${count(identities.size, 'worker')} polling`
      : `${count(workers.length, 'worker')} alive, all slots taken,`;
  return ok('workers', `${who} '${taskQueue}'; ${waits}`, pool);
}

function checkVersions({ pool }: PlacedPool, workers: ListedWorker[]): Check[] {
  if (workers.length === 0) return [];
  const versions = [...new Set(workers.map(({ sdk }) => sdk))].toSorted();
  if (versions.length === 1) return [ok('versions', `all workers run ${versions[0]}`, pool)];
  return [
    ok(
      'versions',
      `workers run ${versions.join(' and ')}: a deployment is in progress, or another service polls this queue`,
      pool,
    ),
  ];
}

/** A common mistake: a client misspells the name of the workers' queue, and its workflows wait forever. */
async function checkQueuesNobodyPolls(
  connection: TemporalConnection,
  pools: PlacedPool[],
  now: number,
): Promise<Check> {
  const { namespace } = connection;
  const queues = pools.map(({ taskQueue }) => taskQueue);
  const others = queues.map((queue) => ` AND TaskQueue != '${queue.replaceAll("'", "''")}'`).join('');
  try {
    const { executions } = await connection.call(now, (service) =>
      service.listWorkflowExecutions({
        namespace,
        query: `ExecutionStatus = 'Running'${others}`,
        pageSize: WORKFLOWS_LOOKED_AT,
      }),
    );
    const byQueue = Map.groupBy(executions ?? [], ({ taskQueue }) => taskQueue ?? '');
    const looked = await Promise.all(
      [...byQueue].slice(0, QUEUES_LOOKED_AT).map(async ([queue, workflows]) => {
        const { pollers } = await describe(connection, queue, QUEUE_TYPES.workflow, now);
        return { queue, workflows, polled: pollers.length > 0 };
      }),
    );
    const lost = looked.filter(({ polled }) => !polled);
    if (lost.length === 0) return ok('queue names', 'no workflow runs on a task queue without pollers', namespace);
    const lines = lost.map(({ queue, workflows }) => {
      const [first] = workflows;
      return `${count(workflows.length, 'workflow')} on '${queue}' (such as ${first?.execution?.workflowId}, ${first?.type?.name})${suggestion(queue, queues)}`;
    });
    return wrong(
      'queue names',
      `workflows run on task queues without pollers: ${lines.join('; ')}`,
      {
        matters: 'they wait forever, and no pool scales out for them: their backlog is on none of the stack’s queues',
        mend: `start them on a pool's queue (${queues.join(', ')}), or add a pool with that taskQueue to the stack; terminate those already waiting and start them again`,
      },
      namespace,
    );
  } catch (error) {
    return unseen('queue names', `could not check: ${reasonOf(error)}`, namespace);
  }
}

function suggestion(queue: string, known: string[]): string {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const near = known.find((name) => {
    const [a, b] = [plain(queue), plain(name)];
    return a !== '' && (a === b || a.includes(b) || b.includes(a) || differsByOne(a, b));
  });
  return near === undefined ? '' : `: did you mean '${near}'?`;
}

/** One letter added, missing or different. */
function differsByOne(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same += 1;
  const [restA, restB] = [a.slice(same), b.slice(same)];
  return restA.slice(1) === restB.slice(1) || restA.slice(1) === restB || restA === restB.slice(1);
}

function ageOf(time: Parameters<typeof secondsOf>[0], now: number): number {
  return now / 1000 - secondsOf(time);
}
