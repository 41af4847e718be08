/** Scheduled limits: within a window between two cron times, in its time zone, a pool's minTasks and maxTasks are others. */
import { Cron } from 'croner';
import type { PoolConfig, PoolPolicy, Schedule } from './pool-config.ts';

/** The pool's policy as it is at `now`, in epoch milliseconds. Of several open windows, the later in the list counts. */
export function policyAt({ policy, schedules }: Pick<PoolConfig, 'policy' | 'schedules'>, now: number): PoolPolicy {
  const open = (schedules ?? []).filter((schedule) => isOpen(schedule, now));
  return Object.assign({}, policy, ...open.map(limitsOf)) as PoolPolicy;
}

/** Open while its newest beginning is newer than its newest end. */
function isOpen({ from, to, timeZone }: Schedule, now: number): boolean {
  return newest(from, timeZone, now) > newest(to, timeZone, now);
}

function newest(cron: string, timezone: string, now: number): number {
  // A run at `now` itself has happened; croner looks strictly before its reference.
  const [run] = new Cron(cron, { timezone, paused: true }).previousRuns(1, new Date(now + 1));
  return run?.getTime() ?? -Infinity;
}

/** What the window says of the limits, and nothing of what it leaves open. */
export function limitsOf({ minTasks, maxTasks }: Schedule): Partial<PoolPolicy> {
  return { ...(minTasks === undefined ? {} : { minTasks }), ...(maxTasks === undefined ? {} : { maxTasks }) };
}
