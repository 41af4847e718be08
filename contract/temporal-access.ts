/**
 * How scaler and workers reach Temporal: address, namespace, TLS, mutual TLS, API key. They come from Temporal's standard
 * variables and profile (`TEMPORAL_ADDRESS`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_CLIENT_CERT_PATH`, `TEMPORAL_PROFILE` …, read by
 * Temporal's own package), and the secret ones from a Secrets Manager secret. Its text is an API key, or a JSON object with any
 * of the standard variables, which then take precedence over the environment's.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { hide } from './shown.ts';

type ConnectionOptions = NativeConnectionOptions;

/** Thrown when the settings cannot be used to reach Temporal: they are unreadable, contradictory or expired. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
}

export interface TemporalAccess {
  address: string;
  namespace: string;
  tls?: NonNullable<ConnectionOptions['tls']>;
  apiKey?: string;
  metadata?: NonNullable<ConnectionOptions['metadata']>;
}

export type SecretReader = (secret: string) => Promise<string>;

export interface AccessSource {
  env: Record<string, string | undefined>;
  secret?: string | undefined;
  readSecret?: SecretReader;
  /** Milliseconds. */
  now: () => number;
}

/**
 * Reads everything afresh; secrets are hidden from all output from then on. Rejects with what is wrong and how to fix it, never
 * with a secret in the message.
 */
export async function readAccess({ env, secret, readSecret = readFromSecretsManager, now }: AccessSource) {
  hideIn(env);
  const hidden = secret === undefined ? {} : variablesIn(secret, await readOrExplain(secret, readSecret));
  hideIn(hidden);
  const access = accessFrom({ ...env, ...hidden });
  hide(secretsOf(access));
  checkClientCertificate(access.tls, now());
  return access;
}

/** Values that must never appear in a log. */
export function secretsOf({ apiKey, tls, metadata = {} }: TemporalAccess): string[] {
  const key = typeof tls === 'object' ? tls.clientCertPair?.key : undefined;
  const headers = Object.entries(metadata).filter(([name]) => SECRET_HEADER.test(name));
  return [
    ...(apiKey === undefined ? [] : [apiKey]),
    ...(key === undefined ? [] : [Buffer.from(key).toString('utf8')]),
    ...headers.map(([, value]) => String(value)),
  ];
}

/** The same without anything secret, for the log. */
export function describeAccess({ address, namespace, apiKey, tls, metadata = {} }: TemporalAccess) {
  const pair = typeof tls === 'object' ? tls.clientCertPair : undefined;
  return {
    address,
    namespace,
    tls: tls === undefined || tls === false ? 'off' : 'on',
    authentication: pair ? 'client certificate' : apiKey === undefined ? 'none' : 'API key',
    ...(Object.keys(metadata).length > 0 && { headers: Object.keys(metadata) }),
  };
}

export function sameAccess(one: TemporalAccess, other: TemporalAccess): boolean {
  return JSON.stringify(one, inHex) === JSON.stringify(other, inHex);
}

function inHex(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

/** Hides them even if they are not valid: an error message about one may contain its text. */
function hideIn({ TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_KEY_DATA }: Record<string, string | undefined>): void {
  hide([TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_KEY_DATA].filter((secret) => secret !== undefined));
}

const SECRET_HEADER = /authorization|key|token|secret/i;

function accessFrom(env: Record<string, string | undefined>): TemporalAccess {
  checkPairs(env);
  const { connectionOptions, namespace = 'default' } = loadOrExplain(env);
  const { address = '127.0.0.1:7233', tls, apiKey, metadata } = connectionOptions;
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new CredentialsError(
      apiKey === ''
        ? 'The API key for Temporal (TEMPORAL_API_KEY) is empty: set it, or unset the variable to connect without one.'
        : 'The API key for Temporal (TEMPORAL_API_KEY) contains a space, a line break or another invalid character: correct it.',
    );
  }
  return {
    address,
    namespace,
    ...(tls !== undefined && tls !== null && { tls }),
    ...(apiKey !== undefined && { apiKey }),
    ...(metadata && { metadata }),
  };
}

function loadOrExplain(env: Record<string, string | undefined>) {
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  try {
    return loadClientConnectConfig({ overrideEnvVars: Object.fromEntries(given) });
  } catch (error) {
    throw new CredentialsError(
      `Cannot read the settings for Temporal: ${(error as Error).message}. Correct the TEMPORAL_… variables, the files ` +
        `they name, or the profile.`,
      { cause: error },
    );
  }
}

