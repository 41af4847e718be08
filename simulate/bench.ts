/**
 * The benchmark: every named trace with several seeds, under fast and slow heartbeats, our policy and its peers; prints
 * a table, and writes docs/benchmark.md with --write. Its figures depend on nothing but the code: neither on the
 * machine nor on its clock.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { format, resolveConfig } from 'prettier';
import type { PoolPolicy } from '../contract/pool-config.ts';
import { benchmarkDocument } from './benchmark-document.ts';
import { compare, dominates, OURS, totalsOf, type Total, type TraceTotals } from './comparison.ts';
import { namesOf, policyOverrides, positiveIntegers } from './options.ts';
import { PEERS } from './peers.ts';
import realPeers from './real-peers.json' with { type: 'json' };
import { geometricMean } from './score.ts';
import { TRACES } from './traces.ts';

interface Options {
  only: string[];
  heartbeat: number[];
  seed: number[];
  peers: string[] | false;
  policy: PoolPolicy;
  write?: true;
}

const DOCUMENT = join(import.meta.dirname, '../docs/benchmark.md');

const command = new Command('bench')
  .description('Scores the policy and its peers over the named traces.')
  .option('--only <traces>', 'some of the traces, with commas', namesOf(Object.keys(TRACES)), Object.keys(TRACES))
  .option('--heartbeat <seconds>', 'of the workers, with commas', positiveIntegers, [10, 60])
  .option('--seed <seeds>', 'of the traces and the model, with commas', positiveIntegers, [1, 2, 3])
  .option('--peers <names>', 'some of the peers, with commas', namesOf(Object.keys(PEERS)), Object.keys(PEERS))
  .option('--no-peers', 'our policy alone')
  .option('--policy <json>', 'overrides of our policy, such as \'{"targetWaitSeconds":10}\'', policyOverrides, {})
  .option('--write', 'write docs/benchmark.md')
  .parse();
const options = command.opts<Options>();

const rows: TraceTotals[] = [];
printHeader();
for (const trace of options.only) {
  const row = { trace, totals: benchTrace(trace) };
  rows.push(row);
  printRow(row);
}
printMeans(rows);
if (options.write) {
  const text = benchmarkDocument(rows, { seeds: options.seed, heartbeats: options.heartbeat }, realPeers);
  writeFileSync(DOCUMENT, await format(text, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' }));
}

function benchTrace(trace: string): Total[] {
  const { draw, slots } = TRACES[trace]!;
  const peers = options.peers || [];
  return totalsOf(
    options.seed.flatMap((seed) => {
      const work = draw(seed);
      return options.heartbeat.flatMap((heartbeatSeconds) =>
        compare(work, { settings: { slots, heartbeatSeconds, seed }, policy: options.policy, peers }).runs.map(
          ({ summary }) => summary,
        ),
      );
    }),
  );
}

function printHeader(): void {
  const columns = ['cost', 'mean s', 'p95 s', 'score', 'worst', 'killed', 'left', 'peak'];
  console.log(`${'trace'.padEnd(16)}${'policy'.padEnd(21)}${columns.map((name) => name.padStart(8)).join('')}`);
}

function printRow({ trace, totals }: TraceTotals): void {
  const ours = totals.find(({ controller }) => controller === OURS)!;
  for (const total of totals.toSorted((a, b) => a.score - b.score)) {
    const { costRatio, waitMean, waitP95, score, worstScore, killed, left, peakTasks } = total;
    const figures = [costRatio, waitMean, waitP95, score, worstScore].map((figure) => figure.toFixed(2).padStart(8));
    const counts = [killed, left, peakTasks].map((count) => String(count).padStart(8));
    const name = total === ours ? `${total.controller} *` : total.controller;
    const beaten = dominates(total, ours) ? '  cheaper and faster' : '';
    console.log(`${trace.padEnd(16)}${name.padEnd(21)}${figures.join('')}${counts.join('')}${beaten}`);
  }
}

function printMeans(all: TraceTotals[]): void {
  console.log('\nover the traces:');
  for (const { controller } of all[0]!.totals) {
    const own = all.map(({ totals }) => totals.find((total) => total.controller === controller)!);
    const best = all.filter(({ totals }, index) => totals.every(({ score }) => score >= own[index]!.score));
    console.log(
      `${controller.padEnd(21)} score ${geometricMean(own.map(({ score }) => score)).toFixed(3)}` +
        ` cost ${geometricMean(own.map(({ costRatio }) => costRatio)).toFixed(3)}` +
        ` (worst ${Math.max(...own.map(({ costRatio }) => costRatio)).toFixed(2)})` +
        `, best on ${best.length} of ${all.length}, killed ${own.reduce((sum, { killed }) => sum + killed, 0)}`,
    );
  }
}
