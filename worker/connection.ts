/** How the worker reaches Temporal: a connection that is checked before it is used, and the question whether the server is well. */
import { NativeConnection } from '@temporalio/worker';
import type { TemporalAccess } from './credentials.ts';
import { StartError } from './errors.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 5000;

/** gRPC's UNIMPLEMENTED. */
const UNIMPLEMENTED = 12;

/** Connects, and checks that the server accepts the credentials and knows the namespace. */
export async function connect(access: TemporalAccess): Promise<NativeConnection> {
  const connection = await open(access);
  try {
    await describeNamespace(connection, access.namespace, CONNECT_TIMEOUT_MS);
    return connection;
  } catch (error) {
    await connection.close();
    throw new StartError(
      `The Temporal server at ${access.address} does not give access to the namespace "${access.namespace}": check ` +
        `TEMPORAL_NAMESPACE and the credentials, or create the namespace (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

/**
 * Rejects unless the server would take an activity's result now. RecordWorkerHeartbeat without any heartbeat changes
 * nothing, and Temporal's authorizer asks the same of it as of RespondActivityTaskCompleted: writing in this namespace.
 * A server that does not have it, or has it switched off, is asked to describe the namespace instead, which is only reading.
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

async function open({ address, tls, apiKey, metadata }: TemporalAccess): Promise<NativeConnection> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error('no answer')), CONNECT_TIMEOUT_MS);
  try {
    const connecting = NativeConnection.connect({
      address,
      tls: tls ?? false,
      ...(apiKey !== undefined && { apiKey }),
      ...(metadata && { metadata }),
    });
    return await Promise.race([connecting, deadline.promise]);
  } catch (error) {
    throw new StartError(whyNot(address, tls, (error as Error).message), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function whyNot(address: string, tls: TemporalAccess['tls'], message: string): string {
  if (/unauthenticated|authentication|permission/i.test(message)) {
    return `The Temporal server at ${address} does not accept the credentials: check TEMPORAL_API_KEY or the client certificate (${message}).`;
  }
  const encryption = tls ? 'that it speaks TLS and its certificate is valid' : 'that it does not ask for TLS';
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
