/**
 * The benchmark: every trace, several seeds, fast and slow heartbeats, our policy and its peers; prints a table, and
 * writes docs/benchmark.md. Its figures depend on nothing but the code: not on the machine, not on its clock.
 */
import { Command } from 'commander';
import { clairvoyant, type Clairvoyant } from './clairvoyant.ts';
import { elastic } from './elastic.ts';
import { DEFAULT_SETTINGS, simulate, type Settings, type Work } from './model.ts';
import { PEERS } from './peers.ts';
import { geometricMean, scoreOf, summarize, type Summary } from './score.ts';
import { TRACES } from './traces.ts';

interface Options {
  only?: string[];
  heartbeat: number[];
  seed: number[];
  peers: boolean;
}

export interface Row {
  trace: string;
  /** By controller, over all seeds and heartbeats. */
  totals: Map<string, Total>;
}

export interface Total {
  runs: Summary[];
  costRatio: number;
  waitMean: number;
  waitP95: number;
  score: number;
  worstScore: number;
  killed: number;
  left: number;
}

const options = new Command('bench')
  .description('Scores the policy and its peers over the named traces.')
  .option('--only <traces...>', `of ${Object.keys(TRACES).join(', ')}`)
  .option('--heartbeat <seconds...>', 'of the workers', numbers, [10, 60])
  .option('--seed <seeds...>', 'of the traces and the model', numbers, [1, 2, 3])
  .option('--no-peers', 'our policy alone')
  .parse()
  .opts<Options>();

/** Commander hands over one value at a time, and the default first. */
function numbers(value: string, before: number[]): number[] {
  const own = before as number[] & { given?: true };
  const next: number[] & { given?: true } = own.given ? [...own, Number(value)] : [Number(value)];
  next.given = true;
  return next;
}

const rows = (options.only ?? Object.keys(TRACES)).map(benchTrace);
print(rows);

function benchTrace(trace: string): Row {
  const { draw, slots } = TRACES[trace] ?? fail(trace);
  const totals = new Map<string, Total>();
  const runs = new Map<string, Summary[]>();
  for (const seed of options.seed) {
    const work = draw(seed);
    const reference = clairvoyant(work, { ...DEFAULT_SETTINGS, slots });
    for (const heartbeatSeconds of options.heartbeat) {
      const settings: Settings = { ...DEFAULT_SETTINGS, slots, heartbeatSeconds, seed };
      for (const summary of runAll(work, settings, reference)) {
        runs.set(summary.controller, [...(runs.get(summary.controller) ?? []), summary]);
      }
    }
  }
  for (const [controller, summaries] of runs) totals.set(controller, total(summaries));
  return { trace, totals };
}

function fail(trace: string): never {
  throw new Error(`--only ${trace}: there is no such trace; there are ${Object.keys(TRACES).join(', ')}`);
}

function runAll(work: Work[], settings: Settings, reference: Clairvoyant): Summary[] {
  const controllers = [elastic(settings), ...(options.peers ? Object.values(PEERS).map((peer) => peer(settings)) : [])];
  return controllers.map((controller) => summarize(simulate(work, controller, settings), reference, settings.slots));
}

function total(runs: Summary[]): Total {
  const mean = (value: (run: Summary) => number) => runs.reduce((sum, run) => sum + value(run), 0) / runs.length;
  const costRatio = mean((run) => run.costRatio);
  const waitMean = mean((run) => run.waitMean);
  return {
    runs,
    costRatio,
    waitMean,
    waitP95: mean((run) => run.waitP95),
    score: scoreOf(costRatio, waitMean),
    worstScore: Math.max(...runs.map((run) => run.score)),
    killed: runs.reduce((sum, run) => sum + run.killed, 0),
    left: runs.reduce((sum, run) => sum + run.undone + run.tasksLeft, 0),
  };
}

function print(all: Row[]): void {
  const columns = ['cost', 'mean s', 'p95 s', 'score', 'worst', 'killed', 'left', 'peak'];
  console.log(`${'trace'.padEnd(16)}${'policy'.padEnd(21)}${columns.map((name) => name.padStart(8)).join('')}`);
  for (const { trace, totals } of all) {
    const ours = totals.get('elastic')!;
    for (const [controller, each] of [...totals].sort((a, b) => a[1].score - b[1].score)) {
      const { costRatio, waitMean, waitP95, score, worstScore, killed, left, runs } = each;
      const figures = [costRatio, waitMean, waitP95, score, worstScore].map((figure) => figure.toFixed(2).padStart(8));
      const counts = [killed, left, Math.max(...runs.map((run) => run.peakTasks))].map((count) =>
        String(count).padStart(8),
      );
      const beats =
        each !== ours && costRatio < ours.costRatio && waitMean < ours.waitMean ? '  cheaper and faster' : '';
      const mark = each === ours ? '*' : '';
      console.log(`${trace.padEnd(16)}${(controller + mark).padEnd(21)}${figures.join('')}${counts.join('')}${beats}`);
    }
  }
  console.log('\ngeometric means over the traces');
  for (const controller of all[0]!.totals.keys()) {
    const own = all.map(({ totals }) => totals.get(controller)!);
    const best = all.filter(({ totals }) =>
      [...totals.values()].every((each) => each.score >= totals.get(controller)!.score),
    );
    console.log(
      `${controller.padEnd(21)} score ${geometricMean(own.map(({ score }) => score)).toFixed(3)}` +
        ` cost ${geometricMean(own.map(({ costRatio }) => costRatio)).toFixed(3)}` +
        ` (worst ${Math.max(...own.map(({ costRatio }) => costRatio)).toFixed(2)})` +
        ` best on ${best.length} of ${all.length}, killed ${own.reduce((sum, { killed }) => sum + killed, 0)}`,
    );
  }
}
