/** docs/benchmark.md: what was run, the figures, and where the policy is not the best. */
import { ABLATIONS } from './ablations.ts';
import { ablationTables, figure, standingsTable, table, type AblationRow, type Standing } from './benchmark-tables.ts';
import { dominates, OURS, type Total, type TraceTotals } from './comparison.ts';
import { DEFAULT_SETTINGS } from './model.ts';
import { PEER_TITLES, TUNED_GRACE_SECONDS } from './peers.ts';
import { realPeersSection, type RealRuns } from './real-peers.ts';
import { REGIMES } from './regimes.ts';
import { geometricMean } from './score.ts';
import { TRACES } from './traces.ts';

export interface Figures {
  /** Of the base regime, by the judging seeds. */
  rows: TraceTotals[];
  standings: Standing[];
  ablations: AblationRow[];
}

export interface Runs {
  tuning: number[];
  judging: number[];
  /** Of the code that the figures are of. */
  fingerprint: string;
}

export function benchmarkDocument({ rows, standings, ablations }: Figures, runs: Runs, real?: RealRuns): string {
  return [
    INTRO,
    real === undefined || real.runs.length === 0 ? NOT_RUN : realPeersSection(real),
    STRANGER,
    '## In the model',
    aboutModel(runs),
    '### Where ours is not the best',
    ...notBest(rows),
    '### Over all traces',
    overall(rows),
    '### Trace by trace',
    'Score of each; the lowest is bold. No policy can have a lower one than the bound.',
    scores(rows),
    '### Ours in detail',
    details(rows),
    ABOUT_LEFT,
    '### Ours under other conditions',
    ABOUT_STANDINGS,
    standingsTable(standings),
    '### What each rule is worth',
    ABOUT_ABLATIONS,
    ablationTables(ablations),
    ...notAblated(ablations),
    'Without:',
    ablations.map(({ rule }) => `- **${rule}**: ${ABLATIONS[rule]!.about}`).join('\n'),
    `${FINGERPRINT}${runs.fingerprint}\``,
    '',
  ].join('\n\n');
}

/** Starts the last line, which a test compares with the code. */
export const FINGERPRINT = 'Fingerprint of the policy and the model that these figures are of: `';

const INTRO = `# Benchmark

Two comparisons with other ways to scale Temporal workers: small loads on real fleets, with the real peers where they can be run, and
many loads in a model. Each starts with what ours is worse at. For loads that are in both, the first shows how far the model is
from reality.`;

function aboutModel({ tuning, judging }: Runs): string {
  const [least, most] = DEFAULT_SETTINGS.startUpSeconds;
  return `Written by \`npm run bench:policy -- --write\`; the same code gives the same figures on every machine.

Our rules and constants may have been chosen with the tuning seeds, ${seedsOf(tuning)}. Unless a table says otherwise, figures are from the
judging seeds, ${seedsOf(judging)}, with which nothing was chosen. A task takes ${least} to ${most} s to start; a fleet has 0 to ${DEFAULT_SETTINGS.maxTasks} tasks. Each is
billed from the order to the stop, for at least a minute, and for up to half an hour after the last work. Workers report every
${DEFAULT_SETTINGS.heartbeatSeconds} s. The model is described in [\`simulate/model.ts\`](../simulate/model.ts), and the peers' rules in
[\`simulate/peers.ts\`](../simulate/peers.ts). The peers are models, too: \`npm run bench:peers\` shows how far they are from the real ones.

- **cost**: billed task-seconds, relative to a fleet that knows all work beforehand, never lets any wait, and pays for no start-up
  ([\`simulate/clairvoyant.ts\`](../simulate/clairvoyant.ts)). That is a unit and not a bound: a fleet that lets work wait can cost less.
- **wait**: from arrival to the start of the attempt that got the work done.
- **score**: cost + mean wait ÷ 30 s. Lower is better.
- **bound**: no policy can score lower, even one that knows the future; start-ups and the billed minute are included. The proof is in
  [\`simulate/lower-bound.ts\`](../simulate/lower-bound.ts). **× bound** is a score divided by it: the most that a better policy could save. Part of
  that is the price of not knowing the future.
- **killed**: attempts lost because their task was stopped. **Left**: work undone, and tasks above the minimum, half an
  hour after the last work.

The peers get exact counts, although the real ones read the same late and rounded figures as ours. When their tasks are stopped,
workers have the SDK's default grace of 0 s; those of tuned peers have ${TUNED_GRACE_SECONDS} s.

The trace \`real-hour\` is the Azure LLM inference trace 2023, conversation (Microsoft, CC-BY 4.0; Patel et
al., Splitwise, ISCA 2024).`;
}

