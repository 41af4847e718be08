/**
 * A deployment to a pool without tasks proves nothing: ECS reports it complete at once. So the newest deployment gets one task even
 * without work, until one of its tasks has come up. A broken image is found then, and not when the next work arrives.
 */
import { isUp, FAILED_STARTS } from './lost-tasks.ts';
import type { Load } from './load.ts';
import type { Memory } from './memory.ts';
import type { TasksReading } from './types.ts';

/** Even with a large image, a task comes up within this. */
const UP_WITHIN_MS = 5 * 60_000;

export type Probe = Pick<Memory, 'provenDeployment' | 'unprovenSince'>;

/** The newest deployment with a task that came up; and since when there is a newer one without. */
export function learnProbe(before: Memory, load: Load, tasks: TasksReading, now: number): Probe {
  const { deployment } = tasks;
  if (deployment === undefined) return { provenDeployment: before.provenDeployment, unprovenSince: 0 };
  const outdated = new Set(tasks.outdated);
  const isProven =
    before.provenDeployment === deployment ||
    tasks.running.some((task) => !outdated.has(task) && isUp(task, load, before, now));
  if (isProven) return { provenDeployment: deployment, unprovenSince: 0 };
  return { provenDeployment: before.provenDeployment, unprovenSince: before.unprovenSince || now };
}

export function isProbing({ unprovenSince }: Probe): boolean {
  return unprovenSince > 0;
}

/** Whether the newest deployment's tasks fail to come up. */
export function isFailing(probe: Probe, { failedStarts }: Pick<Memory, 'failedStarts'>, now: number): boolean {
  return isProbing(probe) && (failedStarts >= FAILED_STARTS || now - probe.unprovenSince >= UP_WITHIN_MS);
}
