/** One pool: what it does and why, its charts, alarms and decisions, and links to Temporal's own pages. */
/// <reference lib="dom" />
import { MEANINGS } from '../../deployed/reasons.ts';
import { spellsOf, type Spell } from '../../deployed/spells.ts';
import type { Policy, Reason } from '../../scaler/policy.ts';
import type { AlarmView, PoolHistory, PoolOverview, TickView } from '../view.ts';
import { addressOf, type PageOfPool } from './address.ts';
import { fillList, link, linked, make, scrollable, setText, update } from './dom.ts';
import { LineChart, type Columns, type Line } from './line-chart.ts';
import { attemptsByMinute, columnsOf, Timeline } from './timeline.ts';
import { clock, figure, seconds } from './words.ts';

const WINDOWS = new Map([
  [15, 'the last 15 minutes'],
  [60, 'the last hour'],
  [180, 'the last 3 hours'],
  [720, 'the last 12 hours'],
]);
const MOST_DECISIONS = 200;
const LEAST_MS = 5 * 60_000;

const count: Pick<Line, 'text'> = { text: (value) => figure(value) };
const time: Pick<Line, 'text'> = { text: seconds };

const LINES = {
  Waiting: [
    { label: 'queued', color: '--blue', fill: true, ...count },
    { label: 'oldest', color: '--orange', right: true, ...time },
  ],
  Tasks: [
    { label: 'running', color: '--blue', fill: true, stepped: true, ...count },
    { label: 'desired', color: '--text', stepped: true, ...count },
    { label: 'starting', color: '--orange', stepped: true, ...count },
    { label: 'cordoned', color: '--violet', stepped: true, ...count },
  ],
  Slots: [
    { label: 'busy', color: '--green', fill: true, ...count },
    { label: 'total', color: '--faint', stepped: true, ...count },
  ],
  'Wait before start': [
    { label: 'p95', color: '--orange', points: true, ...time },
    { label: 'p50', color: '--blue', points: true, ...time },
    { label: 'target', color: '--faint', dashed: true, ...time },
  ],
  'Attempts per minute': [
    { label: 'finished', color: '--green', fill: true, ...count },
    { label: 'failed', color: '--red', ...count },
  ],
} satisfies Record<string, Line[]>;

type Title = keyof typeof LINES;

export class PoolPage implements PageOfPool {
  minutes = 60;
  readonly #parent: HTMLElement;
  readonly #timeline = new Timeline();
  readonly #charts: Record<Title, LineChart>;
  readonly #title = make('h2');
  readonly #reason = make('p', { class: 'reason' });
  readonly #detail = make('p', { class: 'detail' });
  readonly #links = make('ul', { class: 'links', 'aria-label': 'Links' });
  readonly #alarms = make('ul', { class: 'alarms', 'aria-label': 'Alarms' });
  readonly #problems = make('ul', { class: 'problems' });
  readonly #decisions = make('ol');
  /** Read aloud when the decision changes, not on every tick. */
  readonly #spoken = make('p', { class: 'sr-only', role: 'status' });

