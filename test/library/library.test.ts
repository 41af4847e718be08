/** `temporal-elastic-workers/worker` in another project: its own workers, on the oldest and the newest Temporal SDK. */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { SDK_VERSIONS } from '../../worker/sdk.ts';
import { ensureDeclarations } from '../declarations.ts';
import { WorkerProcess } from '../worker/worker-process.ts';
import { installedSdk, projectOf, type Project } from './project.ts';

jest.setTimeout(240_000);

const NEWEST = process.env['NEWEST_TEMPORAL_SDK'] ?? '1.24.0';
const repository = join(import.meta.dirname, '../..');
const projects: Project[] = [];
const workers: WorkerProcess[] = [];
let temporal: LocalTemporal;
let client: Client;

beforeAll(async () => {
  await ensureDeclarations();
  temporal = await startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } });
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

afterAll(async () => {
  await client?.connection.close();
  await temporal?.stop();
  for (const project of projects) project.remove();
});

function project(fixture: string, packages?: string): Project {
  const made = projectOf(fixture, packages);
  projects.push(made);
  return made;
}

function start({ directory }: Project, more: Record<string, string> = {}, main = 'lib/worker.js'): WorkerProcess {
  const environment = {
    TEMPORAL_ADDRESS: temporal.address,
    ELASTIC_WORKERS_HEARTBEAT_SECONDS: '1',
    ELASTIC_WORKERS_HEALTH_PORT: 'off',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
    ...more,
  };
  const worker = new WorkerProcess(environment, 'inherit', join(directory, main));
  workers.push(worker);
  return worker;
}

/** The only message of a worker that cannot start. */
async function fatal(made: Project, more: Record<string, string> = {}): Promise<string> {
  const worker = start(made, more);
  expect(await worker.exitCode).toBe(1);
  const said = worker.log.filter(({ level }) => level !== 'info');
  expect(said.map(({ level }) => level)).toEqual(['fatal']);
  return said[0]!.message;
}

const order = (taskQueue: string, ...args: [string, number?]) =>
  client.workflow.start('order', { taskQueue, workflowId: `${taskQueue}-${args[0]}-${Math.random()}`, args });

describe.each([
  ['oldest', SDK_VERSIONS.from],
  ['newest', NEWEST],
])('a plain worker on the %s SDK, %s', (_, version) => {
  it('type-checks, completes a workflow, reports its slots, and finishes its work on SIGTERM', async () => {
    const made = project('orders', await installedSdk(version));
    expect(made.compile('-p', '.')).toBe('');
    const taskQueue = `orders-${version}`;
    const worker = start(made, { TEMPORAL_TASK_QUEUE: taskQueue });
    await worker.says('Worker started');
    await expect((await order(taskQueue, 'short')).result()).resolves.toBe('charged short');

    // Long enough to be seen: the worker reports its slots once a second, and a busy machine is late.
    const long = await order(taskQueue, 'long', 10);
    const busy = async () => {
      const query = `TaskQueue='${taskQueue}'`;
      const { workersInfo } = await client.workflowService.listWorkers({ namespace: 'default', query });
      return workersInfo?.some((info) => info.workerHeartbeat?.activityTaskSlotsInfo?.currentUsedSlots === 1);
    };
    while (!(await busy())) await wait(100);
    worker.signal('SIGTERM');
    await worker.says('Stopped: all work is finished');
    expect(await worker.exitCode).toBe(0);
    const { events } = await long.fetchHistory();
    expect(events?.filter(({ activityTaskCompletedEventAttributes: completed }) => completed)).toHaveLength(1);
  });
});

