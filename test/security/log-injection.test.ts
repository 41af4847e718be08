/**
 * Names of queues, pools, workflows and workers, and errors of activities, are written to logs and terminals: a log event
 * stays one line of JSON, and a terminal shows text. Real processes, a real Temporal server, the AWS emulator.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { emulatorCredentials } from '../../local/emulator.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { ServedStacks } from '../cli/served-stacks.ts';
import { queue, startHostileServer, workers, type HostileServer } from './hostile-server.ts';
import { Watched } from './watched.ts';

jest.setTimeout(300_000);

const root = join(import.meta.dirname, '../..');
/** Line ends, terminal commands, reversed text, and a fake log line. */
const HOSTILE =
  'a\nFORGED\r\n{"level":"fatal","message":"FORGED"}\u001b[2J\u001b]0;x\u0007\u009b31m\u007f\u0085\u2028\u2029\u202e\u2066';
/** The maximum length of a pool's name. */
const POOL = HOSTILE.slice(0, 20) + HOSTILE.slice(-16);
const LARGEST_EVENT_BYTES = 256 * 1024;

const stacks = new ServedStacks();
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'injection-'));
  await stacks.start();
});

afterAll(async () => {
  await stacks.stop();
  rmSync(directory, { recursive: true, force: true });
});

function expectText(output: string): void {
  expect(output.match(/(?!\n)\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu)).toBeNull();
  expect(output.split('\n').filter((line) => line.startsWith('FORGED'))).toEqual([]);
  expect(output).toContain('FORGED');
}

/** The events as CloudWatch sees them: one per line. */
function eventsIn(output: string): Record<string, unknown>[] {
  expectText(output);
  // The last, incomplete line of a killed process does not count.
  const lines = output.split('\n').slice(0, -1);
  expect(lines.filter((line) => Buffer.byteLength(line) > LARGEST_EVENT_BYTES)).toEqual([]);
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.filter(({ message, level }) => message === 'FORGED' || level === 'fatal')).toEqual([]);
  return events;
}

test('the worker’s log shows queue, workflow ids and errors of any length as text', async () => {
  const worker = new Watched([join(root, 'dist/worker/main.js')], {
    TEMPORAL_ADDRESS: stacks.temporal.address,
    TEMPORAL_TASK_QUEUE: HOSTILE,
    LOG_LEVEL: 'trace',
    ELASTIC_WORKERS_PROCESSES: '1',
    ELASTIC_WORKERS_HEALTH_PORT: 'off',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
    ELASTIC_WORKERS_CLOUDWATCH: 'off',
  });
  const connection = await Connection.connect({ address: stacks.temporal.address });
  const client = new Client({ connection });
  const once = { taskQueue: HOSTILE, workflowExecutionTimeout: '180 seconds' } as const;
  const activity = { taskQueue: HOSTILE, startToCloseTimeout: '30 seconds', retry: { maximumAttempts: 1 } } as const;
  const failing = [
    client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, { ...once, workflowId: HOSTILE, args: [HOSTILE, {}, {}] }),
    ...[HOSTILE, HOSTILE + 'x'.repeat(400_000)].map(async (strategy, index) => {
      const id = `${HOSTILE}${index}`;
      return (
        await client.activity.start('executeStrategyDirectly', { ...activity, id, args: [strategy, {}] })
      ).result();
    }),
  ];
  await Promise.all(failing.map((each) => expect(each).rejects.toThrow(/failed/)));
  const isOfError = (line: string) =>
    /^\{.*"error":\{/.test(line) && JSON.stringify(JSON.parse(line).error ?? '').includes('FORGED');
  const failures = (output: string) => output.split('\n').slice(0, -1).filter(isOfError);
  await worker.until((output) => failures(output).length >= 2 && output.includes('(cut)'), 'both activities’ errors');
  await connection.close();
  const events = eventsIn(await worker.ends('SIGKILL'));
  expect(events.filter(({ error }) => JSON.stringify(error ?? '').includes('FORGED')).length).toBeGreaterThanOrEqual(2);
  expect(events).toContainEqual(expect.objectContaining({ workflowId: HOSTILE }));
});

describe('with hostile names of pools and queues', () => {
  const pools = [{ pool: POOL, taskQueue: HOSTILE, service: 's-pool' }];
  let server: HostileServer;

  beforeAll(async () => {
    server = await startHostileServer();
    const heartbeat = {
      taskQueue: HOSTILE,
      key: HOSTILE,
      identity: HOSTILE,
      host: HOSTILE,
      at: BigInt(Math.floor(Date.now() / 1000)),
    };
    server.answers = { DescribeTaskQueue: () => queue({ backlog: 1n }), ListWorkers: () => workers([heartbeat]) };
    await stacks.deploy('s');
    const config = {
      pool: POOL,
      taskQueue: HOSTILE,
      cluster: 'cluster',
      service: 's-pool',
      taskRoleId: 'AROA',
      policy: {},
    };
    const temporal = { address: server.address, namespace: 'default', tls: false };
    await stacks.put('/elastic-workers/s/hostile', config);
    await stacks.put('/elastic-workers/s/refused', { ...config, pool: 'refused', temporal });
    await stacks.put('/elastic-workers/s/damaged', { ...config, [HOSTILE]: HOSTILE, policy: { maxTasks: HOSTILE } });
    await stacks.alarm('s', POOL);
    await stacks.tick('s', { pools });
  });
  afterAll(() => server.stop());

  test('the scaler’s log shows pools, queues, workers, invalid settings and server errors as text', async () => {
    cpSync(join(root, 'dist/scaler'), directory, { recursive: true });
    const scaler = new Watched([join(root, 'test/faults/fixtures/scaler.mjs'), join(directory, 'index.js')], {
      ...emulatorCredentials(stacks.awsUrl),
      TEMPORAL_ADDRESS: stacks.temporal.address,
      ELASTIC_WORKERS_STATE_TABLE: 's-state',
      ELASTIC_WORKERS_POOLS_PATH: '/elastic-workers/s',
      ELASTIC_WORKERS_TICK_SECONDS: '1',
    });
    await scaler.says('pool parameter /elastic-workers/s/damaged', '"key":"a\\nFORGED');
    server.refuse = () => HOSTILE;
    await scaler.says('UNAUTHENTICATED');
    const events = eventsIn(await scaler.ends('SIGKILL'));
    expect(events).toContainEqual(expect.objectContaining({ pool: POOL }));
  });

  test.each([
    ['status', []],
    ['doctor', []],
    ['cost', []],
    ['explain', [POOL]],
  ])('the output of %s shows them as text', async (command, args) => {
    const { stdout, stderr } = await stacks.cli(command, ...args, '--stack', 's');
    expectText(stdout + stderr);
    const json = await stacks.cli(command, ...args, '--stack', 's', '--json');
    expectText(json.stdout + json.stderr);
    expect(JSON.stringify(JSON.parse(json.stdout))).toContain('FORGED');
  });

  test('the error messages of a command show them as text', async () => {
    for (const json of [[], ['--json']]) {
      const { stdout, stderr, code } = await stacks.cli('explain', HOSTILE, '--stack', 's', ...json);
      expect(code).toBe(2);
      expectText(stdout + stderr);
    }
  });
});
