/** The live view as text: a table for a terminal, one line per pool for everything else. */
import type { PoolView } from './observe.ts';

export interface DemoView {
  elapsedSeconds: number;
  /** The current phase, in words. */
  phase: string;
  temporalUiUrl: string;
  /** Undefined until it is up. */
  consoleUrl: string | undefined;
  /** The expected number of workflows, if known. */
  requests: number | undefined;
  workflows: WorkflowCounts | undefined;
  pools: PoolView[];
  /** Running tasks since the beginning, by pool, one figure per look. */
  running: ReadonlyMap<string, number[]>;
}

export interface WorkflowCounts {
  started: number;
  completed: number;
  /** Ended in any way other than by completing. */
  failed: number;
}

export function renderTable(view: DemoView): string {
  const rows = view.pools.map((pool) => COLUMNS.map(({ value }) => value(pool)));
  const widths = COLUMNS.map(({ title }, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
  const table = [COLUMNS.map(({ title }) => title), ...rows].map((row) => `  ${line(row).join('  ')}`);
  return [
    `${clock(view.elapsedSeconds)}  ${view.phase}`,
    '',
    ...table,
    '',
    ...view.pools.map((pool) => `  ${pool.pool}: ${decision(pool)}`),
    '',
    ...view.pools.map(({ pool }) => `  ${pool.padEnd(widths[0]!)}  ${chart(view.running.get(pool) ?? [])}`),
    '',
    `  workflows  ${workflows(view)}`,
    `  Temporal   ${view.temporalUiUrl}`,
    ...(view.consoleUrl === undefined ? [] : [`  console    ${view.consoleUrl}`]),
  ].join('\n');
}

export function renderLines(view: DemoView): string {
  const pools = view.pools.map(
    (pool) =>
      `  ${pool.pool}: ${COLUMNS.slice(1)
        .map(({ title, value }) => `${title} ${value(pool)}`)
        .join(', ')}; ${decision(pool)}`,
  );
  return [`${clock(view.elapsedSeconds)} ${view.phase}; workflows ${workflows(view)}`, ...pools].join('\n');
}

const CHART_COLUMNS = 60;
const BARS = '▁▂▃▄▅▆▇█';

/** Running tasks over time, from the beginning to now: the highest of each column, and the peak in figures. */
export function chart(values: number[]): string {
  const each = Math.max(1, Math.ceil(values.length / CHART_COLUMNS));
  const columns = Array.from({ length: Math.ceil(values.length / each) }, (_, column) =>
    Math.max(...values.slice(column * each, (column + 1) * each)),
  );
  const peak = Math.max(1, ...columns);
  const bars = columns.map((tasks) => (tasks === 0 ? '·' : BARS[Math.ceil((tasks / peak) * BARS.length) - 1]));
  return `${bars.join('')}  tasks, peak ${Math.max(0, ...columns)}`;
}

/** `m:ss` */
export function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
}

const COLUMNS: { title: string; value: (pool: PoolView) => string }[] = [
  { title: 'pool', value: ({ pool }) => pool },
  { title: 'backlog', value: ({ backlog }) => figure(backlog) },
  { title: 'age', value: ({ ageSeconds }) => `${figure(ageSeconds, 1)} s` },
  { title: 'busy', value: ({ busySlots, slots }) => `${figure(busySlots)}/${figure(slots)}` },
  { title: 'desired', value: ({ desired }) => figure(desired) },
  { title: 'running', value: ({ running }) => figure(running) },
  { title: 'starting', value: ({ starting }) => figure(starting) },
  { title: 'cordoned', value: ({ cordoned }) => figure(cordoned) },
  { title: 'failures', value: ({ failed }) => figure(failed) },
];

function decision({ decision }: PoolView): string {
  return decision ? `${decision.reason} (${decision.detail})` : 'no decision yet';
}

function workflows({ requests, workflows }: DemoView): string {
  const [started, completed, failed] = [workflows?.started, workflows?.completed, workflows?.failed].map((n) =>
    figure(n),
  );
  return `${started}${requests === undefined ? '' : ` of ${requests}`} started, ${completed} completed, ${failed} failed`;
}

function figure(value: number | undefined, digits = 0): string {
  return value === undefined ? '?' : value.toFixed(digits);
}
