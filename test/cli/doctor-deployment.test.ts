/** What the doctor reports before a deployment, and about workers that do not report; each fault is real. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { PoolConfig } from '../../contract/pool-config.ts';
import type { Check } from '../../cli/doctor/check.ts';
import { examineLongWork } from '../../cli/doctor/long-work.ts';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { bundledWorkflows } from './bundle.ts';
import { grpcFront, withoutField, type GrpcFront } from './grpc-front.ts';
import { ServedStacks, type StackSettings } from './served-stacks.ts';

jest.setTimeout(180_000);

const HOUR_MS = 3_600_000;
const stacks = new ServedStacks();
const fronts: GrpcFront[] = [];
const workers: { worker: Worker; running: Promise<void> }[] = [];
const directory = mkdtempSync(join(tmpdir(), 'doctor-'));
const release: { now?: () => void } = {};
const released = new Promise<void>((resolve) => (release.now = resolve));
const connections: NativeConnection[] = [];
let client: Client;
let mute: LocalTemporal | undefined;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' });
  await stacks.start();
  client = new Client({ connection: await Connection.connect({ address: stacks.temporal.address }) });
});

afterAll(async () => {
  release.now?.();
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ running }) => running));
  for (const front of fronts) front.stop();
  await Promise.all(connections.map((connection) => connection.close()));
  await client?.connection.close();
  await Promise.all([stacks.stop(), mute?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

/** A separate worker, from its first heartbeat on. */
async function serve(taskQueue: string, options: { identity?: string; workflows?: true } = {}): Promise<void> {
  const { identity, workflows } = options;
  // One connection per task: workers of one connection may share an identity, and must then serve different work.
  const own = await NativeConnection.connect({ address: stacks.temporal.address });
  connections.push(own);
  const worker = await Worker.create({
    connection: own,
    taskQueue,
    activities: { encode: () => released },
    ...(identity !== undefined && { identity }),
    ...(workflows && { workflowBundle: await bundledWorkflows() }),
  });
  workers.push({ worker, running: worker.run() });
  await stacks.heartbeat(taskQueue);
}

async function deploy(id: string, settings: StackSettings = {}): Promise<void> {
  const pools = [{ pool: `${id}-pool`, ...settings.pools?.[0] }];
  await stacks.deploy(id, { ...settings, pools });
  await stacks.alarm(id, `${id}-pool`);
  await stacks.tick(id, { ...settings, pools });
}

async function doctor(args: string[], env: Record<string, string> = {}): Promise<{ code: number; checks: Check[] }> {
  const { code, stdout, stderr } = await stacks.cliWith({ env }, 'doctor', ...args, '--json');
  expect(stderr).toBe('');
  return { code, checks: (JSON.parse(stdout) as { checks: Check[] }).checks };
}

/** Every failed check says why it matters and how to fix it. */
function wrong(checks: Check[]): Check[] {
  const found = checks.filter(({ ok }) => ok === false);
  for (const { matters, mend } of found) expect([matters, mend]).not.toContain(undefined);
  return found;
}

const named = (checks: Check[], name: string) => checks.filter(({ check }) => check === name);

