/**
 * Drains one task by hand: a tag on the pool's ECS service names the task, and the scaler cordons it on its next tick and orders
 * another if one is needed. The task finishes its work and gives up its protection, and ECS stops it: nothing is killed.
 * CloudTrail records who set the tag (TagResource).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DescribeTasksCommand, TagResourceCommand, UntagResourceCommand, type Task } from '@aws-sdk/client-ecs';
import { SILENT_AFTER_SECONDS } from '../contract/invocation.ts';
import type { PoolConfig } from '../contract/pool-config.ts';
import { DRAIN_TAG } from '../contract/service-tags.ts';
import { readDrained } from '../scaler/read/overrides.ts';
import { known } from '../scaler/policy.ts';
import { EcsServices, taskIdOf } from '../scaler/read/ecs.ts';
import { readService, taggingFailed } from './overrule.ts';
import { readPoolState, readScaler } from '../deployed/pool-item.ts';
import { CommandError, UsageError } from '../deployed/errors.ts';
import { count, duration } from '../deployed/words.ts';
import type { Common, Shell } from './shell.ts';
import { openStack, reasonOf, type Stack } from '../deployed/stacks.ts';

export interface DrainOptions extends Common {
  wait: boolean;
}

const LOOK_EVERY_MS = 2000;

export async function drain(shell: Shell, wanted: string, options: DrainOptions): Promise<void> {
  const stack = await openStack(options);
  const { pool, task } = await find(stack, wanted);
  await refuseWithoutScaler(stack, shell.now());
  const since = shell.now();
  const say = options.json ? () => undefined : (text: string) => shell.print(text);
  const stoppedReason = await drainTask(shell, stack, { pool, task }, { wait: options.wait, say });
  if (options.wait && stoppedReason === undefined) shell.exitCode = 1;
  const seconds = Math.round((shell.now() - since) / 1000);
  if (options.json) {
    const gone = stoppedReason !== undefined;
    return shell.printJson({ pool: pool.pool, task, since: new Date(since).toISOString(), gone, stoppedReason });
  }
  if (stoppedReason !== undefined) say(`gone after ${duration(seconds)}: ${stoppedReason}`);
  else say('The drain continues by itself: elastic-workers status counts the task as cordoned until it is gone.');
}

interface Found {
  pool: PoolConfig;
  task: string;
}

/** Returns why ECS stopped the task; undefined without a wait, or when the wait was interrupted. */
export async function drainTask(
  shell: Shell,
  stack: Stack,
  { pool, task }: Found,
  { wait, say }: { wait: boolean; say: (text: string) => void },
): Promise<string | undefined> {
  const arn = await tag(stack, pool, task, shell.now());
  say(
    `${pool.pool}: from the scaler’s next tick, task ${task} takes no new work; it stops when its current work is done`,
  );
  if (!wait) return undefined;
  const stoppedReason = await untilGone(shell, stack, { pool, task }, say);
  if (stoppedReason !== undefined) await untag(stack, arn, [task]).catch(() => undefined);
  return stoppedReason;
}

/** Finds a task by the beginning of its id, or by its ARN. */
async function find({ pools, aws }: Stack, wanted: string): Promise<Found> {
  const start = taskIdOf(wanted);
  const read = await new EcsServices(aws.ecs).read(pools);
  const unread: string[] = [];
  const all = pools.flatMap((pool): Found[] => {
    const tasks = read.get(pool.pool)?.tasks ?? { unknown: 'not read' };
    if (known(tasks)) return [...tasks.running, ...tasks.pending].map((task) => ({ pool, task }));
    unread.push(`; could not read the tasks of ${pool.pool}: ${tasks.unknown}`);
    return [];
  });
  const found = all.filter(({ task }) => start !== '' && task.startsWith(start));
  const list = (some: Found[]) => some.map(({ pool, task }) => `${task} (${pool.pool})`).join(', ');
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new UsageError([
    found.length > 1
      ? `'${wanted}' matches ${found.length} tasks, give more of the id: ${list(found)}`
      : `no task's id begins with '${wanted}'; tasks: ${list(all) || 'none'}${unread.join('')}`,
  ]);
}

