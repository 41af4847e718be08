/**
 * The benchmark: our policy under all regimes, by the seeds that it was tuned with and by others; its peers under the base
 * regime; and what each of its rules is worth. Prints tables, and writes docs/benchmark.md with --write. Its figures
 * depend on nothing but the code: neither on the machine nor on its clock.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { format, resolveConfig } from 'prettier';
import type { PoolPolicy } from '../contract/pool-config.ts';
import { ABLATIONS } from './ablations.ts';
import {
  ablationRow,
  ablationTables,
  standingOf,
  standingsTable,
  type AblationRow,
  type Standing,
} from './benchmark-tables.ts';
import { benchmarkDocument } from './benchmark-document.ts';
import { runCells, type Cell, type CellResult, type Players, type Version } from './cells.ts';
import { dominates, OURS, totalsOf, type TraceTotals } from './comparison.ts';
import { DAYS, runDays } from './days.ts';
import { fingerprint } from './fingerprint.ts';
import { namesOf, policyOverrides, positiveInteger, positiveIntegers } from './options.ts';
import { summaryOf } from './paired.ts';
import { PEERS } from './peers.ts';
import { bundlePolicy } from './policy-variant.ts';
import realPeers from './real-peers.json' with { type: 'json' };
import { BASE, JUDGING_SEEDS, REGIMES, REPRESENTATIVE, TUNING_SEEDS } from './regimes.ts';
import { geometricMean } from './score.ts';

interface Options {
  regimes: string[];
  only?: string[];
  seeds?: number[];
  quick?: true;
  peers: string[] | false;
  ablate?: true | string[];
  against?: string;
  policy?: PoolPolicy;
  threads: number;
  days?: true | string[];
  write?: true;
}

const DOCUMENT = join(import.meta.dirname, '../docs/benchmark.md');
const QUICK_SEEDS = 3;
const SEEDS_TO_SEE_A_CHANGE = 2;
const LOADS = [...new Set(Object.values(REGIMES).flatMap(({ loads }) => Object.keys(loads)))];

const command = new Command('bench')
  .description(
    'Scores the policy under all regimes and its peers under the base regime, and shows what each rule is worth.',
  )
  .option('--regimes <names>', 'regimes to run, comma-separated', namesOf(Object.keys(REGIMES)), Object.keys(REGIMES))
  .option('--only <loads>', 'loads to run, comma-separated', namesOf(LOADS))
  .option(
    '--seeds <numbers>',
    'seeds of the loads and the model, comma-separated; used as judging seeds',
    positiveIntegers,
  )
  .option('--quick', 'three seeds of each kind, few loads, no peers: under a minute')
  .option('--peers <names>', 'peers to compare, comma-separated', namesOf(Object.keys(PEERS)), Object.keys(PEERS))
  .option('--no-peers', 'run only our policy')
  .option(
    '--ablate [rules]',
    'what each rule is worth, or only these, comma-separated',
    namesOf(Object.keys(ABLATIONS)),
  )
  .option('--against <folder>', 'compare with the policy of another checkout, seed by seed')
  .option('--policy <json>', 'compare with other settings, such as \'{"targetWaitSeconds":10}\'', policyOverrides)
  .option(
    '--days [loads]',
    'fourteen real days, or only these loads; up to 10 minutes and 4 GB per load',
    namesOf(Object.keys(DAYS)),
  )
  .option('--threads <count>', 'number of threads', positiveInteger, availableParallelism())
  .option('--write', 'write docs/benchmark.md, with all regimes, peers and rules')
  .parse();
const options = command.opts<Options>();
const quick = (seeds: number[]) => (options.quick ? seeds.slice(0, QUICK_SEEDS) : seeds);
const tuning = options.seeds ? [] : quick(TUNING_SEEDS);
const judging = options.seeds ?? quick(JUDGING_SEEDS);

if (options.write) await write();
else if (options.days) days(options.days === true ? Object.keys(DAYS) : options.days);
else if (options.ablate) await ablate();
else if (options.against !== undefined)
  await compareWith({ name: 'other', bundle: await bundlePolicy([], options.against) });
else if (options.policy !== undefined) await compareWith({ name: 'other', overrides: options.policy });
else {
  if (!options.quick && options.peers && options.regimes.includes(BASE)) printMeans(await comparePeers());
  await judge();
}

async function write(): Promise<void> {
  const [rows, standings, ablations] = [await comparePeers(), await judge(), await ablate()];
  const text = benchmarkDocument(
    { rows, standings, ablations },
    { tuning, judging, fingerprint: await fingerprint() },
    realPeers,
  );
  writeFileSync(DOCUMENT, await format(text, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' }));
}

/** Row by row, as it takes minutes. */
async function comparePeers(): Promise<TraceTotals[]> {
  const players = { versions: [{ name: OURS }], peers: options.peers || [], bound: true };
  const rows: TraceTotals[] = [];
  printHeader();
  for (const [trace, cells] of Map.groupBy(cellsOf([BASE], judging), ({ load }) => load)) {
    const results = await runCells(cells, players, options.threads);
    const totals = totalsOf(results.flatMap(({ summaries }) => summaries));
    const row = { trace, totals, bound: geometricMean(results.map(({ bound }) => bound)) };
    printRow(row);
    rows.push(row);
  }
  return rows;
}

function days(loads: string[]): void {
  printHeader();
  for (const load of loads) {
    const totals = totalsOf(runDays(load, judging[0]!, options.peers || []));
    printRow({ trace: load, totals, bound: NaN });
  }
}

