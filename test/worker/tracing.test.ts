/** Traces of real workflows: to a file, to an OTLP endpoint, to Langfuse's endpoint, and not at all. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { BATCH_STRATEGY_WORKFLOW, GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { type Serving, startServing } from './serving.ts';

jest.setTimeout(120_000);

interface Line {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  service: string;
  name: string;
  status: { code: number };
  attributes: Record<string, unknown>;
}

const input = { task: 'a secret task', steps: ['one', 'two'] };
let serving: Serving;
let directory: string;
let server: Server;
let endpoint: string;
const received: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    received.push({ path: request.url ?? '', headers: request.headers, body: await text(request) });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  directory = await mkdtemp(join(tmpdir(), 'traces-'));
  serving = await startServing();
});

beforeEach(() => received.splice(0));

afterAll(async () => {
  await serving?.stop();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

async function linesOf(file: string): Promise<Line[]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

function ancestors(span: Line, all: Line[]): string[] {
  const parent = all.find(({ spanId }) => spanId === span.parentSpanId);
  return parent === undefined ? [] : [parent.name, ...ancestors(parent, all)];
}

it('tracing joins workflow, activities and model calls in one trace, under the service’s name', async () => {
  const file = join(directory, 'one.jsonl');
  await serving.serve({ tracing: { file } }, async ({ run }) => {
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'local', serviceName: 'billing' });
  });
  const spans = await linesOf(file);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['billing']));
  const calls = spans.filter(({ name }) => name === 'chat default:' || name === 'chat offline:');
  expect(calls).toHaveLength(2);
  for (const call of calls) {
    expect(ancestors(call, spans)).toEqual([
      'RunActivity:invokeModel',
      'StartActivity:invokeModel',
      'RunWorkflow:GenericStrategyWorkflow',
    ]);
    expect(call.attributes['gen_ai.usage.input_tokens']).toBeGreaterThan(0);
  }
  expect(await readFile(file, 'utf8')).not.toContain('a secret task');
});

it('tracing joins a batch and its items in one trace, even after it continued as new', async () => {
  const file = join(directory, 'batch.jsonl');
  await serving.serve({ tracing: { file } }, async ({ run }) => {
    const config = { langfuseMode: 'local', execution: 'direct' };
    const items = [{ task: 'a' }, { task: 'b' }, { task: 'c' }];
    await run(BATCH_STRATEGY_WORKFLOW, 'specialist', items, config, { continueAfterItems: 2 });
  });
  const spans = await linesOf(file);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(spans.filter(({ name }) => name.startsWith('chat '))).toHaveLength(3);
  expect(spans.filter(({ name }) => name === 'RunWorkflow:BatchStrategyWorkflow')).toHaveLength(2);
});

it('a trace contains prompts and answers only on request', async () => {
  const file = join(directory, 'content.jsonl');
  await serving.serve({ tracing: { file } }, async ({ run }) => {
    const config = { langfuseMode: 'local', traceContent: true, execution: 'direct' };
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, config);
  });
  const call = (await linesOf(file)).find(({ name }) => name.startsWith('chat '));
  expect(call?.attributes['langfuse.observation.input']).toContain('a secret task');
  expect(call?.attributes['langfuse.observation.output']).toContain('"text"');
});

it('a trace shows what failed', async () => {
  const file = join(directory, 'failed.jsonl');
  await serving.serve({ tracing: { file } }, async ({ failure }) => {
    await failure(GENERIC_STRATEGY_WORKFLOW, 'specialist', { task: 'x' }, { langfuseMode: 'local', model: 'opnai:x' });
  });
  const failed = (await linesOf(file)).filter(({ status }) => status.code === 2).map(({ name }) => name);
  expect(failed).toEqual(expect.arrayContaining(['RunActivity:invokeModel', 'RunWorkflow:GenericStrategyWorkflow']));
});

it('tracing sends OTLP to an endpoint', async () => {
  await serving.serve({ tracing: { otlpEndpoint: endpoint } }, async ({ run }) => {
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'local' });
  });
  expect(received.map(({ path }) => path)).toContain('/v1/traces');
  expect(received.map(({ body }) => body).join('')).toContain('RunActivity:invokeModel');
});

it('tracing sends to Langfuse what is marked for it, with the keys only in the header', async () => {
  const langfuse = { publicKey: 'pk-test', secretKey: 'sk-test', baseUrl: endpoint };
  await serving.serve({ tracing: { langfuse } }, async ({ run }) => {
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'cloud' });
  });
  const [first] = received;
  expect(first?.path).toBe('/api/public/otel/v1/traces');
  expect(first?.headers.authorization).toBe(`Basic ${Buffer.from('pk-test:sk-test').toString('base64')}`);
  const bodies = received.map(({ body }) => body).join('');
  expect(bodies).toContain('RunActivity:invokeModel');
  expect(bodies).toContain('gen_ai.request.model');
  expect(bodies).not.toContain('sk-test');
});

it('tracing logs once that Langfuse is unknown or the endpoint unreachable, and the work goes on', async () => {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  await serving.serve({ tracing: { warn, file: join(directory, 'no', 'such', 'folder') } }, async ({ run }) => {
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'cloud' });
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'local' });
  });
  expect(warnings).toEqual([
    expect.stringContaining('set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY'),
    expect.stringContaining('Cannot deliver traces: ENOENT'),
  ]);
});

it('tracing records nothing for work that does not request it', async () => {
  const file = join(directory, 'none.jsonl');
  await serving.serve({ tracing: { file, otlpEndpoint: endpoint } }, async ({ run }) => {
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input, { langfuseMode: 'off' });
    await run(GENERIC_STRATEGY_WORKFLOW, 'sequential', input);
  });
  await expect(readFile(file)).rejects.toThrow('ENOENT');
  expect(received).toEqual([]);
});
