/**
 * The part of docs/benchmark.md with the figures of `npm run bench:peers` on real fleets, next to the model's figures for the same
 * loads. Our losses come first.
 */
import { clairvoyant } from './clairvoyant.ts';
import { elastic } from './elastic.ts';
import { DEFAULT_SETTINGS, simulate, type Controller, type Settings } from './model.ts';
import { PEER_LOADS, PEER_MAX_TASKS, PEER_SLOTS, PEER_TAIL_SECONDS } from './peer-loads.ts';
import { PEER_TITLES, PEERS } from './peers.ts';
import { geometricMean, scoreOf, waitFigures } from './score.ts';

/** One load under one policy. */
export interface RealRun {
  load: string;
  seed: number;
  policy: string;
  billedSeconds: number;
  waitMean: number;
  waitP50: number;
  waitP95: number;
  killed: number;
  undone: number;
  peakTasks: number;
  /** From the end of the last work to the end of the last task; null if a task was still up at the end of the run. */
  zeroSeconds: number | null;
  loadAverage: number;
  /** The machine was too slow, so the figures mean nothing. */
  isLate: boolean;
}

export interface RealRuns {
  date: string;
  processors: number;
  versions: Record<string, string>;
  /** How many runs of a load `--again` repeated, because the machine was too slow for them at first. */
  repeated?: number;
  runs: RealRun[];
}

export const OURS_REAL = 'ours';
/** For cost and for mean wait. */
const AGREES_WITHIN = 0.25;
/** Waits that differ by less than this, in seconds, agree: the phase of a policy's clock is random. */
const SAME_WAIT_SECONDS = 2;
/** Work of a stopped task is retried after this. */
const REDELIVERY_SECONDS = 2;
/** Of our workers, by default. */
const HEARTBEAT_SECONDS = 5;

/** Over a minute, the longest period of a policy. */
const PHASES_SECONDS = [0, 11, 22, 33, 44, 55];

const HEADING = '## Beside the real peers';

/** The mean over the seeds, of one policy on one load. */
interface Figures {
  billedSeconds: number;
  waitMean: number;
}

interface Row {
  policy: string;
  real: Figures & {
    score: number;
    waitP50: number;
    waitP95: number;
    killed: number;
    undone: number;
    peakTasks: number;
    zero: string;
  };
  model: Figures;
}

export function realPeersSection(measured: RealRuns): string {
  const loads = [...Map.groupBy(measured.runs, ({ load }) => load)];
  const measuredLoads = loads.filter(([, runs]) => usable(runs).length > 0);
  const rows = new Map(measuredLoads.map(([load, runs]) => [load, rowsOf(usable(runs))] as const));
  return [
    HEADING,
    intro(measured),
    ourLosses(rows),
    overAll([...rows.values()]),
    ...loads.flatMap(([load, runs]) => ofLoad(load, rows.get(load), runs)),
  ].join('\n\n');
}

/** All fleets of a load and seed run side by side, so one that was late spoils all. */
function usable(runs: RealRun[]): RealRun[] {
  const late = new Set(runs.filter(({ isLate }) => isLate).map(({ seed }) => seed));
  return runs.filter(({ seed }) => !late.has(seed));
}

/** The document with this section instead of the old one, or as the first section. */
export function withSection(document: string, section: string): string {
  const old = document.indexOf(HEADING);
  const from = old < 0 ? document.indexOf('## ') : old;
  const next = old < 0 ? from : document.indexOf('\n## ', from) + 1;
  return `${document.slice(0, from)}${section}\n\n${document.slice(next)}`;
}

function rowsOf(runs: RealRun[]): Row[] {
  return [...Map.groupBy(runs, ({ policy }) => policy)].map(([policy, own]) => {
    const mean = (figure: (run: RealRun) => number) => own.reduce((sum, run) => sum + figure(run), 0) / own.length;
    return {
      policy,
      real: {
        billedSeconds: mean((run) => run.billedSeconds),
        waitMean: mean((run) => run.waitMean),
        score: mean(({ load, seed, billedSeconds, waitMean }) => scoreOf(billedSeconds / unitOf(load, seed), waitMean)),
        waitP50: mean((run) => run.waitP50),
        waitP95: mean((run) => run.waitP95),
        killed: own.reduce((sum, run) => sum + run.killed, 0),
        undone: own.reduce((sum, run) => sum + run.undone, 0),
        peakTasks: Math.max(...own.map((run) => run.peakTasks)),
        zero: zeroOf(own),
      },
      model: modelOf(
        policy,
        own.map(({ load, seed }) => ({ load, seed })),
      ),
    };
  });
}

