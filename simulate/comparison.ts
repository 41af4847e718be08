/** Our policy beside its peers on the same work: run, summed up, and told who beat whom. */
import type { Policy } from '../scaler/policy.ts';
import { clairvoyant } from './clairvoyant.ts';
import { elastic } from './elastic.ts';
import { DEFAULT_SETTINGS, simulate, type Controller, type Result, type Settings, type Work } from './model.ts';
import { PEERS } from './peers.ts';
import { DEFAULT_TASK_SIZE, scoreOf, summarize, type Summary, type TaskSize } from './score.ts';

export const OURS = 'elastic';

export interface Comparison {
  results: Result[];
  summaries: Summary[];
  /** What the clairvoyant fleet costs. */
  referenceSeconds: number;
}

export interface ComparisonOptions {
  settings: Partial<Settings>;
  policy?: Partial<Policy>;
  peers?: string[];
  size?: TaskSize;
}

/** Ours first, then the peers asked for. */
export function compare(work: readonly Work[], options: ComparisonOptions): Comparison {
  const { policy, peers = Object.keys(PEERS), size = DEFAULT_TASK_SIZE } = options;
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const reference = clairvoyant(work, settings);
  const results = [elastic(settings, policy), ...peers.map((name) => peerNamed(name, settings))].map((controller) =>
    simulate(work, controller, settings),
  );
  return {
    results,
    summaries: results.map((result) => summarize(result, reference, settings.slots, size)),
    referenceSeconds: reference.billedSeconds,
  };
}

function peerNamed(name: string, settings: Settings): Controller {
  const make = PEERS[name];
  if (make === undefined) throw new Error(`there is no peer '${name}'; there are ${Object.keys(PEERS).join(', ')}`);
  return make(settings);
}

/** Several runs of one controller as one: means of the figures, sums of the counts. */
export interface Total {
  controller: string;
  runs: number;
  costRatio: number;
  waitMean: number;
  waitP95: number;
  waitP99: number;
  score: number;
  worstScore: number;
  worstCostRatio: number;
  killed: number;
  /** Work undone and tasks above the minimum at the end. */
  left: number;
  peakTasks: number;
}

export interface TraceTotals {
  trace: string;
  totals: Total[];
}

/** In the order of the first runs. */
export function totalsOf(summaries: Summary[]): Total[] {
  return [...Map.groupBy(summaries, ({ controller }) => controller)].map(([controller, runs]) => {
    const sum = (figure: (run: Summary) => number) => runs.reduce((total, run) => total + figure(run), 0);
    const mean = (figure: (run: Summary) => number) => sum(figure) / runs.length;
    const most = (figure: (run: Summary) => number) => Math.max(...runs.map(figure));
    const costRatio = mean((run) => run.costRatio);
    const waitMean = mean((run) => run.waitMean);
    return {
      controller,
      runs: runs.length,
      costRatio,
      waitMean,
      waitP95: mean((run) => run.waitP95),
      waitP99: mean((run) => run.waitP99),
      score: scoreOf(costRatio, waitMean),
      worstScore: most((run) => run.score),
      worstCostRatio: most((run) => run.costRatio),
      killed: sum((run) => run.killed),
      left: sum((run) => run.undone + run.tasksLeft),
      peakTasks: most((run) => run.peakTasks),
    };
  });
}

type CostAndWait = Pick<Total, 'costRatio' | 'waitMean'>;

/** Cheaper and faster both: nothing speaks for the other. */
export function dominates(one: CostAndWait, other: CostAndWait): boolean {
  return one.costRatio < other.costRatio && one.waitMean < other.waitMean;
}
