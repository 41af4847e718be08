/** A pool's `entry`: bundled at synth in another project, without Docker, and really run. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { bundleEntry } from '../../bundler/entry.ts';
import { ElasticWorkers, type WorkerPoolProps } from '../../infra/index.ts';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { WorkerProcess } from '../worker/worker-process.ts';
import { projectOf, type Project } from './project.ts';

jest.setTimeout(240_000);

const projects: Project[] = [];
const said: string[] = [];

function project(name?: string): Project {
  const made = projectOf('orders', undefined, name);
  made.write({ 'package-lock.json': '{}' });
  projects.push(made);
  return made;
}

beforeEach(() => {
  said.length = 0;
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
});

afterEach(() => jest.restoreAllMocks());

afterAll(() => projects.forEach((made) => made.remove()));

type Pools = Record<string, Partial<WorkerPoolProps> & { entry: string }>;

let outputs = 0;

function synthesize({ directory }: Project, pools: Pools, context: Record<string, unknown> = {}) {
  outputs += 1;
  const outdir = join(directory, `cdk.out-${outputs}`);
  const stack = new Stack(new App({ outdir, context }), 'Stack');
  new ElasticWorkers(stack, 'Workers', {
    temporal: { address: 'temporal.example.com:7233' },
    pools: Object.fromEntries(
      Object.entries(pools).map(([name, { entry, ...pool }]) => [
        name,
        { taskQueue: name, ...pool, entry: join(directory, entry) },
      ]),
    ),
  });
  const template = Template.fromStack(stack);
  return { outdir, template, images: imagesOf(template), bundle: () => onlyFolder(join(outdir, 'elastic-workers')) };
}

function onlyFolder(parent: string): string {
  const folders = readdirSync(parent);
  expect(folders).toHaveLength(1);
  return join(parent, folders[0]!, 'dist/worker');
}

/** By pool. */
function imagesOf(template: Template): Record<string, string> {
  const tasks = Object.values(template.findResources('AWS::ECS::TaskDefinition'));
  return Object.fromEntries(
    tasks.map(({ Properties: { ContainerDefinitions: containers } }) => {
      const [{ Image: image, Environment: environment }] = containers;
      const queue = environment.find(({ Name }: { Name: string }) => Name === 'TEMPORAL_TASK_QUEUE').Value;
      return [queue, JSON.stringify(image)];
    }),
  );
}

