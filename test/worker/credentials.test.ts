/** Credentials as they are configured, and as they are rotated while a worker runs. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { pino } from 'pino';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import {
  describeAccess,
  readAccess,
  secretsOf,
  watchAccess,
  type AccessSource,
} from '../../worker/temporal/credentials.ts';
import { TemporalWorkerManager } from '../../worker/temporal/manager.ts';
import { apiKeyProxy, Authority, tlsProxy } from './temporal-proxies.ts';

jest.setTimeout(120_000);

const authority = new Authority();
const now = () => Date.now();
const noProfile = { HOME: authority.directory };
const read = (env: Record<string, string>, more: Partial<AccessSource> = {}) =>
  readAccess({ env: { ...noProfile, ...env }, now, ...more });

describe('the configured access', () => {
  const client = authority.issue('client');

  it('is a plain connection to this machine by default', async () => {
    await expect(read({})).resolves.toEqual({ address: '127.0.0.1:7233', namespace: 'default' });
  });

  it('is read from Temporal’s own variables, and an API key turns TLS on', async () => {
    const access = await read({
      TEMPORAL_ADDRESS: 'x.tmprl.cloud:7233',
      TEMPORAL_NAMESPACE: 'n',
      TEMPORAL_API_KEY: 'k',
    });
    expect(access).toMatchObject({ address: 'x.tmprl.cloud:7233', namespace: 'n', apiKey: 'k', tls: true });
  });

  it('is read from Temporal’s own profile', async () => {
    const file = join(authority.directory, 'temporal.toml');
    writeFileSync(file, '[profile.prod]\naddress = "p:7233"\nnamespace = "prod"\napi_key = "from-profile"\n');
    const access = await read({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'prod' });
    expect(access).toMatchObject({ address: 'p:7233', namespace: 'prod', apiKey: 'from-profile' });
  });

  it('takes a secret’s text as the API key, which overrides the environment', async () => {
    const readSecret = async () => 'secret-key\n';
    const access = await read({ TEMPORAL_API_KEY: 'old' }, { secret: 'arn', readSecret });
    expect(access.apiKey).toBe('secret-key');
  });

  it('takes a secret’s JSON as Temporal’s variables', async () => {
    const text = JSON.stringify({
      TEMPORAL_TLS_CLIENT_CERT_DATA: client.certificate,
      TEMPORAL_TLS_CLIENT_KEY_DATA: client.key,
    });
    const access = await read({}, { secret: 'arn', readSecret: async () => text });
    expect(describeAccess(access)).toMatchObject({ tls: 'on', authentication: 'client certificate' });
    expect(secretsOf(access)).toEqual([client.key]);
  });

  const cert = { TEMPORAL_TLS_CLIENT_CERT_PATH: client.certificatePath };
  const key = { TEMPORAL_TLS_CLIENT_KEY_PATH: client.keyPath };
  const other = authority.issue('other');
  const secretly = (text: string) => ({ secret: 'the-secret', readSecret: async () => text });
  it.each<[string, Record<string, string>, Partial<AccessSource>, string]>([
    ['an expired certificate', { ...cert, ...key }, { now: () => now() + 5 * 86_400_000 }, 'expired on'],
    ['a missing key', cert, {}, 'TEMPORAL_TLS_CLIENT_KEY_PATH and TEMPORAL_TLS_CLIENT_KEY_DATA are not set'],
    ['another certificate’s key', { ...cert, TEMPORAL_TLS_CLIENT_KEY_PATH: other.keyPath }, {}, 'does not belong to'],
    ['a missing file', { ...cert, TEMPORAL_TLS_CLIENT_KEY_PATH: '/nowhere' }, {}, 'no such file'],
    ['a file that is not PEM', { ...cert, TEMPORAL_TLS_CLIENT_KEY_DATA: 'top secret' }, {}, 'is not in PEM form'],
    ['an empty API key', { TEMPORAL_API_KEY: '' }, {}, 'is empty'],
    ['an API key of two lines', { TEMPORAL_API_KEY: 'top\nsecret' }, {}, 'a line break'],
    ['an unknown profile', { TEMPORAL_PROFILE: 'nope' }, {}, "Profile 'nope' not found"],
    ['broken JSON', {}, secretly('{"top secret'), 'begins like a JSON object but is not valid JSON'],
    ['an unknown name in a secret', {}, secretly('{"key":"top secret"}'), 'it has key'],
    [
      'a secret that cannot be read',
      {},
      { secret: 'the-secret', readSecret: () => Promise.reject(new Error('AccessDenied')) },
      "Cannot read the secret the-secret with Temporal's credentials",
    ],
  ])('is refused for %s, without showing any secret', async (_, env, more, message) => {
    const error = await read(env, more).catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({ name: 'CredentialsError', message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain('top secret');
  });
});

describe('a worker', () => {
  let temporal: LocalTemporal;
  let client: Client;
  let bundle: WorkflowBundle;

  beforeAll(async () => {
    temporal = await startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } });
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
    const workflowsPath = join(import.meta.dirname, 'fixtures/workflows.ts');
    bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  });

  afterAll(async () => {
    await client?.connection.close();
    await temporal?.stop();
  });

  /** Checks its credentials every tenth of a second. */
  async function startWorker(source: AccessSource, taskQueue: string) {
    const access = await readAccess(source);
    const manager = new TemporalWorkerManager({
      ...access,
      taskQueue,
      identity: taskQueue,
      maxConcurrentActivities: 5,
      heartbeatSeconds: 60,
      shutdownGraceSeconds: 5,
      shutdownForceSeconds: 6,
      workflows: bundle,
      worker: { activities: { nap: (seconds: number) => Context.current().sleep(seconds * 1000) } },
      log: pino({ level: 'silent' }),
    });
    await manager.startWorker();
    const ended = manager.runWorker();
    const stop = new AbortController();
    const warned: unknown[] = [];
    const renewed: unknown[] = [];
    void watchAccess({
      source,
      current: access,
      pollSeconds: 0.1,
      use: (next) => manager.useAccess(next),
      log: { info: (said: unknown) => renewed.push(said), warn: (said: unknown) => warned.push(said) } as never,
      signal: stop.signal,
    });
    const finish = async () => {
      stop.abort();
      await manager.stopWorker();
      return ended;
    };
    return { manager, finish, warned, renewed };
  }

  const echo = (taskQueue: string, id: string) =>
    client.workflow.execute('echo', { taskQueue, workflowId: `${taskQueue}-${id}`, args: [id] });

  it('continues with a rotated API key when the old one is no longer valid', async () => {
    const valid = new Set(['first-key']);
    const proxy = await apiKeyProxy(temporal.address, valid);
    let secret = 'first-key';
    const env = { ...noProfile, TEMPORAL_ADDRESS: proxy.address, TEMPORAL_TLS: 'false' };
    const { manager, finish, renewed, warned } = await startWorker(
      { env, secret: 'arn', readSecret: async () => secret, now },
      'api-key',
    );
    await expect(echo('api-key', 'before')).resolves.toBe('before');
    const running = await client.activity.start('nap', {
      id: 'across',
      taskQueue: 'api-key',
      args: [1],
      startToCloseTimeout: '20s',
      retry: { maximumAttempts: 1 },
    });
    secret = 'not-yet-valid';
    while (warned.length === 0) await new Promise(setImmediate);
    expect(warned[0]).toMatchObject({ why: expect.stringContaining('does not accept the credentials') });
    secret = 'second-key';
    valid.add('second-key');
    while (renewed.length === 0) await new Promise(setImmediate);
    valid.delete('first-key');
    await running.result();
    await expect(echo('api-key', 'after')).resolves.toBe('after');
    expect(manager.isHealthy).toBe(true);
    expect(proxy.seen.at(-1)).toBe('second-key');
    await expect(finish()).resolves.toEqual({ unfinished: [] });
    await proxy.stop();
  });

  it('continues with a rotated client certificate', async () => {
    const proxy = await tlsProxy(temporal.address, authority, { clients: true });
    const [first, second] = [authority.issue('first'), authority.issue('second')];
    const [cert, key] = [join(authority.directory, 'live.pem'), join(authority.directory, 'live.key')];
    const put = ({ certificatePath, keyPath }: typeof first) => {
      copyFileSync(certificatePath, cert);
      copyFileSync(keyPath, key);
    };
    put(first);
    const env = {
      ...noProfile,
      TEMPORAL_ADDRESS: proxy.address,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certificatePath,
      TEMPORAL_TLS_CLIENT_CERT_PATH: cert,
      TEMPORAL_TLS_CLIENT_KEY_PATH: key,
    };
    const { finish, renewed } = await startWorker({ env, now }, 'mutual-tls');
    await expect(echo('mutual-tls', 'before')).resolves.toBe('before');
    put(second);
    while (renewed.length === 0) await new Promise(setImmediate);
    await expect(echo('mutual-tls', 'after')).resolves.toBe('after');
    expect(proxy.seen.at(-1)).toBe('second');
    await expect(finish()).resolves.toEqual({ unfinished: [] });
    await proxy.stop();
  });

  it.each([
    ['a server that requires TLS without TLS', {}, 'that it does not require TLS'],
    ['a server whose certificate is not trusted', { TEMPORAL_TLS: 'true' }, 'its certificate is valid'],
  ])('does not start with %s', async (_, env, message) => {
    const proxy = await tlsProxy(temporal.address, authority);
    const source = { env: { ...noProfile, TEMPORAL_ADDRESS: proxy.address, ...env }, now };
    await expect(startWorker(source, 'none')).rejects.toThrow(message);
    await proxy.stop();
  });

  it('does not start with a server whose certificate has expired', async () => {
    const start = async (expired: boolean) => {
      const proxy = await tlsProxy(temporal.address, authority, { expired });
      const env = { TEMPORAL_ADDRESS: proxy.address, TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certificatePath };
      const started = startWorker({ env: { ...noProfile, ...env }, now }, 'expired');
      return started.then(({ finish }) => finish()).finally(() => proxy.stop());
    };
    await expect(start(false)).resolves.toEqual({ unfinished: [] });
    await expect(start(true)).rejects.toThrow(/its certificate is valid.*[Ee]xpired/s);
  });
});