function overall(rows: TraceTotals[]): string {
  const controllers = rows[0]!.totals.map(({ controller }) => controller);
  const lines = controllers
    .map((controller) => {
      const own = rows.map(({ totals }) => totalOf(totals, controller));
      const best = rows.filter(({ totals }) => bestOf(totals).controller === controller).length;
      const scores = own.map(({ score }) => score);
      const costs = own.map(({ costRatio }) => costRatio);
      const regrets = rows.map(({ bound }, index) => scores[index]! / bound);
      return {
        controller,
        score: geometricMean(scores),
        regret: geometricMean(regrets),
        costs,
        best,
        killed: sum(own.map(({ killed }) => killed)),
        own,
      };
    })
    .toSorted((a, b) => a.score - b.score)
    .map(({ controller, score, regret, costs, best, killed, own }) => [
      nameOf(controller),
      figure(score),
      figure(regret),
      figure(geometricMean(costs)),
      figure(Math.max(...costs)),
      figure(sum(own.map(({ waitMean }) => waitMean)) / own.length),
      `${best} of ${rows.length}`,
      String(killed),
      String(sum(own.map(({ left }) => left))),
    ]);
  const head = [
    'policy',
    'score (geometric mean)',
    '× bound',
    'cost (geometric mean)',
    'worst cost',
    'mean wait s',
    'best on',
    'killed',
    'left',
  ];
  return table(head, lines);
}

function scores(rows: TraceTotals[]): string {
  const controllers = rows[0]!.totals.map(({ controller }) => controller);
  const lines = rows.map(({ trace, totals, bound }) => {
    const best = bestOf(totals);
    const cells = totals.map((total) => (total === best ? `**${figure(total.score)}**` : figure(total.score)));
    return [trace, ...cells, figure(bound)];
  });
  return table(['trace', ...controllers.map(nameOf), 'bound'], lines);
}

function details(rows: TraceTotals[]): string {
  const lines = rows.map(({ trace, totals, bound }) => {
    const { costRatio, waitMean, waitP95, waitP99, score, worstScore, killed, left, peakTasks } = totalOf(totals, OURS);
    const figures = [costRatio, waitMean, waitP95, waitP99, score, score / bound, worstScore].map(figure);
    return [trace, TRACES[trace]?.about ?? '', ...figures, String(peakTasks), String(killed), String(left)];
  });
  const head = [
    'trace',
    'load',
    'cost',
    'mean wait s',
    'p95 s',
    'p99 s',
    'score',
    '× bound',
    'worst run',
    'peak',
    'killed',
    'left',
  ];
  return table(head, lines);
}

const NOT_RUN = `## Beside the real peers

\`npm run bench:peers -- --write\` runs them, in about an hour. It has not been run for this version.`;

const STRANGER = `## A stranger's workload

\`npm run bench:stranger\` runs somebody else's load on the demo's pools: \`ebb_and_flow\` and \`serverless_burst\`, two
scenarios of [omes](https://github.com/temporalio/omes), Temporal's own load generator, rebuilt from their descriptions
([\`bench/stranger/scenarios.ts\`](../bench/stranger/scenarios.ts)). It succeeds only if every workflow completes, no attempt is lost, no
alarm fires, each pool returns to zero, and every decision has a reason that fits.`;

