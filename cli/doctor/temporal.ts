/** The server and its namespaces; who polls the pools' queues, and with what; and work on queues that nobody polls. */
import type { Connection } from '@temporalio/client';
import { CredentialsError, describeAccess, type TemporalAccess } from '../../contract/temporal-access.ts';
import { ALIVE, QUEUE_TYPES, secondsOf, type Heartbeat } from '../../scaler/signals/temporal.ts';
import { accessTo, TemporalConnection } from '../../scaler/signals/temporal-connection.ts';
import { count, duration } from '../shell.ts';
import { reasonOf } from '../stacks.ts';
import type { PlacedPool, Places } from '../temporal-places.ts';
import type { Fleet, Fleets } from './aws.ts';
import { checkCertificates } from './certificates.ts';
import { ok, unseen, wrong, type Check } from './check.ts';
import { probe } from './probe.ts';

type Service = Connection['workflowService'];
type Pollers = NonNullable<Awaited<ReturnType<Service['describeTaskQueue']>>['pollers']>;

/** As in grpc-js. */
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;
const REFUSED = new Set([7, 16]);

/** A poll lasts a minute at most: who has not asked for longer is gone. */
const POLLS_WITHIN_SECONDS = 90;
/** Twice the SDKs' default distance of heartbeats, and some. */
const REPORTS_WITHIN_SECONDS = 150;
/** A task that was ordered for work takes so long to start. */
const PATIENCE_SECONDS = 180;
const WORKFLOWS_LOOKED_AT = 1000;
const QUEUES_LOOKED_AT = 50;

export async function examineTemporal({ pools, readSecret }: Places, fleets: Fleets, now: number): Promise<Check[]> {
  const byPlace = Map.groupBy(pools, ({ temporal }) => JSON.stringify(temporal));
  const examined = await Promise.all(
    [...byPlace.values()].map((ofPlace) => examinePlace(ofPlace, fleets, readSecret, now)),
  );
  return examined.flat();
}

async function examinePlace(
  pools: PlacedPool[],
  fleets: Fleets,
  readSecret: Places['readSecret'],
  now: number,
): Promise<Check[]> {
  const place = pools[0]!.temporal;
  const notSeen = pools.map(({ pool }) => unseen('workers', 'not seen: Temporal did not answer', pool));
  let access: TemporalAccess;
  try {
    access = await accessTo(place, now, readSecret);
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    const matters = 'without credentials that make sense neither scaler nor workers reach Temporal';
    const mend = 'correct what it names; the scaler and the workers read it anew within minutes';
    return [wrong('credentials', error.message, { matters, mend }, placeName(place)), ...notSeen];
  }
  const connection = new TemporalConnection(place, { readSecret });
  try {
    const reached = await checkServer(connection, access, now);
    if (reached.some((check) => check.ok !== true)) return [...reached, ...notSeen];
    const certificates = await checkCertificates(access, placeName(place), now);
    const ofPools = await Promise.all(pools.map((pool) => checkPool(connection, pool, fleets.get(pool.pool), now)));
    return [...reached, ...certificates, ...ofPools.flat(), await checkQueuesNobodyPolls(connection, pools, now)];
  } finally {
    await connection.close();
  }
}

function placeName({ address, namespace }: { address: string; namespace: string }): string {
  return `${namespace} at ${address}`;
}

async function checkServer(connection: TemporalConnection, access: TemporalAccess, now: number): Promise<Check[]> {
  const { address, namespace } =
    connection.namespace === access.namespace ? access : { ...access, namespace: connection.namespace };
  const where = placeName({ address, namespace });
  const { tls, authentication } = describeAccess(access);
  const matters = 'the scaler sees no queue and no worker, and nobody does any work';
  try {
    const { serverVersion } = await connection.call(now, (service) => service.getSystemInfo({}));
    const server = ok(
      'server',
      `answers, version ${serverVersion}; TLS ${tls}, authentication: ${authentication}`,
      where,
    );
    return [server, await checkNamespace(connection, where, now)];
  } catch (error) {
    if (REFUSED.has(codeOf(error))) return [refusedKey(reasonOf(error), authentication, where)];
    const { says, mend } = await probe(access, reasonOf(error));
    return [wrong('server', says, { matters, mend }, where)];
  }
}

