/** The simulator's output. */
import type { Summary } from './score.ts';
import type { Goal, Proposal } from './search.ts';

type Column = [head: string, cell: (summary: Summary) => string];

export const COLUMNS: Column[] = [
  ['task-hours', ({ taskHours }) => taskHours.toFixed(2)],
  ['dollars', ({ dollars }) => dollars.toFixed(3)],
  ['cost', ({ costRatio }) => costRatio.toFixed(2)],
  ['wait mean', ({ waitMean }) => waitMean.toFixed(1)],
  ['p50', ({ waitP50 }) => waitP50.toFixed(1)],
  ['p95', ({ waitP95 }) => waitP95.toFixed(1)],
  ['p99', ({ waitP99 }) => waitP99.toFixed(1)],
  ['score', ({ score }) => score.toFixed(2)],
  ['killed', ({ killed }) => String(killed)],
  ['undone', ({ undone }) => String(undone)],
  ['peak', ({ peakTasks }) => String(peakTasks)],
];

const MOST_PROPOSALS = 8;

export function printTable(title: string, summaries: Summary[]): void {
  const widths = COLUMNS.map(([head]) => Math.max(head.length, 7) + 2);
  const line = (name: string, cells: string[]) =>
    name.padEnd(20) + cells.map((cell, column) => cell.padStart(widths[column]!)).join('');
  console.log(`\n${title}`);
  console.log(
    line(
      'policy',
      COLUMNS.map(([head]) => head),
    ),
  );
  for (const summary of summaries) {
    console.log(
      line(
        summary.controller,
        COLUMNS.map(([, cell]) => cell(summary)),
      ),
    );
  }
  console.log('cost: over that of a fleet that knows all work beforehand; score: cost + mean wait ÷ 30 s; waits in s');
}

export function printProposals(title: string, { waitP95Seconds, dollarsPerHour }: Goal, proposals: Proposal[]): void {
  const budget = dollarsPerHour === Infinity ? '' : ` and $${dollarsPerHour} an hour`;
  const kept = proposals.filter(({ keeps }) => keeps).length;
  console.log(`\n${title}`);
  console.log(`${kept} of ${proposals.length} settings keep a p95 wait of ${waitP95Seconds} s${budget}; best first:`);
  console.log('minTasks  targetWaitSeconds   $ an hour   wait mean    p95   keeps');
  for (const { minTasks, targetWaitSeconds, dollarsPerHour, summary, keeps } of proposals.slice(0, MOST_PROPOSALS)) {
    console.log(
      String(minTasks).padStart(8) +
        String(targetWaitSeconds).padStart(19) +
        dollarsPerHour.toFixed(4).padStart(12) +
        summary.waitMean.toFixed(1).padStart(12) +
        summary.waitP95.toFixed(1).padStart(7) +
        (keeps ? 'yes' : 'no').padStart(8),
    );
  }
}