describe('a pool with an entry', () => {
  it('runs in its own image, protects itself, and uses no model', () => {
    const { template, outdir } = synthesize(project(), { orders: { entry: 'src/worker.ts' } });
    const [task] = Object.values(template.findResources('AWS::ECS::TaskDefinition'));
    const [container] = task!.Properties.ContainerDefinitions;
    const names = container.Environment.map(({ Name }: { Name: string }) => Name);
    expect(names).toEqual(expect.arrayContaining(['ELASTIC_WORKERS_STATE_TABLE', 'ELASTIC_WORKERS_TASK_ROLE_ID']));
    expect(names).not.toContain('ELASTIC_WORKERS_MODEL');
    expect(container).toMatchObject({ Command: ['node', 'main.js'], ReadonlyRootFilesystem: true });
    expect(JSON.stringify(template.toJSON())).not.toContain('bedrock:');
    const assets = readdirSync(outdir).filter((name) => name.startsWith('asset.'));
    const files = assets.flatMap((asset) => readdirSync(join(outdir, asset), { recursive: true, encoding: 'utf8' }));
    expect(files).toEqual(
      expect.arrayContaining(['worker/Dockerfile', 'dist/worker/main.js', 'dist/worker/workflow-bundle.js']),
    );
  });

  it('is bundled once for two pools, and the bundling is logged', () => {
    const { images, bundle } = synthesize(project(), {
      orders: { entry: 'src/worker.ts' },
      bulk: { entry: 'src/worker.ts' },
    });
    expect(images.orders).toBe(images.bulk);
    expect(said.filter((line) => line.startsWith('Bundling '))).toHaveLength(1);
    expect(readdirSync(bundle())).toContain('main.js');
  });

  it('has the same image in every project folder, and changes only with its sources', () => {
    const pools = { orders: { entry: 'src/worker.ts' }, other: { entry: 'src/other.ts' } };
    const [here, there, changed] = [project(), project('of-another-length'), project()];
    for (const made of [here, there, changed]) {
      made.write({
        'src/other.ts': readFileSync(join(made.directory, 'src/worker.ts'), 'utf8').replace(
          "'./activities'",
          "'./other-activities'",
        ),
      });
      made.write({ 'src/other-activities.ts': 'export const charge = async () => "other";' });
    }
    changed.write({ 'src/other-activities.ts': 'export const charge = async () => "changed";' });
    const [first, second, third] = [here, there, changed].map((made) => synthesize(made, pools));
    expect(second!.template.toJSON()).toEqual(first!.template.toJSON());
    expect(third!.images.orders).toBe(first!.images.orders);
    expect(third!.images.other).not.toBe(first!.images.other);
    const withoutImage = ({ template, images }: typeof first & object) =>
      JSON.stringify(template.toJSON()).replaceAll(images.other!, '');
    expect(withoutImage(third!)).toBe(withoutImage(first!));
  });

  it('has the packages that are not bundled installed, in the project’s version', () => {
    const made = project();
    made.write({ 'src/activities.ts': "import ms from 'ms';\nexport const charge = async () => ms('1 second');\n" });
    const { bundle } = synthesize(made, { orders: { entry: 'src/worker.ts', bundling: { nodeModules: ['ms'] } } });
    const installed = (folder: string) => readFileSync(join(folder, 'node_modules/ms/package.json'), 'utf8');
    const { version } = JSON.parse(installed(bundle())) as { version: string };
    expect(version).toBe((JSON.parse(installed(made.directory)) as { version: string }).version);
    const code = readdirSync(bundle()).filter((name) => name.endsWith('.js'));
    expect(code.map((name) => readFileSync(join(bundle(), name), 'utf8')).join('\n')).toMatch(/from ?"ms"/);
  });

  it('has their dependencies in the project’s version, also with pnpm', () => {
    const made = project();
    const store = (name: string, version: string, dependencies: object) => ({
      [`node_modules/.pnpm/braces@3.0.2/node_modules/${name}/package.json`]: JSON.stringify({
        name,
        version,
        dependencies,
      }),
    });
    made.write({
      ...store('braces', '3.0.2', { 'fill-range': '^7.0.1' }),
      ...store('fill-range', '7.0.1', {}),
      'node_modules/.pnpm/braces@3.0.2/node_modules/braces/index.js': 'module.exports = String;',
      'src/activities.ts': "import braces from 'braces';\nexport const charge = async () => braces('{1..3}');\n",
    });
    symlinkSync('.pnpm/braces@3.0.2/node_modules/braces', join(made.directory, 'node_modules/braces'));
    const { bundle } = synthesize(made, { orders: { entry: 'src/worker.ts', bundling: { nodeModules: ['braces'] } } });
    const versions = ['braces', 'fill-range'].map(
      (name) => JSON.parse(readFileSync(join(bundle(), 'node_modules', name, 'package.json'), 'utf8')).version,
    );
    expect(versions).toEqual(['3.0.2', '7.0.1']);
  });

  it('is not bundled for a command that needs no bundle', () => {
    const { images } = synthesize(project(), { orders: { entry: 'src/worker.ts' } }, { 'aws:cdk:bundling-stacks': [] });
    expect(said).not.toContainEqual(expect.stringContaining('Bundling'));
    expect(images.orders).toBe('"not-bundled"');
  });
});

