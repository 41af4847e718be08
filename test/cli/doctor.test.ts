/** The doctor, and each fault that it shall find, produced for real. */
import { readFileSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { DeleteServiceCommand } from '@aws-sdk/client-ecs';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Check } from '../../cli/doctor/check.ts';
import { examineTemporal } from '../../cli/doctor/temporal.ts';
import { tlsProxy, Authority, type Proxy } from '../worker/temporal-proxies.ts';
import { ServedStacks, type StackSettings } from './served-stacks.ts';

jest.setTimeout(180_000);

const stacks = new ServedStacks();
const authority = new Authority();
const proxies: Proxy[] = [];
const workers: { worker: Worker; running: Promise<void> }[] = [];
let connection: NativeConnection;
let client: Client;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' });
  await stacks.start();
  connection = await NativeConnection.connect({ address: stacks.temporal.address });
  client = new Client({ connection: await Connection.connect({ address: stacks.temporal.address }) });
});

afterAll(async () => {
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ running }) => running));
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await connection?.close();
  await client?.connection.close();
  await stacks.stop();
});

/** A worker of its own, from its first heartbeat on. */
async function serve(taskQueue: string, options: { activities?: object } = {}): Promise<void> {
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: require.resolve('./fixtures/workflows.ts'),
    logger: new DefaultLogger('ERROR'),
  });
  const activities = { work: async () => 'done' };
  const worker = await Worker.create({ connection, workflowBundle, taskQueue, activities, ...options });
  workers.push({ worker, running: worker.run() });
  await stacks.heartbeat(taskQueue);
}

/** A stack that is well but for what its settings say, after one tick of the scaler. */
async function deploy(id: string, settings: StackSettings = {}, at = Date.now()): Promise<void> {
  const pools = [{ pool: `${id}-pool`, ...settings.pools?.[0] }];
  await stacks.deploy(id, { ...settings, pools });
  await stacks.alarm(id, `${id}-pool`);
  await stacks.tick(id, { ...settings, pools }, at);
}

interface Examined {
  code: number;
  checks: Check[];
  /** As a person reads it. */
  text: string;
}

async function examine(id: string, env: Record<string, string> = {}): Promise<Examined> {
  const [json, text] = await Promise.all([
    stacks.cliWith({ env }, 'doctor', '--stack', id, '--json'),
    stacks.cliWith({ env }, 'doctor', '--stack', id),
  ]);
  expect([json.stderr, text.stderr]).toEqual(['', '']);
  return { code: json.code, checks: JSON.parse(json.stdout).checks, text: text.stdout };
}

/** The wrong ones; every one says why it matters and how it is mended. */
function wrong({ checks }: Examined): Check[] {
  const found = checks.filter(({ ok }) => ok === false);
  for (const { matters, mend } of found) expect([matters, mend]).not.toContain(undefined);
  return found;
}

test('a stack that is well has nothing wrong', async () => {
  await serve('well-queue');
  await deploy('well');
  const examined = await examine('well');
  expect(wrong(examined)).toEqual([]);
  expect(examined.code).toBe(0);
  expect(examined.checks.map(({ check }) => check).toSorted()).toEqual(
    [
      'ECS service',
      'alarms',
      'heartbeats',
      'namespace',
      'pool settings',
      'queue names',
      'rights',
      'scaler',
      'schedule',
      'server',
      'signals',
      'versions',
      'workers',
      'zone rebalancing',
    ].toSorted(),
  );
  expect(examined.text).toMatch(/^✓ workers \(well-pool\): 1 worker polling 'well-queue'; nothing waits$/m);
  expect(examined.text).toMatch(/^✓ versions \(well-pool\): all workers run temporal-typescript \d/m);
  expect(examined.text).toMatch(/^All 14 checks passed\.$/m);
});

test('no server', async () => {
  await deploy('no-server', { config: { temporal: { address: '127.0.0.1:1', namespace: 'default', tls: false } } });
  const examined = await examine('no-server');
  expect(examined.code).toBe(1);
  expect(wrong(examined)).toMatchObject([
    { check: 'server', says: '127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1' },
    { check: 'signals', says: expect.stringContaining('the scaler could not read activityQueue: ') },
  ]);
  expect(examined.text).toMatch(
    /^✗ server \(default at 127.0.0.1:1\): .+\n {4}why it matters: .+\n {4}fix: .+temporal\.address/m,
  );
});

