/** Reads the task's cordon and the scaler's last tick from the state table, with the task role's credentials. */
import { PARTITION_KEY } from '../contract/state-table.ts';
import { keysOf, readingOf, type CordonReader, type TaskKeys } from '../worker/scale-in/cordon-reading.ts';
import { send } from './http.ts';
import { signedHeaders, type Credentials } from './signed-request.ts';

type Environment = Record<string, string | undefined>;

const TIMEOUT_MS = 3000;
/** ECS has new credentials ready well before the old ones expire. */
const RENEW_BEFORE_MS = 5 * 60_000;
const CREDENTIALS_HOST = 'http://169.254.170.2';

/** A failed read is also an answer: the protocol then continues as before. */
export function cordonReader(table: string, keys: TaskKeys, env: Environment): CordonReader {
  const credentials = credentialsFrom(env);
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1';
  const url = new URL(env.AWS_ENDPOINT_URL_DYNAMODB ?? env.AWS_ENDPOINT_URL ?? endpointIn(region));
  const Keys = keysOf(keys).map((key) => ({ [PARTITION_KEY]: { S: key } }));
  const body = JSON.stringify({ RequestItems: { [table]: { Keys } } });
  const read = async () => {
    const question = { url, region, target: 'BatchGetItem', body, credentials: await credentials(), now: new Date() };
    return send(url, { method: 'POST', headers: signedHeaders(question), body, timeoutMs: TIMEOUT_MS });
  };
  return async () => {
    try {
      // A connection that was kept open may turn out to be closed: the second attempt opens another.
      const { status, text } = await read().catch(read);
      if (status !== 200) return { known: false, why: `HTTP ${status}: ${text.slice(0, 300)}` };
      const { Responses = {}, UnprocessedKeys = {} } = JSON.parse(text) as Answer;
      const items = (Responses[table] ?? []).map(plain);
      return readingOf(items, Object.keys(UnprocessedKeys).length === 0, keys);
    } catch (error) {
      return { known: false, why: (error as Error).message };
    }
  };
}

interface Answer {
  Responses?: Record<string, Record<string, Attribute>[]>;
  UnprocessedKeys?: object;
}

/** Only the attribute types that a cordon and the scaler's item have. */
interface Attribute {
  S?: string;
  N?: string;
  BOOL?: boolean;
  M?: Record<string, Attribute>;
}

function plain(item: Record<string, Attribute>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(item).map(([name, { S, N, BOOL, M }]) => [
      name,
      M === undefined ? (S ?? (N === undefined ? BOOL : Number(N))) : plain(M),
    ]),
  );
}

function endpointIn(region: string): string {
  return `https://dynamodb.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

/** A task's credentials come from an address that ECS provides; those in the environment are for a task without a role. */
function credentialsFrom(env: Environment): () => Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = env;
  if (accessKeyId && secretAccessKey) {
    return async () => ({ accessKeyId, secretAccessKey, sessionToken: AWS_SESSION_TOKEN });
  }
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const address = relative ? `${CREDENTIALS_HOST}${relative}` : env.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  let held: Credentials | undefined;
  return async () => {
    if (address === undefined)
      throw new Error(
        'the task has no role: set one in the task definition (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set)',
      );
    if (held?.expiresAt === undefined || held.expiresAt - RENEW_BEFORE_MS < Date.now()) held = await fetched(address);
    return held;
  };
}

async function fetched(address: string): Promise<Credentials> {
  const { status, text } = await send(address, { timeoutMs: TIMEOUT_MS });
  if (status !== 200) throw new Error(`the task role's credentials: HTTP ${status}`);
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = JSON.parse(text) as Record<string, string>;
  return {
    accessKeyId: AccessKeyId ?? '',
    secretAccessKey: SecretAccessKey ?? '',
    sessionToken: Token,
    expiresAt: Date.parse(Expiration ?? ''),
  };
}