describe('the bundle', () => {
  let temporal: LocalTemporal;
  let client: Client;

  beforeAll(async () => {
    temporal = await startTemporal({ dynamicConfig: { 'matching.longPollExpirationInterval': '2s' } });
    client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  });

  afterAll(async () => {
    await client?.connection.close();
    await temporal?.stop();
  });

  it('serves its workflows in several processes, with its interceptors', async () => {
    const made = project();
    made.write({
      'src/interceptors.ts': `
        import type { WorkflowInterceptors } from '@temporalio/workflow';
        export const interceptors = (): WorkflowInterceptors => ({
          inbound: [{ execute: async (input, next) => 'intercepted: ' + (await next(input)) }],
        });`,
      'src/worker.ts': `
        import { runElasticWorker } from 'temporal-elastic-workers/worker';
        import * as activities from './activities';
        void runElasticWorker({
          workflowsPath: require.resolve('./workflows'),
          interceptors: { workflowModules: [require.resolve('./interceptors')] },
          activities,
        });`,
    });
    const { bundle } = synthesize(made, { orders: { entry: 'src/worker.ts' } });
    const environment = {
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_TASK_QUEUE: 'orders',
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_HEALTH_PORT: 'off',
      ELASTIC_WORKERS_METRICS_PORT: 'off',
    };
    const worker = new WorkerProcess(environment, 'inherit', join(bundle(), 'main.js'));
    try {
      const order = { taskQueue: 'orders', workflowId: 'order', args: ['x'] };
      await expect(client.workflow.execute('order', order)).resolves.toBe('intercepted: charged x');
      worker.signal('SIGTERM');
      expect(await worker.exitCode).toBe(0);
    } finally {
      await worker.kill();
    }
  });
});

describe('a problem with an entry', () => {
  const problem = (files: Record<string, string>, pool: Partial<WorkerPoolProps> = {}, entry = 'src/worker.ts') => {
    const made = project();
    made.write(files);
    try {
      synthesize(made, { orders: { entry, maxTasks: 0, ...pool } });
    } catch (error) {
      const { message } = error as Error;
      expect(message).toContain('pool orders: maxTasks is 0');
      return message.replaceAll(made.directory, '<project>');
    }
    throw new Error('It was synthesized.');
  };
  const calling = (options: string) =>
    `import { runElasticWorker } from 'temporal-elastic-workers/worker';\nvoid runElasticWorker(${options} as object);`;

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'sources that do not compile',
      { 'src/activities.ts': 'export const x = ;' },
      /entry .*worker\.ts: .*src\/activities\.ts:1:18: Unexpected ";"/,
    ],
    [
      'an import that does not exist',
      { 'src/worker.ts': "import 'nothing-at-all';" },
      /src\/worker\.ts:1:8: Could not resolve "nothing-at-all"/,
    ],
    [
      'a script that never calls runElasticWorker',
      { 'src/worker.ts': 'export {};' },
      /it never calls runElasticWorker/,
    ],
    [
      'a script that fails before that call',
      { 'src/worker.ts': "throw new Error('no database');" },
      /it fails before it calls runElasticWorker[^]*Error: no database/,
    ],
    [
      'workflows that import Node’s modules',
      { 'src/workflows.ts': "import fs from 'fs';\nexport const order = async () => fs.readFileSync('x');" },
      /workflows\.ts import fs, which cannot run in a workflow/,
    ],
    [
      'workflows that do not exist',
      { 'src/worker.ts': calling("{ workflowsPath: __dirname + '/nothing.ts' }") },
      /option workflowsPath="<project>\/src\/nothing\.ts" does not exist/,
    ],
    [
      'options that cannot be set in code',
      { 'src/worker.ts': calling("{ namespace: 'x' }") },
      /option namespace cannot be set in code: set TEMPORAL_NAMESPACE/,
    ],
    [
      'a package with native code',
      {
        'node_modules/native/index.js': "module.exports = require('./build/native.node');",
        'node_modules/native/build/native.node': '',
        'src/worker.ts': "import 'native';",
      },
      /native contains native code, which cannot be bundled: add the package to bundling\.nodeModules/,
    ],
  ])('is reported with the pool’s other problems: %s', (_, files, message) => {
    expect(problem(files)).toMatch(message);
  });

  it('is reported: a file that does not exist', () => {
    expect(problem({}, {}, 'src/nothing.ts')).toMatch(/entry .*nothing\.ts: there is no such file/);
  });

  it('is reported: a project without esbuild', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'without-esbuild-'));
    const options = { root: directory, outdir: join(directory, 'out'), library: '', cpu: '', bundling: {} };
    await expect(bundleEntry({ ...options, entry: join(directory, 'worker.ts') })).resolves.toEqual([
      'esbuild, which bundles it, is not installed in this project: run npm install --save-dev esbuild',
    ]);
    rmSync(directory, { recursive: true });
  });

  it('is reported: an image in addition to the entry', () => {
    expect(problem({}, { image: ecs.ContainerImage.fromRegistry('x') })).toMatch(
      /entry ".*" and image exclude each other/,
    );
  });
});