describe('runElasticWorker', () => {
  let made: Project;
  const worker = (options: string, before = '') => ({
    'src/worker.ts': `
      import { runElasticWorker } from 'temporal-elastic-workers/worker';
      import * as activities from './activities';
      ${before}
      void runElasticWorker({ activities, taskQueue: 'orders', ...${options} } as object).then(console.error);`,
  });

  beforeEach(() => {
    made = project('orders');
  });

  const compiled = (files: Record<string, string>) => {
    made.write(files);
    expect(made.compile('-p', '.')).toBe('');
    return made;
  };

  it('runs several processes of the same script, with the script’s arguments', async () => {
    const parsed = `import { writeFileSync } from 'node:fs';
      writeFileSync(__dirname + '/' + process.pid, process.argv[2] ?? 'none');`;
    compiled(worker("{ workflowsPath: require.resolve('./workflows') }", parsed));
    const running = start(made, { ELASTIC_WORKERS_PROCESSES: '2', TEMPORAL_TASK_QUEUE: 'two-processes' });
    await running.says('Worker started');
    await Promise.all(['a', 'b', 'c'].map(async (name) => (await order('two-processes', name)).result()));
    running.signal('SIGTERM');
    expect(await running.exitCode).toBe(0);
    const files = execFileSync('ls', [join(made.directory, 'lib')], { encoding: 'utf8' }).split('\n');
    expect(files.filter((name) => /^\d+$/.test(name))).toHaveLength(3);
  });

  it('runs from an ECMAScript module', async () => {
    made.write({
      'worker.mjs': `
        import { fileURLToPath } from 'node:url';
        import { runElasticWorker } from 'temporal-elastic-workers/worker';
        const end = await runElasticWorker({
          workflowsPath: fileURLToPath(import.meta.resolve('./src/workflows.ts')),
          activities: { charge: async (order) => 'charged ' + order },
          taskQueue: 'esm',
        });
        console.log(JSON.stringify({ level: 'info', message: 'the end: ' + end.outcome }));`,
    });
    const running = start(made, {}, 'worker.mjs');
    await expect((await order('esm', 'x')).result()).resolves.toBe('charged x');
    running.signal('SIGTERM');
    await running.says('the end: finished');
    expect(await running.exitCode).toBe(0);
  });

  it('needs no workflows', async () => {
    compiled(worker('{}'));
    const running = start(made);
    await running.says('Worker started');
    running.signal('SIGTERM');
    expect(await running.exitCode).toBe(0);
  });

  it('reports every option that cannot be set in code, with the environment’s problems', async () => {
    compiled(worker("{ namespace: 'x', maxCachedWorkflows: 3, shutdownGraceTime: 0 }"));
    const message = await fatal(made, { ELASTIC_WORKERS_PROCESSES: 'many' });
    expect(message).toContain('has 4 problems');
    expect(message).toContain('option namespace cannot be set in code: set TEMPORAL_NAMESPACE.');
    expect(message).toContain(
      'option maxCachedWorkflows cannot be set in code: set ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS.',
    );
    expect(message).toContain(
      'option shutdownGraceTime cannot be set in code: set ELASTIC_WORKERS_DRAIN_GRACE_SECONDS.',
    );
    expect(message).toContain('ELASTIC_WORKERS_PROCESSES="many" must be a whole number');
  });

  it('has no such option in its type', () => {
    made.write({
      'src/typed.ts': `
        import { runElasticWorker, type RunElasticWorkerOptions } from 'temporal-elastic-workers/worker';
        export const right: RunElasticWorkerOptions = { maxActivitiesPerSecond: 3, sinks: {}, activities: {} };
        void runElasticWorker({ namespace: 'x' });`,
    });
    expect(made.compile('-p', '.')).toContain("'namespace' does not exist in type 'RunElasticWorkerOptions'");
  });

  it.each([
    [
      'a workflowsPath that does not exist',
      "{ workflowsPath: '/nowhere/workflows' }",
      {},
      /workflowsPath="\/nowhere\/workflows" does not exist/,
    ],
    [
      'a workflowsPath that is a URL',
      "{ workflowsPath: 'file:///workflows.js' }",
      {},
      /it is a URL: convert it with fileURLToPath/,
    ],
    [
      'workflows that import Node’s modules',
      "{ workflowsPath: require.resolve('./workflows') }",
      {
        'src/workflows.ts':
          "import { readFileSync } from 'node:fs';\nexport const order = async () => String(readFileSync('x'));",
      },
      /workflows\.js import node:fs, which cannot run in a workflow/,
    ],
    [
      'workflows that import a missing module',
      "{ workflowsPath: require.resolve('./workflows') }",
      { 'src/workflows.ts': "export const order = async () => (require as any)('./nothing');" },
      /Cannot bundle the workflows of .*workflows\.js:\nERROR in .*\n.*Can't resolve '\.\/nothing'/,
    ],
  ])('reports %s in one message', async (_, options, files, message) => {
    compiled({ ...worker(options), ...files });
    expect(await fatal(made)).toMatch(message);
  });

  it('reports an export that does not exist', async () => {
    compiled(worker("{ workflowsPath: require.resolve('../workflows.js') }"));
    made.write({
      'workflows.js': "export { nothing } from './other.js';",
      'other.js': 'export const order = async () => 1;',
    });
    expect(await fatal(made)).toMatch(
      /export names that do not exist: export 'nothing' \(reexported as 'nothing'\) was not found/,
    );
  });

  it('reports a second copy of the SDK, where each is and what to do', async () => {
    compiled(worker('{}'));
    const second = join(made.directory, 'node_modules/temporal-elastic-workers/node_modules/@temporalio/common');
    cpSync(join(repository, 'node_modules/@temporalio/common'), second, { recursive: true });
    const message = await fatal(made);
    expect(message).toContain('there are two copies of the Temporal SDK');
    expect(message).toContain(second);
    expect(message).toContain(join(repository, 'node_modules/@temporalio/common'));
    expect(message).toContain('npm dedupe');
  });

  it('reports an unsupported version of the SDK', async () => {
    compiled(worker('{}'));
    const file = 'node_modules/@temporalio/common';
    const old = JSON.parse(readFileSync(join(made.directory, file, 'package.json'), 'utf8')) as object;
    rmSync(join(made.directory, file));
    cpSync(join(repository, file), join(made.directory, file), { recursive: true });
    made.write({ [`${file}/package.json`]: JSON.stringify({ ...old, version: '1.9.0' }) });
    expect(await fatal(made)).toContain('must be at least 1.14.0 and below 2.0.0, found @temporalio/common 1.9.0');
  });
});

