/** The benchmark as a page of documentation: what was run, the figures, and where the policy is not the best. */
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

/** Begins the last line, by which a test sees that the document is of the code as it is. */
export const FINGERPRINT = 'Fingerprint of the policy and the model that these figures are of: `';

const INTRO = `# Benchmark

Two comparisons with other ways to scale Temporal workers: small loads on real fleets, with the real peers where they can be run, and
many loads in a model. Each begins with what ours is worse at. Where both have the same load, the first says how far the model is
from the truth.`;

function aboutModel({ tuning, judging }: Runs): string {
  const [least, most] = DEFAULT_SETTINGS.startUpSeconds;
  return `Written by \`npm run bench:policy -- --write\`; the same code gives the same figures on every machine.

Rules and constants of ours may have been chosen by the seeds ${seedsOf(tuning)}, the tuning seeds. All figures are of the seeds
${seedsOf(judging)}, the judging seeds, by which nothing was chosen, unless they say otherwise. Tasks take ${least} to ${most} s to start, ${DEFAULT_SETTINGS.maxTasks} at most, from none;
they are paid for from the order to the stop, a minute at least, and for half an hour after the last work if they stay. Workers
report every ${DEFAULT_SETTINGS.heartbeatSeconds} s. What the model knows and what it leaves out is told in [\`simulate/model.ts\`](../simulate/model.ts), the peers'
rules in [\`simulate/peers.ts\`](../simulate/peers.ts). The peers are models: \`npm run bench:peers\` shows how far they are from the real ones.

- **cost**: task-seconds paid for. The unit is what a fleet costs that knows all work beforehand, never lets any wait, and pays
  for no start ([\`simulate/clairvoyant.ts\`](../simulate/clairvoyant.ts)). It is a unit, and no bound: a fleet that lets work wait can cost less.
- **wait**: from arrival to the start of the attempt that got the work done.
- **score**: cost + mean wait ÷ 30 s. Lower is better.
- **bound**: a score that no policy can go below, whatever it knows of the future, with start-ups and the billed minute. It is proven in
  [\`simulate/lower-bound.ts\`](../simulate/lower-bound.ts). **× bound** is a score over it: what better policies could save at the most. A part of
  that is the price of not knowing the future, which nobody can save.
- **killed**: attempts lost because their task was stopped. **Left**: work undone, or tasks above the minimum, half an
  hour after the last work.

The peers get exact counts, although the real ones read what ours reads: late and rounded. Their workers have the SDK's
default grace of 0 s when they are stopped, those of tuned peers ${TUNED_GRACE_SECONDS} s.

The real hour's figures are those of the Azure LLM inference trace 2023, conversation (Microsoft, CC-BY 4.0; Patel et
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

\`npm run bench:peers -- --write\` runs them, in not quite an hour. It has not been run as a whole for this version.`;

const STRANGER = `## A stranger's workload

\`npm run bench:stranger\` runs a load that was made for others against the demo's pools: \`ebb_and_flow\` and \`serverless_burst\`, two
scenarios of [omes](https://github.com/temporalio/omes), Temporal's own load generator, rebuilt from their descriptions
([\`bench/stranger/scenarios.ts\`](../bench/stranger/scenarios.ts)). It succeeds only if every workflow completes, no attempt is lost, no
alarm fires, each pool returns to zero, and every decision has a reason that fits.`;

/** Why a peer is better on this trace. */
const WHY: Record<string, string> = {
  trickle: `On \`trickle\` each piece of work mostly has a task of its own, so all that a policy decides is when that task goes.
Ours learns from a heartbeat, up to 10 s old, that the work is done; the formula is told at once, which saves about as many
of the 60 s that such a task is billed at the least. Keeping a task up instead would cost more than the waiting it spares. A tuned
KEDA looks every 5 s for work at a pool that has no task, ours every 10.`,
  'fast-tasks': `On \`fast-tasks\` ours knows nothing of the work when the first thousands of pieces wait. It assumes longer
pieces than these of 0.2 s, and orders more tasks than it needs; when the first of them are up it learns better, and lets most of them
go. This happens once in the life of a pool, and the trace is ten minutes long. In return, a first burst of longer work starts sooner.`,
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

const ABOUT_LEFT = `Killed: attempts that ended because their task was stopped. Left: work undone, and tasks still up when the watch ends, half an hour after
the last work. On \`one-slot\` each half hour begins with a jump, so tasks are up for the next one at that moment.`;

const ABOUT_STANDINGS = `One thing differs from the base at a time. A score is the geometric mean over the loads, ± the 95 % confidence interval of its
mean over the seeds. The loads of the base, the start-ups, ticks, heartbeats and open polls are \`bursts\`, \`trickle\`, \`on-off\`,
\`heavy-tail\` and \`fan-out\`, where policies differ most; a stress has \`fan-out\` and waves of work of 20 s, or a load of its own
([\`simulate/regimes.ts\`](../simulate/regimes.ts)). The bound knows of a stress only that the work is to be done, so that some of what a
stress costs is no policy's fault; where work is short or of workflows it is far too low.`;

/** A run of some regimes only says so. */
function notAblated(ablations: AblationRow[]): string[] {
  const missing = Object.keys(REGIMES).filter((regime) =>
    ablations.every(({ differences }) => !(regime in differences)),
  );
  return missing.length === 0 ? [] : [`Not measured with this policy: ${missing.join(', ')}.`];
}

const ABOUT_ABLATIONS = `By how many percent the score gets worse (+) or better (−) when one rule is switched off, on the judging seeds, ± the 95 % confidence interval
of the paired difference. A dot: within chance. Empty: no decision changes. The loads are those of
the table before. A rule that is worth nothing in any column may guard against what the model leaves out, and the tests of the policy
say what that is. \`npm run bench:policy -- --ablate\` repeats it, [\`simulate/ablations.ts\`](../simulate/ablations.ts) has the changes.`;

/** '1–10', where they follow on each other. */
function seedsOf(seeds: number[]): string {
  const follow = seeds.length > 2 && seeds.every((seed, index) => seed === seeds[0]! + index);
  return follow ? `${seeds[0]}–${seeds.at(-1)}` : seeds.join(', ');
}
