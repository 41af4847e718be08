/** What the scaler last wrote about each pool, with the alarms: what `status` and the console show. */
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { SILENT_AFTER_SECONDS } from '../contract/invocation.ts';
import { known } from '../scaler/policy.ts';
import type { PoolItem } from '../scaler/report/written.ts';
import { readAlarms, readPoolState } from './pool-item.ts';
import { reasonOf, type Stack } from './stacks.ts';
import { duration } from './words.ts';

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

/** `now`: epoch milliseconds. */
export async function readStatus(stack: Stack, now: () => number, reading = readAlarms(stack)): Promise<Status> {
  const alarms = await reading.catch(reasonOf);
  const pools = await Promise.all(
    stack.pools.map(async ({ pool }) => {
      const state = await readPoolState(stack, pool).catch(reasonOf);
      return statusOf(pool, state ?? 'the scaler has not reported on it yet', alarms, now());
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
  state: PoolItem | string,
  alarms: Map<string, MetricAlarm[]> | string,
  now: number,
): PoolStatus {
  const inAlarm =
    typeof alarms === 'string' ? null : (alarms.get(pool) ?? []).filter(({ StateValue }) => StateValue === 'ALARM');
  const names = inAlarm?.map(({ MetricName, AlarmName }) => MetricName ?? AlarmName ?? '') ?? null;
  if (typeof state === 'string') return { ...NOTHING, pool, alarms: names, problem: state };
  const { record, decision, figures, tickAt } = state;
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