test('type-checks in every module system of a TypeScript project', () => {
  const made = project('orders');
  const source = readFileSync(join(made.directory, 'src/worker.ts'), 'utf8');
  made.write({
    'src/esm.mts': `
      import { runElasticWorker, strategies, type WorkerEnd } from 'temporal-elastic-workers/worker';
      import { GenericStrategyWorkflow, registerStrategy, type Strategy } from 'temporal-elastic-workers/workflows';
      import { decide, type Signals } from 'temporal-elastic-workers/policy';
      const echo: Strategy<string, string> = async (input, { ask }) => ask(input);
      registerStrategy('echo', echo);
      const end: WorkerEnd = await runElasticWorker({ plugins: [strategies({ defaultModel: 'offline:' })] });
      export const all = [end.outcome, GenericStrategyWorkflow, decide, undefined as unknown as Signals];`,
    'src/worker.cts': source.replace("'./activities'", "'./activities.js'"),
  });
  expect(made.compile('-p', '.', '--noEmit', '--module', 'nodenext', '--moduleResolution', 'nodenext')).toBe('');
  const plain = [
    '--noEmit',
    '--module',
    'commonjs',
    '--moduleResolution',
    'bundler',
    '--skipLibCheck',
    '--types',
    'node',
    '--ignoreConfig',
  ];
  expect(made.compile(...plain, 'src/worker.ts')).toBe('');
});

test('the peer dependencies are the tested versions, and all are optional', () => {
  const { peerDependencies, peerDependenciesMeta } = packageFile;
  const sdk = Object.entries(peerDependencies).filter(([name]) => /^@temporalio\/(?!ai-sdk)/.test(name));
  expect(sdk.map(([name]) => name)).toEqual(expect.arrayContaining(['@temporalio/worker', '@temporalio/workflow']));
  expect(new Set(sdk.map(([, range]) => range))).toEqual(new Set([`>=${SDK_VERSIONS.from} <${SDK_VERSIONS.below}`]));
  expect(Object.keys(peerDependenciesMeta).toSorted()).toEqual(Object.keys(peerDependencies).toSorted());
});
