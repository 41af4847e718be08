/**
 * The built worker and scaler, and the doctor, with an API key and a client key, and servers that refuse them, repeat them,
 * or are down: no output and no endpoint contains any part of a secret in any form.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { STACKS_PATH } from '../../contract/stack-config.ts';
import { emulatorCredentials, startEmulator, type LocalEmulator } from '../../local/emulator.ts';
import { localClient } from '../../local/observe.ts';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { runCli } from '../cli/served-stacks.ts';
import { Authority, tlsProxy, type Proxy } from '../worker/temporal-proxies.ts';
import { startHostileServer, type HostileServer } from './hostile-server.ts';
import { Watched } from './watched.ts';

jest.setTimeout(300_000);

const root = join(import.meta.dirname, '../..');
const API_KEY = 'tmprl_S3cr3t+key/of=a%test~0123456789?abcdef';
const authority = new Authority();
const client = authority.issue('client');
const PART = 12;
let echo: HostileServer;
let echoWithTls: Proxy;
let temporal: LocalTemporal;
let temporalWithTls: Proxy;

beforeAll(async () => {
  [echo, temporal] = await Promise.all([
    startHostileServer(),
    startTemporal({
      directory: authority.directory,
      // A worker that stops waits for its open polls.
      dynamicConfig: { 'matching.longPollExpirationInterval': '2s' },
    }),
  ]);
  echo.refuse = (headers) => {
    const key = String(headers.authorization).replace('Bearer ', '');
    const base64 = Buffer.from(key).toString('base64');
    return `no such key: ${key} (${headers.authorization}), ${base64}, ${encodeURIComponent(key)}, ${JSON.stringify(headers)}`;
  };
  echoWithTls = await tlsProxy(echo.address, authority, { clients: true });
  temporalWithTls = await tlsProxy(temporal.address, authority, { clients: true });
});

afterAll(async () => {
  echo?.stop();
  await Promise.all([echoWithTls?.stop(), temporalWithTls?.stop()]);
  await temporal?.stop();
});

/** Every part of a secret of some length, plain and encoded. */
function partsOf(secret: string): string[] {
  const forms = [secret, Buffer.from(secret).toString('base64'), Buffer.from(secret.trim()).toString('base64url')];
  return [...forms, encodeURIComponent(secret), JSON.stringify(secret)].flatMap((form) =>
    Array.from({ length: form.length - PART }, (_, at) => form.slice(at, at + PART)),
  );
}

const SECRET_PARTS = new Set(
  [API_KEY, client.key]
    .flatMap(partsOf)
    // A key's header and footer are not secret, nor is their base64.
    .filter((part) => !'-----BEGIN PRIVATE KEY----- -----END PRIVATE KEY-----'.includes(part.trim()))
    .filter((part) => !frames().some((frame) => frame.includes(part))),
);

function frames(): string[] {
  const lines = ['-----BEGIN PRIVATE KEY-----\n', '\n-----END PRIVATE KEY-----\n'];
  return lines.flatMap((line) => [
    encodeURIComponent(line),
    JSON.stringify(line),
    Buffer.from(line).toString('base64'),
  ]);
}

/** With the text before it. */
function secretIn(text: string): string | undefined {
  const part = [...SECRET_PARTS].find((each) => text.includes(each));
  return part === undefined ? undefined : text.slice(Math.max(0, text.indexOf(part) - 200), text.indexOf(part) + 50);
}

test('these tests would find a secret, whole or in part, in any form', () => {
  const [, line = ''] = client.key.split('\n');
  const base64 = Buffer.from(`${client.key}`).toString('base64');
  for (const text of [API_KEY, encodeURIComponent(API_KEY), line, line.slice(20, 40), base64.slice(60)])
    expect(secretIn(`something ${text} more`)).toContain('something');
});

