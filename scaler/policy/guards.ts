/** Guards against growth that cannot help or costs too much, and against removing tasks that ECS cannot protect. */
import { isFailingMostly } from './failures.ts';
import { growthDoesNotHelp, wasTried } from './growth.ts';
import type { Load } from './load.ts';
import { hourOf, type Memory } from './memory.ts';
import type { Need } from './need.ts';
import type { Policy, Reason, TasksReading } from './types.ts';

/** After a deployment its tasks ask again to be protected within two minutes (worker/scale-in/protocol.ts). */
export const PROTECTED_AFTER_MS = 150_000;

/** Why the fleet must not grow; undefined if it may. */
export function guardOf(
  load: Load,
  need: Need,
  tasks: TasksReading,
  falling: Reason | undefined,
  growth: Memory['growth'],
  { spent }: Pick<Memory, 'spent'>,
  policy: Policy,
  now: number,
): Reason | undefined {
  if (isFailingMostly(load)) return load.workflowsFail ? 'workflow-failures' : 'failing';
  if (falling !== undefined) return falling;
  if (load.notServing && (need.tasks <= tasks.desired || wasTried(growth, tasks))) return 'not-serving';
  if (growthDoesNotHelp(growth, load, tasks, policy, now)) return 'no-gain';
  if (policy.spendCapDollarsPerHour !== null && spent >= policy.spendCapDollarsPerHour) return 'spend-cap';
  return undefined;
}

/** Dollars spent in this hour, including the tasks billed since the last tick. */
export function spend(before: Memory, tasks: number, policy: Policy, now: number): Pick<Memory, 'spent' | 'spendHour'> {
  const spendHour = hourOf(now);
  const hours = Math.max(0, now - Math.max(before.at, spendHour)) / 3_600_000;
  const spent = tasks * hours * policy.taskDollarsPerHour;
  return {
    spent: spendHour === before.spendHour ? before.spent + spent : spent,
    spendHour,
  };
}

/**
 * The tasks of the new revision, during a deployment and shortly after it: ECS may refuse to protect them until the old ones are gone,
 * and would stop them in mid-work if the count were lower. Once the old ones are gone, that is the whole count: for a task
 * that ended by itself ECS may have started another that is not seen yet, and it would stop any of them.
 */
export function newTasks(
  { desired, running, pending, outdated = [] }: TasksReading,
  deployingUntil: number,
  now: number,
) {
  if (now >= deployingUntil) return 0;
  if (outdated.length === 0) return desired;
  const old = new Set(outdated);
  return [...running, ...pending].filter((task) => !old.has(task)).length;
}
