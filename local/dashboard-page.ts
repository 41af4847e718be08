/** Draws widgets as cards on a page, in the browser: the function is handed over as text, so it uses nothing of this module. */
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
  const Plot = (globalThis as unknown as { uPlot: typeof uPlot }).uPlot;
  const colors = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728'];
  const add = (parent: Element, tag: string, className: string, text = '') => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    parent.append(element);
    return element;
  };
  const draw = (card: HTMLElement, lines: Line[]) => {
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
    const legend = add(card, 'div', 'legend');
    lines.forEach(({ label }, index) => (add(legend, 'span', '', label).style.borderColor = colors[index]!));
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
  };
  for (const { title, box, lines, table, value, alarms } of widgets) {
    const card = add(document.body, 'section', 'card') as HTMLElement;
    for (const [side, pixels] of Object.entries(box)) card.style.setProperty(side, `${pixels}px`);
    add(card, 'h2', '', title);
    if (lines) draw(card, lines);
    if (value) {
      add(card, 'b', '', value[0]);
      add(card, 'small', '', value[1]);
    }
    if (alarms) {
      const tiles = add(card, 'div', 'alarms');
      for (const { name, state } of alarms) add(tiles, 'span', state, name);
    }
    if (table) {
      const body = add(card, 'table', '');
      table.forEach((cells, index) => {
        const row = add(body, 'tr', '');
        for (const cell of cells) add(row, index === 0 ? 'th' : 'td', '', cell);
      });
    }
  }
}
