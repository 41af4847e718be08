/**
 * What a person has said of a pool by tags on its ECS service: they stand above its policy and its schedules, so that a
 * pool is paused or held by one API call. A value that cannot be understood is told, by its name, and counts as not there.
 */
import { MOST_TASKS, poolPolicySchema, type PoolPolicy } from '../contract/pool-config.ts';
import { DRAIN_TAG, SERVICE_TAGS } from '../contract/service-tags.ts';

export interface Overrides {
  policy: Pick<PoolPolicy, 'paused' | 'minTasks' | 'maxTasks'>;
  /** One message for each tag that counts as not there. */
  problems: string[];
}

interface Tag {
  key?: string | undefined;
  value?: string | undefined;
}

/** The tasks that a person drains, by id; of some that are gone the tag may still be there. */
export function readDrained(tags: Tag[]): string[] {
  return tags.flatMap(({ key = '' }) => (key.startsWith(DRAIN_TAG) ? [key.slice(DRAIN_TAG.length)] : []));
}

export function readOverrides(tags: Tag[]): Overrides {
  const { paused, ...limits } = SERVICE_TAGS;
  const overrides: Overrides = { policy: {}, problems: [] };
  for (const { key = '', value = '' } of tags) {
    const limit = Object.entries(limits).find(([, tag]) => tag === key)?.[0] as keyof typeof limits | undefined;
    if (key === paused) readPaused(value, overrides);
    if (limit !== undefined) readLimit(limit, value, overrides);
  }
  const { minTasks = 0, maxTasks = Infinity } = overrides.policy;
  if (minTasks > maxTasks) {
    overrides.problems.push(
      `the tags ${limits.minTasks}=${minTasks} and ${limits.maxTasks}=${maxTasks} contradict each other and count as not ` +
        `there: the first must be at most the second`,
    );
    delete overrides.policy.minTasks;
    delete overrides.policy.maxTasks;
  }
  return overrides;
}

/** Of two limits that then contradict each other, the one not set by hand gives way. */
export function overrule(policy: PoolPolicy, { policy: byHand }: Overrides): PoolPolicy {
  const { minTasks = 0, maxTasks = Infinity } = { ...policy, ...byHand };
  const givesWay =
    minTasks <= maxTasks ? {} : byHand.maxTasks === undefined ? { maxTasks: minTasks } : { minTasks: maxTasks };
  return { ...policy, ...byHand, ...givesWay };
}

function readPaused(value: string, { policy, problems }: Overrides): void {
  if (value === 'true' || value === 'false') policy.paused = value === 'true';
  else
    problems.push(`the tag ${SERVICE_TAGS.paused} must be true or false, and counts as not there: got ${quote(value)}`);
}

function readLimit(limit: 'minTasks' | 'maxTasks', value: string, { policy, problems }: Overrides): void {
  const parsed = poolPolicySchema.shape[limit].safeParse(/^\d{1,9}$/.test(value) ? Number(value) : NaN);
  if (parsed.success) policy[limit] = parsed.data;
  else {
    const least = limit === 'minTasks' ? 0 : 1;
    problems.push(
      `the tag ${SERVICE_TAGS[limit]} must be a whole number from ${least} to ${MOST_TASKS}, and counts as not there: got ${quote(value)}`,
    );
  }
}

/** ECS lets anything be a value, and what is written into a log must stay one line. */
function quote(value: string): string {
  return JSON.stringify(value.slice(0, 50));
}
