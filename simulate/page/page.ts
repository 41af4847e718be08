/** The report's own page: shows the runs it came with, and repeats them with other settings or another load. */
/// <reference lib="dom" />
import { COLUMNS } from '../table.ts';
import { TRACES } from '../traces.ts';
import type { LoadView } from '../view.ts';
import { OURS } from '../comparison.ts';
import { colorOf, drawCharts } from './charts.ts';
import { answerRequests, type Answer, type Request } from './runner.ts';

const SLIDERS = ['slots', 'targetWait', 'min', 'max', 'startUp'] as const;
const START_UP_LEAST = 25 / 60;

class Page {
  readonly #loads: LoadView[];
  #load: LoadView;
  #worker: Worker | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(loads: LoadView[]) {
    this.#loads = loads;
    this.#load = loads[0]!;
    this.#offerLoads();
    for (const slider of [...SLIDERS, 'heartbeat']) element(slider).addEventListener('input', () => this.#changed());
    element('load').addEventListener('change', () => this.#choose(Number(input('load').value)));
    element('detail').addEventListener('change', () => this.#draw());
    element('file').addEventListener('change', () => void this.#open(input('file').files?.[0]));
    this.#acceptDrops();
    addEventListener('resize', () => this.#soon(() => this.#draw()));
  }

  show(load: LoadView): void {
    this.#load = load;
    setControls(load);
    this.#render();
  }

  /** The loads the report was made of, and then all that have a name. */
  #offerLoads(): void {
    const own = new Set(this.#loads.map(({ source }) => source.name));
    const named = Object.keys(TRACES).filter((name) => !own.has(name));
    for (const name of named) {
      const [first] = this.#loads;
      const settings = { ...first!.options.settings, slots: TRACES[name]!.slots };
      this.#loads.push({
        ...first!,
        source: { kind: 'named', name },
        options: { ...first!.options, settings },
        runs: [],
      });
    }
    element('load').replaceChildren(...this.#loads.map(({ source }, index) => option(source.name, String(index))));
  }

  #choose(index: number): void {
    const load = this.#loads[index]!;
    setControls(load);
    if (load.runs.length > 0) this.show(load);
    else this.#run({ source: load.source, options: load.options });
  }

  #changed(): void {
    showValues();
    this.#soon(() => this.#run({ source: this.#load.source, options: optionsFrom(this.#load.options) }));
  }

  #soon(what: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(what, 200);
  }

  #acceptDrops(): void {
    const over = (event: DragEvent, dropping: boolean) => {
      event.preventDefault();
      document.body.classList.toggle('dropping', dropping);
    };
    document.addEventListener('dragover', (event) => over(event, true));
    document.addEventListener('dragleave', (event) => over(event, false));
    document.addEventListener('drop', (event) => {
      over(event, false);
      void this.#open(event.dataTransfer?.files[0]);
    });
  }

  async #open(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    const source = { kind: 'csv' as const, name: file.name, text: await file.text() };
    this.#run({ source, options: optionsFrom(this.#load.options) });
  }

  #run(request: Request): void {
    this.#worker?.terminate();
    element('error').textContent = '';
    element('status').textContent = 'Running…';
    document.body.dataset['state'] = 'running';
    this.#worker = startWorker();
    this.#worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => this.#hear(data));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    this.#worker.postMessage(request);
  }

  #hear(answer: Answer): void {
    if ('error' in answer) {
      element('error').textContent = answer.error;
      this.#finish();
    } else if ('load' in answer) {
      this.#load = answer.load;
      this.#render();
    } else if ('run' in answer) {
      this.#load.runs.push(answer.run);
      this.#render();
    } else {
      this.#finish();
    }
  }

  #finish(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#describe();
  }

  #render(): void {
    offerDetails(this.#load);
    showTable(this.#load);
    this.#describe();
    this.#draw();
  }

  #describe(): void {
    const { source, count, options } = this.#load;
    const running = this.#worker === undefined ? '' : ' — running…';
    element('status').textContent =
      `${source.name}: ${count.toLocaleString('en')} pieces of work, seed ${options.settings.seed ?? 1}${running}`;
    document.body.dataset['state'] = this.#worker === undefined ? 'ready' : 'running';
  }

  #draw(): void {
    const { runs } = this.#load;
    const detail = runs.find(({ summary }) => summary.controller === input('detail').value) ?? runs[0];
    if (detail !== undefined) drawCharts(this.#load, detail);
  }
}

