/** The part of the page's address after the #: the pool, and whether to show its what-if page. */
import type { PoolHistory, PoolOverview } from '../view.ts';

export function addressOf(pool: string, page?: 'what-if'): string {
  return `#${encodeURIComponent(pool)}${page ? `/${page}` : ''}`;
}

export function readAddress(hash: string): { pool: string; whatIf: boolean } {
  const [pool = '', page] = hash.slice(1).split('/');
  return { pool: decodeURIComponent(pool), whatIf: page === 'what-if' };
}

/** What is shown about a pool below the table of all pools. */
export interface PageOfPool {
  /** How far back it needs data. */
  readonly minutes: number;
  /** Called every few seconds with what is new since the last call. */
  show(pool: PoolOverview, history: PoolHistory, now: number): void;
  remove(): void;
}