describe('the worker’s output has no secret', () => {
  const withBoth = {
    TEMPORAL_API_KEY: API_KEY,
    TEMPORAL_TLS_CLIENT_CERT_DATA: client.certificate,
    TEMPORAL_TLS_CLIENT_KEY_DATA: client.key,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certificatePath,
  };
  const start = (environment: Record<string, string>) =>
    new Watched([join(root, 'dist/worker/main.js'), '--verbose'], {
      TEMPORAL_TASK_QUEUE: 'secrets',
      LOG_LEVEL: 'trace',
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
      ELASTIC_WORKERS_HEALTH_PORT: '0',
      ELASTIC_WORKERS_METRICS_PORT: '0',
      ELASTIC_WORKERS_CLOUDWATCH: 'off',
      ...withBoth,
      ...environment,
    });

  test('when a server refuses the key and repeats it', async () => {
    const worker = start({ TEMPORAL_ADDRESS: echoWithTls.address });
    await worker.says('(hidden)');
    expect(secretIn(await worker.ends('SIGKILL'))).toBeUndefined();
  });

  test('when the server is down', async () => {
    const worker = start({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    await worker.says('127.0.0.1:1');
    expect(secretIn(await worker.ends('SIGKILL'))).toBeUndefined();
  });

  test.each([
    ['a truncated key', { TEMPORAL_TLS_CLIENT_KEY_DATA: client.key.slice(0, 150) }],
    ['another certificate’s key', { TEMPORAL_TLS_CLIENT_CERT_DATA: authority.issue('other').certificate }],
    ['an API key with a line break', { TEMPORAL_API_KEY: `${API_KEY}\n${API_KEY}` }],
  ])('with %s', async (_, environment) => {
    const worker = start({ TEMPORAL_ADDRESS: '127.0.0.1:1', ...environment });
    await worker.ended;
    expect(worker.output).toContain('"fatal"');
    expect(secretIn(worker.output)).toBeUndefined();
  });

  test('while running, at its endpoints, and when it crashes with an error that contains one', async () => {
    const worker = start({ TEMPORAL_ADDRESS: temporalWithTls.address });
    // The whole line: it may arrive in two parts.
    const line = /^(.*Listening for health checks.*)\n/m;
    await worker.until((output) => line.test(output), 'where its endpoints are');
    const [, ports = ''] = line.exec(worker.output) ?? [];
    const { health, metrics } = JSON.parse(ports) as { health: number; metrics: number };
    for (const address of [`${health}/health`, `${health}/health/live`, `${health}/metrics`, `${metrics}/metrics`]) {
      const answer = await fetch(`http://127.0.0.1:${address}`);
      expect(secretIn(await answer.text())).toBeUndefined();
    }
    const output = await worker.ends('SIGUSR2');
    expect(output).toContain('cannot go on with (hidden)');
    expect(secretIn(output)).toBeUndefined();
  });
});

describe('no secret from AWS is in the output of', () => {
  const JSON_SECRET = JSON.stringify({
    TEMPORAL_TLS_CLIENT_CERT_DATA: client.certificate,
    TEMPORAL_TLS_CLIENT_KEY_DATA: client.key,
    TEMPORAL_API_KEY: API_KEY,
  });
  let emulator: LocalEmulator;

  beforeAll(async () => {
    emulator = await startEmulator({ directory: authority.directory });
    const ssm = new SSMClient(localClient(emulator.url));
    const place = (address: string, tls: boolean) => ({ address, namespace: 'default', tls });
    const put = (Name: string, value: object) =>
      ssm.send(new PutParameterCommand({ Name, Value: JSON.stringify(value), Type: 'String' }));
    const pools = {
      refused: [place(echo.address, false), API_KEY],
      absent: [place('127.0.0.1:1', true), JSON_SECRET],
      untrusted: [place(echoWithTls.address, true), JSON_SECRET],
      damaged: [place(echo.address, false), JSON_SECRET.slice(0, -1)],
      cut: [place(echo.address, true), JSON_SECRET.replace(/\\n-----END PRIVATE/, '')],
      misnamed: [place(echo.address, true), JSON.stringify({ TEMPORAL_KEY: API_KEY, apiKey: API_KEY })],
    } as const;
    for (const [pool, [temporal, SecretString]] of Object.entries(pools)) {
      await new SecretsManagerClient(localClient(emulator.url)).send(
        new CreateSecretCommand({ Name: pool, SecretString }),
      );
      const config = { pool, taskQueue: pool, cluster: 'c', service: 's', taskRoleId: 'AROA', policy: {} };
      await put(`/elastic-workers/s/${pool}`, { ...config, temporal: { ...temporal, secret: pool } });
    }
    await put(`${STACKS_PATH}/s`, {
      poolsPath: '/elastic-workers/s',
      stateTable: 'state',
      scalerFunction: 'scaler',
      scalerLogGroup: 'log',
      region: 'us-east-1',
      temporal: place(echo.address, false),
    });
  });
  afterAll(() => emulator?.stop());

  test('the scaler, in each tick and when it crashes with an error that contains one', async () => {
    // Lambda's folder has no package.json that sets the module type.
    const bundle = join(authority.directory, 'scaler');
    cpSync(join(root, 'dist/scaler'), bundle, { recursive: true });
    const scaler = new Watched([join(root, 'test/faults/fixtures/scaler.mjs'), join(bundle, 'index.js')], {
      ...emulatorCredentials(emulator.url),
      TEMPORAL_ADDRESS: echo.address,
      ELASTIC_WORKERS_STATE_TABLE: 'state',
      ELASTIC_WORKERS_POOLS_PATH: '/elastic-workers/s',
      ELASTIC_WORKERS_TICK_SECONDS: '1',
      LOG_LEVEL: 'trace',
      TOLD: `${API_KEY} ${client.key}`,
    });
    await scaler.says('"refused"', '"absent"', '"untrusted"', '"damaged"', '"cut"', '"misnamed"', '(hidden)');
    const output = await scaler.ends('SIGUSR2');
    expect(output).toContain('cannot go on with (hidden)');
    expect(secretIn(output)).toBeUndefined();
  });

  test.each([['--json'], []])('the doctor %s', async (...args) => {
    const { code, stdout, stderr } = await runCli(['doctor', ...args], { env: emulatorCredentials(emulator.url) });
    expect(code).toBe(1);
    expect(stdout).toContain('(hidden)');
    expect(secretIn(stdout + stderr)).toBeUndefined();
  });

  test('the doctor, with a key from its own environment', async () => {
    const env = { ...emulatorCredentials(emulator.url), TEMPORAL_API_KEY: API_KEY, TEMPORAL_ADDRESS: echo.address };
    const { stdout, stderr } = await runCli(['doctor'], { env });
    expect(secretIn(stdout + stderr)).toBeUndefined();
  });
});