function startWorker(): Worker {
  const code = element('code').textContent!;
  return new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
}

function setControls({ options: { settings, policy } }: LoadView): void {
  const set = (id: string, value: number | undefined) => {
    const slider = input(id);
    if (value !== undefined && value > Number(slider.max)) slider.max = String(value);
    slider.value = String(value);
  };
  set('slots', settings.slots);
  set('targetWait', policy?.targetWaitSeconds);
  set('min', settings.minTasks);
  set('max', settings.maxTasks);
  set('startUp', settings.startUpSeconds?.[1]);
  input('heartbeat').value = String(settings.heartbeatSeconds);
  showValues();
}

/** The minimum follows the maximum down. */
function optionsFrom(options: LoadView['options']): LoadView['options'] {
  const value = (id: string) => Number(input(id).value);
  const most = value('startUp');
  return {
    ...options,
    settings: {
      ...options.settings,
      slots: value('slots'),
      minTasks: Math.min(value('min'), value('max')),
      maxTasks: value('max'),
      startUpSeconds: [Math.round(most * START_UP_LEAST), most],
      heartbeatSeconds: value('heartbeat') || 10,
    },
    policy: { ...options.policy, targetWaitSeconds: value('targetWait') },
  };
}

function showValues(): void {
  for (const id of SLIDERS) {
    const most = Number(input(id).value);
    const shown = { targetWait: `${most} s`, startUp: `${Math.round(most * START_UP_LEAST)} to ${most} s` };
    document.querySelector(`output[for="${id}"]`)!.textContent = id in shown ? shown[id as 'startUp'] : String(most);
  }
}

function offerDetails({ runs }: LoadView): void {
  const select = input('detail');
  const chosen = select.value || OURS;
  select.replaceChildren(...runs.map(({ summary }) => option(summary.controller)));
  select.value = runs.some(({ summary }) => summary.controller === chosen) ? chosen : OURS;
}

function showTable({ runs }: LoadView): void {
  const head = row('th', ['policy', ...COLUMNS.map(([name]) => name)]);
  const cells = runs.map(({ summary }) => COLUMNS.map(([, cell]) => cell(summary)));
  const rows = runs.map(({ summary }, index) => row('td', [summary.controller, ...cells[index]!]));
  rows.forEach((each, index) => {
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = colorOf(runs[index]!.summary.controller);
    each.firstElementChild!.prepend(swatch);
  });
  COLUMNS.forEach((_, column) => {
    const least = Math.min(...cells.map((line) => Number(line[column])));
    rows.forEach((each, index) => {
      each.children[column + 1]!.classList.toggle('best', Number(cells[index]![column]) === least);
    });
  });
  element('summary').replaceChildren(head, ...rows);
}

function row(kind: 'th' | 'td', texts: string[]): HTMLTableRowElement {
  const made = document.createElement('tr');
  made.append(
    ...texts.map((text) => {
      const cell = document.createElement(kind);
      cell.textContent = text;
      return cell;
    }),
  );
  return made;
}

function option(text: string, value = text): HTMLOptionElement {
  const made = document.createElement('option');
  made.value = value;
  made.textContent = text;
  return made;
}

function element(id: string): HTMLElement {
  return document.getElementById(id)!;
}

function input(id: string): HTMLInputElement {
  return element(id) as HTMLInputElement;
}

function start(): void {
  const loads = JSON.parse(element('loads').textContent!) as LoadView[];
  new Page(loads).show(loads[0]!);
}

// The same code runs as the page and as the worker that it starts.
if (typeof document === 'undefined') answerRequests();
else start();