/** Temporal's package silently ignores half a pair, and the server then reports a handshake error. */
function checkPairs(env: Record<string, string | undefined>): void {
  const has = (part: string) =>
    Boolean(env[`TEMPORAL_TLS_CLIENT_${part}_PATH`] ?? env[`TEMPORAL_TLS_CLIENT_${part}_DATA`]);
  if (has('CERT') === has('KEY') || env.TEMPORAL_PROFILE !== undefined) return;
  const [given, missing] = has('CERT') ? ['certificate', 'KEY'] : ['key', 'CERT'];
  throw new CredentialsError(
    `There is a client ${given} for Temporal, but TEMPORAL_TLS_CLIENT_${missing}_PATH and ` +
      `TEMPORAL_TLS_CLIENT_${missing}_DATA are not set: mutual TLS needs both halves.`,
  );
}

function checkClientCertificate(tls: TemporalAccess['tls'], now: number): void {
  const pair = typeof tls === 'object' ? tls.clientCertPair : undefined;
  if (pair === undefined) return;
  const certificate = parse('certificate', 'CERT', () => new X509Certificate(pair.crt));
  const key = parse('private key', 'KEY', () => createPrivateKey(Buffer.from(pair.key)));
  if (Date.parse(certificate.validTo) <= now) {
    throw new CredentialsError(
      `The client certificate for Temporal (${certificate.subject}) expired on ${certificate.validTo}: replace it.`,
    );
  }
  if (!certificate.checkPrivateKey(key)) {
    throw new CredentialsError(
      `The private key does not belong to the client certificate for Temporal (${certificate.subject}): replace one.`,
    );
  }
}

function parse<T>(what: string, part: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    // The parser's message could quote what it read.
    throw new CredentialsError(
      `The client ${what} for Temporal (TEMPORAL_TLS_CLIENT_${part}_PATH or _DATA) is not in PEM form: replace it ` +
        `(${(error as NodeJS.ErrnoException).code ?? 'unreadable'}).`,
    );
  }
}

/** The variables in a secret's text; throws CredentialsError, without quoting it. */
export function variablesIn(secret: string, content: string): Record<string, string> {
  if (!content.trimStart().startsWith('{')) return { TEMPORAL_API_KEY: content.trim() };
  const values = parseObject(secret, content);
  const wrong = Object.keys(values).filter((name) => !/^TEMPORAL_[A-Z_]+$/.test(name));
  if (wrong.length > 0 || Object.values(values).some((value) => typeof value !== 'string')) {
    throw new CredentialsError(
      `The secret ${secret} must be an API key, or a JSON object of Temporal's standard variables with texts as values ` +
        `(TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_CERT_DATA, TEMPORAL_TLS_CLIENT_KEY_DATA …)` +
        (wrong.length > 0 ? `; it has ${wrong.join(', ')}.` : '.'),
    );
  }
  return values as Record<string, string>;
}

function parseObject(secret: string, content: string): Record<string, unknown> {
  try {
    return JSON.parse(content) as Record<string, unknown>;
  } catch {
    throw new CredentialsError(
      `The secret ${secret} begins like a JSON object but is not valid JSON: correct its text.`,
    );
  }
}

async function readOrExplain(secret: string, readSecret: SecretReader): Promise<string> {
  try {
    return await readSecret(secret);
  } catch (error) {
    if (error instanceof CredentialsError) throw error;
    const { name, message } = error as Error;
    throw new CredentialsError(
      `Cannot read the secret ${secret} with Temporal's credentials: ${name}: ${message}. Check its name, and that the ` +
        `role of the task or function may call secretsmanager:GetSecretValue on it.`,
      { cause: error },
    );
  }
}

/** Loaded on demand: otherwise this client would take up most of a start without a secret. */
async function readFromSecretsManager(secret: string): Promise<string> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
  const client = new SecretsManagerClient({
    requestHandler: { connectionTimeout: 2000, requestTimeout: 5000, throwOnRequestTimeout: true },
  });
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secret }));
    if (!SecretString) throw new Error('it contains no text');
    return SecretString;
  } finally {
    client.destroy();
  }
}
