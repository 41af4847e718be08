/** Connects the worker to Temporal: checks a connection before it is used, and checks whether the server is available. */
import { NativeConnection } from '@temporalio/worker';
import type { TemporalAccess } from './credentials.ts';
import { StartError } from '../errors.ts';
import { type Relay, type SharedWithRelay, startRelay } from './relay.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 5000;

/** gRPC's UNIMPLEMENTED. */
const UNIMPLEMENTED = 12;

/**
 * Connects, and checks that the server accepts the credentials and has the namespace. `shared` is what the relay's thread sees
 * (relay.ts).
 */
export async function connect(access: TemporalAccess, shared?: SharedWithRelay): Promise<NativeConnection> {
  const connection = await open(access, shared);
  try {
    await describeNamespace(connection, access.namespace, CONNECT_TIMEOUT_MS);
    return connection;
  } catch (error) {
    await connection.close();
    throw new StartError(
      `The Temporal server at ${access.address} denies access to the namespace "${access.namespace}": check ` +
        `TEMPORAL_NAMESPACE and the credentials, or create the namespace (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

/**
 * Rejects unless the server would accept an activity's result now. RecordWorkerHeartbeat without a heartbeat changes nothing, and
 * Temporal's authorizer requires the same for it as for RespondActivityTaskCompleted: write access to this namespace. On a server
 * that lacks it or has turned it off, DescribeNamespace is used instead, which only reads.
 */
export async function probe(connection: NativeConnection, namespace: string): Promise<void> {
  const { workflowService } = connection;
  try {
    await connection.withDeadline(Date.now() + PROBE_TIMEOUT_MS, () =>
      workflowService.recordWorkerHeartbeat({ namespace, workerHeartbeat: [] }),
    );
  } catch (error) {
    if ((error as { code?: number }).code !== UNIMPLEMENTED) throw error;
    await describeNamespace(connection, namespace, PROBE_TIMEOUT_MS);
  }
}

class RelayedConnection extends NativeConnection {
  relay: Relay | undefined;

  override async close(): Promise<void> {
    await super.close();
    this.relay?.stop();
  }
}

async function open(access: TemporalAccess, shared?: SharedWithRelay): Promise<NativeConnection> {
  const { address, tls } = access;
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer')), CONNECT_TIMEOUT_MS);
  const opening = openRelayed(access, shared);
  try {
    return await Promise.race([opening, deadline.promise]);
  } catch (error) {
    void opening.then((late) => late.close()).catch(() => undefined);
    throw new StartError(whyNot(address, tls, (error as Error).message), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function openRelayed(access: TemporalAccess, shared?: SharedWithRelay): Promise<NativeConnection> {
  const relay = await startRelay(access, shared);
  const { apiKey, metadata } = access;
  try {
    const connection = (await RelayedConnection.connect({
      address: relay.address,
      tls: false,
      ...(apiKey !== undefined && { apiKey }),
      metadata: { ...metadata, ...relay.metadata },
    })) as RelayedConnection;
    connection.relay = relay;
    return connection;
  } catch (error) {
    relay.stop();
    throw error;
  }
}

function whyNot(address: string, tls: TemporalAccess['tls'], message: string): string {
  if (/unauthenticated|authentication|permission/i.test(message)) {
    return `The Temporal server at ${address} does not accept the credentials: check TEMPORAL_API_KEY or the client certificate (${message}).`;
  }
  const encryption = tls ? 'that it uses TLS and its certificate is valid' : 'that it does not require TLS';
  return (
    `No Temporal server answers at ${address}: check TEMPORAL_ADDRESS, that the server runs, ${encryption}, and the ` +
    `network's rules (${message}).`
  );
}

async function describeNamespace(connection: NativeConnection, namespace: string, timeoutMs: number) {
  await connection.withDeadline(Date.now() + timeoutMs, () =>
    connection.workflowService.describeNamespace({ namespace }),
  );
}
