/**
 * A person's overrides for a pool, set as tags on its ECS service. They take precedence over its policy and schedules, so that one
 * API call pauses a pool or fixes its size. An invalid value is reported with its tag's name, and ignored.
 */
import { MOST_TASKS, poolPolicySchema, type PoolPolicy } from '../../contract/pool-config.ts';
import { DRAIN_TAG, SERVICE_TAGS } from '../../contract/service-tags.ts';

export interface Overrides {
  policy: Pick<PoolPolicy, 'paused' | 'minTasks' | 'maxTasks'>;
  /** One message for each ignored tag. */
  problems: string[];
}

interface Tag {
  key?: string | undefined;
  value?: string | undefined;
}

/** The tasks that a person drains, by id; the tags of some that are gone may remain. */
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
      `the tags ${limits.minTasks}=${minTasks} and ${limits.maxTasks}=${maxTasks} contradict each other and are ` +
        `ignored: the first must be at most the second`,
    );
    delete overrides.policy.minTasks;
    delete overrides.policy.maxTasks;
  }
  return overrides;
}

/** If limits then contradict each other, the one not set by hand gives way. */
export function overrule(policy: PoolPolicy, { policy: byHand }: Overrides): PoolPolicy {
  const { minTasks = 0, maxTasks = Infinity } = { ...policy, ...byHand };
  const givesWay =
    minTasks <= maxTasks ? {} : byHand.maxTasks === undefined ? { maxTasks: minTasks } : { minTasks: maxTasks };
  return { ...policy, ...byHand, ...givesWay };
}

function readPaused(value: string, { policy, problems }: Overrides): void {
  if (value === 'true' || value === 'false') policy.paused = value === 'true';
  else problems.push(`the tag ${SERVICE_TAGS.paused} is ignored: it must be true or false, got ${quote(value)}`);
}

function readLimit(limit: 'minTasks' | 'maxTasks', value: string, { policy, problems }: Overrides): void {
  const parsed = poolPolicySchema.shape[limit].safeParse(/^\d{1,9}$/.test(value) ? Number(value) : NaN);
  if (parsed.success) policy[limit] = parsed.data;
  else {
    const least = limit === 'minTasks' ? 0 : 1;
    problems.push(
      `the tag ${SERVICE_TAGS[limit]} is ignored: it must be a whole number from ${least} to ${MOST_TASKS}, got ${quote(value)}`,
    );
  }
}

/** ECS allows any value, and a log entry must stay on one line. */
function quote(value: string): string {
  return JSON.stringify(value.slice(0, 50));
}
