/** What the page's address says behind its #: the pool, and whether its what-if page is meant. */
import type { PoolHistory, PoolOverview } from '../view.ts';

export function addressOf(pool: string, page?: 'what-if'): string {
  return `#${encodeURIComponent(pool)}${page ? `/${page}` : ''}`;
}

export function readAddress(hash: string): { pool: string; whatIf: boolean } {
  const [pool = '', page] = hash.slice(1).split('/');
  return { pool: decodeURIComponent(pool), whatIf: page === 'what-if' };
}

/** What is shown of a pool below the table of all. */
export interface PageOfPool {
  /** So far back it wants to know. */
  readonly minutes: number;
  /** Told every few seconds, with what is new since the time before. */
  show(pool: PoolOverview, history: PoolHistory, now: number): void;
  remove(): void;
}