test('a server that is reached from here by another address, and not by the scaler', async () => {
  await deploy('elsewhere', { config: { temporal: { address: '127.0.0.1:1', namespace: 'default', tls: false } } });
  const examined = await examine('elsewhere', { TEMPORAL_ADDRESS: stacks.temporal.address });
  expect(wrong(examined).map(({ check }) => check)).toEqual(['workers', 'signals']);
});

test('a server that speaks no TLS, and one whose certificate nobody here trusts', async () => {
  await deploy('no-tls', {
    config: { temporal: { address: stacks.temporal.address, namespace: 'default', tls: true } },
  });
  expect(wrong(await examine('no-tls'))).toMatchObject([
    {
      check: 'server',
      says: expect.stringMatching(/^TLS with .+ fails: .*(wrong version number|packet length)/i),
      mend: expect.stringContaining('does not use TLS'),
    },
    { check: 'signals' },
  ]);
  const proxy = await tlsProxy(stacks.temporal.address, authority);
  proxies.push(proxy);
  await deploy('untrusted', { config: { temporal: { address: proxy.address, namespace: 'default', tls: true } } });
  expect(wrong(await examine('untrusted'))).toMatchObject([
    {
      check: 'server',
      says: expect.stringMatching(/fails: .*(self-signed|unable to verify|local issuer)/),
      mend: expect.stringContaining('signed by a known authority'),
    },
    { check: 'signals' },
  ]);
});

test('certificates that will expire soon, of the client and of the server', async () => {
  const proxy = await tlsProxy(stacks.temporal.address, authority, { clients: true });
  proxies.push(proxy);
  const { certificate, key } = authority.issue('on-call', 90);
  const secret = JSON.stringify({
    TEMPORAL_TLS_CLIENT_CERT_DATA: certificate,
    TEMPORAL_TLS_CLIENT_KEY_DATA: key,
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: readFileSync(authority.certificatePath, 'utf8'),
  });
  const temporal = { address: proxy.address, namespace: 'default', tls: true, secret: 'temporal' };
  const pool = {
    pool: 'a',
    taskQueue: 'a',
    cluster: 'none',
    service: 'none',
    taskRoleId: 'none',
    policy: {},
    temporal,
  };
  const certificatesIn = async (hours: number) => {
    const places = { pools: [{ ...pool, protection: 'worker' as const }], readSecret: async () => secret };
    const checks = await examineTemporal(places, new Map(), Date.now() + hours * 3_600_000);
    return checks.find(({ check }) => check === 'certificates');
  };
  // The proxy's own lives for a day, and counts as renewed by a machine: soon is its last third.
  expect(await certificatesIn(1)).toMatchObject({
    ok: true,
    says: expect.stringMatching(
      /^client certificate valid for 89 more days \(CN=on-call\), server certificate .* less than a day/,
    ),
  });
  expect(await certificatesIn(20)).toMatchObject({ ok: false, says: expect.stringMatching(/^server certificate/) });
  expect(await certificatesIn(61 * 24)).toMatchObject({
    ok: false,
    says: expect.stringMatching(/^client certificate valid for 28 more days/),
    mend: expect.stringMatching(/^register a new client certificate .*; renew the server certificate/),
  });
});

test('an API key that the server refuses, and a secret that is not there', async () => {
  const guard = createHttp2Server();
  guard.on('stream', (stream) => {
    const refusal = { 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'bad key' };
    stream.respond(refusal, { endStream: true });
  });
  await new Promise<void>((resolve) => guard.listen(0, '127.0.0.1', resolve));
  const temporal = { address: `127.0.0.1:${(guard.address() as AddressInfo).port}`, namespace: 'default', tls: false };

  await deploy('key', { config: { temporal } });
  expect(wrong(await examine('key', { TEMPORAL_API_KEY: 'old' }))[0]).toMatchObject({
    check: 'credentials',
    says: expect.stringMatching(/^the server refuses us \(authentication: API key\): .*bad key/),
  });
  await deploy('secret', { config: { temporal: { ...temporal, secret: 'temporal/nowhere' } } });
  expect(wrong(await examine('secret'))[0]).toMatchObject({
    check: 'credentials',
    says: expect.stringContaining('temporal/nowhere'),
  });
  guard.close();
});