/** The unit of cost: what the clairvoyant fleet is billed. */
function unitOf(load: string, seed: number): number {
  const settings = { ...DEFAULT_SETTINGS, slots: PEER_SLOTS, maxTasks: PEER_MAX_TASKS };
  return clairvoyant(PEER_LOADS[load]!.draw(seed), settings).billedSeconds;
}

function zeroOf(runs: RealRun[]): string {
  const seconds = runs.map((run) => run.zeroSeconds);
  if (seconds.some((each) => each === null)) return `> ${PEER_TAIL_SECONDS}`;
  return whole(seconds.reduce<number>((sum, each) => sum + each!, 0) / seconds.length);
}

/** The model on the same loads, at several phases of the policy's clock: a real load arrives at a random one. */
export function modelOf(policy: string, cells: { load: string; seed: number }[], make = controllerOf): Figures {
  const results = cells.flatMap(({ load, seed }) => {
    const work = PEER_LOADS[load]!.draw(seed);
    return PHASES_SECONDS.map((phase) => {
      const settings: Settings = { ...DEFAULT_SETTINGS, ...modelSettings(policy), seed };
      const shifted = work.map((each) => ({ ...each, arrivalSeconds: each.arrivalSeconds + phase }));
      const { billedSeconds, waits } = simulate(shifted, make(policy)(settings), settings);
      // Cost before the load does not count.
      return { billedSeconds: billedSeconds - settings.minTasks * phase, waitMean: waitFigures(waits, 1).waitMean };
    });
  });
  const mean = (figure: (each: Figures) => number) =>
    results.reduce((sum, each) => sum + figure(each), 0) / results.length;
  return { billedSeconds: mean((each) => each.billedSeconds), waitMean: mean((each) => each.waitMean) };
}

function controllerOf(policy: string): (settings: Settings) => Controller {
  return policy === OURS_REAL ? elastic : PEERS[policy]!;
}

function modelSettings(policy: string): Partial<Settings> {
  return {
    slots: PEER_SLOTS,
    maxTasks: PEER_MAX_TASKS,
    minTasks: policy === 'target-tracking' ? 1 : 0,
    tailSeconds: PEER_TAIL_SECONDS,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    redeliverySeconds: REDELIVERY_SECONDS,
    stopGraceSeconds: 1,
  };
}

function titleOf(policy: string): string {
  return policy === OURS_REAL ? 'ours' : (PEER_TITLES[policy] ?? policy);
}

function intro({ date, processors, versions, runs, repeated = 0 }: RealRuns): string {
  const seeds = new Set(runs.map(({ seed }) => seed)).size;
  const loadAverages = runs.map(({ loadAverage }) => loadAverage);
  const stated = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `Measured with \`npm run bench:peers -- --write\` on ${date}: ${stated.join(', ')}.

Real fleets on one machine of ${processors} processors: the real Temporal server, local Fargate (a task takes 25 to 60 s to start), the
same worker code, ${PEER_SLOTS} slots a task, at most ${PEER_MAX_TASKS} tasks, the same work with the same gaps to the millisecond. Fleets run side
by side, two loads at a time, and begin a few seconds apart; the machine's load average was ${figure(Math.min(...loadAverages))} to ${figure(Math.max(...loadAverages))}. Each load runs ${seeds} times with different
work, and each fleet is billed until ${PEER_TAIL_SECONDS} s after the last work could have been done: what a fleet that is still up
costs after that is not counted. A run is left out if the machine was too slow for it: work began more than 2 s late, or the server
took more than 5 s to answer. The title of a load says how many runs were used; \`--again\` repeated ${repeated} that the machine had been too
slow for at first.

- **Serverless Workers (WCI)** is Temporal's controller inside that server, with its AWS ECS provider. **KEDA** is its own
  Temporal scaler and executor with Kubernetes' own \`HorizontalController\`; pods are ECS tasks. Of AWS's **target tracking** and
  **step scaling** only the rules are public: they are applied by our code to real readings.
- **Tuned**: KEDA polls every 5 s, aims at a backlog of one task's slots, cools down for 60 s and stabilizes for 60 s. The settings of
  Serverless Workers are the best of a small search ([\`bench/peers/search.ts\`](../bench/peers/search.ts)). Both may finish work for
  100 s when a task is stopped; untuned ones have the SDK's default, none.
- **cost**: billed task-seconds, a minute at least, from the pull of the image. The model bills from the order, some 14 s
  earlier. **Wait**: from arrival to the start of the attempt that got the work done. **Killed** is summed over the runs.
- **score**: cost relative to a clairvoyant fleet + mean wait ÷ 30 s, as in the model below. Lower is better.
- **off by**: how far the model is from the real fleets, where cost or mean wait differ by more than 25 %.`;
}

