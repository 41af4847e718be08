/** Checks whether the workers that the server lists for a pool's task queue report their slots, and whether every task reports. */
import type { Connection } from '@temporalio/client';
import { secondsOf } from '../../scaler/read/protobuf.ts';
import { ALIVE, taskOf, type Heartbeat } from '../../scaler/read/workers.ts';
import type { TemporalConnection } from '../../scaler/read/temporal-connection.ts';
import { count } from '../../deployed/words.ts';
import type { PlacedPool } from '../../deployed/temporal-places.ts';
import type { Fleet } from './aws.ts';
import { ok, wrong, type Check } from './check.ts';

/** A little over twice the SDKs' default heartbeat interval. A task that has run for longer should have reported. */
const REPORTS_WITHIN_SECONDS = 150;
const SHOWN = 3;

type Listing = Awaited<ReturnType<Connection['workflowService']['listWorkers']>>;

export interface ListedWorker {
  key: string;
  identity: string;
  host: string;
  sdk: string;
}

export interface Workers {
  alive: ListedWorker[];
  /** The server lists them without their reports: slots can only be read for each worker separately. */
  withoutSlots: boolean;
}

/** Workers that are alive and, as far as can be known, have reported recently. */
export async function listWorkers(connection: TemporalConnection, taskQueue: string, now: number): Promise<Workers> {
  const { namespace } = connection;
  const query = `TaskQueue = '${taskQueue.replaceAll("'", "''")}'`;
  const listed = await connection.call(now, (service) => service.listWorkers({ namespace, query, pageSize: 1000 }));
  const heartbeats = reporting(listed, taskQueue, now);
  const others = (listed.workers ?? []).filter(
    ({ status, taskQueue: queue }) => queue === taskQueue && ALIVE.has(status ?? 0),
  );
  const withoutSlots = (listed.workersInfo ?? []).length === 0 && others.length > 0;
  const alive = withoutSlots
    ? others.map(({ hostName, ...worker }) => listedAs(worker, hostName))
    : heartbeats.map(({ hostInfo, ...worker }) => listedAs(worker, hostInfo?.hostName));
  return { alive, withoutSlots };
}

function reporting({ workersInfo }: Listing, taskQueue: string, now: number): Heartbeat[] {
  return (workersInfo ?? [])
    .flatMap(({ workerHeartbeat }) => workerHeartbeat ?? [])
    .filter(
      ({ status, heartbeatTime, taskQueue: queue }) =>
        queue === taskQueue && ALIVE.has(status ?? 0) && now / 1000 - secondsOf(heartbeatTime) < REPORTS_WITHIN_SECONDS,
    );
}

interface Named {
  workerInstanceKey?: string | null;
  workerIdentity?: string | null;
  sdkName?: string | null;
  sdkVersion?: string | null;
}

function listedAs(worker: Named, host: string | null | undefined): ListedWorker {
  const { workerInstanceKey, workerIdentity, sdkName, sdkVersion } = worker;
  return {
    key: workerInstanceKey ?? '',
    identity: workerIdentity ?? '',
    host: host ?? '',
    sdk: `${sdkName} ${sdkVersion}`,
  };
}

/** `pollers` are the identities that poll. */
export async function checkHeartbeats(
  connection: TemporalConnection,
  { pool, taskQueue }: PlacedPool,
  { alive, withoutSlots }: Workers,
  pollers: string[],
  now: number,
): Promise<Check> {
  const [first] = alive;
  if (first === undefined) return mute(pool, taskQueue, pollers);
  if (!withoutSlots) {
    return ok('heartbeats', `${count(alive.length, 'worker')} reported within ${REPORTS_WITHIN_SECONDS} s`, pool);
  }
  const says = `the server lists ${count(alive.length, 'worker')} of '${taskQueue}' without their reports`;
  if (await tellsSlots(connection, first, now)) {
    return ok('heartbeats', `${says}, but returns each one on request`, pool);
  }
  const matters = 'it is unknown which of them are busy: the scaler adds tasks while work waits, and removes none';
  const mend =
    'find out why the server, or a proxy in front of it, leaves out parts of ListWorkers (workersInfo) and DescribeWorker (workerHeartbeat), ' +
    'and use server version 1.30 or newer';
  return wrong('heartbeats', says, { matters, mend }, pool);
}

function mute(pool: string, taskQueue: string, pollers: string[]): Check {
  const who = [...new Set(pollers)].slice(0, SHOWN).join(', ');
  return wrong(
    'heartbeats',
    `workers poll '${taskQueue}', but none has sent a heartbeat (${who})`,
    {
      matters: 'the scaler does not know how busy they are, so it removes none',
      mend: 'wait for one interval (default: 60 s), after which the first heartbeat is sent; if none comes, use an SDK with worker heartbeats and do not turn them off (workerHeartbeatInterval)',
    },
    pool,
  );
}

async function tellsSlots(connection: TemporalConnection, { key }: ListedWorker, now: number): Promise<boolean> {
  const { namespace } = connection;
  try {
    const request = { namespace, workerInstanceKey: key };
    const { workerInfo } = await connection.call(now, (service) => service.describeWorker(request));
    return (workerInfo?.workerHeartbeat?.activityTaskSlotsInfo ?? undefined) !== undefined;
  } catch {
    return false;
  }
}

/** Finds tasks whose workers the server does not know, although they have had time to report. */
export function checkReports({ pool, taskQueue }: PlacedPool, { alive }: Workers, fleet: Fleet, now: number): Check[] {
  const old = [...fleet.startedAt].filter(([, at]) => now - at > REPORTS_WITHIN_SECONDS * 1000).map(([id]) => id);
  if (old.length === 0) return [];
  const ids = new Set(old);
  const reported = new Set(alive.map((worker) => taskOf(asReported(worker), ids, fleet.addresses)));
  const silent = old.filter((id) => !reported.has(id));
  if (silent.length === 0) return [ok('reports', `a worker reports from each task (${old.length})`, pool)];
  const some = silent.length > SHOWN ? `${silent.slice(0, SHOWN).join(', ')}, …` : silent.join(', ');
  const says = `${silent.length} of ${count(old.length, 'task')} that have run for longer than ${REPORTS_WITHIN_SECONDS} s report no worker for '${taskQueue}': ${some}`;
  const matters =
    'what such a task does is unknown: the scaler counts it as busy and does not remove it, so you pay for it although it may do nothing';
  const mend =
    "read the task's log: its worker may not have started, may poll another queue or namespace, or may have heartbeats turned off; " +
    'tasks of an image of your own are recognized by their identity or host name (docs/any-worker.md)';
  return [wrong('reports', says, { matters, mend }, pool)];
}

/** Matches workers to tasks as the scaler does. */
function asReported({ identity, host }: ListedWorker) {
  return { task: identity.split('#')[0] || null, names: [...identity.split(/[@#]/), host].filter(Boolean) };
}
