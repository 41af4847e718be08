/** Task scale-in protection: the one rule behind UpdateTaskProtection and the agent's endpoint. */
import { z } from 'zod';
import { LONGEST_PROTECTION_MINUTES } from '../../contract/protection.ts';
import { epochSeconds } from './task-record.ts';
import type { LocalTask } from './task.ts';

const DEFAULT_MINUTES = 120;

/** How long protection may last. */
export const protectionMinutes = z.int().min(1).max(LONGEST_PROTECTION_MINUTES).default(DEFAULT_MINUTES);

export interface ProtectionFailure {
  arn: string;
  reason: string;
  detail?: string;
}

/**
 * Turns protection on or off; a task that is being stopped accepts neither. `isBlocked`: as many tasks are protected as the service
 * is to have, so no more can be.
 */
export function updateProtection(
  task: LocalTask,
  enabled: boolean,
  minutes: number,
  isBlocked: (task: LocalTask) => boolean,
): ProtectionFailure | undefined {
  if (task.isStopping)
    return { arn: task.arn, reason: 'TASK_NOT_VALID', detail: `The task is ${task.lastStatus} and cannot be changed.` };
  if (enabled && isBlocked(task))
    return {
      arn: task.arn,
      reason: 'DEPLOYMENT_BLOCKED',
      detail: 'The service has more protected tasks than its desired count.',
    };
  if (enabled) task.protect(minutes);
  else task.unprotect();
  return undefined;
}

export function protectedTask(task: LocalTask) {
  return {
    taskArn: task.arn,
    protectionEnabled: task.protectedUntil !== undefined,
    expirationDate: epochSeconds(task.protectedUntil),
  };
}