/** Why a peer is better on this trace. */
const WHY: Record<string, string> = {
  trickle: `On \`trickle\` most pieces of work have a task to themselves, so the only decision is when to remove that task. Ours
learns from a heartbeat, up to 10 s late, that the work is done; the formula knows at once, which saves up to 10 of the at least 60 s that
such a task is billed. Keeping a task up instead would cost more than the waiting it saves. A tuned KEDA polls a pool at zero every
5 s, ours every 10 s.`,
  'fast-tasks': `On \`fast-tasks\` thousands of pieces wait before ours knows anything about them. It assumes that they are longer
than 0.2 s and orders more tasks than it needs; once the first tasks are up, it measures the service time and removes most of them. This
happens once per pool, and the trace is only ten minutes long. In return, a first burst of longer work starts sooner.`,
};

function notBest(rows: TraceTotals[]): string[] {
  const lines = rows.flatMap(({ trace, totals }) => {
    const ours = totalOf(totals, OURS);
    return totals
      .filter((total) => total !== ours && (total.score < ours.score || dominates(total, ours)))
      .map((total) => [
        trace,
        nameOf(total.controller),
        dominates(total, ours) ? 'cheaper and faster' : total.costRatio < ours.costRatio ? 'cheaper' : 'faster',
        `${figure(total.costRatio)} : ${figure(ours.costRatio)}`,
        `${figure(total.waitMean)} : ${figure(ours.waitMean)}`,
        `${figure(total.score)} : ${figure(ours.score)}`,
        String(total.killed),
      ]);
  });
  if (lines.length === 0)
    return ['Nowhere: its score is the lowest on every trace, and no peer is both cheaper and faster on any.'];
  const head = ['trace', 'peer', 'it is', 'cost, its : ours', 'mean wait s', 'score', 'it killed'];
  const reasons = [...new Set(lines.map(([trace]) => trace!))].flatMap((trace) => WHY[trace] ?? []);
  return [table(head, lines), ...reasons];
}

function totalOf(totals: Total[], controller: string): Total {
  return totals.find((total) => total.controller === controller)!;
}

function bestOf(totals: Total[]): Total {
  return totals.reduce((best, total) => (total.score < best.score ? total : best));
}

function nameOf(controller: string): string {
  return controller === OURS ? 'ours' : (PEER_TITLES[controller] ?? controller);
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const ABOUT_LEFT = `On \`one-slot\` each half hour begins with a jump, so tasks are up for the next one when the run ends.`;

const ABOUT_STANDINGS = `Each regime differs from the base in one thing. A score is the geometric mean over the loads, ± the 95 % confidence interval of its
mean over the seeds. The loads of the regimes on start-ups, ticks, heartbeats and open polls are \`bursts\`, \`trickle\`, \`on-off\`,
\`heavy-tail\` and \`fan-out\`, where policies differ most; a stress has \`fan-out\` and waves of 20-s work, or a load of its own
([\`simulate/regimes.ts\`](../simulate/regimes.ts)). The bound does not know about the stress, so part of what a
stress costs cannot be saved; for very short work and workflow tasks it is far too low.`;

/** What a run of only some regimes leaves out. */
function notAblated(ablations: AblationRow[]): string[] {
  const missing = Object.keys(REGIMES).filter((regime) =>
    ablations.every(({ differences }) => !(regime in differences)),
  );
  return missing.length === 0 ? [] : [`Not measured with this policy: ${missing.join(', ')}.`];
}

const ABOUT_ABLATIONS = `By how many percent the score gets worse (+) or better (−) when one rule is switched off, on the judging seeds, ± the 95 % confidence interval
of the paired difference. A dot: the difference may be chance. Empty: no decision changes. The loads are those of the table above. A rule without
value in any column may guard against something that the model leaves out; the tests of the policy say what.
\`npm run bench:policy -- --ablate\` repeats the measurement, and [\`simulate/ablations.ts\`](../simulate/ablations.ts) has the changes.`;

/** '1–10' for consecutive seeds. */
function seedsOf(seeds: number[]): string {
  const follow = seeds.length > 2 && seeds.every((seed, index) => seed === seeds[0]! + index);
  return follow ? `${seeds[0]}–${seeds.at(-1)}` : seeds.join(', ');
}
