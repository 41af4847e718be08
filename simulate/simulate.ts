/**
 * Our policy and its peers on a load of your own: `npm run simulate -- --trace FILE --slots 20 --max 100`.
 * It prints a table, or JSON, and writes a page that shows the runs and can repeat them with other settings.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import type { PoolPolicy } from '../contract/pool-config.ts';
import { DEFAULT_POLICY } from '../scaler/policy.ts';
import { compare, summaryOfAll, type Comparison } from './comparison.ts';
import { DEFAULT_SETTINGS, type Work } from './model.ts';
import { namesOf, policyOverrides, positive, positiveInteger, range, wholeNumber } from './options.ts';
import { PEERS } from './peers.ts';
import { reportHtml } from './report.ts';
import { DEFAULT_TASK_SIZE, type Summary } from './score.ts';
import { search } from './search.ts';
import { printProposals, printTable } from './table.ts';
import { TraceError } from './trace-file.ts';
import { TRACES } from './traces.ts';
import { arrivalsPerSecond, sampleSecondsOf, viewOf, workOf, type LoadView, type Source } from './view.ts';

interface Options {
  trace?: string[];
  slots?: number;
  min: number;
  max: number;
  startUp: [number, number];
  heartbeat: number;
  targetWait: number;
  vcpu: number;
  memory: number;
  seed: number;
  peers: string[] | false;
  policy: PoolPolicy;
  json?: true;
  html: string | false;
  search?: true;
  wait: number;
  budget: number;
}

interface Load {
  source: Source;
  work: Work[];
  slots: number;
}

const REPORT = join(import.meta.dirname, '../.local/simulation.html');

/** The command; whoever runs it says how it ends. */
export function simulateCommand(): Command {
  const command = new Command('simulate')
    .description('Runs the scaling policy and its peers on a trace, and says what each costs and how long work waits.')
    .option(
      '--trace <file or name>',
      `CSV with arrival_s,service_s or of the Azure format, or one of ${Object.keys(TRACES).join(', ')}; again for another queue`,
      (value: string, before: string[] | undefined) => [...(before ?? []), value],
    )
    .option('--slots <count>', 'activities at once in a task', positiveInteger)
    .option('--min <tasks>', 'the fleet’s minimum', wholeNumber, DEFAULT_SETTINGS.minTasks)
    .option('--max <tasks>', 'the fleet’s maximum', positiveInteger, DEFAULT_SETTINGS.maxTasks)
    .option('--start-up <seconds>', 'a task’s start, least-most', range, DEFAULT_SETTINGS.startUpSeconds)
    .option('--heartbeat <seconds>', 'of the workers', positive, DEFAULT_SETTINGS.heartbeatSeconds)
    .option('--target-wait <seconds>', 'the policy’s targetWaitSeconds', positive, DEFAULT_POLICY.targetWaitSeconds)
    .option('--policy <json>', 'other settings of the policy, such as \'{"minTasks":2}\'', policyOverrides, {})
    .option('--peers <names>', 'some of the peers, with commas', namesOf(Object.keys(PEERS)), Object.keys(PEERS))
    .option('--no-peers', 'our policy alone')
    .option('--vcpu <count>', 'of a task, for its price', positive, DEFAULT_TASK_SIZE.vcpu)
    .option('--memory <gigabytes>', 'of a task, for its price', positive, DEFAULT_TASK_SIZE.gigabytes)
    .option('--seed <number>', 'of all that is random', wholeNumber, 1)
    .option('--json', 'print JSON, and write no page')
    .option('--html <file>', 'where the page goes', REPORT)
    .option('--no-html', 'write no page')
    .option('--search', 'propose settings that keep --wait and --budget')
    .option('--wait <seconds>', 'with --search: 95 of 100 shall start within this', positive, 30)
    .option('--budget <dollars>', 'with --search: an hour, on average', positive, Infinity);
  return command.action((options: Options) => main(options, (message) => command.error(`error: ${message}`)));
}

/** Ends the command with what is wrong with its input. */
type Refuse = (message: string) => never;

