/**
 * Pauses a pool and overrides its limits with tags on its ECS service, which the scaler reads on each tick. CloudTrail
 * records who sets and removes them (TagResource, UntagResource), and a deployment leaves them alone.
 */
import { DescribeServicesCommand, TagResourceCommand, UntagResourceCommand, type Tag } from '@aws-sdk/client-ecs';
import { MOST_TASKS, type PoolConfig } from '../contract/pool-config.ts';
import { SERVICE_TAGS } from '../contract/service-tags.ts';
import { overrule, readOverrides } from '../scaler/read/overrides.ts';
import { DEFAULT_POLICY } from '../scaler/policy.ts';
import { policyAt } from '../contract/schedules.ts';
import { CommandError, UsageError } from '../deployed/errors.ts';
import { hanging, wholeNumber, type Common, type Shell } from './shell.ts';
import { openPool, reasonOf, type Stack } from '../deployed/stacks.ts';

interface SetOptions extends Common {
  min?: string;
  max?: string;
  reset?: true;
}

type TagName = keyof typeof SERVICE_TAGS;
type Tags = Partial<Record<TagName, string>>;

/** What is in force for the pool now, with schedules and tags applied. */
interface Effective {
  minTasks: number;
  maxTasks: number;
  paused: boolean;
}

export async function pause(shell: Shell, name: string, options: Common): Promise<void> {
  await change(shell, await openPool(name, options), { paused: 'true' }, options);
}

export async function resume(shell: Shell, name: string, options: Common): Promise<void> {
  await change(shell, await openPool(name, options), { paused: undefined }, options);
}

export async function set(shell: Shell, name: string, options: SetOptions): Promise<void> {
  const problems: string[] = [];
  const min = wholeNumber('--min', options.min, [0, MOST_TASKS], problems);
  const max = wholeNumber('--max', options.max, [1, MOST_TASKS], problems);
  if (min !== undefined && max !== undefined && min > max) problems.push(`--min ${min} is more than --max ${max}`);
  const limits = options.min !== undefined || options.max !== undefined;
  if (options.reset && limits) problems.push('--reset removes both overrides: leave --min and --max out');
  if (!options.reset && !limits) problems.push('give --min or --max, or --reset to remove both overrides');
  const opened = await openPool(name, options, problems);
  const changes: Partial<Record<TagName, string | undefined>> = options.reset
    ? { minTasks: undefined, maxTasks: undefined }
    : { ...(min !== undefined && { minTasks: String(min) }), ...(max !== undefined && { maxTasks: String(max) }) };
  await change(shell, opened, changes, options);
}

interface Opened {
  stack: Stack;
  pool: PoolConfig;
}

/** A change to undefined removes the tag. */
async function change(
  shell: Shell,
  { stack, pool }: Opened,
  changes: Partial<Record<TagName, string | undefined>>,
  { json }: Common,
): Promise<void> {
  const { arn, tags } = await readService(stack, pool);
  const wanted = Object.fromEntries(
    Object.entries({ ...tags, ...changes }).filter(([, value]) => value !== undefined),
  ) as Tags;
  refuseContradiction(wanted);
  await writeTags(stack, arn, changes, tags);
  const [before, after] = [effective(pool, tags, shell.now()), effective(pool, wanted, shell.now())];
  if (json) return shell.printJson({ pool: pool.pool, before: { ...before, tags }, after: { ...after, tags: wanted } });
  shell.print(`${pool.pool}: ${describe(before, tags)}\n${' '.repeat(pool.pool.length)}→ ${describe(after, wanted)}`);
  shell.print(
    'Takes effect on the scaler’s next tick and lasts until the tag is removed; a deployment does not change it.',
  );
}

interface TaggedService {
  arn: string;
  tags: Tags;
  allTags: Tag[];
}

export async function readService({ aws }: Stack, { cluster, service }: PoolConfig): Promise<TaggedService> {
  try {
    const { services = [] } = await aws.ecs.send(
      new DescribeServicesCommand({ cluster, services: [service], include: ['TAGS'] }),
    );
    const [found] = services;
    if (!found?.serviceArn || found.status !== 'ACTIVE') throw new Error(`it is ${found?.status ?? 'MISSING'}`);
    const names = Object.entries(SERVICE_TAGS) as [TagName, string][];
    const tags = names.flatMap(([name, key]) => {
      const value = found.tags?.find((tag) => tag.key === key)?.value;
      return value === undefined ? [] : [[name, value] as const];
    });
    return { arn: found.serviceArn, tags: Object.fromEntries(tags), allTags: found.tags ?? [] };
  } catch (error) {
    throw new CommandError(`Cannot read the ECS service ${service} of cluster ${cluster}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Checks the tags as they will be, old and new together: the scaler would ignore both if they contradicted each other. */
function refuseContradiction({ minTasks, maxTasks }: Tags): void {
  if (minTasks === undefined || maxTasks === undefined || !(Number(minTasks) > Number(maxTasks))) return;
  throw new UsageError([
    `with a tag that is already set, minTasks would be ${minTasks} and maxTasks ${maxTasks}: ` +
      `give both --min and --max, or remove both overrides with --reset`,
  ]);
}

async function writeTags(
  { aws }: Stack,
  arn: string,
  changes: Partial<Record<TagName, string | undefined>>,
  before: Tags,
) {
  const entries = Object.entries(changes) as [TagName, string | undefined][];
  const set = entries.flatMap(([name, value]) => (value === undefined ? [] : [{ key: SERVICE_TAGS[name], value }]));
  const removed = entries.filter(([name, value]) => value === undefined && before[name] !== undefined);
  try {
    if (set.length > 0) await aws.ecs.send(new TagResourceCommand({ resourceArn: arn, tags: set }));
    if (removed.length > 0) {
      const tagKeys = removed.map(([name]) => SERVICE_TAGS[name]);
      await aws.ecs.send(new UntagResourceCommand({ resourceArn: arn, tagKeys }));
    }
  } catch (error) {
    throw taggingFailed(arn, error);
  }
}

export function taggingFailed(arn: string, cause: unknown): CommandError {
  return new CommandError(
    `Cannot change the tags of ${arn}: ${reasonOf(cause)}. This needs ecs:TagResource and ecs:UntagResource on it, which the construct's grantOverrule() grants.`,
    { cause },
  );
}

function effective(pool: PoolConfig, tags: Tags, now: number): Effective {
  const list = Object.entries(tags).map(([name, value]) => ({ key: SERVICE_TAGS[name as TagName], value }));
  const policy = overrule(policyAt(pool, now), readOverrides(list));
  const { minTasks = DEFAULT_POLICY.minTasks, maxTasks = DEFAULT_POLICY.maxTasks, paused = false } = policy;
  return { minTasks, maxTasks, paused };
}

function describe({ minTasks, maxTasks, paused }: Effective, tags: Tags): string {
  const by = Object.entries(tags).map(([name, value]) => `${SERVICE_TAGS[name as TagName]}=${hanging(value)}`);
  const tagged = by.length === 0 ? 'no tags' : `by ${by.join(', ')}`;
  return `${minTasks} to ${maxTasks} tasks, ${paused ? 'paused' : 'not paused'} (${tagged})`;
}
