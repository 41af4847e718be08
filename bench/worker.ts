/**
 * `npm run bench:worker`: what our worker costs beside the Temporal SDK's own, both measured in turns in the same run.
 *
 *   throughput  activities a second that do nothing, and that wait, and the processor time of a thousand, against a bare Worker
 *   start       from the start of the process to its first poll, against the same worker run from its source, which bundles its
 *               workflows at start and compiles everything anew; the same of a pool's `entry` (docs/how-to/your-own-workers.md)
 *   image       compressed, against a slim Node image with what the worker imports (see image.ts; needs docker or podman)
 *   slots       that follow the load, beside 20 that are fixed (see elastic-slots.ts)
 *   memory      resident in the built worker, when idle and while 50 activities wait for their model
 *
 * `--json` prints the figures alone; `--rounds N` measures that often. Run `npm run build` before.
 */
import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { startTemporal } from '../local/temporal.ts';
import { projectOf } from '../test/library/project.ts';
import { MAX_OPEN_POLLS } from '../worker/slots/activity-slots.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../worker/strategies/types.ts';
import { bundleBenchWorkflows, measureSlots, slotsRows, type SlotsFigures } from './elastic-slots.ts';
import { bundleEntryOf, measureImage } from './image.ts';
import { quantile } from './scaler-figures.ts';
import { startSilentServer, type SilentServer } from './silent-server.ts';
import type { fanOut } from './workflows.ts';

const SLOTS = 50;
const WORKFLOWS = 10;
const ACTIVITIES = 50;
/** Short for a model's answer, and long enough that the slots are the limit, not this machine. */
const WAIT_MS = 250;
/** Two processes of the same code differ by a twentieth for all their life. */
const ROUNDS_A_PROCESS = 5;
/** The kind of worker, how long each activity waits, in milliseconds, and whether activities may be dispatched eagerly. */
const VARIANTS = {
  ours: ['ours', 0, false],
  polls: ['polls', 0, false],
  bare: ['bare', 0, false],
  bareEager: ['bare', 0, true],
  oursWaiting: ['ours', WAIT_MS, false],
  bareWaiting: ['bare', WAIT_MS, false],
} as const;
type Variant = keyof typeof VARIANTS;
const WANTED = { throughput: 0.97, start: 0.6, image: 0.5 };

const { values: options } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '7' } },
});
const rounds = Number(options.rounds);
const builtMain = join(import.meta.dirname, '../dist/worker/main.js');
if (!existsSync(builtMain)) throw new Error(`There is no built worker at ${builtMain}: npm run build`);
const folder = mkdtempSync(join(tmpdir(), 'bench-worker-'));
// Its own copy: somebody may build anew meanwhile.
cpSync(dirname(builtMain), join(folder, 'worker'), { recursive: true });
const main = join(folder, 'worker/main.js');