async function checkNamespace(connection: TemporalConnection, where: string, now: number): Promise<Check> {
  const { namespace } = connection;
  try {
    const { namespaceInfo } = await connection.call(now, (service) => service.describeNamespace({ namespace }));
    if (namespaceInfo?.capabilities?.workerHeartbeats)
      return ok('namespace', `${namespace} exists and takes heartbeats`, where);
    return wrong(
      'namespace',
      `${namespace} exists, but takes no heartbeats of workers`,
      {
        matters: 'the scaler knows of no busy slot, and so never lets a task go',
        mend: 'upgrade the server to 1.30 or newer; on Temporal Cloud ask for worker heartbeats',
      },
      where,
    );
  } catch (error) {
    if (REFUSED.has(codeOf(error))) return refusedKey(reasonOf(error), 'given', where);
    if (codeOf(error) !== NOT_FOUND) return unseen('namespace', `not seen: ${reasonOf(error)}`, where);
    return wrong(
      'namespace',
      `there is no namespace '${namespace}'`,
      {
        matters: 'workers cannot start, and no queue can be read',
        mend: `correct temporal.namespace and deploy, or create it: temporal operator namespace create --namespace ${namespace}`,
      },
      where,
    );
  }
}

function refusedKey(reason: string, authentication: string, where: string): Check {
  return wrong(
    'credentials',
    `the server refuses us (authentication: ${authentication}): ${reason}`,
    {
      matters: 'neither scaler nor workers get in with these credentials',
      mend: 'put a key or certificate that is valid for this namespace into the secret; both read it anew within minutes',
    },
    where,
  );
}

interface Seen {
  pollers: { workflow: Pollers; activity: Pollers };
  backlog: { workflow: number; activity: number };
  ageSeconds: number;
  workers: Heartbeat[];
}

async function checkPool(
  connection: TemporalConnection,
  pool: PlacedPool,
  fleet: Fleet | undefined,
  now: number,
): Promise<Check[]> {
  try {
    const seen = await look(connection, pool.taskQueue, now);
    const polling = checkPolling(pool, seen, fleet);
    const { pollers, workers } = seen;
    if (pollers.workflow.length + pollers.activity.length + workers.length === 0) return [polling];
    return [polling, ...checkHeartbeats(pool, seen), ...checkVersions(pool, workers)];
  } catch (error) {
    if (codeOf(error) === UNIMPLEMENTED) {
      const matters = 'the scaler knows of no worker and no busy slot';
      const mend = 'upgrade the Temporal server to 1.30 or newer';
      return [wrong('workers', `the server cannot list workers: ${reasonOf(error)}`, { matters, mend }, pool.pool)];
    }
    return [unseen('workers', `not seen: ${reasonOf(error)}`, pool.pool)];
  }
}

