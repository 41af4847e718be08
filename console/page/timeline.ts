/** The ticks and waits that the page has received so far, and the columns that charts are made of. */
import type { PoolHistory, TickView, WaitView } from '../view.ts';
import type { Columns } from './line-chart.ts';

/** Between ticks further apart than this nothing is known, so nothing is drawn. */
export const GAP_MS = 150_000;
const MINUTE_MS = 60_000;

export class Timeline {
  readonly #ticks = new Map<number, TickView>();
  readonly #waits = new Map<number, WaitView>();

  add({ ticks, waits }: Pick<PoolHistory, 'ticks' | 'waits'>): void {
    for (const tick of ticks) this.#ticks.set(tick.now, tick);
    for (const wait of waits) this.#waits.set(wait.now, wait);
  }

  ticks(from: number): TickView[] {
    return within(this.#ticks, from);
  }

  waits(from: number): WaitView[] {
    return within(this.#waits, from);
  }
}

/** Drops older values. */
function within<T extends { now: number }>(values: Map<number, T>, from: number): T[] {
  for (const at of values.keys()) if (at < from) values.delete(at);
  return [...values.values()].sort((a, b) => a.now - b.now);
}

type Figure<T> = (value: T) => number | null;

export function columnsOf<T extends { now: number }>(values: T[], figures: Figure<T>[]): Columns {
  const columns: Columns = { x: [], y: figures.map(() => []) };
  let before: number | undefined;
  for (const value of values) {
    if (before !== undefined && value.now - before > GAP_MS) {
      columns.x.push((before + 1) / 1000);
      for (const column of columns.y) column.push(null);
    }
    columns.x.push(value.now / 1000);
    figures.forEach((figure, index) => columns.y[index]!.push(figure(value)));
    before = value.now;
  }
  return columns;
}

interface MinuteOfAttempts {
  now: number;
  processed: number;
  failed: number;
}

/** Attempts arrive in batches, with heartbeats, so they are counted per minute to give smooth lines. The current minute is left out. */
export function attemptsByMinute(ticks: TickView[]): MinuteOfAttempts[] {
  const known = ticks.filter(({ processed }) => processed !== null);
  const minuteOf = ({ now }: TickView) => Math.floor(now / MINUTE_MS) * MINUTE_MS;
  const sum = (of: TickView[], figure: Figure<TickView>) => of.reduce((total, tick) => total + (figure(tick) ?? 0), 0);
  return [...Map.groupBy(known, minuteOf)].slice(0, -1).map(([now, of]) => ({
    now,
    processed: sum(of, ({ processed }) => processed),
    failed: sum(of, ({ failed }) => failed),
  }));
}