describe('workers that do not report are found', () => {
  const at = (address: string) => ({ config: { temporal: { address, namespace: 'default', tls: false } } });

  test('when the namespace accepts no heartbeats: reported once, and the other checks still run', async () => {
    mute = await startTemporal({ directory, dynamicConfig: { 'frontend.WorkerHeartbeatsEnabled': false } });
    await deploy('no-heartbeats', at(mute.address));
    const { code, checks } = await doctor(['--stack', 'no-heartbeats']);
    expect(code).toBe(1);
    expect(named(checks, 'namespace')).toMatchObject([
      {
        ok: false,
        says: 'default exists, but does not accept worker heartbeats',
        mend: expect.stringContaining('frontend.WorkerHeartbeatsEnabled'),
      },
    ]);
    expect(named(checks, 'workers')).toMatchObject([
      { says: expect.stringContaining('no worker polls the task queue') },
    ]);
    expect(named(checks, 'queue names')).toHaveLength(1);
    expect(checks.filter(({ check }) => ['heartbeats', 'reports'].includes(check))).toEqual([]);
  });

  test('when the server lists them without slots: a problem only if it does not return them one by one either', async () => {
    await serve('listed-queue');
    const hidden = new Set(['ListWorkers']);
    const front = await grpcFront(stacks.temporal.address, (call, answer) =>
      hidden.has(call) ? withoutField(1, answer) : answer,
    );
    fronts.push(front);
    await deploy('listed', at(front.address));
    const told = (await doctor(['--stack', 'listed'])).checks;
    expect(named(told, 'heartbeats')).toMatchObject([
      {
        ok: true,
        says: "the server lists 1 worker of 'listed-queue' without their reports, but returns each one on request",
      },
    ]);
    expect(named(told, 'versions')).toMatchObject([{ says: expect.stringMatching(/temporal-typescript \d/) }]);
    hidden.add('DescribeWorker');
    const { checks } = await doctor(['--stack', 'listed']);
    expect(wrong(named(checks, 'heartbeats'))).toMatchObject([
      {
        says: "the server lists 1 worker of 'listed-queue' without their reports",
        mend: expect.stringContaining('DescribeWorker'),
      },
    ]);
  });

  test('when their tasks have been running for minutes: named, with their cost', async () => {
    await deploy('silent', { pools: [{ pool: 'silent-pool', taskQueue: 'silent-queue' }] });
    await stacks.scale('silent-silent-pool', 2);
    const tasks = await stacks.eventually(
      () => stacks.tasks('silent-silent-pool'),
      ({ length }) => length === 2,
    );
    const [reporting = '', silent = ''] = tasks.map((arn) => arn.split('/').at(-1) as string);
    await serve('silent-queue', { identity: `${reporting}#1` });
    const startedAgo = async (seconds: number) => {
      const aws = await stacks.awsBut((operation, answer) => {
        if (operation !== 'DescribeTasks') return { status: 200, body: answer };
        const body = JSON.parse(answer) as { tasks: { startedAt: number }[] };
        for (const task of body.tasks) task.startedAt = Date.now() / 1000 - seconds;
        return { status: 200, body: JSON.stringify(body) };
      });
      const { checks } = await doctor(['--stack', 'silent'], { AWS_ENDPOINT_URL_ECS: aws.url });
      await aws.stop();
      return named(checks, 'reports');
    };
    expect(await startedAgo(60)).toEqual([]);
    expect(wrong(await startedAgo(600))).toMatchObject([
      { says: `1 of 2 tasks that have run for longer than 150 s report no worker for 'silent-queue': ${silent}` },
    ]);
    await serve('silent-queue', { identity: silent });
    const all = await stacks.eventually(
      () => startedAgo(600),
      ([check]) => check?.ok === true,
    );
    expect(all).toMatchObject([{ says: 'a worker reports from each task (2)' }]);
  });
});