async function look(connection: TemporalConnection, taskQueue: string, now: number): Promise<Seen> {
  const { namespace } = connection;
  const query = `TaskQueue = '${taskQueue.replaceAll("'", "''")}'`;
  const [workflow, activity, listed] = await Promise.all([
    describe(connection, taskQueue, QUEUE_TYPES.workflow, now),
    describe(connection, taskQueue, QUEUE_TYPES.activity, now),
    connection.call(now, (service) => service.listWorkers({ namespace, query, pageSize: 1000 })),
  ]);
  const heartbeats = (listed.workersInfo ?? []).flatMap(({ workerHeartbeat }) => workerHeartbeat ?? []);
  return {
    pollers: { workflow: workflow.pollers, activity: activity.pollers },
    backlog: { workflow: workflow.backlog, activity: activity.backlog },
    ageSeconds: Math.max(workflow.ageSeconds, activity.ageSeconds),
    workers: heartbeats.filter(
      ({ status, heartbeatTime, taskQueue: queue }) =>
        queue === taskQueue && ALIVE.has(status ?? 0) && ageOf(heartbeatTime, now) < REPORTS_WITHIN_SECONDS,
    ),
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
  const { pollers, backlog, ageSeconds, workers } = seen;
  const waiting = backlog.workflow + backlog.activity;
  const waits = waiting === 0 ? 'nothing waits' : `${count(waiting, 'task')} waiting for up to ${duration(ageSeconds)}`;
  const unpolled = (['workflow', 'activity'] as const).filter((type) => pollers[type].length === 0);
  const matters = 'work on this queue is not done';
  if (workers.length === 0 && unpolled.length === 2) {
    if (fleet === undefined) {
      return unseen('workers', `nobody polls '${taskQueue}', and ECS did not tell whether a task runs; ${waits}`, pool);
    }
    const running = fleet.running.length;
    if (running > 0) {
      return wrong(
        'workers',
        `${count(running, 'task of the pool runs', 'tasks of the pool run')}, but nobody polls the task queue '${taskQueue}'; ${waits}`,
        {
          matters,
          mend:
            `the workers poll another queue or namespace, or cannot reach the server: compare TEMPORAL_TASK_QUEUE, TEMPORAL_NAMESPACE and ` +
            `TEMPORAL_ADDRESS of the task definition with '${taskQueue}' (exactly, case too), and read the newest task's log`,
        },
        pool,
      );
    }
    if (waiting > 0 && ageSeconds > PATIENCE_SECONDS) {
      return wrong(
        'workers',
        `nobody polls the task queue '${taskQueue}' and no task of the pool runs, with ${waits}`,
        {
          matters,
          mend: `elastic-workers explain ${pool} says what the scaler makes of it, the checks of ECS and scaler below what hinders`,
        },
        pool,
      );
    }
    return ok('workers', `nobody polls '${taskQueue}', and no task runs; ${waits}`, pool);
  }
  const starved = unpolled.find((type) => backlog[type] > 0 && ageSeconds > PATIENCE_SECONDS);
  if (starved !== undefined) {
    const mend =
      starved === 'activity'
        ? 'register activities in the worker of this queue'
        : 'register workflows in the worker of this queue';
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

function checkHeartbeats({ pool, taskQueue }: PlacedPool, { workers, pollers }: Seen): Check[] {
  if (workers.length > 0) {
    return [ok('heartbeats', `${count(workers.length, 'worker')} reported within ${REPORTS_WITHIN_SECONDS} s`, pool)];
  }
  const identities = [...pollers.workflow, ...pollers.activity].map(({ identity }) => identity ?? '');
  const says = `workers poll '${taskQueue}', but none has sent a heartbeat (${[...new Set(identities)].slice(0, 3).join(', ')})`;
  return [
    wrong(
      'heartbeats',
      says,
      {
        matters: 'the scaler does not know how busy they are, and so never lets one go',
        mend: 'the first comes after a whole interval, 60 s unless set otherwise; if none comes then, use an SDK with worker heartbeats and do not turn them off (workerHeartbeatInterval)',
      },
      pool,
    ),
  ];
}

function checkVersions({ pool }: PlacedPool, workers: Heartbeat[]): Check[] {
  if (workers.length === 0) return [];
  const versions = [...new Set(workers.map(({ sdkName, sdkVersion }) => `${sdkName} ${sdkVersion}`))].toSorted();
  if (versions.length === 1) return [ok('versions', `all workers run ${versions[0]}`, pool)];
  return [
    ok(
      'versions',
      `workers run ${versions.join(' and ')}: a deployment is under way, or another service polls this queue`,
      pool,
    ),
  ];
}

/** The classic: a client that names a queue a little differently from the workers, and waits for ever. */
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
    if (lost.length === 0) return ok('queue names', 'no workflow runs on a task queue that nobody polls', namespace);
    const lines = lost.map(({ queue, workflows }) => {
      const [first] = workflows;
      return `${count(workflows.length, 'workflow')} on '${queue}' (such as ${first?.execution?.workflowId}, ${first?.type?.name})${suggestion(queue, queues)}`;
    });
    return wrong(
      'queue names',
      `workflows run on task queues that nobody polls: ${lines.join('; ')}`,
      {
        matters: 'they wait for ever, and no pool grows for them: their backlog is on no queue of this stack',
        mend: `start them on a pool's queue (${queues.join(', ')}), or give the stack a pool with that taskQueue; those that wait already: terminate and start them again`,
      },
      namespace,
    );
  } catch (error) {
    return unseen('queue names', `not seen: ${reasonOf(error)}`, namespace);
  }
}

function suggestion(queue: string, known: string[]): string {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const near = known.find((name) => {
    const [a, b] = [plain(queue), plain(name)];
    return a !== '' && (a === b || a.includes(b) || b.includes(a) || differsByOne(a, b));
  });
  return near === undefined ? '' : `: is '${near}' meant?`;
}

/** One letter more, less or other. */
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

function codeOf(error: unknown): number {
  return (error as { code?: number }).code ?? 0;
}
