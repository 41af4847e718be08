/**
 * The scaler as a process of its own, for the benchmark: the bundle that is deployed, or its sources. Told how long an
 * invocation may take it runs one, and answers with what each tick did, when its pools were decided on, and what it asked of whom;
 * all seen from outside, by the lines it writes and the requests it begins.
 */
import { channel } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Usage } from './scaler-figures.ts';

interface Handler {
  handler(event: unknown, context: { getRemainingTimeInMillis(): number }): Promise<{ ticks: number }>;
}

const requests: Record<string, number> = {};
const lines: Usage['lines'] = [];
const pools: Usage['pools'] = {};
let heapBytes = 0;

countRequests();
readLines();
setInterval(() => (heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed)), 100).unref();

const began = performance.now();
const loaded = (await import(process.argv[2]!)) as Handler & { default?: Handler };
const { handler } = loaded.default ?? loaded;
const loadMs = performance.now() - began;

process.on('disconnect', () => process.exit());
process.on('message', (remainingMs: number) => void invoke(remainingMs));
process.send!('ready');

async function invoke(forMs: number): Promise<void> {
  const end = Date.now() + forMs;
  const cpuBefore = process.cpuUsage();
  const { ticks } = await handler({}, { getRemainingTimeInMillis: () => end - Date.now() });
  const { user, system } = process.cpuUsage(cpuBefore);
  const usage: Usage = {
    ticks,
    lines: lines.splice(0),
    pools,
    requests: { ...requests },
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.resourceUsage().maxRSS * 1024,
    heapBytes,
    loadMs,
  };
  process.send!(usage);
}

function countRequests(): void {
  const count = (what: string) => (requests[what] = (requests[what] ?? 0) + 1);
  channel('http2.client.stream.created').subscribe((message) => {
    const { headers } = message as { headers: Record<string, string> };
    count(`temporal ${headers[':path']?.split('/').at(-1)}`);
  });
  channel('http.client.request.start').subscribe((message) => {
    const { request } = message as { request: ClientRequest };
    const target = String(request.getHeader('x-amz-target') ?? request.path);
    // AWS4-HMAC-SHA256 Credential=key/date/region/service/aws4_request, …
    const service = String(request.getHeader('authorization') ?? '').split('/')[3] ?? 'aws';
    count(`${service} ${target.split('.').at(-1)}`);
  });
}

/** Of a line only what is counted is looked at: parsing them all would be a good part of the scaler's own work. */
function readLines(): void {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = ((line: string) => {
    const [, pool = '', now = ''] = /^\{"v":1,"pool":"([^"]*)","now":(\d+)/.exec(line) ?? [];
    if (pool === '') console.error(line.trimEnd());
    else note(pool, Number(now), line);
    return write(line);
  }) as typeof process.stdout.write;
}

function note(pool: string, now: number, line: string): void {
  const [, desired = '0', reason = ''] = /"desired":(\d+),"cordon":\[[^\]]*\],"reason":"([^"]*)"/.exec(line) ?? [];
  const seen = Date.now();
  lines.push({
    now,
    ms: seen - now,
    reason,
    bytes: line.length,
    unknown: line.includes('{"unknown"'),
    carried: line.includes('"readSecondsAgo"'),
    failed: !line.includes('"errors":[]'),
    requests: Object.values(requests).reduce((sum, each) => sum + each, 0),
  });
  if (Number(desired) > 0) pools[pool] ??= seen;
}
