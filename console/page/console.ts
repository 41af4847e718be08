/** The console's page: asks its server for news every few seconds, and shows all pools and the selected one. */
/// <reference lib="dom" />
import type { Overview, PoolHistory, PoolOverview } from '../view.ts';
import { addressOf, readAddress, type PageOfPool } from './address.ts';
import { byId, fillList, fillTable, make, setText } from './dom.ts';
import { PoolPage } from './pool-page.ts';
import { WhatIfPage } from './what-if-page.ts';
import { figure, seconds } from './words.ts';

const LOOK_EVERY_MS = 2000;
const STALE_SECONDS = 10;

/** The page that is shown, and what it has received. */
interface Shown {
  address: string;
  page: PageOfPool;
  cursor: number;
  minutes: number;
}

class Console {
  #shown: Shown | undefined;
  #seenAt = Date.now();

  async run(): Promise<never> {
    addEventListener('hashchange', () => void this.#look());
    setInterval(() => this.#sayHowFresh(), 1000);
    for (;;) {
      if (!document.hidden) await this.#look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  async #look(): Promise<void> {
    try {
      const overview = await ask<Overview>('/api/overview');
      this.#showOverview(overview);
      await this.#showPool(overview);
      this.#seenAt = Date.now();
    } catch (error) {
      fillList(byId('problems'), [`out of date: ${error instanceof Error ? error.message : String(error)}`]);
    }
    this.#sayHowFresh();
    document.body.dataset['state'] = 'ready';
  }

  #sayHowFresh(): void {
    const age = (Date.now() - this.#seenAt) / 1000;
    const stale = age > STALE_SECONDS;
    setText(byId('freshness'), stale ? `last updated ${seconds(age)} ago` : 'live');
    byId('freshness').classList.toggle('bad', stale);
  }

  #showOverview({ stack, region, pools, problems }: Overview): void {
    setText(byId('stack'), [stack, region].filter(Boolean).join(' · '));
    const ringing = pools
      .map(({ pool, alarms }) => ({ pool, names: ringingOf(alarms) }))
      .filter(({ names }) => names.length > 0);
    const count = ringing.reduce((sum, { names }) => sum + names.length, 0);
    const where = ringing.map(({ pool, names }) => `${pool} ${names.join(', ')}`).join('; ');
    setText(byId('verdict'), count === 0 ? 'no alarms firing' : `${alarmsRing(count)}: ${where}`);
    byId('verdict').className = count === 0 ? 'good' : 'bad';
    fillList(byId('problems'), problems);
    const chosen = chosenOf(pools)?.pool;
    const rows = pools.map((pool) => rowOf(pool, chosen));
    fillTable(byId('pools') as HTMLTableElement, HEADS, rows);
  }

  async #showPool({ pools, now }: Overview): Promise<void> {
    const pool = chosenOf(pools);
    if (pool === undefined) return;
    const shown = this.#open(pool.pool);
    const { minutes } = shown.page;
    const path = `/api/pools/${encodeURIComponent(pool.pool)}`;
    // For a longer period than before, everything is requested again.
    const cursor = minutes > shown.minutes ? 0 : shown.cursor;
    const history = await ask<PoolHistory>(`${path}?minutes=${minutes}&cursor=${cursor}`);
    if (this.#shown !== shown) return;
    // A restarted server counts from zero.
    shown.cursor = history.cursor < cursor ? 0 : history.cursor;
    shown.minutes = minutes;
    shown.page.show(pool, history, now);
  }

  #open(pool: string): Shown {
    const { whatIf } = readAddress(location.hash);
    const address = addressOf(pool, whatIf ? 'what-if' : undefined);
    if (this.#shown?.address === address) return this.#shown;
    this.#shown?.page.remove();
    const again = () => void this.#look();
    const page = whatIf ? new WhatIfPage(byId('pool'), again) : new PoolPage(byId('pool'), again);
    document.title = `${pool}${whatIf ? ': what if' : ''} · Elastic workers`;
    return (this.#shown = { address, page, cursor: 0, minutes: 0 });
  }
}

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(path);
  const body = (await answer.json()) as T & { error?: string };
  if (!answer.ok) throw new Error(body.error ?? answer.statusText);
  return body;
}

function alarmsRing(count: number): string {
  return count === 1 ? '1 alarm firing' : `${count} alarms firing`;
}

function ringingOf(alarms: PoolOverview['alarms']): string[] {
  return (alarms ?? []).filter(({ state }) => state === 'ALARM').map(({ name }) => name);
}

function chosenOf(pools: PoolOverview[]): PoolOverview | undefined {
  return pools.find(({ pool }) => pool === readAddress(location.hash).pool) ?? pools[0];
}

const HEADS = [
  'pool',
  'reason',
  'queued',
  'oldest',
  'busy slots',
  'desired',
  'running',
  'starting',
  'cordoned',
  'alarms',
  'seen',
];

function rowOf(pool: PoolOverview, chosen: string | undefined): (Node | string)[] {
  const { busySlots, slots, alarms, seenSecondsAgo } = pool;
  const ringing = alarms && ringingOf(alarms).length;
  const name = make('a', { href: addressOf(pool.pool), 'aria-current': pool.pool === chosen && 'page' }, pool.pool);
  return [
    name,
    pool.reason ?? '?',
    figure(pool.backlog),
    seconds(pool.ageSeconds),
    `${figure(busySlots)} of ${figure(slots)}`,
    figure(pool.desired),
    figure(pool.running),
    figure(pool.starting),
    figure(pool.cordoned),
    ringing === 0 ? 'none' : make('b', { class: 'bad' }, ringing === null ? '?' : alarmsRing(ringing)),
    seenSecondsAgo === null ? 'never' : `${seconds(Math.round(seenSecondsAgo))} ago`,
  ];
}

void new Console().run();