/** Ours under all regimes; under the base with the loads that it shares with others. */
async function judge(): Promise<Standing[]> {
  const standings: Standing[] = [];
  for (const regime of options.regimes) {
    const players = { versions: [{ name: OURS }] };
    const tuned = await run([regime], tuning, players, REPRESENTATIVE);
    const judged = await run([regime], judging, { ...players, bound: !options.quick }, REPRESENTATIVE);
    standings.push(standingOf(regime, tuned, judged));
    console.error(`${regime}: judged, ${standings.length} of ${options.regimes.length}`);
  }
  console.log(`\n${standingsTable(standings)}`);
  return standings;
}

async function compareWith(other: Version): Promise<void> {
  const players = { versions: [{ name: OURS }, other] };
  const results = await run(options.regimes, [...tuning, ...judging], players, options.quick && REPRESENTATIVE);
  const rows = [tuning, judging]
    .filter((seeds) => seeds.length > 0)
    .map((seeds) =>
      ablationRow(
        seeds === tuning ? 'other, tuning seeds' : 'other, judging seeds',
        other.name,
        results.filter(({ seed }) => seeds.includes(seed)),
      ),
    );
  console.log(ablationTables(rows, { withChance: true }));
}

/** By the judging seeds. A rule that changes nothing in a regime with the first of them is not tried with the others. */
async function ablate(): Promise<AblationRow[]> {
  const rules = options.ablate === true || options.ablate === undefined ? Object.keys(ABLATIONS) : options.ablate;
  const versions = await Promise.all(
    rules.map(async (name) => ({ name, bundle: await bundlePolicy(ABLATIONS[name]!.replace) })),
  );
  const results: CellResult[] = [];
  for (const regime of options.regimes) {
    const first = await runWithout(regime, judging.slice(0, SEEDS_TO_SEE_A_CHANGE), versions);
    const others = versions.filter(({ name }) => first.some((cell) => isChanged(cell, name)));
    results.push(...first, ...(await runWithout(regime, judging.slice(SEEDS_TO_SEE_A_CHANGE), others)));
    console.log(`${regime}: ${others.length} of ${rules.length} rules change something`);
  }
  const rows = rules.map((rule) => ablationRow(rule, rule, results));
  console.log(`\n${ablationTables(rows)}`);
  return rows;
}

function runWithout(regime: string, seeds: number[], versions: Version[]): Promise<CellResult[]> {
  return run([regime], seeds, { versions: [{ name: OURS }, ...versions] }, REPRESENTATIVE);
}

function isChanged(cell: CellResult, version: string): boolean {
  return summaryOf(cell, version).score !== summaryOf(cell, OURS).score;
}

function run(regimes: string[], seeds: number[], players: Players, ofBase?: object | undefined): Promise<CellResult[]> {
  return runCells(cellsOf(regimes, seeds, ofBase), players, options.threads);
}

function cellsOf(regimes: string[], seeds: number[], ofBase: object = REGIMES[BASE]!.loads): Cell[] {
  const isWanted = (regime: string, load: string) =>
    options.only?.includes(load) ?? (regime !== BASE || load in ofBase);
  return regimes.flatMap((regime) =>
    Object.keys(REGIMES[regime]!.loads)
      .filter((load) => isWanted(regime, load))
      .flatMap((load) => seeds.map((seed) => ({ regime, load, seed }))),
  );
}

function printHeader(): void {
  const columns = ['cost', 'mean s', 'p95 s', 'score', 'worst', 'x bound', 'killed', 'left', 'peak'];
  console.log(`${'trace'.padEnd(16)}${'policy'.padEnd(26)}${columns.map((name) => name.padStart(8)).join('')}`);
}

function printRow({ trace, totals, bound }: TraceTotals): void {
  const ours = totals.find(({ controller }) => controller === OURS)!;
  for (const total of totals.toSorted((a, b) => a.score - b.score)) {
    const { costRatio, waitMean, waitP95, score, worstScore, killed, left, peakTasks } = total;
    const figures = [costRatio, waitMean, waitP95, score, worstScore, score / bound];
    const cells = [
      ...figures.map((figure) => (Number.isNaN(figure) ? '·' : figure.toFixed(2))),
      ...[killed, left, peakTasks].map(String),
    ];
    const name = total === ours ? `${total.controller} *` : total.controller;
    const beaten = dominates(total, ours) ? '  cheaper and faster' : '';
    console.log(`${trace.padEnd(16)}${name.padEnd(26)}${cells.map((cell) => cell.padStart(8)).join('')}${beaten}`);
  }
}

function printMeans(all: TraceTotals[]): void {
  console.log('\nover the traces:');
  for (const { controller } of all[0]!.totals) {
    const own = all.map(({ totals }) => totals.find((total) => total.controller === controller)!);
    const best = all.filter(({ totals }, index) => totals.every(({ score }) => score >= own[index]!.score));
    console.log(
      `${controller.padEnd(26)} score ${geometricMean(own.map(({ score }) => score)).toFixed(3)}` +
        ` cost ${geometricMean(own.map(({ costRatio }) => costRatio)).toFixed(3)}` +
        ` (worst ${Math.max(...own.map(({ costRatio }) => costRatio)).toFixed(2)})` +
        `, best on ${best.length} of ${all.length}, killed ${own.reduce((sum, { killed }) => sum + killed, 0)}`,
    );
  }
}