try {
  const start = await measureStart();
  const temporal = await startTemporal();
  const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  try {
    const codePath = await bundleBenchWorkflows(folder);
    const throughput = await measureThroughput(client, temporal.address, codePath);
    const elastic = await measureSlots(client, temporal.address, codePath);
    const memory = await measureMemory(client, temporal.address);
    report({ rounds, slots: SLOTS, throughput, elastic, start, memory, image: await measureImage() });
  } finally {
    await client.connection.close();
    await temporal.stop();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

interface Rate {
  perSecond: number;
  cpuSecondsPer1000: number;
}

interface ThroughputWorker {
  process: ChildProcess;
  taskQueue: string;
}

/** Eager dispatch hands a worker its own workflows' activities without a poll. Ours refuses it: the fleet's size is read from the queue. */
async function measureThroughput(client: Client, address: string, codePath: string) {
  const rates: Record<Variant, Rate[]> = {
    ours: [],
    polls: [],
    bare: [],
    bareEager: [],
    oursWaiting: [],
    bareWaiting: [],
  };
  const names = Object.keys(VARIANTS) as Variant[];
  for (let done = 0; done < rounds; done += ROUNDS_A_PROCESS) {
    const workers = await startThroughputWorkers(address, codePath, done);
    for (let round = -1; round < Math.min(ROUNDS_A_PROCESS, rounds - done); round++) {
      // Each is first as often as the others; the first round only warms up.
      const first = (done + round + 1) % names.length;
      for (const name of [...names.slice(first), ...names.slice(0, first)]) {
        const [kind, milliseconds, eager] = VARIANTS[name];
        const rate = await measureRate(client, workers[kind], milliseconds, eager);
        if (round >= 0) rates[name].push(rate);
      }
    }
    for (const { process } of Object.values(workers)) process.disconnect();
  }
  const medians = Object.fromEntries(names.map((name) => [name, medianRate(rates[name])])) as Record<Variant, Rate>;
  const { ours, bare, bareEager } = medians;
  const ratiosOf = (some: Rate[], others: Rate[]) =>
    some.map(({ perSecond }, index) => perSecond / others[index]!.perSecond);
  const ratios = ratiosOf(rates.ours, rates.bare);
  return {
    ...medians,
    ratio: median(ratios),
    /** Between them half of the rounds are. */
    ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    ratioWaiting: median(ratiosOf(rates.oursWaiting, rates.bareWaiting)),
    ratioToEager: ours.perSecond / bareEager.perSecond,
    cpuRatio: ours.cpuSecondsPer1000 / bare.cpuSecondsPer1000,
  };
}

async function startThroughputWorkers(address: string, codePath: string, done: number) {
  const script = join(import.meta.dirname, 'throughput-worker.ts');
  const start = async (kind: string): Promise<ThroughputWorker> => {
    const taskQueue = `${kind}-${done}`;
    const process = fork(script, [kind, address, taskQueue, codePath, `${SLOTS}`]);
    await once(process, 'message');
    return { process, taskQueue };
  };
  const [ours, polls, bare] = await Promise.all([start('ours'), start('polls'), start('bare')]);
  return { ours, polls, bare };
}

async function measureRate(
  client: Client,
  { process: worker, taskQueue }: ThroughputWorker,
  milliseconds: number,
  eager: boolean,
): Promise<Rate> {
  const cpuBefore = await cpuSeconds(worker);
  const began = performance.now();
  const workflow = (index: number) =>
    client.workflow.execute<typeof fanOut>('fanOut', {
      taskQueue,
      workflowId: `${taskQueue}-${began}-${index}`,
      args: [ACTIVITIES, milliseconds, eager],
    });
  await Promise.all(Array.from({ length: WORKFLOWS }, (_, index) => workflow(index)));
  const seconds = (performance.now() - began) / 1000;
  const tasks = WORKFLOWS * ACTIVITIES;
  return { perSecond: tasks / seconds, cpuSecondsPer1000: (((await cpuSeconds(worker)) - cpuBefore) * 1000) / tasks };
}

async function cpuSeconds(worker: ChildProcess): Promise<number> {
  worker.send('cpu');
  return ((await once(worker, 'message')) as [number])[0];
}

async function measureStart() {
  const server = await startSilentServer();
  const project = projectOf('orders');
  const entry = join(folder, 'entry');
  await bundleEntryOf(project, entry);
  project.compile('-p', '.');
  const cached = (name: string) => ({ NODE_COMPILE_CACHE: join(folder, name) });
  const variants = {
    plain: { main: join(import.meta.dirname, '../worker/main.ts'), env: {} },
    bundled: { main, env: {} },
    ours: { main, env: cached('compiled') },
    plainEntry: { main: join(project.directory, 'lib/worker.js'), env: {} },
    entry: { main: join(entry, 'main.js'), env: cached('compiled-entry') },
  };
  const names = Object.keys(variants) as (keyof typeof variants)[];
  const times: Record<keyof typeof variants, number[]> = {
    plain: [],
    bundled: [],
    ours: [],
    plainEntry: [],
    entry: [],
  };
  for (let round = -1; round < Math.min(rounds, 5); round++) {
    for (const name of names) {
      const { main, env } = variants[name];
      // The first round reads files into the machine's memory, and writes the compile cache.
      const milliseconds = await timeToFirstPoll(server, main, env, round < 0 ? 'SIGTERM' : 'SIGKILL');
      if (round >= 0) times[name].push(milliseconds);
    }
  }
  server.stop();
  project.remove();
  const of = (name: keyof typeof variants) => median(times[name]);
  return {
    plainMs: of('plain'),
    bundledMs: of('bundled'),
    oursMs: of('ours'),
    ratio: of('ours') / of('plain'),
    plainEntryMs: of('plainEntry'),
    entryMs: of('entry'),
    entryRatio: of('entry') / of('plainEntry'),
  };
}

async function timeToFirstPoll(
  server: SilentServer,
  main: string,
  env: Record<string, string>,
  signal: NodeJS.Signals,
): Promise<number> {
  const polled = server.nextPoll();
  const began = performance.now();
  const worker = startWorker(main, { ...env, TEMPORAL_ADDRESS: server.address, TEMPORAL_TASK_QUEUE: 'start' });
  await Promise.race([polled, endedTooEarly(worker)]);
  const milliseconds = performance.now() - began;
  worker.kill(signal);
  await once(worker, 'exit');
  return milliseconds;
}

async function measureMemory(client: Client, address: string) {
  const taskQueue = 'memory';
  const worker = startWorker(main, {
    TEMPORAL_ADDRESS: address,
    TEMPORAL_TASK_QUEUE: taskQueue,
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${SLOTS}`,
  });
  const run = (workflowId: string, secondsPerAsk: number) =>
    client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue,
      workflowId,
      args: ['specialist', { task: 'Wait.' }, { execution: 'direct', offlineModel: { secondsPerAsk } }],
    });
  // What is loaded with the first activity is part of a worker that has begun to work.
  await Promise.race([(await run('first', 0)).result(), endedTooEarly(worker)]);
  const atRest = mebibytes(worker.pid!);
  const handles = await Promise.all(Array.from({ length: SLOTS }, (_, index) => run(`waiting-${index}`, 3600)));
  while (!(await Promise.all(handles.map(isRunning))).every(Boolean)) await wait(200);
  const busy = mebibytes(worker.pid!);
  worker.kill('SIGKILL');
  return { atRestMiB: atRest, with50MiB: busy };
}

async function isRunning(handle: WorkflowHandle): Promise<boolean> {
  const { raw } = await handle.describe();
  // PENDING_ACTIVITY_STATE_STARTED
  return raw.pendingActivities?.[0]?.state === 2;
}

function startWorker(main: string, env: Record<string, string>): ChildProcess {
  const quiet = { LOG_LEVEL: 'error', ELASTIC_WORKERS_HEALTH_PORT: 'off', ELASTIC_WORKERS_METRICS_PORT: 'off' };
  const soon = { ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: '1', ELASTIC_WORKERS_DRAIN_SECONDS: '2' };
  return spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH, ...quiet, ...soon, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function endedTooEarly(worker: ChildProcess): Promise<never> {
  const [code] = (await once(worker, 'exit')) as [number | null];
  throw new Error(`The worker ended (${code}) before it was measured: its log says why.`);
}

function mebibytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' })) / 1024;
}

function medianRate(rates: Rate[]): Rate {
  return {
    perSecond: median(rates.map(({ perSecond }) => perSecond)),
    cpuSecondsPer1000: median(rates.map(({ cpuSecondsPer1000 }) => cpuSecondsPer1000)),
  };
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Figures {
  rounds: number;
  slots: number;
  throughput: Awaited<ReturnType<typeof measureThroughput>>;
  elastic: SlotsFigures;
  start: Awaited<ReturnType<typeof measureStart>>;
  memory: Awaited<ReturnType<typeof measureMemory>>;
  image: Awaited<ReturnType<typeof measureImage>>;
}

function report(figures: Figures): void {
  if (options.json) return console.log(JSON.stringify(figures, undefined, 2));
  const { throughput: t, start: s, memory: m, image } = figures;
  const row = (what: string, ours: string, other: string, ratio = '', wanted = '') => ({
    what,
    ours,
    other,
    ratio,
    wanted,
  });
  const rate = ({ perSecond }: Rate) => `${perSecond.toFixed(0)}/s`;
  const cpu = ({ cpuSecondsPer1000 }: Rate) => `${cpuSecondsPer1000.toFixed(2)} s`;
  console.table([
    row(
      'activities',
      rate(t.ours),
      `${rate(t.bare)} bare`,
      `${t.ratio.toFixed(2)} (${t.ratioQuartiles.map((ratio) => ratio.toFixed(2)).join(' to ')})`,
      `≥ ${WANTED.throughput}`,
    ),
    row(
      `  that wait ${WAIT_MS} ms`,
      rate(t.oursWaiting),
      `${rate(t.bareWaiting)} bare`,
      t.ratioWaiting.toFixed(2),
      `≥ ${WANTED.throughput}`,
    ),
    row('  against eager dispatch', rate(t.ours), `${rate(t.bareEager)} bare`, t.ratioToEager.toFixed(2)),
    row(
      `  against ${MAX_OPEN_POLLS} polls`,
      rate(t.ours),
      `${rate(t.polls)} bare`,
      (t.ours.perSecond / t.polls.perSecond).toFixed(2),
    ),
    row('  processor time of 1000', cpu(t.ours), `${cpu(t.bare)} bare`, t.cpuRatio.toFixed(2)),
    ...slotsRows(figures.elastic),
    row('start to first poll', ms(s.oursMs), `${ms(s.plainMs)} plain`, s.ratio.toFixed(2), `≤ ${WANTED.start}`),
    row('  without compile cache', ms(s.bundledMs), `${ms(s.plainMs)} plain`, (s.bundledMs / s.plainMs).toFixed(2)),
    row('  of an entry', ms(s.entryMs), `${ms(s.plainEntryMs)} plain`, s.entryRatio.toFixed(2), `≤ ${WANTED.start}`),
    row('resident, at rest', mib(m.atRestMiB), ''),
    row(`resident, ${SLOTS} activities`, mib(m.with50MiB), ''),
    'notMeasured' in image
      ? row('image, compressed', '', `not measured: ${image.notMeasured}`)
      : row(
          'image, compressed',
          mb(image.oursBytes),
          `${mb(image.plainBytes)} plain`,
          image.ratio.toFixed(2),
          `≤ ${WANTED.image}`,
        ),
  ]);
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(0)} ms`;
}

function mib(value: number): string {
  return `${value.toFixed(0)} MiB`;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
