/** A run's charts: few, rounded points; equal for runs in Node and in the browser. */
import type { ComparisonOptions, Run } from './comparison.ts';
import { horizonOf, type Settings, type Work } from './model.ts';
import { quantile, type Summary } from './score.ts';
import { parseTrace } from './trace-file.ts';
import { TRACES } from './traces.ts';

/** Where the page takes the work from when it repeats the runs. */
export type Source = { kind: 'named'; name: string } | { kind: 'csv'; name: string; text: string };

export interface LoadView {
  source: Source;
  options: ComparisonOptions & { settings: Partial<Settings> & { slots: number } };
  /** Pieces of work. */
  count: number;
  sampleSeconds: number;
  arrivalsPerSecond: number[];
  runs: RunView[];
}

export interface RunView {
  summary: Summary;
  queued: number[];
  running: number[];
  starting: number[];
  cordoned: number[];
  busy: number[];
  /** The p95 wait of work that arrived between two samples; null where none did. */
  waits: (number | null)[];
  /** Each reason with the sample at which it began. */
  reasons: { from: number; reason: string }[];
}

/** Throws a TraceError if the CSV is not a trace. */
export function workOf(source: Source, seed: number): Work[] {
  return source.kind === 'csv' ? parseTrace(source.text, source.name) : TRACES[source.name]!.draw(seed);
}

const POINTS = 600;
const TICK_SECONDS = 10;

/** Whole ticks, so that each sample has its own decision. */
export function sampleSecondsOf(work: readonly Work[], tailSeconds: number): number {
  return Math.max(1, Math.ceil(horizonOf(work, tailSeconds) / POINTS / TICK_SECONDS)) * TICK_SECONDS;
}

export function arrivalsPerSecond(work: readonly Work[], sampleSeconds: number, points: number): number[] {
  const counts = Array.from({ length: points }, () => 0);
  for (const { arrivalSeconds } of work) counts[Math.floor(arrivalSeconds / sampleSeconds)]! += 1;
  return counts.map((count) => rounded(count / sampleSeconds));
}

export function viewOf({ result, summary }: Run, work: readonly Work[], sampleSeconds: number): RunView {
  const { samples, waits } = result;
  return {
    summary,
    queued: samples.map(({ queued }) => queued),
    running: samples.map(({ running }) => running),
    starting: samples.map(({ starting }) => starting),
    cordoned: samples.map(({ cordoned }) => cordoned),
    busy: samples.map(({ busy }) => busy),
    waits: waitsOver(work, waits, sampleSeconds, samples.length),
    reasons: samples
      .map(({ reason }, from) => ({ from, reason }))
      .filter(({ reason }, index) => reason !== samples[index - 1]?.reason),
  };
}

function waitsOver(
  work: readonly Work[],
  waits: Float64Array,
  sampleSeconds: number,
  points: number,
): (number | null)[] {
  const buckets: number[][] = Array.from({ length: points }, () => []);
  work.forEach(({ arrivalSeconds }, index) => buckets[Math.floor(arrivalSeconds / sampleSeconds)]?.push(waits[index]!));
  return buckets.map((bucket) => {
    if (bucket.length === 0) return null;
    return rounded(
      quantile(
        bucket.sort((a, b) => a - b),
        0.95,
      ),
    );
  });
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
