/** docs/strategies.md works as written: its files are put where it says, and all its snippets run against that worker. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { ensureTools } from '../../local/tools.ts';
import { projectOf, type Project } from '../library/project.ts';
import { WorkerProcess } from '../worker/worker-process.ts';
import { commandsIn } from './commands.ts';
import { parse, root } from './markdown.ts';

jest.setTimeout(180_000);

const run = promisify(execFile);
const page = readFileSync(join(root, 'docs/strategies.md'), 'utf8');
const { snippets } = parse('docs/strategies.md', page);
const shown = (text: string) => snippets.find((snippet) => snippet.text.includes(text))!.text;

let project: Project;
let temporal: LocalTemporal;
let client: Client;
let worker: WorkerProcess;

beforeAll(async () => {
  project = projectOf('orders');
  project.write({
    'package.json': '{ "type": "module" }',
    'src/strategies.ts': shown('export const review'),
    'src/workflows.ts': shown('// src/workflows.ts'),
    'src/worker.ts': shown('// src/worker.ts'),
  });
  temporal = await startTemporal();
  client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const environment = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_TASK_QUEUE: 'quick-response-queue',
    ELASTIC_WORKERS_PROFILE: 'development',
    ELASTIC_WORKERS_HEALTH_PORT: 'off',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
  };
  worker = new WorkerProcess(environment, 'inherit', join(project.directory, 'src/worker.ts'));
  await worker.says('Worker started');
});

afterAll(async () => {
  await worker?.kill();
  await client?.connection.close();
  await temporal?.stop();
  project?.remove();
});

/** As a module of the project, next to that worker. */
async function runSnippet(text: string): Promise<string> {
  const given = `
    import { Client as C, Connection as S } from '@temporalio/client';
    globalThis.client = new C({ connection: await S.connect({ address: '${temporal.address}' }) });`;
  project.write({ 'src/snippet.ts': `${given}\n${text}\nawait client.connection.close();\n` });
  const file = join(project.directory, 'src/snippet.ts');
  return (await run(process.execPath, ['--no-warnings', file])).stdout;
}

const resultOf = (workflowId: string) => client.workflow.getHandle(workflowId).result();

test('a workflow starts from a program and from a shell', async () => {
  await runSnippet(shown("'router'"));
  expect(await resultOf('invoice-4711')).toEqual({
    strategy: 'router',
    output: { specialist: expect.stringMatching(/^(billing|support)$/), answer: expect.any(String) },
    asks: 2,
  });
  const [[, ...words] = []] = commandsIn(shown('temporal workflow start'));
  await run((await ensureTools()).temporal, [...words, '--address', temporal.address]);
  expect(await resultOf('tides')).toMatchObject({ strategy: 'specialist', asks: 1 });
});

test('a batch runs all of its items', async () => {
  await runSnippet(shown('BatchStrategyWorkflow'));
  expect(await resultOf('letters')).toEqual({ items: 2, succeeded: 2, failed: 0, failures: [] });
  expect(await resultOf('letters/1')).toMatchObject({ strategy: 'specialist' });
});

test('a custom strategy gives the same result in a workflow and without Temporal', async () => {
  const args = ['review', { task: 'Explain tides', reviewers: ['a sailor', 'a physicist'] }];
  const options = { taskQueue: 'quick-response-queue', workflowId: 'review' };
  const durable = await client.workflow.execute('GenericStrategyWorkflow', { ...options, args });
  expect(durable).toEqual({ strategy: 'review', output: { answer: expect.any(String) }, asks: expect.any(Number) });
  const script = shown('executeStrategyDirectly(');
  expect(await runSnippet(script)).toContain("strategy: 'specialist'");
  const print = 'console.log(JSON.stringify(';
  const ours = `import './strategies.ts';\n${script}`
    .replace('console.log(', print)
    .replace(/\('specialist'.*/, `(...${JSON.stringify(args)})));`);
  expect(JSON.parse(await runSnippet(ours))).toEqual(durable);
});
