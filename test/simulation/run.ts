/**
 * Runs worlds from seeds, each twice, until they have lived for the given hours of fleet time; prints what happened, and
 * for each violation the command that repeats it. Exits with 1 if there was one, or if a seed gave two histories.
 */
import { once as event } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { simulateWorld } from './world.ts';
import { MUTANTS, type Mutant, type WorldOptions, type WorldResult } from './world-options.ts';
import { RULES } from './rules.ts';

interface Options {
  seed: number;
  runs: number;
  hours: number;
  worldHours: number;
  once: boolean;
  json: boolean;
  trace: boolean;
  twoScalers: boolean;
  mutant?: Mutant;
  faults?: FaultKind[];
}

const command = new Command('simulation')
  .description('The shipped scaler and the shipped scale-in protocol in a simulated world with faults.')
  .option('--seed <number>', 'the first world’s seed', whole, Math.floor(Math.random() * 1e9))
  .option('--hours <number>', 'fleet time, in hours of pools, to simulate at least', positive, 2000)
  .option('--runs <number>', 'a number of worlds instead, one per seed', whole, 0)
  .option('--world-hours <number>', 'how long a world has faults', positive, 8)
  .option('--once', 'do not run each seed a second time to compare the histories', false)
  .option('--faults <kinds>', `only these, separated by commas: ${FAULT_KINDS.join(' ')}`, listOf(FAULT_KINDS))
  .option('--two-scalers', 'a second scaler ticks all the time, without knowing of the first', false)
  .option('--mutant <guard>', `remove a guard, to see that it is noticed: ${MUTANTS.join(' | ')}`, oneOf(MUTANTS))
  .option('--trace', 'print everything that happens', false)
  .option('--json', 'print the result as one line of JSON', false)
  .parse();
const options = command.opts<Options>();
if (isMainThread) await main(options);
else parentPort?.on('message', (world: WorldOptions) => void answerWith(world));

async function main({
  seed,
  runs,
  hours,
  worldHours,
  once,
  json,
  trace,
  twoScalers,
  mutant,
  faults,
}: Options): Promise<void> {
  if (!json) say(`seed ${seed}; again: ${replay(seed, runs > 0 ? `--runs ${runs}` : `--hours ${hours}`)}`);
  const startedAt = performance.now();
  const thread = once ? undefined : new Worker(new URL(import.meta.url));
  const total = { worlds: 0, poolHours: 0, taskHours: 0, ticks: 0, activities: 0, scaleIns: 0, violations: 0 };
  const [kills, faultCounts, deaths, rests]: [
    Record<string, number>,
    Record<string, number>,
    Record<string, number>,
    number[],
  ] = [{}, {}, {}, []];
  for (let next = seed; runs > 0 ? next < seed + runs : total.poolHours < hours; next += 1) {
    const world = { seed: next, hours: worldHours, mutant, faults, twoScalers, untilBroken: mutant !== undefined };
    // The second time in another thread, so that it takes no extra time.
    const second = thread && event(thread, 'message');
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    thread?.postMessage(world);
    const result = await simulateWorld({ ...world, ...(trace && { print: say }) });
    const [again = result.hash] = ((await second) ?? []) as string[];
    total.worlds += 1;
    total.poolHours += result.poolHours;
    total.taskHours += result.taskHours;
    total.ticks += result.ticks;
    total.activities += result.activities;
    total.scaleIns += result.scaleIns;
    total.violations += result.violations.length + Number(again !== result.hash);
    addUp(kills, result.kills);
    addUp(faultCounts, result.faults);
    addUp(deaths, result.deaths);
    rests.push(result.restedAfterMinutes);
    if (!json) tell(result, again, replay(next));
  }
  await thread?.terminate();
  const seconds = (performance.now() - startedAt) / 1000;
  const longestRestMinutes = Math.max(...rests);
  const all = { seed, ...total, seconds, longestRestMinutes, kills, faults: faultCounts, deaths, replay: replay(seed) };
  if (json) say(JSON.stringify(all));
  else sum(all);
  process.exitCode = total.violations > 0 ? 1 : 0;
}

async function answerWith(world: WorldOptions): Promise<void> {
  const { hash } = await simulateWorld(world);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(hash);
}

function tell(result: WorldResult, again: string, command: string): void {
  const { seed, violations, hash } = result;
  if (again !== hash) say(`seed ${seed}: NOT DETERMINISTIC, ${hash} and then ${again}`);
  const firsts = Object.values(Object.groupBy(violations, ({ rule }) => rule)).map(([first]) => first!);
  for (const { rule, pool, hours, detail } of firsts) {
    say(`seed ${seed}, ${hours.toFixed(2)} h, ${pool}: ${RULES[rule].toUpperCase()}: ${detail}`);
  }
  if (violations.length > 0) say(`  ${violations.length} in all; again: ${command}`);
}

function sum(
  all: Record<string, unknown> & { worlds: number; poolHours: number; taskHours: number; seconds: number },
): void {
  for (const [name, value] of Object.entries(all)) {
    say(
      `${name.padEnd(20)} ${typeof value === 'object' ? JSON.stringify(value) : typeof value === 'number' ? Math.round(value * 10) / 10 : value}`,
    );
  }
}

function replay(seed: number, length = '--runs 1'): string {
  const { worldHours, mutant, faults, twoScalers } = options;
  const more = [
    mutant && `--mutant '${mutant}'`,
    faults && `--faults ${faults.join(',')}`,
    twoScalers && '--two-scalers',
  ]
    .filter(Boolean)
    .join(' ');
  return `node test/simulation/run.ts ${length} --seed ${seed} --world-hours ${worldHours} ${more}`.trim();
}

function addUp(sums: Record<string, number>, more: Record<string, number>): void {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number, such as 7');
  return Number(text);
}

function positive(text: string): number {
  if (!(Number(text) > 0 && Number(text) < Infinity)) throw new InvalidArgumentError('a number above 0, such as 8');
  return Number(text);
}

function oneOf<T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((each) => each === text);
    if (found === undefined) throw new InvalidArgumentError(`one of: ${allowed.join(' | ')}`);
    return found;
  };
}

function listOf<T extends string>(allowed: readonly T[]): (text: string) => T[] {
  return (text) => text.split(',').map((each) => oneOf(allowed)(each.trim()));
}
