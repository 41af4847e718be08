/** What can be wrong with a pool's windows. */
import { Cron } from 'croner';
import { comes, MOST_SCHEDULES, scheduleSchema, type Schedule } from '../contract/pool-config.ts';
import { limitsOf, policyAt } from '../contract/schedules.ts';
import type { PoolSettings } from './presets.ts';
import type { ScheduleProps } from './props.ts';

/** How far ahead windows are looked for that are open at the same time, and how many times of each. */
const LOOKS_AHEAD = 400;

export function ofSchedules(pool: PoolSettings): string[] {
  const { schedules = [] } = pool;
  if (schedules.length > MOST_SCHEDULES) return [`schedules are ${schedules.length}; give ${MOST_SCHEDULES} at most`];
  const problems = schedules.flatMap((schedule, index) => ofSchedule(`schedules[${index}]`, schedule, pool));
  return problems.length > 0 ? problems : ofOverlaps(schedules.map(withTimeZone), pool);
}

const withTimeZone = (schedule: ScheduleProps): Schedule => ({ timeZone: 'UTC', ...schedule });

function ofSchedule(where: string, schedule: ScheduleProps, pool: PoolSettings): string[] {
  const parsed = scheduleSchema.safeParse(withTimeZone(schedule));
  if (!parsed.success)
    return parsed.error.issues.map(({ path, message }) => `${[where, ...path].join('.')}: ${message}`);
  const { from, to, minTasks = pool.minTasks, maxTasks = pool.maxTasks } = schedule;
  const never = Object.entries({ from, to }).filter(([, cron]) => !comes(cron));
  if (never.length > 0) return never.map(([name, cron]) => `${where}.${name}: "${cron}" never comes; correct the date`);
  if (from.split(/\s+/).join(' ') === to.split(/\s+/).join(' ')) {
    return [`${where}: from and to are both "${from}", so it is never open; give the time at which it closes`];
  }
  if (schedule.minTasks === undefined && schedule.maxTasks === undefined) {
    return [`${where}: changes nothing; give it minTasks or maxTasks`];
  }
  if (minTasks <= maxTasks) return [];
  return [`${where}: minTasks ${minTasks} is above maxTasks ${maxTasks} in this window; give it both`];
}

/** Two windows that are open at once may say together what neither says alone: the later in the list counts where both say something. */
function ofOverlaps(schedules: Schedule[], { minTasks, maxTasks }: PoolSettings): string[] {
  const pairs = schedules.flatMap((first, index) =>
    schedules.slice(index + 1).map((second, after) => ({ names: [index, index + 1 + after], both: [first, second] })),
  );
  return pairs.flatMap(({ names, both }) => {
    const policy = { minTasks, maxTasks };
    const together = Object.assign({}, policy, ...both.map(limitsOf)) as typeof policy;
    if (together.minTasks <= together.maxTasks || !areEverOpenAtOnce(both, policy)) return [];
    const [first, second] = names;
    return [
      `schedules[${first}] and schedules[${second}] are open at the same time, with minTasks ${together.minTasks} above maxTasks ${together.maxTasks}; give both in schedules[${second}]`,
    ];
  });
}

/** If so, they are when one of them opens. */
function areEverOpenAtOnce(schedules: Schedule[], policy: Pick<PoolSettings, 'minTasks' | 'maxTasks'>): boolean {
  const openings = schedules.flatMap(({ from, timeZone }) =>
    new Cron(from, { timezone: timeZone, paused: true }).nextRuns(LOOKS_AHEAD),
  );
  return openings.some((time) => {
    const at = policyAt({ policy, schedules }, time.getTime());
    return at.minTasks! > at.maxTasks!;
  });
}
