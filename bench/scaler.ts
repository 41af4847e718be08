/**
 * `npm run bench:scaler`: the scaler as it is built, against the real Temporal server and the AWS emulator, with ever more pools.
 *
 *   ticks      how long they take, with all pools at rest and with work in a fifth of them; what is asked of whom; memory
 *   wake-up    from the start of work for a pool at rest until the scaler has ordered a task for it
 *   neighbor  another client's workflows on the same server while a tick runs, against those between the ticks
 *   start      of a fresh process until its first decision, of the bundle against the sources, in turns
 *   memory     which size of a Lambda function holds the pools
 *   cost       of the scaler a month
 *
 * Processor time is counted apart from the time by the clock, since a Lambda function has a share of a processor only.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { presetOf, SCALER_ENVIRONMENT, settingsOf } from '../infra/presets.ts';
import { standingCost, totalOf } from '../infra/standing-cost.ts';
import { byService, quantile, since, ticksOf, type Tick, type Usage } from './scaler-figures.ts';
import { numbers, poolName, Stage } from './scaler-stage.ts';

/** As in scaler/loop.ts: what an invocation keeps free at its end. */
const MARGIN_MS = 15_000;
const BUSY_EVERY = 5;
const TASKS_OF_BUSY = 2;
const WOKEN = 10;
/** Invocations of two ticks. */
const WARM_UPS = 8;
/** A function of so much memory has one processor; smaller ones their share of it. */
const MIB_A_PROCESSOR = 1769;
const SIZES = [128, 160, 192, 256];
const HELD = 100;
const { scalerMemory } = presetOf({}, 'eu-west-1');

interface Options {
  pools: number[];
  ticks: number;
  tickSeconds: number;
  rounds: number;
  json: boolean;
}

const options = new Command('bench:scaler')
  .description('What the scaler needs, with ever more pools; see docs/scale.md. Needs npm run build.')
  .option('--pools <counts>', 'how many pools, one run each, such as 10,100', counts, [10, 100, 1000])
  .option('--ticks <count>', 'ticks of an invocation, three at the least', wholeNumber(3), 5)
  .option('--tick-seconds <seconds>', 'from one tick to the next', wholeNumber(1), 10)
  .option('--rounds <count>', 'how often the start of a fresh process is measured', wholeNumber(1), 5)
  .option('--json', 'prints the figures alone', false)
  .parse()
  .opts<Options>();

const root = join(import.meta.dirname, '..');
const built = join(root, 'dist/scaler/index.js');
if (!existsSync(built)) throw new Error(`There is no built scaler at ${built}: npm run build`);
const folder = mkdtempSync(join(tmpdir(), 'bench-scaler-'));
// Its own copy: somebody may build anew meanwhile.
const bundle = join(folder, 'index.cjs');
cpSync(built, bundle);
// Made JavaScript ahead: what takes the types out would be in the memory that is measured.
const program = join(folder, 'scaler-process.mjs');
writeFileSync(program, stripTypeScriptTypes(readFileSync(join(import.meta.dirname, 'scaler-process.ts'), 'utf8')));

