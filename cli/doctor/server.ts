/** Checks each Temporal server that the pools use: it can be reached, accepts us, and has the namespace. Only then can more be checked. */
import {
  CredentialsError,
  describeAccess,
  type SecretReader,
  type TemporalAccess,
} from '../../contract/temporal-access.ts';
import { accessTo, TemporalConnection, type TemporalPlace } from '../../scaler/read/temporal-connection.ts';
import { reasonOf } from '../../deployed/stacks.ts';
import type { PlacedPool, Places } from '../../deployed/temporal-places.ts';
import { checkCertificates } from './certificates.ts';
import { ok, unseen, wrong, type Check, type CheckName } from './check.ts';
import { probe } from './probe.ts';

/** As in grpc-js. */
export const NOT_FOUND = 5;
export const UNIMPLEMENTED = 12;
const REFUSED = new Set([7, 16]);

export interface Reached {
  connection: TemporalConnection;
  access: TemporalAccess;
  /** The namespace and its address, as shown in a check. */
  where: string;
  pools: PlacedPool[];
  /** Whether the namespace accepts worker heartbeats. */
  heartbeats: boolean;
}

/** Runs `look` on each namespace that is reached; otherwise reports `check` as not checked for its pools. */
export async function examinePlaces(
  { pools, readSecret }: Places,
  now: number,
  check: CheckName,
  look: (reached: Reached) => Promise<Check[]>,
): Promise<Check[]> {
  const byPlace = Map.groupBy(pools, ({ temporal }) => JSON.stringify(temporal));
  const examined = await Promise.all(
    [...byPlace.values()].map(async (ofPlace) => {
      const notSeen = ofPlace.map(({ pool }) => unseen(check, 'could not check: Temporal did not answer', pool));
      return examinePlace({ place: ofPlace[0]!.temporal, pools: ofPlace, readSecret, now, notSeen, look });
    }),
  );
  return examined.flat();
}

/** For when no pool is known yet. */
export function examineReach(place: TemporalPlace, readSecret: SecretReader, now: number): Promise<Check[]> {
  const look = ({ access, where }: Reached) => checkCertificates(access, where, now);
  return examinePlace({ place, pools: [], readSecret, now, notSeen: [], look });
}

interface Examined {
  place: TemporalPlace;
  pools: PlacedPool[];
  readSecret: SecretReader;
  now: number;
  /** Reported instead of the checks that need the server. */
  notSeen: Check[];
  look: (reached: Reached) => Promise<Check[]>;
}

async function examinePlace({ place, pools, readSecret, now, notSeen, look }: Examined): Promise<Check[]> {
  let access: TemporalAccess;
  try {
    access = await accessTo(place, now, readSecret);
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error;
    const matters = 'without valid credentials neither scaler nor workers can reach Temporal';
    const mend = 'correct the secret as the message says; scaler and workers reread it within minutes';
    return [wrong('credentials', error.message, { matters, mend }, placeName(place)), ...notSeen];
  }
  const connection = new TemporalConnection(place, { readSecret });
  try {
    const { checks, reached, heartbeats } = await checkServer(connection, access, now);
    if (!reached) return [...checks, ...notSeen];
    const where = placeName(place);
    return [...checks, ...(await look({ connection, access, where, pools, heartbeats }))];
  } finally {
    await connection.close();
  }
}

function placeName({ address, namespace }: { address: string; namespace: string }): string {
  return `${namespace} at ${address}`;
}

interface Answer {
  checks: Check[];
  reached: boolean;
  heartbeats: boolean;
}

const unreached = (...checks: Check[]): Answer => ({ checks, reached: false, heartbeats: false });

async function checkServer(connection: TemporalConnection, access: TemporalAccess, now: number): Promise<Answer> {
  const { address, namespace } =
    connection.namespace === access.namespace ? access : { ...access, namespace: connection.namespace };
  const where = placeName({ address, namespace });
  const { tls, authentication } = describeAccess(access);
  const matters = 'the scaler sees no queues and no workers, and no work is done';
  try {
    const { serverVersion } = await connection.call(now, (service) => service.getSystemInfo({}));
    const says = `answers, version ${serverVersion}; TLS ${tls}, authentication: ${authentication}`;
    const answer = await checkNamespace(connection, where, now);
    return { ...answer, checks: [ok('server', says, where), ...answer.checks] };
  } catch (error) {
    if (REFUSED.has(codeOf(error))) return unreached(refusedKey(reasonOf(error), authentication, where));
    const { says, mend } = await probe(access, reasonOf(error));
    return unreached(wrong('server', says, { matters, mend }, where));
  }
}

async function checkNamespace(connection: TemporalConnection, where: string, now: number): Promise<Answer> {
  const { namespace } = connection;
  try {
    const { namespaceInfo } = await connection.call(now, (service) => service.describeNamespace({ namespace }));
    const heartbeats = namespaceInfo?.capabilities?.workerHeartbeats === true;
    const check = heartbeats
      ? ok('namespace', `${namespace} exists and accepts heartbeats`, where)
      : withoutHeartbeats(namespace, where);
    return { checks: [check], reached: true, heartbeats };
  } catch (error) {
    if (REFUSED.has(codeOf(error))) return unreached(refusedKey(reasonOf(error), 'given', where));
    if (codeOf(error) !== NOT_FOUND)
      return unreached(unseen('namespace', `could not check: ${reasonOf(error)}`, where));
    const matters = 'workers cannot start, and no queue can be read';
    const mend = `correct temporal.namespace and deploy, or create it: temporal operator namespace create --namespace ${namespace}`;
    return unreached(wrong('namespace', `there is no namespace '${namespace}'`, { matters, mend }, where));
  }
}

/** In this case the server lists no workers, without reporting an error. */
function withoutHeartbeats(namespace: string, where: string): Check {
  const matters =
    'the server lists no workers and no busy slots: the scaler adds tasks while work waits, but cannot know which are idle, ' +
    'so it removes none';
  const mend =
    'on a self-hosted server, use version 1.30 or newer with frontend.WorkerHeartbeatsEnabled set to true in its dynamic configuration; ' +
    'on Temporal Cloud, ask for worker heartbeats';
  const says = `${namespace} exists, but does not accept worker heartbeats`;
  return wrong('namespace', says, { matters, mend }, where);
}

function refusedKey(reason: string, authentication: string, where: string): Check {
  return wrong(
    'credentials',
    `the server refuses us (authentication: ${authentication}): ${reason}`,
    {
      matters: 'neither scaler nor workers can connect with these credentials',
      mend: 'put a key or certificate that is valid for this namespace into the secret; scaler and workers reread it within minutes',
    },
    where,
  );
}

export function codeOf(error: unknown): number {
  return (error as { code?: number }).code ?? 0;
}
