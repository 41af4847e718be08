/**
 * A line chart over time, drawn by uPlot. It is created once and then given new values. A sentence and a table show the same
 * figures to people who cannot see the chart.
 */
/// <reference lib="dom" />
import uPlot from 'uplot';
import { fillTable, make, scrollable, setText } from './dom.ts';
import { clock, seconds } from './words.ts';

export interface Line {
  label: string;
  /** One of the style sheet's colors. */
  color: string;
  text: (value: number | null | undefined) => string;
  /** Has an axis of its own, on the right. */
  right?: boolean;
  fill?: boolean;
  stepped?: boolean;
  dashed?: boolean;
  /** Also draws each point. */
  points?: boolean;
}

export interface Columns {
  /** Epoch seconds. */
  x: number[];
  y: (number | null)[][];
}

interface ChartOptions {
  title: string;
  lines: Line[];
  /** Charts with the same name share a cursor. */
  cursor: string;
}

const HEIGHT = 190;
const MOST_ROWS = 1000;

export class LineChart {
  readonly element = make('figure', { class: 'card' });
  readonly #options: ChartOptions;
  readonly #plot: uPlot;
  readonly #host: HTMLElement;
  readonly #summary = make('p', { class: 'sr-only' });
  readonly #table = make('table');
  readonly #details: HTMLDetailsElement;
  #columns: Columns = { x: [], y: [] };
  #span: [number, number] = [0, 1];

  constructor(parent: Element, options: ChartOptions) {
    this.#options = options;
    const { title, lines } = options;
    const asTable = `${title}, as a table`;
    this.element.setAttribute('aria-label', title);
    this.#table.setAttribute('aria-label', asTable);
    this.#host = make('div', { class: 'plot', 'aria-hidden': 'true' });
    this.#details = make(
      'details',
      {},
      make('summary', { 'aria-label': asTable }, 'Table'),
      scrollable(asTable, this.#table),
    );
    this.#details.addEventListener('toggle', () => this.#fillTable());
    const caption = make('figcaption', {}, make('h3', {}, title), this.#summary);
    this.element.append(caption, this.#host, this.#details);
    parent.append(this.element);
    this.#plot = new uPlot(this.#plotOptions(), [[], ...lines.map(() => [])], this.#host);
    CHARTS.set(this.#host, this);
    RESIZES.observe(this.#host);
  }

  show(columns: Columns, span: [number, number]): void {
    this.#columns = columns;
    this.#span = span;
    this.#plot.setData([columns.x, ...columns.y] as uPlot.AlignedData);
    this.#showNewest();
    this.#describe();
    this.#fillTable();
  }

  /** Called when the size or the theme changes. */
  redraw(): void {
    const width = this.#host.clientWidth;
    if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    else this.#plot.redraw(false);
  }

  remove(): void {
    CHARTS.delete(this.#host);
    RESIZES.unobserve(this.#host);
    this.#plot.destroy();
    this.element.remove();
  }

  #plotOptions(): uPlot.Options {
    const { lines, cursor } = this.#options;
    const range: uPlot.Range.Function = (_, __, most) => [0, Math.max(1, (most ?? 0) * 1.08)];
    return {
      width: this.#host.clientWidth || 400,
      height: HEIGHT,
      cursor: { sync: { key: cursor }, drag: { x: false, y: false } },
      hooks: { setCursor: [({ cursor: { idx } }) => idx === null && this.#showNewest()] },
      scales: { x: { range: () => this.#span }, y: { range }, right: { range } },
      legend: { markers: { width: 0, fill: (_, index) => color(lines[index - 1]?.color ?? '--faint') } },
      axes: [
        { ...axis(shortClock), size: 28, space: 64, grid: { show: false } },
        valueAxis(lines[0]!),
        ...lines
          .filter(({ right }) => right)
          .map((line): uPlot.Axis => ({ ...valueAxis(line), scale: 'right', side: 1, grid: { show: false } })),
      ],
      series: [{ label: 'at', value: (_, x) => (x === null ? '' : clock(x * 1000)) }, ...lines.map(seriesOf)],
    };
  }

  /** While nobody points at a moment, the legend shows the newest figures. */
  #showNewest(): void {
    const { x, y } = this.#columns;
    const idx = x.findLastIndex((_, index) => y.some((values) => values[index] !== null));
    this.#host.classList.toggle('empty', idx < 0);
    if (idx >= 0) this.#plot.setLegend({ idx }, false);
  }

  #describe(): void {
    const parts = this.#options.lines.map(({ label, text }, index) => {
      const values = (this.#columns.y[index] ?? []).filter((value) => value !== null);
      if (values.length === 0) return `${label}: unknown`;
      return `${label}: now ${text(values.at(-1))}, peak ${text(values.reduce((a, b) => Math.max(a, b)))}`;
    });
    setText(this.#summary, `${parts.join('; ')}.`);
  }

  /** Newest first; empty while it is closed. */
  #fillTable(): void {
    if (!this.#details.open) return this.#table.replaceChildren();
    const { lines } = this.#options;
    const { x, y } = this.#columns;
    const newest = x.map((at, index) => [clock(at * 1000), ...lines.map(({ text }, line) => text(y[line]![index]))]);
    return fillTable(this.#table, ['at', ...lines.map(({ label }) => label)], newest.toReversed().slice(0, MOST_ROWS));
  }
}

/** No halves of tasks and slots; times in steps that clocks have. */
const STEPS = [1, 10, 100, 1000, 10_000, 100_000].flatMap((step) => [step, 2 * step, 5 * step]);
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 36_000];

function axis(text: (value: number) => string): uPlot.Axis {
  return {
    stroke: () => color('--faint'),
    grid: { stroke: () => color('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
    size: 44,
    values: (_, splits) => splits.map((split) => text(split)),
  };
}

function valueAxis({ text }: Line): uPlot.Axis {
  return { ...axis(text), incrs: text === seconds ? TIME_STEPS : STEPS };
}

function shortClock(at: number): string {
  return new Date(at * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

function seriesOf({ label, color: name, text, right, fill, stepped, dashed, points = false }: Line): uPlot.Series {
  return {
    label,
    scale: right ? 'right' : 'y',
    stroke: () => color(name),
    width: dashed ? 1 : 1.75,
    points: { show: points, size: 4 },
    value: (_, value) => text(value),
    ...(fill && { fill: () => color(name).replace(/^rgb\((.*)\)$/, 'rgba($1, 0.16)') }),
    ...(dashed && { dash: [4, 4] }),
    ...(stepped && { paths: uPlot.paths.stepped!({ align: 1 }) }),
  };
}

/** The style sheet's color in the current theme, in a form that a canvas understands. */
function color(name: string): string {
  const present = COLORS.get(name);
  if (present !== undefined) return present;
  const probe = make('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color: resolved } = getComputedStyle(probe);
  probe.remove();
  COLORS.set(name, resolved);
  return resolved;
}

const COLORS = new Map<string, string>();
const CHARTS = new Map<Element, LineChart>();
const RESIZES = new ResizeObserver((entries) => {
  for (const { target } of entries) CHARTS.get(target)?.redraw();
});

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  COLORS.clear();
  for (const chart of CHARTS.values()) chart.redraw();
});