/** Workers obey no cordon unless a scaler is at work. */
async function refuseWithoutScaler(stack: Stack, now: number): Promise<void> {
  const scaler = await readScaler(stack).catch((error: unknown) => {
    throw new CommandError(
      `Cannot read whether the scaler is running: ${reasonOf(error)}. This needs dynamodb:GetItem on the table ${stack.config.stateTable}.`,
      { cause: error },
    );
  });
  if (scaler?.observing) {
    throw new CommandError(
      "The scaler only observes, so it cordons no task: deploy the stack without mode: 'observe'.",
    );
  }
  if (scaler === undefined || now - scaler.tickAt > SILENT_AFTER_SECONDS * 1000) {
    throw new CommandError('The scaler is silent, so no task is cordoned: run elastic-workers doctor to find out why.');
  }
}

/** Also removes the tags of tasks that are gone, because a service can have only fifty. Returns the service's ARN. */
async function tag(stack: Stack, pool: PoolConfig, task: string, now: number): Promise<string> {
  const { arn, allTags } = await readService(stack, pool);
  const key = `${DRAIN_TAG}${task}`;
  const before = allTags.find((each) => each.key === key);
  if (before !== undefined) {
    throw new CommandError(`Task ${task} of ${pool.pool} is already being drained, since ${before.value}.`);
  }
  const value = new Date(now).toISOString();
  try {
    await untag(stack, arn, await gone(stack, pool, readDrained(allTags)));
    await stack.aws.ecs.send(new TagResourceCommand({ resourceArn: arn, tags: [{ key, value }] }));
  } catch (error) {
    throw taggingFailed(arn, error);
  }
  return arn;
}

async function untag({ aws }: Stack, resourceArn: string, tasks: string[]): Promise<void> {
  const tagKeys = tasks.map((task) => `${DRAIN_TAG}${task}`);
  if (tagKeys.length > 0) await aws.ecs.send(new UntagResourceCommand({ resourceArn, tagKeys }));
}

async function gone(stack: Stack, pool: PoolConfig, tasks: string[]): Promise<string[]> {
  const states = await Promise.all(tasks.map(async (task) => ({ task, now: await read(stack, pool, task) })));
  return states.filter(({ now }) => now === undefined || now.lastStatus === 'STOPPED').map(({ task }) => task);
}

async function read({ aws }: Stack, { cluster }: PoolConfig, task: string): Promise<Task | undefined> {
  const { tasks = [] } = await aws.ecs.send(new DescribeTasksCommand({ cluster, tasks: [task] }));
  return tasks[0];
}

/** Reports progress. Returns why the task was stopped, or undefined if the wait was interrupted. */
async function untilGone(
  shell: Shell,
  stack: Stack,
  { pool, task }: Found,
  say: (text: string) => void,
): Promise<string | undefined> {
  let said = '';
  while (!shell.signal.aborted) {
    const state = await read(stack, pool, task).catch(reasonOf);
    if (state === undefined) return 'ECS no longer lists it';
    if (typeof state !== 'string' && state.lastStatus === 'STOPPED') return state.stoppedReason ?? 'no reason given';
    const progress =
      typeof state === 'string' ? `could not read it: ${state}` : await progressOf(stack, pool.pool, task, state);
    if (progress !== said) say(`  ${progress}`);
    said = progress;
    await delay(LOOK_EVERY_MS, undefined, { signal: shell.signal }).catch(() => undefined);
  }
  return undefined;
}

/** Its remaining work, as the scaler last reported it. Empty until the scaler has cordoned it. */
async function progressOf(stack: Stack, pool: string, task: string, { desiredStatus }: Task): Promise<string> {
  if (desiredStatus === 'STOPPED') return 'ECS is stopping it';
  const state = await readPoolState(stack, pool).catch(() => undefined);
  if (!state?.decision.cordon.includes(task)) return '';
  const { workers } = state.record;
  const ofTask = known(workers) ? workers.filter((worker) => worker.task === task) : [];
  if (ofTask.length === 0) return 'cordoned; its remaining work is unknown';
  const busy = ofTask.reduce((sum, { usedSlots }) => sum + usedSlots, 0);
  return busy === 0 ? 'cordoned; no activities left' : `cordoned; ${count(busy, 'activity', 'activities')} left`;
}
