/** Draws widgets as cards on a page, in the browser: its functions are handed over as text, so they use only each other. */
/// <reference lib="dom" />
import type uPlot from 'uplot';

export interface Line {
  label: string;
  right: boolean;
  /** Epoch seconds and values. */
  points: [number, number][];
}

export interface DrawnWidget {
  title: string;
  /** Pixels. */
  box: { left: number; top: number; width: number; height: number };
  lines?: Line[];
  table?: string[][];
  /** A figure and what it is of. */
  value?: [string, string];
  alarms?: { name: string; state: string }[];
}

export function drawWidgets({ widgets, span }: { widgets: DrawnWidget[]; span: [number, number] }): void {
  for (const { title, box, lines, table, value, alarms } of widgets) {
    const card = append(document.body, 'section', 'card');
    for (const [side, pixels] of Object.entries(box)) card.style.setProperty(side, `${pixels}px`);
    append(card, 'h2', '', title);
    if (lines) drawChart(card, lines, span);
    if (value) {
      append(card, 'b', '', value[0]);
      append(card, 'small', '', value[1]);
    }
    if (alarms) {
      const tiles = append(card, 'div', 'alarms');
      for (const { name, state } of alarms) append(tiles, 'span', state, name);
    }
    if (table) {
      const body = append(card, 'table', '');
      table.forEach((cells, index) => {
        const row = append(body, 'tr', '');
        for (const cell of cells) append(row, index === 0 ? 'th' : 'td', '', cell);
      });
    }
  }
}

export function drawChart(card: HTMLElement, lines: Line[], span: [number, number]): void {
  const Plot = (globalThis as unknown as { uPlot: typeof uPlot }).uPlot;
  const colors = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728'];
  const times = [...new Set([...span, ...lines.flatMap(({ points }) => points.map(([at]) => at))])].sort(
    (a, b) => a - b,
  );
  const valuesOf = ({ points }: Line) => {
    const byTime = new Map(points);
    return times.map((at) => byTime.get(at) ?? null);
  };
  const hasRight = lines.some(({ right }) => right);
  const axis = (scale: string, side: 1 | 3) => ({
    scale,
    side,
    size: 42,
    font: '10px sans-serif',
    grid: { stroke: '#e9ebed' },
  });
  const range = (_: unknown, __: number, most: number): [number, number] => [0, Math.max(most * 1.05, 1)];
  const legend = append(card, 'div', 'legend');
  lines.forEach(({ label }, index) => (append(legend, 'span', '', label).style.borderColor = colors[index]!));
  const space = card.clientHeight - legend.offsetTop - legend.offsetHeight - 6;
  new Plot(
    {
      width: card.clientWidth - 8,
      height: space,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: true, range: () => span }, y: { range }, right: { range } },
      axes: [
        { font: '10px sans-serif', size: 24, space: 60, grid: { show: false }, values: '{HH}:{mm}' },
        axis('y', 3),
        ...(hasRight ? [{ ...axis('right', 1), grid: { show: false } }] : []),
      ],
      series: [
        {},
        ...lines.map(({ label, right }, index) => ({
          label,
          scale: right ? 'right' : 'y',
          stroke: colors[index]!,
          width: 1.5,
          spanGaps: true,
          points: { show: true, size: 3 },
        })),
      ],
    },
    [times, ...lines.map(valuesOf)],
    card,
  );
}

export function append(parent: Element, tag: string, className: string, text = ''): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}
