/** Our policy and its peers on the same work, and the totals of several runs. */
import type { Policy } from '../scaler/policy.ts';
import { clairvoyant, type Clairvoyant } from './clairvoyant.ts';
import { elastic } from './elastic.ts';
import { DEFAULT_SETTINGS, simulate, type Controller, type Result, type Settings, type Work } from './model.ts';
import { PEERS } from './peers.ts';
import { DEFAULT_TASK_SIZE, scoreOf, summarize, waitFigures, type Summary, type TaskSize } from './score.ts';

export const OURS = 'elastic';

export interface Run {
  result: Result;
  summary: Summary;
}

export interface Comparison {
  runs: Run[];
  /** What the clairvoyant fleet costs. */
  referenceSeconds: number;
}

export interface ComparisonOptions {
  settings: Partial<Settings>;
  policy?: Partial<Policy>;
  peers?: string[];
  size?: TaskSize;
}

export function compare(work: readonly Work[], options: ComparisonOptions): Comparison {
  const reference = clairvoyant(work, { ...DEFAULT_SETTINGS, ...options.settings });
  return { runs: [...runsOf(work, options, reference)], referenceSeconds: reference.billedSeconds };
}

/** One run after another, so that the first can be shown while the next one runs: ours, then the given peers. */
export function* runsOf(
  work: readonly Work[],
  { policy, peers = Object.keys(PEERS), size = DEFAULT_TASK_SIZE, ...options }: ComparisonOptions,
  reference: Clairvoyant,
): Generator<Run> {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  for (const controller of [
    elastic(settings, { overrides: policy }),
    ...peers.map((name) => peerNamed(name, settings)),
  ]) {
    const result = simulate(work, controller, settings);
    yield { result, summary: summarize(result, reference, settings.slots, size) };
  }
}

export function peerNamed(name: string, settings: Settings): Controller {
  const make = PEERS[name];
  if (make === undefined) throw new Error(`there is no peer '${name}'; there are ${Object.keys(PEERS).join(', ')}`);
  return make(settings);
}

/** The runs of one controller: means of figures, sums of counts. */
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
  /** No policy's score can be lower. */
  bound: number;
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

/** Both cheaper and faster. */
export function dominates(one: CostAndWait, other: CostAndWait): boolean {
  return one.costRatio < other.costRatio && one.waitMean < other.waitMean;
}

/** Several queues, each with its own fleet: costs are added, waits are merged. */
export function summaryOfAll(comparisons: Comparison[]): Summary[] {
  const referenceSeconds = comparisons.reduce((sum, comparison) => sum + comparison.referenceSeconds, 0);
  return (comparisons[0]?.runs ?? []).map((_, index) =>
    addUp(
      comparisons.map(({ runs }) => runs[index]!),
      referenceSeconds,
    ),
  );
}

function addUp(runs: Run[], referenceSeconds: number): Summary {
  const sum = (figure: (summary: Summary) => number) => runs.reduce((total, { summary }) => total + figure(summary), 0);
  const taskHours = sum((summary) => summary.taskHours);
  const waits = Float64Array.from(runs.flatMap(({ result }) => [...result.waits]));
  return {
    ...runs[0]!.summary,
    ...waitFigures(waits, referenceSeconds === 0 ? 1 : (taskHours * 3600) / referenceSeconds),
    work: waits.length,
    taskHours,
    dollars: sum((summary) => summary.dollars),
    utilization: taskHours === 0 ? 0 : sum((summary) => summary.utilization * summary.taskHours) / taskHours,
    killed: sum((summary) => summary.killed),
    failed: sum((summary) => summary.failed),
    undone: sum((summary) => summary.undone),
    tasksLeft: sum((summary) => summary.tasksLeft),
    peakTasks: sum((summary) => summary.peakTasks),
    launched: sum((summary) => summary.launched),
  };
}