  constructor(parent: HTMLElement, again: () => void) {
    this.#parent = parent;
    const words = make('div', {}, this.#title, this.#reason, this.#detail);
    const head = make('div', { class: 'pool-head' }, words, make('div', {}, this.#windowSelect(again), this.#links));
    const charts = make('div', { class: 'charts' });
    parent.replaceChildren(head, this.#alarms, this.#problems, charts, this.#spoken);
    const titles = Object.keys(LINES) as Title[];
    const made = titles.map((title) => [title, new LineChart(charts, { title, lines: LINES[title], cursor: 'pool' })]);
    this.#charts = Object.fromEntries(made) as Record<Title, LineChart>;
    const log = scrollable('Decisions', this.#decisions, 'scroll log');
    charts.append(make('section', { class: 'card' }, make('h3', {}, 'Decisions'), log));
  }

  show(pool: PoolOverview, history: PoolHistory, now: number): void {
    this.#timeline.add(history);
    const ticks = this.#timeline.ticks(now - this.minutes * 60_000);
    // So that a new pool's charts are filled, too.
    const from = Math.min(ticks[0]?.now ?? now, now - LEAST_MS);
    this.#showHead(pool);
    update(this.#alarms, (pool.alarms ?? []).map(alarmItem));
    fillList(this.#problems, history.problems);
    this.#showCharts(history.policy, ticks, [from / 1000, now / 1000]);
    this.#showDecisions(spellsOf(ticks).toReversed().slice(0, MOST_DECISIONS));
  }

  remove(): void {
    for (const chart of Object.values(this.#charts)) chart.remove();
    this.#parent.replaceChildren();
  }

  #windowSelect(again: () => void): HTMLElement {
    const options = [...WINDOWS].map(([minutes, text]) =>
      make('option', { value: minutes, selected: minutes === this.minutes }, text),
    );
    const select = make('select', {}, ...options);
    select.addEventListener('change', () => {
      this.minutes = Number(select.value);
      again();
    });
    return make('label', { class: 'window' }, 'Show', select);
  }

  #showHead({ pool, taskQueue, reason, detail, problem, links }: PoolOverview): void {
    setText(this.#title, pool);
    const words = reason === null ? [problem ?? ''] : reasonInWords(reason as Reason);
    update(
      this.#reason,
      words.map((word) => make('span', {}, word)),
    );
    setText(this.#detail, [`Task queue ${taskQueue}`, detail].filter(Boolean).join(' · '));
    const whatIf = make('a', { href: addressOf(pool, 'what-if') }, 'What if…');
    const anchors = [whatIf, ...links.map(({ url, text }) => link(url, text))];
    update(
      this.#links,
      anchors.map((anchor) => make('li', {}, anchor)),
    );
  }

  #showCharts({ targetWaitSeconds }: Policy, ticks: TickView[], span: [number, number]): void {
    const show = (title: Title, columns: Columns) => this.#charts[title].show(columns, span);
    show('Waiting', columnsOf(ticks, [({ queued }) => queued, ({ ageSeconds }) => ageSeconds]));
    show(
      'Tasks',
      columnsOf(ticks, [
        ({ running }) => running,
        ({ desired }) => desired,
        ({ starting }) => starting,
        ({ cordoned }) => cordoned,
      ]),
    );
    show('Slots', columnsOf(ticks, [({ busySlots }) => busySlots, ({ slots }) => slots]));
    const waits = this.#timeline.waits(span[0] * 1000);
    show('Wait before start', columnsOf(waits, [({ p95 }) => p95, ({ p50 }) => p50, () => targetWaitSeconds]));
    const attempts = attemptsByMinute(ticks);
    show('Attempts per minute', columnsOf(attempts, [({ processed }) => processed, ({ failed }) => failed]));
  }

  #showDecisions(spells: Spell<TickView>[]): void {
    update(this.#decisions, spells.map(decisionItem));
    const [newest] = spells;
    if (newest) setText(this.#spoken, `${newest.tick.reason}: ${tasks(newest)}, ${MEANINGS[newest.tick.reason]}`);
  }
}

/** The reason as logs and metrics have it, and what it means. */
function reasonInWords(reason: Reason): string[] {
  return [reason, MEANINGS[reason]];
}

const STATES = { OK: 'ok', ALARM: 'firing', INSUFFICIENT_DATA: 'no data' };

function alarmItem({ name, state, description, since }: AlarmView): HTMLElement {
  const when = since === null ? '' : ` since ${new Date(since).toLocaleString('en-GB')}`;
  const summary = make('summary', {}, make('span', { class: 'state' }, STATES[state]), ` ${name}`);
  const text = make('p', {}, ...linked(description), ` (${STATES[state]}${when})`);
  return make('li', { class: state.toLowerCase() }, make('details', {}, summary, text));
}

function decisionItem({ tick, from, ticks, errors }: Spell<TickView>): HTMLElement {
  const { reason, detail, cordon, now } = tick;
  const span = ticks === 1 ? clock(from) : `${clock(from)} – ${clock(now)}`;
  const leaving = cordon.length === 0 ? [] : [make('p', {}, `cordoned: ${cordon.join(', ')}`)];
  return make(
    'li',
    {},
    make('p', {}, make('time', {}, span), ' ', make('b', {}, reason), `, ${tasks({ tick })}`),
    make('p', {}, MEANINGS[reason]),
    make('p', { class: 'detail' }, detail),
    ...leaving,
    ...errors.map((error) => make('p', { class: 'error' }, error)),
  );
}

function tasks({ tick: { desired } }: Pick<Spell<TickView>, 'tick'>): string {
  return desired === 1 ? '1 task' : `${desired} tasks`;
}
