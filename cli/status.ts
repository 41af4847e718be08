/**
 * All pools at a glance, from what the scaler last wrote about each (on every change, and once a minute) and from the alarms.
 * A value that could not be read is shown as a question mark; exit code 1 means that something needs attention.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { UsageError } from '../deployed/errors.ts';
import { MEANINGS } from '../deployed/reasons.ts';
import { openStack, type Stack } from '../deployed/stacks.ts';
import { readStatus, type PoolStatus, type Status } from '../deployed/status.ts';
import { duration } from '../deployed/words.ts';
import { hanging, table, visible, type Common, type Shell } from './shell.ts';

interface StatusOptions extends Common {
  watch?: string | true;
}

const WATCH_EVERY_SECONDS = 2;

export async function status(shell: Shell, options: StatusOptions): Promise<void> {
  const seconds = options.watch === true ? WATCH_EVERY_SECONDS : Number(options.watch ?? 0);
  if (options.watch !== undefined && !(seconds > 0)) {
    throw new UsageError([`--watch must be seconds, such as 5, got '${options.watch}'`]);
  }
  const stack = await openStack(options);
  if (options.watch === undefined)
    return show(shell, await readStatus(stack, shell.now), options, (text) => shell.print(text));
  await watch(shell, stack, options, seconds);
}

async function watch(shell: Shell, stack: Stack, options: StatusOptions, seconds: number): Promise<void> {
  const { createLogUpdate } = await import('log-update');
  const redraw = createLogUpdate(shell.stdout);
  const live = shell.stdout.isTTY && !options.json;
  while (!shell.signal.aborted) {
    shell.exitCode = 0;
    show(shell, await readStatus(stack, shell.now), options, live ? redraw : (text) => shell.print(text));
    await delay(seconds * 1000, undefined, { signal: shell.signal }).catch(() => undefined);
  }
  if (live) redraw.done();
}

function show(shell: Shell, status: Status, { json }: Common, print: (text: string) => void): void {
  if (status.problems.length > 0 || status.pools.some(({ alarms }) => alarms?.length !== 0)) shell.exitCode = 1;
  print(visible(json ? JSON.stringify(status) : render(shell, status)));
}

const HEADS = [
  'pool',
  'backlog',
  'age',
  'slots',
  'desired',
  'running',
  'starting',
  'cordoned',
  'reason',
  'seen',
  'alarms',
];
const FIGURES = new Set([1, 2, 3, 4, 5, 6, 7, 9]);

function render(shell: Shell, { stack, pools, problems }: Status): string {
  const heads = HEADS.map((head) => shell.style('dim', head));
  const lines = [`Stack ${stack}`, '', table([heads, ...pools.map((pool) => row(shell, pool))], FIGURES)];
  const reasons = pools.flatMap(({ pool, reason }) =>
    reason === null || QUIET.has(reason)
      ? []
      : [`${hanging(pool)} is ${reason}: ${MEANINGS[reason as keyof typeof MEANINGS]}`],
  );
  const all = [...reasons, ...problems.map((problem) => shell.style('red', hanging(problem)))];
  return [...lines, ...(all.length > 0 ? ['', ...all] : [])].join('\n');
}

/** These need no explanation. */
const QUIET = new Set(['idle', 'steady']);

function row(shell: Shell, pool: PoolStatus): string[] {
  const { busySlots, slots, ageSeconds, seenSecondsAgo, alarms } = pool;
  const figure = (value: number | null) => (value === null ? '?' : String(value));
  return [
    pool.pool,
    figure(pool.backlog),
    ageSeconds === null ? '?' : duration(ageSeconds),
    busySlots === null ? '?' : `${busySlots}/${figure(slots)}`,
    figure(pool.desired),
    figure(pool.running),
    figure(pool.starting),
    figure(pool.cordoned),
    pool.reason ?? '?',
    seenSecondsAgo === null ? 'never' : `${duration(seenSecondsAgo)} ago`,
    alarms === null ? '?' : alarms.length === 0 ? 'none' : shell.style('red', alarms.join(' ')),
  ];
}
