/**
 * The connection to one Temporal namespace, with TLS, API key or client certificate. Its credentials are reread every few minutes
 * and when a call fails, so that a rotated key or certificate needs no deployment. While new ones cannot be read or are not valid,
 * the old ones stay in use.
 */
import { Connection } from '@temporalio/client';
import { withoutSecrets } from '../../contract/shown.ts';
import { readAccess, sameAccess, type SecretReader, type TemporalAccess } from '../../contract/temporal-access.ts';
import { isRefusal } from './pace.ts';

export interface TemporalPlace {
  address: string;
  namespace: string;
  /** Undefined: on if there is an API key or a certificate. */
  tls?: boolean | undefined;
  /** Secrets Manager secret, by ARN or name. */
  secret?: string | undefined;
}

export interface ConnectionOptions {
  readSecret?: SecretReader;
  /** Called if credentials cannot be renewed while the old ones still work. */
  onProblem?: (message: string) => void;
}

/** Rejects like readAccess. */
export function accessTo(place: TemporalPlace, now: number, readSecret?: SecretReader): Promise<TemporalAccess> {
  const { address, namespace, tls, secret } = place;
  const env = {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_TLS: tls === undefined ? undefined : String(tls),
  };
  return readAccess({ env, secret, now: () => now, ...(readSecret && { readSecret }) });
}

const REQUEST_TIMEOUT_MS = 2500;
const RENEW_EVERY_MS = 240_000;
/** How often a failed call may cause the credentials to be reread. */
const RENEW_AFTER_FAILURE_MS = 8000;

type Request<T> = (service: Connection['workflowService'], operator: Connection['operatorService']) => Promise<T>;

export class TemporalConnection {
  readonly namespace: string;
  readonly #place: TemporalPlace;
  readonly #options: ConnectionOptions;
  #access: TemporalAccess | undefined;
  #connection: Connection | undefined;
  /** Calls may still be in progress on it. */
  #retired: Connection | undefined;
  #readAt = -Infinity;
  #renewing: Promise<void> | undefined;

  constructor(place: TemporalPlace, options: ConnectionOptions = {}) {
    this.namespace = place.namespace;
    this.#place = place;
    this.#options = options;
  }

  /**
   * Retries once, because a connection frozen between two invocations fails once. The client's own retries are off, because they
   * hide that the server throttles us.
   */
  async call<T>(now: number, request: Request<T>): Promise<T> {
    await this.#renew(now, RENEW_EVERY_MS);
    try {
      return await this.#callOnce(request);
    } catch (error) {
      if (isRefusal(error)) throw error;
      await this.#renew(now, RENEW_AFTER_FAILURE_MS);
      // Another call may have started it.
      await this.#renewing;
      return await this.#callOnce(request);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection?.close(), this.#retired?.close()]);
  }

  async #callOnce<T>(request: Request<T>): Promise<T> {
    const connection = this.#connection as Connection;
    try {
      return await connection.withDeadline(Date.now() + REQUEST_TIMEOUT_MS, () =>
        request(connection.workflowService, connection.operatorService),
      );
    } catch (error) {
      throw clean(error);
    }
  }

  /** Reads the credentials if the current ones are older; once for all calls that wait for it. */
  async #renew(now: number, olderThanMs: number): Promise<void> {
    const fresh = this.#place.secret === undefined || now - this.#readAt < olderThanMs;
    if (this.#connection !== undefined && fresh) return;
    this.#renewing ??= this.#renewOnce(now).finally(() => (this.#renewing = undefined));
    await this.#renewing;
  }

  async #renewOnce(now: number): Promise<void> {
    this.#readAt = now;
    try {
      await this.#use(await this.#readAccess(now));
    } catch (error) {
      if (this.#connection === undefined) throw error;
      this.#options.onProblem?.(`cannot renew the credentials for ${this.namespace}: ${(error as Error).message}`);
    }
  }

  async #use(access: TemporalAccess): Promise<void> {
    if (this.#access !== undefined && sameAccess(access, this.#access)) return;
    const { namespace: _, ...options } = access;
    // gRPC's own backoff grows to two minutes: the scaler would be blind long after the server is back.
    const channelArgs = { 'grpc.max_reconnect_backoff_ms': 1000 };
    const connection = Connection.lazy({ ...options, channelArgs, interceptors: [] });
    await this.#retired?.close();
    this.#retired = this.#connection;
    this.#connection = connection;
    this.#access = access;
  }

  #readAccess(now: number): Promise<TemporalAccess> {
    const { readSecret } = this.#options;
    return accessTo(this.#place, now, readSecret);
  }
}

/** A server, or a proxy in front of it, may repeat the request in its answer, and the answer is logged. */
function clean(error: unknown): unknown {
  const { message, code } = error as { message: string; code?: unknown };
  const told = withoutSecrets(message);
  return told === message ? error : Object.assign(new Error(told), { code });
}
