/**
 * Scale-in for workers that are not ours: such a worker neither protects its task nor reads a cordon, so the scaler does both
 * from outside, by what the worker's heartbeats say.
 *
 * Every running task is protected, but those that were chosen to leave and were just seen idle: theirs is lifted in the tick in
 * which the count is lowered, and set again should work reach them before ECS has taken them. A task counts as busy unless all
 * of its workers have reported within the last seconds that no slot of any kind is taken; so one that reports seldom, or
 * that matches no task, is never stopped. The count goes down by those that leave and no further, and only while all that
 * stay are known to be protected.
 *
 * What this cannot do: work that reaches a worker between its last heartbeat and ECS's SIGTERM has the stop timeout left and
 * then is lost to a retry. The shorter the heartbeats' interval, the rarer that is; with the 60 seconds that SDKs have by
 * default, tasks also leave later, since only a fresh heartbeat counts. A worker that never idles never leaves. Work of
 * other task queues or namespaces that the same task polls is not seen.
 *
 * Protection outlasts the scaler by some minutes only: should it be gone for good, ECS may stop what is above the count.
 */
import { UpdateTaskProtectionCommand, type ECSClient } from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../contract/pool-config.ts';
import { chunks } from './chunks.ts';
import { known, type Reading } from './policy.ts';
import { taskIdOf } from './signals/ecs.ts';
import type { ReportedWorker } from './signals/workers.ts';

/** Many times the distance of ticks, and long enough to be refused for a while without harm. */
const PROTECTION_MINUTES = 15;
const RENEW_BELOW_MS = 10 * 60_000;
/** After a longer silence another process may have ticked, and lifted what this one remembers as protected. */
const REMEMBERED_MS = 45_000;
/** A protection that ends sooner does not count. */
const SAFE_MS = 60_000;
const TASKS_A_CALL = 10;
/** Of one pool in one tick; who is not protected yet comes first, and the rest with the next tick. */
const CALLS_A_TICK = 20;
/** An older heartbeat says nothing of what the worker does now. */
const IDLE_WITHIN_SECONDS = 15;
/** The task is stopping or gone: nothing to protect. */
const GONE = new Set(['TASK_NOT_VALID', 'MISSING']);
/** As many tasks are protected as the service is to have, while tasks that are too many finish: asked again, and no error. */
const BLOCKED = 'DEPLOYMENT_BLOCKED';

const TASK_ID = /^[0-9a-f]{32}$/;

/** The id of the task that the worker runs in, by its identity or its host's name or address; null when none fits. */
export function taskOf(
  { task, names }: ReportedWorker,
  ids: Set<string>,
  addresses: Map<string, string>,
): string | null {
  if (task !== null && ids.has(task)) return task;
  for (const name of names) {
    const found = ids.has(name) ? name : addresses.get(addressIn(name));
    if (found !== undefined) return found;
  }
  // The id of a task that is gone, as our workers have it: known not to be any of those at hand, and no other's worker.
  return [task ?? '', ...names].find((name) => TASK_ID.test(name)) ?? null;
}

/** `ip-10-0-1-2.eu-central-1.compute.internal` is how a task in a VPC calls its host. */
function addressIn(name: string): string {
  const [, ...parts] = /^ip-(\d+)-(\d+)-(\d+)-(\d+)(?:\.|$)/.exec(name) ?? [];
  return parts.length === 4 ? parts.join('.') : name;
}

/** The tasks all of whose workers have just reported that they do nothing. */
export function idleTasks(workers: Reading<ReportedWorker[]>): Set<string> {
  const idle = new Set<string>();
  if (!known(workers)) return idle;
  for (const { task } of workers) if (task !== null) idle.add(task);
  for (const { task, busy, ageSeconds } of workers) {
    if (task !== null && (busy || ageSeconds > IDLE_WITHIN_SECONDS)) idle.delete(task);
  }
  return idle;
}

export interface Protected {
  /** Tasks that ECS might stop. */
  unprotected: string[];
  problems: string[];
}

interface Protections {
  at: number;
  /** Until when ECS protects each task, as far as this process has asked for it: 0 is lifted, absent unknown. */
  until: Map<string, number>;
}

export class TaskProtection {
  readonly #client: ECSClient;
  readonly #pools = new Map<string, Protections>();

  constructor(client: ECSClient) {
    this.#client = client;
  }

  /** Sees to it that the tasks are protected for the next minutes; asks ECS only where that is not so. Never throws. */
  async protect(pool: PoolConfig, tasks: string[], now: number): Promise<Protected> {
    const protections = this.#at(pool, now);
    for (const [task, end] of protections) if (end !== 0 && end < now) protections.delete(task);
    const until = (task: string) => protections.get(task) ?? 0;
    const due = tasks.filter((task) => until(task) - now < RENEW_BELOW_MS).sort((a, b) => until(a) - until(b));
    const calls = chunks(due, TASKS_A_CALL).slice(0, CALLS_A_TICK);
    const answers = await Promise.all(
      calls.map((batch) => this.#update(pool, batch, { expiresInMinutes: PROTECTION_MINUTES })),
    );
    for (const task of answers.flatMap(({ done }) => done)) protections.set(task, now + PROTECTION_MINUTES * 60_000);
    const gone = new Set(answers.flatMap((answer) => answer.gone));
    return {
      unprotected: tasks.filter((task) => !gone.has(task) && until(task) - now < SAFE_MS),
      problems: answers.flatMap(({ problems }) => problems),
    };
  }

  /** Lets ECS stop the tasks. Never throws; what could not be lifted is asked for again the next time. */
  async lift(pool: PoolConfig, tasks: string[], now: number): Promise<string[]> {
    const protections = this.#at(pool, now);
    for (const [task, end] of protections) if (end === 0 && !tasks.includes(task)) protections.delete(task);
    const due = tasks.filter((task) => protections.get(task) !== 0);
    const answers = await Promise.all(chunks(due, TASKS_A_CALL).map((batch) => this.#update(pool, batch)));
    // Who was asked for counts as unprotected even when the answer was lost: it may have been lifted.
    for (const task of due) protections.delete(task);
    for (const task of answers.flatMap(({ done }) => done)) protections.set(task, 0);
    return answers.flatMap(({ problems }) => problems);
  }

  async #update(pool: PoolConfig, tasks: string[], protection?: { expiresInMinutes: number }) {
    try {
      const protectionEnabled = protection !== undefined;
      const { protectedTasks = [], failures = [] } = await this.#client.send(
        new UpdateTaskProtectionCommand({ cluster: pool.cluster, tasks, protectionEnabled, ...protection }),
      );
      const isGone = (reason = '') => GONE.has(reason);
      return {
        done: protectedTasks.map(({ taskArn }) => taskIdOf(taskArn)),
        gone: failures.filter(({ reason }) => isGone(reason)).map(({ arn }) => taskIdOf(arn)),
        problems: failures
          .filter(({ reason }) => !isGone(reason) && reason !== BLOCKED)
          .map(({ arn, reason, detail = '' }) => `protection of task ${taskIdOf(arn)}: ${reason} ${detail}`.trim()),
      };
    } catch (error) {
      return { done: [], gone: [], problems: [`protection of ${tasks.length} tasks: ${String(error)}`] };
    }
  }

  #at({ pool }: PoolConfig, now: number): Map<string, number> {
    const before = this.#pools.get(pool);
    const until = before !== undefined && now - before.at <= REMEMBERED_MS ? before.until : new Map<string, number>();
    this.#pools.set(pool, { at: now, until });
    return until;
  }
}