test('a namespace that does not exist', async () => {
  await deploy('no-namespace', {
    config: { temporal: { address: stacks.temporal.address, namespace: 'nowhere', tls: false } },
  });
  const examined = await examine('no-namespace');
  expect(wrong(examined)).toMatchObject([
    {
      check: 'namespace',
      says: "there is no namespace 'nowhere'",
      mend: expect.stringContaining('temporal operator namespace create --namespace nowhere'),
    },
    { check: 'signals' },
  ]);
  const elsewhere = await examine('no-namespace', { TEMPORAL_NAMESPACE: 'default' });
  expect(wrong(elsewhere).map(({ check }) => check)).not.toContain('namespace');
});

test('tasks that run, but poll another queue', async () => {
  await deploy('unpolled');
  const examined = await examine('unpolled');
  expect(examined.code).toBe(1);
  expect(wrong(examined)).toMatchObject([
    {
      check: 'workers',
      says: "1 task of the pool is running, but no worker polls the task queue 'unpolled-queue'; nothing waits",
      mend: expect.stringContaining('TEMPORAL_TASK_QUEUE'),
    },
  ]);
});

test('workflows on a queue that nobody polls, with the name that was meant', async () => {
  await serve('orders-queue');
  await deploy('orders');
  const handle = await client.workflow.start('order', { taskQueue: 'Orders_queue', workflowId: 'lost-order' });
  const found = await stacks.eventually(
    async () => wrong(await examine('orders')),
    ({ length }) => length > 0,
  );
  await handle.terminate();
  expect(found).toMatchObject([
    {
      check: 'queue names',
      says: "workflows run on task queues without pollers: 1 workflow on 'Orders_queue' (such as lost-order, order): did you mean 'orders-queue'?",
      matters: expect.stringContaining('they wait forever'),
    },
  ]);
});

test('a service that was deleted', async () => {
  await serve('gone-queue');
  await deploy('gone');
  await stacks.ecs.send(new DeleteServiceCommand({ cluster: 'cluster', service: 'gone-gone-pool', force: true }));
  expect(wrong(await examine('gone'))).toMatchObject([
    {
      check: 'ECS service',
      says: expect.stringMatching(/^gone-gone-pool in cluster cluster is (INACTIVE|MISSING|DRAINING)$/),
    },
  ]);
});

test('tasks that cannot be placed, and a deployment that failed', async () => {
  await serve('full-queue');
  await deploy('full');
  const message = '(service full) was unable to place a task. Reason: Capacity is unavailable at this time.';
  const aws = await stacks.awsBut((operation, answer) => {
    const body = JSON.parse(answer);
    if (operation === 'DescribeServices') {
      body.services[0].events = [{ id: '1', createdAt: Date.now() / 1000, message }];
      body.services[0].deployments[0] = {
        rolloutState: 'FAILED',
        rolloutStateReason: 'ECS deployment circuit breaker.',
      };
    }
    return { status: 200, body: JSON.stringify(body) };
  });
  const examined = await examine('full', { AWS_ENDPOINT_URL_ECS: aws.url });
  await aws.stop();
  expect(wrong(examined)).toMatchObject([
    {
      check: 'ECS service',
      says: expect.stringMatching(
        /1 desired.+; a deployment failed: ECS deployment circuit breaker\.; .+unable to place a task/,
      ),
      mend: expect.stringContaining('--desired-status STOPPED'),
    },
  ]);
});

test('a queue nobody polls is not blamed while it is unknown whether a task runs', async () => {
  await deploy('unknown');
  const { checks } = await examine('unknown', { AWS_ENDPOINT_URL_ECS: 'http://127.0.0.1:1' });
  expect(checks.filter(({ ok }) => ok !== true)).toMatchObject([
    { check: 'workers', ok: null, says: expect.stringContaining('ECS could not be asked whether a task is running') },
    { check: 'ECS service', ok: null },
  ]);
});

test('what whoever asks may not see is no fault of the stack, but not well either', async () => {
  await serve('veiled-queue');
  await deploy('veiled');
  const aws = await stacks.awsBut(() => ({
    status: 400,
    body: JSON.stringify({ __type: 'AccessDeniedException', message: 'You are not authorized' }),
  }));
  const examined = await examine('veiled', { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: aws.url });
  await aws.stop();
  expect(wrong(examined)).toEqual([]);
  expect(examined.code).toBe(1);
  expect(examined.text).toMatch(
    /^\? rights: could not check: AccessDeniedException: .+; this needs logs:FilterLogEvents on veiled-scaler-log$/m,
  );
});

