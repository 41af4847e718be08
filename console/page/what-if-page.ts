/** What if the pool had had other settings? Runs the shipped policy on the pool's last hours with both sets of settings. */
/// <reference lib="dom" />
import type { Policy } from '../../scaler/policy.ts';
import type { Summary } from '../../simulate/score.ts';
import type { RunView } from '../../simulate/view.ts';
import type { PoolHistory, PoolOverview, TickView } from '../view.ts';
import { addressOf, type PageOfPool } from './address.ts';
import { NoLoadError, pastLoad, type PastLoad } from './arrivals.ts';
import { fillTable, make, scrollable, setText } from './dom.ts';
import { LineChart, type Line } from './line-chart.ts';
import { GAP_MS, Timeline } from './timeline.ts';
import type { Answer, Question, WhatIf } from './what-if.ts';
import { figure, seconds } from './words.ts';

const HOURS = [1, 3, 6, 12];
const SOON_MS = 250;
const FIELDS = {
  minTasks: { label: 'Min tasks', least: 0, most: 5000 },
  maxTasks: { label: 'Max tasks', least: 1, most: 5000 },
  targetWaitSeconds: { label: 'Target wait (s)', least: 1, most: 86_400 },
  slotsPerTask: { label: 'Slots per task', least: 1, most: 10_000 },
  startUpSeconds: { label: 'Start-up time (s)', least: 1, most: 900 },
} satisfies Record<keyof WhatIf, { label: string; least: number; most: number }>;
type Field = keyof WhatIf;
const NAMES = Object.keys(FIELDS) as Field[];

type ChartName = 'tasks' | 'queued' | 'waits';

const linesOf = (text: Line['text']): Line[] => [
  { label: 'current', color: '--blue', text, stepped: true },
  { label: 'what if', color: '--orange', text, stepped: true },
];
const asPoints = (line: Line): Line => ({ ...line, points: true, stepped: false });
const measured = (text: Line['text']): Line => ({
  label: 'measured',
  color: '--faint',
  text,
  stepped: true,
  fill: true,
});

interface Taken {
  ticks: TickView[];
  policy: Policy;
  load: PastLoad;
  asItIs: WhatIf;
}

