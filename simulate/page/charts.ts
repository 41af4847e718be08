/** The charts of a comparison, all on one time axis with one cursor. */
/// <reference lib="dom" />
import uPlot from 'uplot';
import { OURS } from '../comparison.ts';
import type { LoadView, RunView } from '../view.ts';

const COLORS: Record<string, string> = {
  [OURS]: '#2f6fed',
  formula: '#e2761b',
  'serverless-workers': '#8e44ad',
  keda: '#2e9e5b',
  hpa: '#c0392b',
  'target-tracking': '#7f8c8d',
  'step-scaling': '#b7950b',
};
const PARTS = { running: '#2f6fed', starting: '#f0a500', cordoned: '#8a94a0', busy: '#2e9e5b' };
const REASON_COLORS = ['#2f6fed', '#2e9e5b', '#e2761b', '#c0392b', '#8e44ad', '#b7950b', '#16a2b8', '#d6336c'];
const QUIET_REASONS: Record<string, string> = { idle: '#d5dae0', steady: '#b8c4d0' };

const GRID = '#8883';

const drawn: uPlot[] = [];

export function colorOf(controller: string): string {
  return COLORS[controller] ?? '#444';
}

export function drawCharts(load: LoadView, detail: RunView): void {
  for (const chart of drawn.splice(0)) chart.destroy();
  const minutes = load.arrivalsPerSecond.map((_, index) => (index * load.sampleSeconds) / 60);
  const timeline = (id: string, lines: Line[], more: Partial<uPlot.Options> = {}) => draw(id, minutes, lines, more);
  const ofAll = (values: (run: RunView) => (number | null)[]): Line[] =>
    load.runs.map((run) => ({
      label: run.summary.controller,
      color: colorOf(run.summary.controller),
      width: run.summary.controller === OURS ? 2.5 : 1.2,
      values: values(run),
    }));
  const slots = load.options.settings.slots;

  timeline('arrivals', [{ label: 'arrivals', color: '#57606a', values: load.arrivalsPerSecond, fill: true }]);
  timeline(
    'queued',
    ofAll(({ queued }) => queued),
  );
  timeline(
    'fleet',
    ofAll(({ running, starting }) => running.map((tasks, index) => tasks + starting[index]!)),
  );
  timeline(
    'waits',
    ofAll(({ waits }) => waits),
  );
  timeline(
    'tasks',
    [
      {
        label: 'running + starting',
        color: PARTS.starting,
        values: detail.running.map((tasks, index) => tasks + detail.starting[index]!),
      },
      { label: 'running', color: PARTS.running, values: detail.running, fill: true },
      { label: 'of them cordoned', color: PARTS.cordoned, values: detail.cordoned, fill: true },
    ],
    { plugins: [reasonBand(detail, minutes)] },
  );
  timeline('busy', [
    { label: 'slots', color: PARTS.running, values: detail.running.map((tasks) => tasks * slots) },
    { label: 'busy', color: PARTS.busy, values: detail.busy, fill: true },
  ]);
  drawScatter(load.runs);
}

interface Line {
  label: string;
  color: string;
  values: (number | null)[];
  width?: number;
  fill?: boolean;
}

function draw(id: string, x: number[], lines: Line[], more: Partial<uPlot.Options>): void {
  const target = document.getElementById(id)!;
  const series = lines.map(({ label, color, width = 1.5, fill }) => ({
    label,
    stroke: color,
    width,
    spanGaps: true,
    points: { show: false },
    ...(fill ? { fill: `${color}33` } : {}),
  }));
  const options: uPlot.Options = {
    width: target.clientWidth,
    height: 220,
    cursor: { sync: { key: 'time' } },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(most, 1)] } },
    axes: [axis('min'), axis()],
    series: [{ label: 'minute', value: (_, value) => value?.toFixed(1) ?? '' }, ...series],
    ...more,
  };
  drawn.push(new uPlot(options, [x, ...lines.map(({ values }) => values)], target));
}

function axis(unit = ''): uPlot.Axis {
  const grid = { stroke: GRID, width: 1 };
  const values: uPlot.Axis.Values = (_, splits) => splits.map((split) => `${split}${unit && ` ${unit}`}`);
  return { stroke: getComputedStyle(document.body).color, grid, ticks: grid, values };
}

/** Under the tasks: why the fleet had the size it had, a colour a reason. */
function reasonBand({ reasons }: RunView, minutes: number[]): uPlot.Plugin {
  const colors = reasonColors(reasons.map(({ reason }) => reason));
  const end = minutes.length - 1;
  showReasons(colors);
  return {
    hooks: {
      draw: ({ ctx, bbox, valToPos }) => {
        const height = 7 * devicePixelRatio;
        reasons.forEach(({ from, reason }, index) => {
          const left = valToPos(minutes[from]!, 'x', true);
          const right = valToPos(minutes[reasons[index + 1]?.from ?? end]!, 'x', true);
          ctx.fillStyle = colors.get(reason)!;
          ctx.fillRect(left, bbox.top, Math.max(1, right - left), height);
        });
      },
    },
  };
}

function reasonColors(reasons: string[]): Map<string, string> {
  const colors = new Map<string, string>();
  for (const reason of new Set(reasons)) {
    const color = QUIET_REASONS[reason] ?? REASON_COLORS[colors.size % REASON_COLORS.length]!;
    if (reason !== '') colors.set(reason, color);
  }
  return colors.size > 0 ? colors : new Map([['', 'transparent']]);
}

function showReasons(colors: Map<string, string>): void {
  const entries = [...colors].filter(([reason]) => reason !== '');
  document.getElementById('reasons')!.replaceChildren(
    ...entries.map(([reason, color]) => {
      const entry = document.createElement('span');
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = color;
      entry.append(swatch, reason);
      return entry;
    }),
  );
}

function drawScatter(runs: RunView[]): void {
  const target = document.getElementById('scatter')!;
  const sorted = runs.map(({ summary }) => summary).toSorted((a, b) => a.dollars - b.dollars);
  const costs = sorted.map(({ dollars }) => dollars);
  const points = sorted.map(({ waitP95 }, place) => costs.map((_, index) => (index === place ? waitP95 : null)));
  const options: uPlot.Options = {
    width: target.clientWidth,
    height: 220,
    scales: {
      x: { time: false, range: (_, __, most) => [0, (most || 1) * 1.1] },
      y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] },
    },
    axes: [axis('$'), axis('s')],
    series: [
      { label: 'dollars', value: (_, value) => value?.toFixed(3) ?? '' },
      ...sorted.map(({ controller }) => ({
        label: controller,
        stroke: colorOf(controller),
        paths: () => null,
        points: { show: true, size: controller === OURS ? 14 : 9, fill: colorOf(controller) },
      })),
    ],
  };
  drawn.push(new uPlot(options, [costs, ...points], target));
}
