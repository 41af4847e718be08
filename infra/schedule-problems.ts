/** Finds mistakes in a pool's schedules. */
import { Cron } from 'croner';
import { comes, MOST_SCHEDULES, scheduleSchema, type Schedule } from '../contract/pool-config.ts';
import { limitsOf, policyAt } from '../contract/schedules.ts';
import type { PoolSettings } from './presets.ts';
import type { ScheduleProps } from './props.ts';

/** How many openings of each window are searched for overlaps. */
const LOOKS_AHEAD = 400;

export function ofSchedules(pool: PoolSettings): string[] {
  const { schedules = [] } = pool;
  if (schedules.length > MOST_SCHEDULES)
    return [`there are ${schedules.length} schedules; use ${MOST_SCHEDULES} at most`];
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
  if (never.length > 0)
    return never.map(([name, cron]) => `${where}.${name}: "${cron}" never occurs; correct the date`);
  if (from.split(/\s+/).join(' ') === to.split(/\s+/).join(' ')) {
    return [
      `${where}: from and to are both "${from}", so the window is never open; correct to, the time when it closes`,
    ];
  }
  if (schedule.minTasks === undefined && schedule.maxTasks === undefined) {
    return [`${where}: changes nothing; set minTasks or maxTasks`];
  }
  if (minTasks <= maxTasks) return [];
  return [`${where}: minTasks ${minTasks} is above maxTasks ${maxTasks} in this window; set both in it`];
}

/** Two windows that are open at once may contradict each other although each is valid: where both set a limit, the later in the list applies. */
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
      `schedules[${first}] and schedules[${second}] overlap, with minTasks ${together.minTasks} above maxTasks ${together.maxTasks}; set both in schedules[${second}]`,
    ];
  });
}

/** If they overlap at all, they do so when one of them opens. */
function areEverOpenAtOnce(schedules: Schedule[], policy: Pick<PoolSettings, 'minTasks' | 'maxTasks'>): boolean {
  const openings = schedules.flatMap(({ from, timeZone }) =>
    new Cron(from, { timezone: timeZone, paused: true }).nextRuns(LOOKS_AHEAD),
  );
  return openings.some((time) => {
    const at = policyAt({ policy, schedules }, time.getTime());
    return at.minTasks! > at.maxTasks!;
  });
}
