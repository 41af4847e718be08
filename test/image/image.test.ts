/**
 * The worker's image, built and run for real with Docker or podman: a workflow runs in it on the real Temporal
 * server, from a read-only root file system, and SIGTERM ends it when its work is done.
 *
 * `npm run test:image`. Only where ELASTIC_WORKERS_TEST_IMAGE names the engine (`docker` or `podman`), as engine.sh finds it;
 * ELASTIC_WORKERS_TEST_IMAGE_BUILD holds further arguments of its `build`, such as `--build-arg NODE_IMAGE=…`.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, Connection } from '@temporalio/client';
import { freePorts } from '../../local/process.ts';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';

jest.setTimeout(600_000);

const engine = process.env.ELASTIC_WORKERS_TEST_IMAGE;
const buildArguments = process.env.ELASTIC_WORKERS_TEST_IMAGE_BUILD?.split(' ').filter(Boolean) ?? [];
const IMAGE = 'temporal-elastic-workers/worker:test';
const CONTAINER = `worker-image-test-${process.pid}`;
const root = join(import.meta.dirname, '../..');
const withEngine = engine ? describe : describe.skip;

withEngine('the image', () => {
  let temporal: LocalTemporal;
  let client: Client;

  beforeAll(async () => {
    const args = ['build', ...buildArguments, '-f', 'worker/Dockerfile', '-t', IMAGE, '.'];
    execFileSync(engine!, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    temporal = await startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } });
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  });

  afterAll(async () => {
    await client?.connection.close();
    await temporal?.stop();
  });

  // A failed test leaves its container running.
  afterEach(() => void spawnSync(engine!, ['rm', '--force', CONTAINER], { stdio: 'ignore' }));

  test('finishes its work on SIGTERM, as user nobody, on a read-only file system, within its memory', async () => {
    const container = await start();
    const slow = await run('slow', { offlineModel: { secondsPerAsk: 5 }, execution: 'direct' });
    await container.says('Worker started');
    await started(slow.workflowId);
    const said = container.ask(
      `fetch('http://127.0.0.1:${container.healthPort}/health').then(({ status }) =>
        console.log(JSON.stringify([status, process.getuid(), require('node:v8').getHeapStatistics().heap_size_limit])))`,
    );
    const [status, user, heap] = JSON.parse(said) as [number, number, number];
    expect(status).toBe(200);
    expect(user).toBe(65_532);
    expect(heap).toBeLessThan(512 * 2 ** 20);
    expect(heap).toBeGreaterThan(256 * 2 ** 20);
    container.stop();
    expect(await container.exitCode).toBe(0);
    const { events } = await slow.fetchHistory();
    expect(events?.some(({ activityTaskCompletedEventAttributes: completed }) => completed)).toBe(true);
  });

  test('contains no source maps, no files for other platforms and no package manager', () => {
    const listing = `const { readdirSync, existsSync } = require('node:fs');
      const files = readdirSync('.', { recursive: true });
      console.log(JSON.stringify([files.filter((file) => file.endsWith('.map')),
        readdirSync('releases').length, existsSync('/bin/sh'), readdirSync('/compiled').length > 0]))`;
    const said = execFileSync(engine!, ['run', '--rm', '--network', 'host', IMAGE, 'node', '-e', listing], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(JSON.parse(said)).toEqual([[], 1, false, true]);
  });

  test('is small: Node.js and one native library are most of it', () => {
    const save = `${engine} save ${IMAGE} 2>/dev/null | gzip -6 | wc -c`;
    const megabytes = Number(execFileSync('sh', ['-c', save], { encoding: 'utf8' })) / 1e6;
    console.log(`The image has ${megabytes.toFixed(1)} MB, compressed.`);
    expect(megabytes).toBeGreaterThan(10);
    expect(megabytes).toBeLessThan(85);
  });

  async function start() {
    const [healthPort, metricsPort] = await freePorts(2);
    const strict = ['--read-only', '--cap-drop=all', '--security-opt=no-new-privileges', '--memory=512m'];
    const variables = {
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_TASK_QUEUE: 'image',
      ELASTIC_WORKERS_HEALTH_PORT: healthPort,
      ELASTIC_WORKERS_METRICS_PORT: metricsPort,
    };
    const settings = Object.entries(variables).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
    const args = ['run', '--rm', '--name', CONTAINER, '--network', 'host', ...strict, ...settings, IMAGE];
    const child = spawn(engine!, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const lines: string[] = [];
    const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const exitCode = once(child, 'close').then(([code]) => code as number | null);
    return {
      healthPort,
      exitCode,
      async says(message: string) {
        const ended = exitCode.then((code) => Promise.reject(new Error(`Ended (${code}): ${lines.join('\n')}`)));
        ended.catch(() => undefined);
        while (!lines.some((line) => line.includes(message))) await Promise.race([once(output, 'line'), ended]);
      },
      ask: (code: string) => execFileSync(engine!, ['exec', CONTAINER, 'node', '-e', code], { encoding: 'utf8' }),
      stop: () => void execFileSync(engine!, ['kill', '--signal', 'SIGTERM', CONTAINER], { stdio: 'ignore' }),
    };
  }

  function run(workflowId: string, processorConfig: object) {
    const args = ['specialist', { task: 'Wait.' }, processorConfig];
    return client.workflow.start(GENERIC_STRATEGY_WORKFLOW, { taskQueue: 'image', workflowId, args });
  }

  /** The workflow's activity is running. */
  async function started(workflowId: string): Promise<void> {
    const handle = client.workflow.getHandle(workflowId);
    // PENDING_ACTIVITY_STATE_STARTED
    while ((await handle.describe()).raw.pendingActivities?.[0]?.state !== 2) continue;
  }
});
