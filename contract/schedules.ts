/** Scheduled limits: a window between two cron times, in a time zone, changes a pool's minTasks and maxTasks. */
import { Cron } from 'croner';
import type { PoolConfig, PoolPolicy, Schedule } from './pool-config.ts';

/** The pool's policy at `now`, in epoch milliseconds. If several windows are open, the last in the list applies. */
export function policyAt({ policy, schedules }: Pick<PoolConfig, 'policy' | 'schedules'>, now: number): PoolPolicy {
  const open = (schedules ?? []).filter((schedule) => isOpen(schedule, now));
  return Object.assign({}, policy, ...open.map(limitsOf)) as PoolPolicy;
}

/** Open if its latest start is later than its latest end. */
function isOpen({ from, to, timeZone }: Schedule, now: number): boolean {
  return newest(from, timeZone, now) > newest(to, timeZone, now);
}

function newest(cron: string, timezone: string, now: number): number {
  // A run at `now` itself counts as past; croner looks strictly before its reference.
  const [run] = new Cron(cron, { timezone, paused: true }).previousRuns(1, new Date(now + 1));
  return run?.getTime() ?? -Infinity;
}

/** The limits that the window sets; those it does not set are left out. */
export function limitsOf({ minTasks, maxTasks }: Schedule): Partial<PoolPolicy> {
  return { ...(minTasks === undefined ? {} : { minTasks }), ...(maxTasks === undefined ? {} : { maxTasks }) };
}