describe('before a deployment', () => {
  const pool = (taskQueue: string): PoolConfig & { temporal: NonNullable<PoolConfig['temporal']> } => ({
    pool: `${taskQueue}-pool`,
    taskQueue,
    cluster: 'none',
    service: 'none',
    taskRoleId: 'none',
    policy: {},
    protection: 'worker',
    temporal: { address: stacks.temporal.address, namespace: 'default', tls: false },
  });
  const longWorkAt = async (now: number, ...taskQueues: string[]) => {
    const places = { pools: taskQueues.map(pool), readSecret: async () => '' };
    return named(await examineLongWork(places, now), 'long work');
  };
  const longWorkIn = (hours: number, ...taskQueues: string[]) =>
    longWorkAt(Date.now() + hours * HOUR_MS, ...taskQueues);

  test('work running for over an hour is reported by pool, with the oldest and how long it may still run', async () => {
    await serve('videos', { workflows: true });
    const start = (workflowId: string, queue: string) =>
      client.workflow.start('transcode', { taskQueue: 'videos', workflowId, args: [queue] });
    const started = await Promise.all([start('video-17', 'encoders'), start('video-18', 'nobody-serves')]);
    const before = Date.now();
    await serve('encoders');
    const clip = await client.activity.start('encode', {
      id: 'clip-3',
      taskQueue: 'videos',
      startToCloseTimeout: '3 hours',
      args: [],
    });
    await stacks.eventually(
      () => longWorkIn(2, 'videos', 'encoders'),
      (checks) => checks.every(({ ok }) => ok === false),
    );
    const { lastStartedTime } = await clip.describe();
    const later = lastStartedTime!.getTime() + 2 * HOUR_MS;
    expect(wrong(await longWorkAt(later, 'videos', 'encoders', 'idle'))).toMatchObject([
      {
        of: 'videos-pool',
        says: '1 activity has run for longer than an hour; the longest: encode of no workflow, clip-3, for 2.0 h, which may run for another 60 min',
      },
      {
        of: 'encoders-pool',
        says: '1 activity has run for longer than an hour; the longest: encode of workflow video-17, for 2.0 h, which may run for another 3.0 h',
        matters: expect.stringContaining('three hours'),
        mend: expect.stringContaining('docs/how-to/deploy-with-long-work.md'),
      },
    ]);
    expect(await longWorkIn(2, 'nobody-serves')).toMatchObject([
      { ok: true, says: "no activity of 'nobody-serves' has run for longer than an hour" },
    ]);
    // The workflow is older than an hour then, its activity not yet.
    expect(await longWorkAt(before + HOUR_MS, 'encoders')).toMatchObject([{ ok: true }]);
    await Promise.all(started.map((handle) => handle.terminate()));
  });

  test('with too many open workflows to check them all, the oldest are checked, and the report says so', async () => {
    await serve('many', { workflows: true });
    await serve('few-encoders');
    const options = { taskQueue: 'many', args: ['few-encoders'] };
    const first = await client.workflow.start('transcode', { ...options, workflowId: 'first' });
    const later = Array.from({ length: 205 }, (_, index) => `later-${index}`);
    const handles = await Promise.all(
      later.map((workflowId) => client.workflow.start('order', { taskQueue: 'nobody-yet', workflowId })),
    );
    const [check] = await stacks.eventually(
      () => longWorkIn(2, 'few-encoders'),
      ([check]) => check?.ok === false && check.says.includes('of 206 open workflows'),
    );
    expect(check?.says).toMatch(
      /^1 activity has run .* the longest: encode of workflow first, .* \(looked at the oldest 200 of 206 open workflows\)$/,
    );
    await Promise.all([first, ...handles].map((handle) => handle.terminate()));
  });

  test('only checks that concern a deployment run, and they pass on a healthy stack', async () => {
    await stacks.provide('cluster', ['FARGATE', 'FARGATE_SPOT']);
    await stacks.deploy('ready', { pools: [{ pool: 'ready-pool' }] });
    const { checks } = await doctor(['--stack', 'ready', '--pre']);
    const ofAccount = new Set(['AWS credentials', 'CDK bootstrap', 'ECS service-linked role', 'Fargate quota']);
    expect(checks.filter(({ check }) => !ofAccount.has(check)).map(({ check, ok }) => [check, ok])).toEqual([
      ['server', true],
      ['namespace', true],
      ['long work', true],
      ['capacity providers', true],
      ['zone rebalancing', true],
    ]);
    const { stdout } = await stacks.cli('doctor', '--stack', 'ready', '--pre');
    expect(stdout).toContain('✓ capacity providers (cluster): cluster has FARGATE, FARGATE_SPOT\n');
  });

  test('a cluster that lacks a capacity provider is reported, with a command that keeps the others', async () => {
    await stacks.provide('cluster', ['FARGATE']);
    await stacks.deploy('lacking', { pools: [{ pool: 'lacking-pool' }] });
    const { code, checks } = await doctor(['--stack', 'lacking', '--pre']);
    expect(code).toBe(1);
    expect(wrong(named(checks, 'capacity providers'))).toMatchObject([
      {
        says: 'the cluster cluster lacks FARGATE_SPOT',
        mend: expect.stringContaining(
          "put-cluster-capacity-providers --cluster cluster --capacity-providers FARGATE FARGATE_SPOT --default-capacity-provider-strategy '[]'",
        ),
      },
    ]);
  });

  test('a service whose tasks ECS would rebalance across zones is reported, with and without --pre', async () => {
    await stacks.provide('cluster', ['FARGATE', 'FARGATE_SPOT']);
    await stacks.deploy('zones', { pools: [{ pool: 'zones-pool' }] });
    const aws = await stacks.awsBut((operation, answer) => {
      if (operation !== 'DescribeServices') return { status: 200, body: answer };
      const body = JSON.parse(answer) as { services: { availabilityZoneRebalancing: string }[] };
      for (const service of body.services) service.availabilityZoneRebalancing = 'ENABLED';
      return { status: 200, body: JSON.stringify(body) };
    });
    for (const args of [['--pre'], []]) {
      const { checks } = await doctor(['--stack', 'zones', ...args], { AWS_ENDPOINT_URL_ECS: aws.url });
      expect(wrong(named(checks, 'zone rebalancing'))).toMatchObject([
        {
          of: 'zones-pool',
          says: 'ECS rebalances the tasks of zones-zones-pool across availability zones',
          mend: expect.stringContaining('--availability-zone-rebalancing DISABLED'),
        },
      ]);
    }
    await aws.stop();
  });

  test('when Temporal does not answer, the check for long work does not pass', async () => {
    const temporal = { address: '127.0.0.1:1', namespace: 'default', tls: false };
    await stacks.deploy('away', { config: { temporal }, pools: [{ pool: 'away-pool' }] });
    const { code, checks } = await doctor(['--stack', 'away', '--pre']);
    expect(code).toBe(1);
    expect(named(checks, 'long work')).toMatchObject([{ ok: null, says: 'could not check: Temporal did not answer' }]);
  });
});