const stage = new Stage();
const began = Date.now();
try {
  report(await measure());
} finally {
  await stage.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure() {
  progress(`starting the servers, and a service for each of ${Math.max(...options.pools)} pools`);
  await stage.start(Math.max(...options.pools));
  await stage.startNeighbor();
  const least = Math.min(...options.pools);
  const start = await measureStart(await stage.scalerOf(least), least);
  await wait(options.tickSeconds * 1000);
  const alone = stage.pieces.map(({ ms }) => ms);
  const runs: Run[] = [];
  for (const pools of options.pools) runs.push(await measureRun(pools));
  const held = Math.min(HELD, Math.max(...options.pools));
  return {
    machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, Node.js ${process.version}`,
    // Above the number of processors others' work is in the times by the clock.
    loadAverage: loadavg().map((load) => Number(load.toFixed(1))),
    bundleBytes: statSync(bundle).size,
    start,
    neighborAloneMs: quantile(alone, 0.5),
    runs,
    memory: { pools: held, sizes: await measureMemory(held) },
    cost: [1, 10, 100].map(costOf),
  };
}

type Figures = Awaited<ReturnType<typeof measure>>;
type Run = Awaited<ReturnType<typeof measureRun>>;

/** All of one number of pools in one process, as a function that stays warm. */
async function measureRun(pools: number) {
  const scaler = await startScaler(bundle, await stage.scalerOf(pools), [`--max-old-space-size=${heapOf(256)}`]);
  try {
    progress(`${pools} pools: the first ticks of a fresh process`);
    const cold = await warmUp(scaler);
    progress(`${pools} pools at rest`);
    const rest = await invoke(scaler, options.ticks);
    progress(`${pools} pools, every ${BUSY_EVERY}th with work`);
    await stage.makeBusy(
      numbers(pools).filter((number) => number % BUSY_EVERY === 0),
      TASKS_OF_BUSY,
    );
    const [busy, woken] = await Promise.all([invoke(scaler, options.ticks), wake(pools), beatUntilIdle(scaler)]);
    return {
      pools,
      cold: phase(pools, cold),
      rest: phase(pools, rest, cold),
      busy: phase(pools, busy, rest),
      wakeUpSeconds: woken.map(([number, at]) => ((busy.pools[poolName(number)] ?? Infinity) - at) / 1000),
      residentMiB: busy.residentBytes / 2 ** 20,
      heapMiB: busy.heapBytes / 2 ** 20,
      neighbor: neighborDuring([...ticksOf(rest.lines, 0), ...ticksOf(busy.lines, 0)]),
    };
  } finally {
    scaler.kill();
  }
}

/** Until all pools are known: a server that has never heard of them takes its time for the first reading of each. */
async function warmUp(scaler: ChildProcess): Promise<Usage> {
  const usages: Usage[] = [];
  do usages.push(await invoke(scaler, 2));
  while (ticksOf(usages.at(-1)!.lines, 0).at(-1)!.unknown > 0 && usages.length < WARM_UPS);
  const sum = (count: (usage: Usage) => number) => usages.reduce((total, usage) => total + count(usage), 0);
  return {
    ...usages.at(-1)!,
    lines: usages.flatMap(({ lines }) => lines),
    ticks: sum(({ ticks }) => ticks),
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
  };
}

function phase(pools: number, usage: Usage, before?: Usage) {
  const requests = since(before?.requests ?? {}, usage.requests);
  const ticks = ticksOf(
    usage.lines,
    Object.values(before?.requests ?? {}).reduce((a, b) => a + b, 0),
  );
  // Between the first, which loads what is remembered, and the last, which writes it.
  const middle = ticks.slice(1, -1);
  return {
    ticks,
    requests,
    requestsAPool: Object.fromEntries(
      Object.entries(byService(requests)).map(([service, count]) => [service, count / pools / usage.ticks]),
    ),
    middleRequestsAPool: middle.reduce((sum, tick) => sum + tick.requests, 0) / middle.length / pools,
    cpuSecondsATick: usage.cpuSeconds / usage.ticks,
    longestLineBytes: Math.max(...usage.lines.map(({ bytes }) => bytes)),
  };
}

/** Work for some of the pools that have none, one after another over a tick and a half. */
async function wake(pools: number): Promise<[number, number][]> {
  // Others in each run: once woken they have work.
  const turn = 1 + (options.pools.indexOf(pools) % (BUSY_EVERY - 1));
  const resting = numbers(pools).filter((number) => number % BUSY_EVERY === turn);
  const chosen = resting.filter((_, index) => index % Math.ceil(resting.length / WOKEN) === 0);
  const woken: [number, number][] = [];
  for (const number of chosen) {
    await wait((options.tickSeconds * 1500) / chosen.length);
    woken.push([number, await stage.addWork(number)]);
  }
  return woken;
}

async function beatUntilIdle(scaler: ChildProcess): Promise<void> {
  const done = once(scaler, 'message').then(() => true);
  while (!(await Promise.race([done, wait(5000, false)]))) await stage.beat();
}

function neighborDuring(ticks: Tick[]) {
  const from = ticks[0]!.startedAt;
  const until = ticks.at(-1)!.startedAt + ticks.at(-1)!.ms;
  const within = stage.pieces.filter(({ startedAt }) => startedAt >= from && startedAt < until);
  const isIn = ({ startedAt, ms }: Tick, at: number) => at >= startedAt && at < startedAt + ms;
  const during = within.filter((piece) => ticks.some((tick) => isIn(tick, piece.startedAt)));
  const between = within.filter((piece) => !during.includes(piece));
  const median = (of: typeof within) =>
    quantile(
      of.map(({ ms }) => ms),
      0.5,
    );
  return { duringMs: median(during), betweenMs: median(between), during: during.length, between: between.length };
}

/** From the start of the process to the first line of a decision. */
async function measureStart(environment: Record<string, string>, pools: number) {
  const variants = { bundle, sources: join(root, 'scaler/handler.ts') };
  const times: Record<keyof typeof variants, number[]> = { bundle: [], sources: [] };
  const loads: Record<keyof typeof variants, number[]> = { bundle: [], sources: [] };
  for (let round = -1; round < options.rounds; round++) {
    progress(`start of a fresh process, round ${round + 2} of ${options.rounds + 1}`);
    for (const name of ['bundle', 'sources'] as const) {
      const startedAt = Date.now();
      const scaler = await startScaler(variants[name], environment);
      const { lines, loadMs } = await invoke(scaler, 1);
      scaler.kill();
      // The first round reads files into the machine's memory.
      if (round < 0) continue;
      times[name].push(Math.min(...lines.map(({ now, ms }) => now + ms)) - startedAt);
      loads[name].push(loadMs);
    }
  }
  const median = (values: number[]) => quantile(values, 0.5);
  return {
    pools,
    bundleMs: median(times.bundle),
    sourcesMs: median(times.sources),
    bundleLoadMs: median(loads.bundle),
    sourcesLoadMs: median(loads.sources),
  };
}

/** Two ticks with the heap that Lambda gives a function of each size. */
async function measureMemory(pools: number) {
  const found: { memory: number; residentMiB: number | null; heapMiB: number | null }[] = [];
  for (const memory of SIZES) {
    progress(`${pools} pools with the heap of ${memory} MiB`);
    const environment = await stage.scalerOf(pools);
    const scaler = await startScaler(bundle, environment, [`--max-old-space-size=${heapOf(memory)}`]);
    const usage = await Promise.race([invoke(scaler, 2), once(scaler, 'exit').then(() => undefined)]);
    scaler.kill();
    found.push({
      memory,
      residentMiB: usage ? usage.residentBytes / 2 ** 20 : null,
      heapMiB: usage ? usage.heapBytes / 2 ** 20 : null,
    });
  }
  return found;
}

/** What Lambda's Node.js lets the heap's old part grow to. */
function heapOf(memory: number): number {
  return Math.floor(memory * 0.9);
}

function costOf(count: number) {
  const preset = presetOf({}, 'eu-west-1');
  const input = {
    ...preset,
    pools: numbers(count).map((number) => ({
      name: poolName(number),
      settings: settingsOf({ taskQueue: poolName(number) }, preset),
      publicAddress: true,
    })),
  };
  const lines = standingCost(input).filter(({ what }) => /^(scaler|state table|metrics)/.test(what));
  return { pools: count, dollars: totalOf(lines), lines };
}

async function startScaler(file: string, environment: Record<string, string>, flags: string[] = []) {
  const scaler = fork(program, [file], {
    env: { ...environment, ...SCALER_ENVIRONMENT, ELASTIC_WORKERS_TICK_SECONDS: `${options.tickSeconds}` },
    execArgv: ['--disable-warning=ExperimentalWarning', ...flags],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await Promise.race([once(scaler, 'message'), endedTooEarly(scaler)]);
  return scaler;
}

async function endedTooEarly(scaler: ChildProcess): Promise<never> {
  const [code] = (await once(scaler, 'exit')) as [number | null];
  throw new Error(`The scaler's process ended (${code}) before it was measured.`);
}

async function invoke(scaler: ChildProcess, ticks: number): Promise<Usage> {
  const answered = once(scaler, 'message') as Promise<[Usage]>;
  scaler.send((ticks - 1) * options.tickSeconds * 1000 + MARGIN_MS + 500);
  const [usage] = await answered;
  return usage;
}

function progress(what: string): void {
  console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${what}`);
}

function report(figures: Figures): void {
  if (options.json) return console.log(JSON.stringify(figures));
  const { machine, loadAverage, start, runs, memory, cost } = figures;
  console.log(`${machine}; load average ${loadAverage.join(', ')}`);
  console.table(
    runs.flatMap(({ pools, ...run }) => (['rest', 'busy'] as const).map((name) => row(pools, name, run[name]))),
  );
  console.table(runs.map(runRow));
  console.table(memory.sizes.map((size) => ({ 'function MiB': size.memory, pools: memory.pools, ...memoryOf(size) })));
  console.log(`bundle: ${(figures.bundleBytes / 1e6).toFixed(2)} MB`);
  const ratio = (start.bundleMs / start.sourcesMs).toFixed(2);
  console.log(
    `first decision of a fresh process: ${round(start.bundleMs)} ms, from sources ${round(start.sourcesMs)} ms: ${ratio}`,
  );
  console.log(
    `  of that to load the code: ${round(start.bundleLoadMs)} ms, from sources ${round(start.sourcesLoadMs)} ms`,
  );
  for (const { pools, dollars, lines } of cost) {
    console.log(`${pools} pools: ${dollars.toFixed(2)} USD per month`);
    for (const { what, arithmetic, dollars: each } of lines)
      console.log(`  ${what}: ${arithmetic} = ${each.toFixed(2)}`);
  }
}

function row(pools: number, name: string, { ticks, requestsAPool, middleRequestsAPool, cpuSecondsATick }: Phase) {
  const { temporal = 0, ...aws } = requestsAPool;
  const awsInAll = Object.values(aws).reduce((sum, each) => sum + each, 0);
  return {
    pools,
    tick: name,
    'median ms': round(
      quantile(
        ticks.map(({ ms }) => ms),
        0.5,
      ),
    ),
    'longest ms': round(Math.max(...ticks.map(({ ms }) => ms))),
    'half decided ms': round(
      quantile(
        ticks.map(({ medianMs }) => medianMs),
        0.5,
      ),
    ),
    'unknown %': share(ticks, 'unknown'),
    'not read anew %': share(ticks, 'carried'),
    'errors %': share(ticks, 'failed'),
    'Temporal a pool': temporal.toFixed(2),
    'AWS a pool': awsInAll.toFixed(2),
    'AWS, middle ticks': (middleRequestsAPool - temporal).toFixed(2),
    'processor s': cpuSecondsATick.toFixed(2),
    [`s at ${scalerMemory} MiB`]: ((cpuSecondsATick * MIB_A_PROCESSOR) / scalerMemory).toFixed(1),
  };
}

type Phase = ReturnType<typeof phase>;

function share(ticks: Tick[], what: 'unknown' | 'carried' | 'failed'): string {
  const sum = (count: (tick: Tick) => number) => ticks.reduce((total, tick) => total + count(tick), 0);
  return ((100 * sum((tick) => tick[what])) / sum(({ pools }) => pools)).toFixed(0);
}

function runRow({ pools, neighbor, wakeUpSeconds, residentMiB, heapMiB, busy }: Run) {
  return {
    pools,
    'resident MiB': round(residentMiB),
    'heap MiB': round(heapMiB),
    'wake-up median s': quantile(wakeUpSeconds, 0.5).toFixed(1),
    'wake-up longest s': Math.max(...wakeUpSeconds).toFixed(1),
    'neighbor between ticks ms': round(neighbor.betweenMs),
    'during ticks ms': round(neighbor.duringMs),
    slowed: `${round(100 * (neighbor.duringMs / neighbor.betweenMs - 1))} %`,
    'longest line KB': (busy.longestLineBytes / 1000).toFixed(1),
  };
}

function memoryOf({ residentMiB, heapMiB }: Figures['memory']['sizes'][number]) {
  return residentMiB === null
    ? { 'resident MiB': 'out of memory', 'heap MiB': '' }
    : { 'resident MiB': round(residentMiB), 'heap MiB': round(heapMiB ?? NaN) };
}

function round(value: number): number {
  return Math.round(value);
}

function counts(text: string): number[] {
  return text
    .split(',')
    .map(wholeNumber(1))
    .toSorted((a, b) => a - b);
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`a whole number from ${least}: got '${text}'`);
    return value;
  };
}
