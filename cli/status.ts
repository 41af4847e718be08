/**
 * All pools at a glance, from what the scaler last wrote about each (on every change, and once a minute) and from the alarms.
 * A value that could not be read is shown as a question mark; exit code 1 means that something needs attention.
 */
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { setTimeout as delay } from 'node:timers/promises';
import { decide, DEFAULT_POLICY, known, type Figures, type Policy } from '../scaler/policy.ts';
import { readAlarms, readPoolState, SILENT_AFTER_SECONDS, type PoolState } from './pool-state.ts';
import { MEANINGS } from './reasons.ts';
import { duration, hanging, table, UsageError, visible, type Common, type Shell } from './shell.ts';
import { openStack, reasonOf, type Stack } from './stacks.ts';

export interface StatusOptions extends Common {
  watch?: string | true;
}

export interface PoolStatus {
  pool: string;
  backlog: number | null;
  ageSeconds: number | null;
  busySlots: number | null;
  slots: number | null;
  desired: number | null;
  running: number | null;
  starting: number | null;
  cordoned: number | null;
  reason: string | null;
  detail: string | null;
  /** Age of these figures; null if there are none. */
  seenSecondsAgo: number | null;
  /** Those in ALARM, by metric; null if they could not be read. */
  alarms: string[] | null;
  problem?: string;
}

export interface Status {
  stack: string;
  pools: PoolStatus[];
  problems: string[];
}

const WATCH_EVERY_SECONDS = 2;

export async function status(shell: Shell, options: StatusOptions): Promise<void> {
  const seconds = options.watch === true ? WATCH_EVERY_SECONDS : Number(options.watch ?? 0);
  if (options.watch !== undefined && !(seconds > 0)) {
    throw new UsageError([`--watch must be seconds, such as 5, got '${options.watch}'`]);
  }
  const stack = await openStack(options);
  if (options.watch === undefined) return show(shell, await read(shell, stack), options, (text) => shell.print(text));
  await watch(shell, stack, options, seconds);
}

async function watch(shell: Shell, stack: Stack, options: StatusOptions, seconds: number): Promise<void> {
  const { createLogUpdate } = await import('log-update');
  const redraw = createLogUpdate(shell.stdout);
  const live = shell.stdout.isTTY && !options.json;
  while (!shell.signal.aborted) {
    shell.exitCode = 0;
    show(shell, await read(shell, stack), options, live ? redraw : (text) => shell.print(text));
    await delay(seconds * 1000, undefined, { signal: shell.signal }).catch(() => undefined);
  }
  if (live) redraw.done();
}

export async function read(shell: Shell, stack: Stack, reading = readAlarms(stack)): Promise<Status> {
  const alarms = await reading.catch(reasonOf);
  const pools = await Promise.all(
    stack.pools.map(async ({ pool }) => {
      const state = await readPoolState(stack, pool).catch(reasonOf);
      return statusOf(pool, state ?? 'the scaler has not reported on it yet', alarms, shell.now());
    }),
  );
  const problems = [
    ...stack.problems,
    ...pools.flatMap(({ pool, problem }) => (problem === undefined ? [] : [`${pool}: ${problem}`])),
    ...(typeof alarms === 'string' ? [`alarms: ${alarms}`] : []),
  ];
  return { stack: stack.id, pools, problems };
}

function statusOf(
  pool: string,
  state: PoolState | string,
  alarms: Map<string, MetricAlarm[]> | string,
  now: number,
): PoolStatus {
  const inAlarm =
    typeof alarms === 'string' ? null : (alarms.get(pool) ?? []).filter(({ StateValue }) => StateValue === 'ALARM');
  const names = inAlarm?.map(({ MetricName, AlarmName }) => MetricName ?? AlarmName ?? '') ?? null;
  if (typeof state === 'string') return { ...NOTHING, pool, alarms: names, problem: state };
  const { record, decision, tickAt } = state;
  const figures = figuresOf(state);
  const tasks = known(record.tasks) ? record.tasks : undefined;
  const seenSecondsAgo = Math.max(0, (now - tickAt) / 1000);
  const silent = seenSecondsAgo > SILENT_AFTER_SECONDS;
  return {
    pool,
    backlog: figures.queued,
    ageSeconds: figures.ageSeconds,
    busySlots: figures.busySlots,
    slots: figures.slots,
    desired: tasks ? decision.desired : null,
    running: tasks?.running.length ?? null,
    starting: tasks?.pending.length ?? null,
    cordoned: tasks?.cordoned.length ?? null,
    reason: decision.reason,
    detail: decision.detail,
    seenSecondsAgo,
    alarms: names,
    ...(silent && {
      problem: `the scaler has reported nothing for ${duration(seenSecondsAgo)}: run elastic-workers doctor to find out why`,
    }),
  };
}

/** The policy's own figures. Its memory has no part in them, except in the number of attempts. */
export function figuresOf({ record }: Pick<PoolState, 'record'>): Figures {
  const policy = { ...DEFAULT_POLICY, ...(record.policy as Partial<Policy>) };
  return decide(record, undefined, policy, record.now).figures;
}

const NOTHING = {
  backlog: null,
  ageSeconds: null,
  busySlots: null,
  slots: null,
  desired: null,
  running: null,
  starting: null,
  cordoned: null,
  reason: null,
  detail: null,
  seenSecondsAgo: null,
};

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