async function main(options: Options, refuse: Refuse): Promise<void> {
  if (options.min > options.max) refuse(`--min ${options.min} is more than --max ${options.max}`);
  const loads = (options.trace ?? ['real-hour']).map((name) => loadOf(name, options, refuse));
  if (options.search) return propose(loads, options);

  const comparisons = loads.map((load) => compare(load.work, comparisonOptions(load, options)));
  if (options.json) return printJson(loads, comparisons);
  loads.forEach((load, index) => printTable(headline(load), summariesOf(comparisons[index]!)));
  if (loads.length > 1) printTable('all queues', summaryOfAll(comparisons));
  if (options.html !== false) {
    await writeReport(
      options.html,
      loads.map((load, index) => viewOfLoad(load, comparisons[index]!, options)),
    );
  }
}

function loadOf(name: string, { slots, seed }: Options, refuse: Refuse): Load {
  try {
    const source = sourceOf(name);
    const work = workOf(source, seed);
    return { source, work, slots: slots ?? TRACES[name]?.slots ?? DEFAULT_SETTINGS.slots };
  } catch (error) {
    if (error instanceof TraceError) return refuse(error.message);
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(
      `--trace ${name}: ${reason}\nIt is no file, and none of the names ${Object.keys(TRACES).join(', ')}.`,
    );
  }
}

function sourceOf(name: string): Source {
  return name in TRACES ? { kind: 'named', name } : { kind: 'csv', name, text: readFileSync(name, 'utf8') };
}

function comparisonOptions({ work, slots }: Load, options: Options) {
  return {
    settings: {
      slots,
      minTasks: options.min,
      maxTasks: options.max,
      startUpSeconds: options.startUp,
      heartbeatSeconds: options.heartbeat,
      seed: options.seed,
      sampleSeconds: sampleSecondsOf(work, DEFAULT_SETTINGS.tailSeconds),
    },
    policy: { targetWaitSeconds: options.targetWait, ...options.policy },
    peers: options.peers || [],
    size: { vcpu: options.vcpu, gigabytes: options.memory },
  };
}

function viewOfLoad(load: Load, { runs }: Comparison, options: Options): LoadView {
  const used = comparisonOptions(load, options);
  const { sampleSeconds } = used.settings;
  const views = runs.map((run) => viewOf(run, load.work, sampleSeconds));
  return {
    source: load.source,
    options: used,
    count: load.work.length,
    sampleSeconds,
    arrivalsPerSecond: arrivalsPerSecond(load.work, sampleSeconds, views[0]!.queued.length),
    runs: views,
  };
}

async function writeReport(file: string, loads: LoadView[]): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await reportHtml(loads));
  console.log(`\nCharts, and the same runs with other settings: ${file}`);
}

function headline({ source: { name }, work, slots }: Load): string {
  const hours = (work.at(-1)?.arrivalSeconds ?? 0) / 3600;
  return `${name}: ${work.length.toLocaleString('en')} pieces of work in ${hours.toFixed(2)} h, ${slots} slots a task`;
}

function printJson(loads: Load[], comparisons: Comparison[]): void {
  const queues = loads.map(({ source: { name }, work, slots }, index) => ({
    trace: name,
    work: work.length,
    slots,
    referenceTaskHours: comparisons[index]!.referenceSeconds / 3600,
    policies: summariesOf(comparisons[index]!),
  }));
  console.log(JSON.stringify({ queues, total: summaryOfAll(comparisons) }, undefined, 2));
}

function summariesOf({ runs }: Comparison): Summary[] {
  return runs.map(({ summary }) => summary);
}

function propose(loads: Load[], options: Options): void {
  const goal = { waitP95Seconds: options.wait, dollarsPerHour: options.budget };
  const found = loads.map((load) => ({
    trace: load.source.name,
    proposals: search(load.work, goal, comparisonOptions(load, options)),
  }));
  if (options.json) console.log(JSON.stringify(found, undefined, 2));
  else found.forEach(({ proposals }, index) => printProposals(headline(loads[index]!), goal, proposals));
}