/** The peers that were cheaper or faster than ours, by load. */
function ourLosses(rows: Map<string, Row[]>): string {
  const lines = [...rows].flatMap(([load, ofLoad]) => {
    const ours = ofLoad.find(({ policy }) => policy === OURS_REAL);
    if (ours === undefined) return [];
    return ofLoad
      .filter(({ policy, real }) => policy !== OURS_REAL && isBetter(real, ours.real))
      .map(({ policy, real }) => [
        load,
        titleOf(policy),
        better(real, ours.real),
        `${whole(real.billedSeconds)} : ${whole(ours.real.billedSeconds)}`,
        `${figure(real.waitMean)} : ${figure(ours.real.waitMean)}`,
        String(real.killed + real.undone),
      ]);
  });
  if (lines.length === 0) return 'No peer was cheaper or faster than ours on any of these loads.';
  const head = ['load', 'peer', 'it is', 'cost, its : ours', 'mean wait s', 'it killed or left'];
  return `### Where ours loses\n\n${table(head, lines)}`;
}

function isBetter(one: Figures, other: Figures): boolean {
  return one.billedSeconds < other.billedSeconds || one.waitMean < other.waitMean;
}

function better(one: Figures, other: Figures): string {
  const isCheaper = one.billedSeconds < other.billedSeconds;
  if (isCheaper && one.waitMean < other.waitMean) return '**cheaper and faster**';
  return isCheaper ? 'cheaper, slower' : 'faster, dearer';
}

/** Geometric means of scores and of costs relative to ours, and the mean of waits, over the loads. */
function overAll(loads: Row[][]): string {
  const policies = loads[0]?.map(({ policy }) => policy) ?? [];
  const lines = policies.map((policy) => {
    const pairs = loads.flatMap((rows) => {
      const [own, ours] = [policy, OURS_REAL].map((name) => rows.find((row) => row.policy === name)?.real);
      return own && ours ? [{ own, ours }] : [];
    });
    const mean = (of: (pair: (typeof pairs)[number]) => number) =>
      pairs.reduce((total, pair) => total + of(pair), 0) / pairs.length;
    const lost = pairs.reduce((total, { own }) => total + own.killed + own.undone, 0);
    return [
      titleOf(policy),
      geometricMean(pairs.map(({ own }) => own.score)).toFixed(2),
      geometricMean(pairs.map(({ own, ours }) => own.billedSeconds / ours.billedSeconds)).toFixed(2),
      figure(mean(({ own }) => own.waitMean)),
      String(lost),
    ];
  });
  return `### Over these loads\n\n${table(['policy', 'score', 'cost, relative to ours', 'mean wait s', 'killed or left'], lines)}`;
}

function ofLoad(load: string, rows: Row[] | undefined, runs: RealRun[]): string[] {
  const seeds = (of: RealRun[]) => new Set(of.map(({ seed }) => seed)).size;
  const [used, all] = [seeds(usable(runs)), seeds(runs)];
  const title = `### ${load}: ${PEER_LOADS[load]?.about ?? ''}`;
  if (rows === undefined) return [title, `Not measured: the machine was too slow for all ${all} runs.`];
  const lines = rows.map(({ policy, real, model }) => [
    titleOf(policy),
    whole(real.billedSeconds),
    whole(model.billedSeconds),
    figure(real.waitMean),
    figure(model.waitMean),
    figure(real.waitP50),
    figure(real.waitP95),
    String(real.killed),
    String(real.undone),
    String(real.peakTasks),
    real.zero,
    offBy(real, model),
  ]);
  const head = [
    'policy',
    'cost s',
    'model',
    'mean wait s',
    'model',
    'p50 s',
    'p95 s',
    'killed',
    'undone',
    'peak',
    'to zero s',
    'off by',
  ];
  return [`${title} (${used} of ${all} runs)`, table(head, lines)];
}

export function offBy(real: Figures, model: Figures): string {
  const cost = model.billedSeconds / real.billedSeconds - 1;
  const waitDiffers = Math.abs(model.waitMean - real.waitMean) > SAME_WAIT_SECONDS;
  const wait = waitDiffers ? model.waitMean / real.waitMean - 1 : 0;
  const said = [
    ...(Math.abs(cost) > AGREES_WITHIN ? [`cost ${percent(cost)}`] : []),
    ...(Math.abs(wait) > AGREES_WITHIN ? [`wait ${percent(wait)}`] : []),
  ];
  return said.join(', ');
}

function percent(share: number): string {
  return `${share > 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(0)} %`;
}

function figure(value: number): string {
  return value.toFixed(1);
}

function whole(value: number): string {
  return value.toFixed(0);
}

function table(head: string[], lines: string[][]): string {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}