test('a scaler that is silent, and one that never ticked', async () => {
  await serve('silent-queue');
  // Sixty minutes, rounded, for all of the minute from now on.
  await deploy('silent', {}, Date.now() - 3_572_000);
  expect(wrong(await examine('silent'))).toMatchObject([
    {
      check: 'schedule',
      says: 'the scaler is silent: it last ticked 60 min ago',
      mend: expect.stringContaining('aws logs tail silent-scaler-log'),
    },
  ]);
  await stacks.deploy('unborn', { pools: [{ pool: 'unborn-pool', taskQueue: 'silent-queue' }] });
  await stacks.alarm('unborn', 'unborn-pool');
  expect(wrong(await examine('unborn'))).toMatchObject([
    { check: 'schedule', says: expect.stringContaining('the scaler has never ticked') },
  ]);
});

test('rights that the scaler lacks, and its other errors', async () => {
  await serve('denied-queue');
  await deploy('denied');
  await stacks.log('denied', [
    '{"level":"error","message":"metrics not sent: AccessDenied: User: scaler is not authorized to perform: cloudwatch:PutMetricData"}',
    '2026-11-23T12:00:00.000Z 1 Task timed out after 60.00 seconds',
  ]);
  expect(wrong(await examine('denied'))).toMatchObject([
    { check: 'rights', says: expect.stringContaining('not authorized to perform: cloudwatch:PutMetricData') },
    { check: 'scaler', says: expect.stringContaining('Task timed out') },
  ]);
});

test('alarms that are not there, tell nobody, or ring', async () => {
  await serve('alarms-queue');
  const pools = [{ pool: 'alarms-pool' }];
  await stacks.deploy('alarms', { pools });
  await stacks.tick('alarms', { pools });
  expect(wrong(await examine('alarms'))).toMatchObject([
    { check: 'alarms', says: 'there is no alarm on WorkersDown, Backlog, ErrorRate, DesiredTasks, PinnedAtMax' },
  ]);
  await stacks.alarm('alarms', 'alarms-pool', []);
  expect(wrong(await examine('alarms'))).toMatchObject([
    {
      check: 'alarms',
      says: '5 of 5 alarms have no action, or their actions are turned off',
      mend: expect.stringContaining('alarmTopics'),
    },
  ]);
  await stacks.alarm('alarms', 'alarms-pool');
  // The emulator looks at its alarms whenever anybody publishes a figure, and may find this one quiet again.
  let ringing: ReturnType<typeof wrong> = [];
  for (let attempt = 0; attempt < 5 && ringing.length === 0; attempt += 1) {
    await stacks.ring('alarms-pool-Backlog');
    ringing = wrong(await examine('alarms'));
  }
  expect(ringing).toMatchObject([
    {
      check: 'alarms',
      says: expect.stringMatching(/^in ALARM: Backlog \(/),
      mend: 'alarms-pool: the runbook of Backlog.',
    },
  ]);
});

test('workers without heartbeats', async () => {
  await deploy('mute', { pools: [{ pool: 'mute-pool', taskQueue: 'mute-queue' }] });
  const ended = new AbortController();
  const poll = {
    namespace: 'default',
    taskQueue: { name: 'mute-queue', kind: 1 },
    identity: 'old-sdk@host',
  };
  const polling = client.connection.withAbortSignal(ended.signal, () =>
    client.connection.withDeadline(Date.now() + 60_000, () => client.workflowService.pollWorkflowTaskQueue(poll)),
  );
  const found = await stacks.eventually(
    async () => wrong(await examine('mute')),
    (checks) => checks.some(({ check }) => check === 'heartbeats'),
  );
  ended.abort();
  await expect(polling).rejects.toThrow('CANCELLED');
  expect(found).toMatchObject([
    { check: 'heartbeats', says: "workers poll 'mute-queue', but none has sent a heartbeat (old-sdk@host)" },
  ]);
});

test('tags and settings that make no sense', async () => {
  await serve('odd-queue');
  await deploy('odd');
  await stacks.tag('odd-odd-pool', { 'elastic-workers:min-tasks': 'many' });
  await stacks.put('/elastic-workers/odd/broken', '{"pool":"broken"}');
  expect(wrong(await examine('odd'))).toMatchObject([
    { check: 'pool settings', says: expect.stringContaining('/elastic-workers/odd/broken') },
    { check: 'tags', says: expect.stringContaining('"many"') },
  ]);
});
