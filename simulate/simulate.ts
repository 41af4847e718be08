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

/** The command; its caller decides how it exits. */
export function simulateCommand(): Command {
  const command = new Command('simulate')
    .description(
      'Runs the scaling policy and its peers on a trace, and prints what each costs and how long work waits.',
    )
    .option(
      '--trace <file or name>',
      `a CSV file (columns arrival_s,service_s or the Azure format), or one of ${Object.keys(TRACES).join(', ')}; repeat it for several queues`,
      (value: string, before: string[] | undefined) => [...(before ?? []), value],
    )
    .option('--slots <count>', 'concurrent activities per task', positiveInteger)
    .option('--min <tasks>', 'min tasks', wholeNumber, DEFAULT_SETTINGS.minTasks)
    .option('--max <tasks>', 'max tasks', positiveInteger, DEFAULT_SETTINGS.maxTasks)
    .option('--start-up <seconds>', 'start-up time of a task, least-most', range, DEFAULT_SETTINGS.startUpSeconds)
    .option('--heartbeat <seconds>', 'heartbeat interval of the workers', positive, DEFAULT_SETTINGS.heartbeatSeconds)
    .option('--target-wait <seconds>', 'the policy’s targetWaitSeconds', positive, DEFAULT_POLICY.targetWaitSeconds)
    .option('--policy <json>', 'other policy settings, such as \'{"minTasks":2}\'', policyOverrides, {})
    .option('--peers <names>', 'peers to compare, comma-separated', namesOf(Object.keys(PEERS)), Object.keys(PEERS))
    .option('--no-peers', 'run only our policy')
    .option('--vcpu <count>', 'vCPUs of a task, for its price', positive, DEFAULT_TASK_SIZE.vcpu)
    .option('--memory <gigabytes>', 'memory of a task, for its price', positive, DEFAULT_TASK_SIZE.gigabytes)
    .option('--seed <number>', 'random seed', wholeNumber, 1)
    .option('--json', 'print JSON and write no report')
    .option('--html <file>', 'where to write the report', REPORT)
    .option('--no-html', 'write no report')
    .option('--search', 'propose settings that meet --wait and --budget')
    .option('--wait <seconds>', 'with --search: the p95 wait to meet', positive, 30)
    .option('--budget <dollars>', 'with --search: the average cost per hour to stay below', positive, Infinity);
  return command.action((options: Options) => main(options, (message) => command.error(`error: ${message}`)));
}

/** Exits with an error about the input. */
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
    return refuse(`--trace ${name}: ${reason}\nUse a CSV file or one of ${Object.keys(TRACES).join(', ')}.`);
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
