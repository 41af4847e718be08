/** Our policy's figures as Markdown tables: under each regime, and without each rule. */
import type { CellResult } from './cells.ts';
import { OURS } from './comparison.ts';
import { bySeed, differenceOf, isSure, marginOf, meanOf, summaryOf, type Difference } from './paired.ts';
import { REGIMES } from './regimes.ts';

/** Our policy under a regime; the figures are means over the seeds, of geometric means over the loads. */
export interface Standing {
  regime: string;
  /** Undefined where no tuning seeds were run. */
  tuning: number | undefined;
  judging: number;
  margin: number;
  cost: number;
  waitMean: number;
  /** Over the lower bound; undefined where that is not known. */
  regret: number | undefined;
  killed: number;
  left: number;
}

export function standingOf(regime: string, tuned: CellResult[], judged: CellResult[]): Standing {
  const scores = bySeed(judged, (cell) => summaryOf(cell, OURS).score);
  const ours = judged.map((cell) => summaryOf(cell, OURS));
  return {
    regime,
    tuning: tuned.length === 0 ? undefined : meanOf(bySeed(tuned, (cell) => summaryOf(cell, OURS).score)),
    judging: meanOf(scores),
    margin: marginOf(scores),
    cost: meanOf(bySeed(judged, (cell) => summaryOf(cell, OURS).costRatio)),
    waitMean: meanOf(ours.map(({ waitMean }) => waitMean)),
    regret: judged.every(({ bound }) => bound > 0)
      ? meanOf(bySeed(judged, (cell) => summaryOf(cell, OURS).score / cell.bound))
      : undefined,
    killed: ours.reduce((sum, { killed }) => sum + killed, 0),
    left: ours.reduce((sum, { undone, tasksLeft }) => sum + undone + tasksLeft, 0),
  };
}

export function standingsTable(standings: Standing[]): string {
  const head = [
    'regime',
    'what it is',
    'score, tuning',
    'score, judging',
    'cost',
    'mean wait s',
    '× bound',
    'killed',
    'left',
  ];
  const lines = standings.map(({ regime, tuning, judging, margin, cost, waitMean, regret, killed, left }) => [
    regime,
    REGIMES[regime]!.about,
    figure(tuning),
    `${figure(judging)} ± ${figure(margin)}`,
    figure(cost),
    figure(waitMean),
    figure(regret),
    String(killed),
    String(left),
  ]);
  return table(head, lines);
}

/** How the score in each regime changes when a rule is switched off. */
export interface AblationRow {
  rule: string;
  differences: Record<string, Difference>;
}

export function ablationRow(rule: string, version: string, results: CellResult[]): AblationRow {
  const score = (of: string) => (cell: CellResult) => summaryOf(cell, of).score;
  const own = results.filter((cell) => cell.summaries.some(({ controller }) => controller === version));
  const differences = [...Map.groupBy(own, ({ regime }) => regime)].map(([regime, cells]) => [
    regime,
    differenceOf(bySeed(cells, score(OURS)), bySeed(cells, score(version))),
  ]);
  return { rule, differences: Object.fromEntries(differences) as AblationRow['differences'] };
}

/** Two tables, because one would be too wide: first start-ups, ticks and heartbeats, then the stresses. */
export function ablationTables(rows: AblationRow[], { withChance = false } = {}): string {
  const regimes = Object.keys(rows[0]?.differences ?? {});
  const isStress = (regime: string) =>
    Object.keys(REGIMES).indexOf(regime) > Object.keys(REGIMES).indexOf('open polls');
  return [regimes.filter((regime) => !isStress(regime)), regimes.filter(isStress)]
    .filter((part) => part.length > 0)
    .map((part) =>
      table(
        ['without', ...part],
        rows.map(({ rule, differences }) => [
          rule,
          ...part.map((regime) => differenceCell(differences[regime]!, withChance)),
        ]),
      ),
    )
    .join('\n\n');
}

/** Empty where nothing changes; a dot, or parentheses, where the difference may be chance. */
function differenceCell(difference: Difference, withChance: boolean): string {
  const { percent, margin } = difference;
  if (percent === 0 && margin === 0) return '';
  const figures = `${percent > 0 ? '+' : ''}${percent.toFixed(1)} ± ${margin.toFixed(1)}`;
  if (isSure(difference)) return figures;
  return withChance ? `(${figures})` : '·';
}

export function figure(value: number | undefined): string {
  return value === undefined || value === Infinity ? '' : value.toFixed(2);
}

export function table(head: string[], lines: string[][]): string {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}