export class WhatIfPage implements PageOfPool {
  minutes = HOURS[0]! * 60;
  readonly #parent: HTMLElement;
  readonly #timeline = new Timeline();
  readonly #title = make('h2');
  readonly #back = make('a');
  readonly #form = make('form', { class: 'fields', autocomplete: 'off' });
  readonly #inputs = new Map<Field, HTMLInputElement>();
  readonly #verdict = make('p', { role: 'status', class: 'reason' });
  readonly #error = make('p', { role: 'alert', class: 'error' });
  readonly #source = make('p', { class: 'detail' });
  readonly #table = make('table', { 'aria-label': 'Comparison' });
  readonly #charts: Record<ChartName, LineChart>;
  /** The data to simulate: taken once, and again when another period is chosen. */
  #taken: Taken | undefined;
  #minutesTaken: number | undefined;
  #thread: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(parent: HTMLElement, again: () => void) {
    this.#parent = parent;
    this.#form.append(this.#hoursSelect(again));
    for (const name of NAMES) this.#form.append(this.#field(name));
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    const charts = make('div', { class: 'charts' });
    const words = make('div', {}, this.#title, this.#source);
    const head = make('div', { class: 'pool-head' }, words, make('p', {}, this.#back));
    const note = make('p', { class: 'detail' }, NOTE);
    const table = scrollable('Comparison', this.#table);
    parent.replaceChildren(head, this.#form, this.#error, this.#verdict, table, charts, note);
    const chart = (title: string, lines: Line[]) => new LineChart(charts, { title, lines, cursor: 'what-if' });
    this.#charts = {
      tasks: chart('Tasks running', [measured(figure), ...linesOf(figure)]),
      queued: chart('Queued', [measured(figure), ...linesOf(figure)]),
      waits: chart('p95 wait, by arrival', linesOf(seconds).map(asPoints)),
    };
  }

  show({ pool }: PoolOverview, history: PoolHistory, now: number): void {
    this.#timeline.add(history);
    if (this.#minutesTaken === this.minutes) return;
    const first = this.#minutesTaken === undefined;
    this.#minutesTaken = this.minutes;
    setText(this.#title, `${pool}: what if?`);
    setText(this.#back, `Back to ${pool}`);
    this.#back.setAttribute('href', addressOf(pool));
    try {
      this.#take(this.#timeline.ticks(now - this.minutes * 60_000), history.policy, first);
    } catch (error) {
      if (!(error instanceof NoLoadError)) throw error;
      this.#fail(error.message);
    }
  }

  remove(): void {
    this.#thread?.terminate();
    clearTimeout(this.#timer);
    for (const chart of Object.values(this.#charts)) chart.remove();
    this.#parent.replaceChildren();
  }

  #hoursSelect(again: () => void): HTMLElement {
    const select = make('select', {}, ...HOURS.map((hours) => make('option', { value: hours }, `the last ${hours} h`)));
    select.addEventListener('change', () => {
      this.minutes = Number(select.value) * 60;
      again();
    });
    return make('label', {}, 'Load from', select);
  }

  #field(name: Field): HTMLElement {
    const { label, least, most } = FIELDS[name];
    const input = make('input', { type: 'number', name, min: least, max: most, step: 1, required: true });
    input.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#run(), SOON_MS);
    });
    this.#inputs.set(name, input);
    return make('label', {}, label, input);
  }

  /** The form starts with the pool's own settings. */
  #take(ticks: TickView[], policy: Policy, first: boolean): void {
    const load = pastLoad(ticks);
    const asItIs = { ...policy, startUpSeconds: Math.max(1, Math.round(load.startUpSeconds)) };
    this.#taken = { ticks, policy, load, asItIs };
    const unknown = load.unknownSeconds === 0 ? '' : ` ${seconds(load.unknownSeconds)} without data are left out.`;
    const pieces = `${figure(load.work.length)} activities, mean duration ${seconds(load.serviceSeconds)}.`;
    setText(this.#source, `${pieces}${unknown}`);
    if (first) for (const [name, input] of this.#inputs) input.value = String(asItIs[name]);
    this.#run();
  }

  #run(): void {
    const problem = this.#problem();
    setText(this.#error, problem ?? '');
    if (problem !== undefined || this.#taken === undefined) return;
    const { load, policy, asItIs } = this.#taken;
    const entries = NAMES.map((name) => [name, Number(this.#inputs.get(name)!.value)]);
    const whatIf = Object.fromEntries(entries) as unknown as WhatIf;
    this.#ask({ work: load.work, policy, asItIs, whatIf }, this.#taken);
  }

  #problem(): string | undefined {
    const wrong = NAMES.filter((name) => !this.#inputs.get(name)!.checkValidity());
    for (const [name, input] of this.#inputs) input.setAttribute('aria-invalid', String(wrong.includes(name)));
    const [first] = wrong;
    if (first !== undefined) {
      const { label, least, most } = FIELDS[first];
      return `${label} must be a whole number from ${least} to ${most}, got '${this.#inputs.get(first)!.value}'.`;
    }
    const [fewest, most] = [this.#inputs.get('minTasks')!.value, this.#inputs.get('maxTasks')!.value];
    return Number(fewest) > Number(most) ? `Min tasks must be at most ${most}, got ${fewest}.` : undefined;
  }

  /** Runs in its own thread, so that the page stays responsive; a newer question ends the older one. */
  #ask(question: Question, taken: Taken): void {
    this.#thread?.terminate();
    this.#thread = new Worker('/what-if.js');
    document.body.dataset['whatIf'] = 'running';
    setText(this.#verdict, 'Simulating…');
    this.#thread.addEventListener('message', ({ data }: MessageEvent<Answer | { error: string }>) => {
      if ('error' in data) this.#fail(data.error);
      else this.#showAnswer(data, question, taken);
      document.body.dataset['whatIf'] = 'ready';
    });
    this.#thread.addEventListener('error', ({ message }) => this.#fail(message));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    this.#thread.postMessage(question);
  }

  #fail(error: string): void {
    setText(this.#error, error);
    setText(this.#verdict, '');
    document.body.dataset['whatIf'] = 'ready';
  }

  #showAnswer({ sampleSeconds, runs }: Answer, { policy, asItIs, whatIf }: Question, taken: Taken): void {
    const [before, then] = runs.map(({ summary }) => summary) as [Summary, Summary];
    const same = NAMES.every((name) => asItIs[name] === whatIf[name]);
    setText(this.#verdict, same ? 'These are the current settings: change one to compare.' : verdictOf(before, then));
    const row = (name: string, summary: Summary) => [name, ...COLUMNS.map(([, cell]) => cell(summary, policy))];
    const rows = [row('current', before), row('what if', then)];
    fillTable(this.#table, ['settings', ...COLUMNS.map(([head]) => head)], rows);
    this.#showCharts(taken, sampleSeconds, runs);
  }

  #showCharts({ load: { from }, ticks }: Taken, sampleSeconds: number, [asItIs, whatIf]: Answer['runs']): void {
    const points = Math.max(asItIs.running.length, whatIf.running.length);
    const x = Array.from({ length: points }, (_, index) => from / 1000 + index * sampleSeconds);
    const show = (name: ChartName, of: (run: RunView) => (number | null)[], seen?: (number | null)[]) => {
      const modelled = [asItIs, whatIf].map((run) => x.map((_, index) => of(run)[index] ?? null));
      this.#charts[name].show({ x, y: seen ? [seen, ...modelled] : modelled }, [x[0]!, x.at(-1)!]);
    };
    show(
      'tasks',
      ({ running }) => running,
      sampled(ticks, x, (tick) => tick.running),
    );
    show(
      'queued',
      ({ queued }) => queued,
      sampled(ticks, x, (tick) => tick.queued),
    );
    show('waits', ({ waits }) => waits);
  }
}

const NOTE =
  'Simulated, not measured: the scaler’s policy on the load reconstructed from the ticks. Activity durations are drawn ' +
  'around their mean, and the fleet starts with no tasks. The gap between “current” and “measured” shows how far to trust the result.';

/** The figure of the latest tick at each moment. */
function sampled(ticks: TickView[], x: number[], of: (tick: TickView) => number | null): (number | null)[] {
  let index = -1;
  return x.map((at) => {
    while ((ticks[index + 1]?.now ?? Infinity) <= at * 1000) index += 1;
    const tick = ticks[index];
    return tick === undefined || at * 1000 - tick.now > GAP_MS ? null : of(tick);
  });
}

type Column = [head: string, cell: (summary: Summary, policy: Policy) => string];

const COLUMNS: Column[] = [
  ['task-hours', ({ taskHours }) => taskHours.toFixed(2)],
  ['$', ({ taskHours }, { taskDollarsPerHour }) => (taskHours * taskDollarsPerHour).toFixed(3)],
  ['mean wait', ({ waitMean }) => seconds(waitMean)],
  ['p95 wait', ({ waitP95 }) => seconds(waitP95)],
  ['p99 wait', ({ waitP99 }) => seconds(waitP99)],
  ['peak tasks', ({ peakTasks }) => String(peakTasks)],
  ['not done', ({ undone }) => String(undone)],
];

function verdictOf(asItIs: Summary, whatIf: Summary): string {
  const change = asItIs.taskHours === 0 ? 0 : Math.round((100 * whatIf.taskHours) / asItIs.taskHours - 100);
  const hours = change === 0 ? 'Same task-hours' : `${Math.abs(change)}% ${change < 0 ? 'fewer' : 'more'} task-hours`;
  const waits = `p95 wait: ${seconds(whatIf.waitP95)}`;
  const before = seconds(asItIs.waitP95);
  return `${hours}; ${waits}, ${before === seconds(whatIf.waitP95) ? 'unchanged' : `instead of ${before}`}.`;
}
