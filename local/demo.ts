/**
 * The whole system on one machine, under real load, in a few minutes: `npm run demo`.
 * Exits with 0 only if every check passed, and leaves no process behind, however it ends.
 */
import { readFileSync } from 'node:fs';

import { Command, InvalidArgumentError, Option } from 'commander';

import profile from '../simulate/azure-llm-conv-2023.profile.json' with { type: 'json' };
import { parseTrace } from '../simulate/trace-file.ts';
import { drawRequests } from './load.ts';
import type { Request } from './load.ts';
import { runDemo } from './run.ts';
import { openScreen } from './screen.ts';
import { parseStartDelay, type StartDelay } from './start-delay.ts';
import { renderSummary } from './summary.ts';

interface Options {
  speed: number;
  seed: number;
  minutes?: number;
  trace?: string;
  startDelay: StartDelay;
  preset?: string;
  temporalPort?: number;
  uiPort?: number;
  keep: boolean;
  json: boolean;
}

const DEFAULT_MINUTES = 2;

const options = new Command('npm run demo --')
  .description('Run the whole system on this machine: Temporal, AWS (emulated), Fargate (as processes), real load.')
  .option('--speed <factor>', 'how much faster than real time requests arrive and are served', positive, 1.5)
  .option(
    '--minutes <minutes>',
    `how many minutes of the load to replay (default: ${DEFAULT_MINUTES}, or all of --trace)`,
    positive,
  )
  .option('--seed <number>', 'seed for the requests, the start-up times, and the choice of tasks to stop', whole, 1)
  .option('--trace <file>', 'replay this CSV: arrival_s,service_s or TIMESTAMP,ContextTokens,GeneratedTokens')
  .addOption(
    new Option('--start-delay <min-max>', 'range of a task’s start-up time, in seconds')
      .argParser(range)
      .default({ min: 2, max: 5 }, '2-5'),
  )
  .addOption(new Option('--preset <name>', 'deploy this preset of the stack').choices(['production']))
  .option('--temporal-port <port>', 'port of the Temporal server (default: a free one)', port)
  .option('--ui-port <port>', "port of Temporal's Web UI (default: a free one)", port)
  .option('--keep', 'keep everything running at the end, until Ctrl-C', false)
  .option('--json', 'print the summary as JSON to standard output, and everything else to standard error', false)
  .parse()
  .opts<Options>();

const startedAt = Date.now();
const screen = openScreen(options.json ? process.stderr : process.stdout, () => (Date.now() - startedAt) / 1000);
const stopping = new AbortController();
const closers: (() => Promise<void>)[] = [];
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupted);

process.exitCode = await main();
await cleanUp();
process.exit();

async function main(): Promise<number> {
  try {
    const demo = { ...options, requests: requestsOf(options), screen, closers, signal: stopping.signal, now: Date.now };
    const summary = await untilInterrupted(runDemo(demo));
    console.log(options.json ? JSON.stringify(summary, null, 2) : `\n${renderSummary(summary)}\n`);
    if (options.keep) await kept();
    return summary.ok ? 0 : 1;
  } catch (error) {
    screen.done();
    if (stopping.signal.aborted) return 130;
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function requestsOf({ trace, minutes, seed }: Options): Request[] {
  const all =
    trace === undefined
      ? drawRequests(profile, { seed, minutes: minutes ?? DEFAULT_MINUTES })
      : parseTrace(textOf(trace), trace);
  const requests = all.filter(({ arrivalSeconds }) => arrivalSeconds < (minutes ?? Infinity) * 60);
  if (requests.length === 0)
    throw new Error(`There are no requests in the first ${minutes} minutes: use more --minutes.`);
  return requests;
}

function textOf(trace: string): string {
  try {
    return readFileSync(trace, 'utf8');
  } catch (cause) {
    throw new Error(`Cannot read the trace: ${(cause as Error).message}`, { cause });
  }
}

/** The first interrupt cleans up; a second one, if that takes too long, exits at once. */
function interrupted(): void {
  if (stopping.signal.aborted) process.exit(130);
  stopping.abort();
}

function untilInterrupted<T>(work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => stopping.signal.addEventListener('abort', () => reject(stopping.signal.reason))),
  ]);
}

/** Waits until Ctrl-C. */
async function kept(): Promise<void> {
  screen.note('Everything is still running. Press Ctrl-C to stop it.');
  const alive = setInterval(() => {}, 60_000);
  await untilInterrupted(new Promise<never>(() => {})).catch(() => undefined);
  clearInterval(alive);
}

async function cleanUp(): Promise<void> {
  if (closers.length > 0) screen.note('Cleaning up');
  for (const close of closers.toReversed()) await close().catch((error) => screen.note(`While cleaning up: ${error}`));
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('It must be a whole number of at least 0.');
  return value;
}

function port(text: string): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value > 0 && value < 65_536))
    throw new InvalidArgumentError('It must be a port, 1 to 65535.');
  return value;
}

function range(text: string): StartDelay {
  const delay = parseStartDelay(text);
  if (delay === undefined)
    throw new InvalidArgumentError('It must be two numbers of seconds, the smaller first, such as 2-5.');
  return delay;
}
