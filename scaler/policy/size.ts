/** The size of the fleet, and the reason for it: from what is needed, expected, kept, held, and guarded against. */
import type { Load } from './load.ts';
import { clamp } from './sums.ts';
import type { Policy, Reason, TasksReading } from './types.ts';

interface Sizing {
  tasks: TasksReading;
  load: Load;
  need: number;
  /** For work that is about to come. */
  expected: number;
  /** The newest deployment has yet to show that its tasks come up. */
  probing: boolean;
  /** Part of the need is for tasks that report nothing. */
  heldUnseen: boolean;
  /** The queue's own limits let through less than is needed. */
  isLimited: boolean;
  keep: number;
  /** Tasks that cannot be removed yet. */
  held: number;
  guard: Reason | undefined;
  blind: string[];
  policy: Policy;
}

export function size(sizing: Sizing): { desired: number; reason: Reason } {
  const free = sizeFreely(sizing);
  const held = Math.min(sizing.tasks.desired, sizing.held);
  if (free.desired >= held) return free;
  return { desired: held, reason: held < sizing.tasks.desired ? 'scale-in' : 'deploying' };
}

function sizeFreely(sizing: Sizing): { desired: number; reason: Reason } {
  const { tasks, probing, heldUnseen, isLimited, guard, blind, policy } = sizing;
  const expected = Math.max(sizing.expected, Number(probing));
  const need = Math.max(sizing.need, expected);
  const keep = Math.max(sizing.keep, expected);
  const within = (count: number) => clamp(count, policy.minTasks, policy.maxTasks);
  const present = tasks.desired;
  if (policy.paused) return { desired: present, reason: 'paused' };
  if (guard !== undefined && need > present) return { desired: within(present), reason: guard };
  if (need > policy.maxTasks) return { desired: policy.maxTasks, reason: 'maximum' };
  if (within(need) > present) return { desired: within(need), reason: growthReason(sizing) };

  const desired = blind.length > 0 ? within(present) : within(Math.min(present, keep));
  if (desired < present && blind.length === 0) return { desired, reason: 'scale-in' };
  const fits = within(need) === present;
  if (guard !== undefined && (WHILE_IT_LASTS.has(guard) || (fits && WHILE_IT_FITS.has(guard))))
    return { desired, reason: guard };
  if (blind.length > 0) return { desired, reason: 'unknown' };
  if (heldUnseen && fits) return { desired, reason: 'unknown' };
  if (isLimited) return { desired, reason: 'rate-limited' };
  if (!fits) return { desired, reason: 'cooling' };
  return { desired, reason: need === 0 ? 'idle' : 'steady' };
}

/** These reasons are also given while the fleet is as large as needed, or as long as they last. */
const WHILE_IT_FITS = new Set<Reason>(['not-starting', 'crashing', 'not-serving']);
const WHILE_IT_LASTS = new Set<Reason>(['failing', 'workflow-failures']);

function growthReason({ need, expected, load, policy }: Sizing): Reason {
  if (Math.max(need, expected) === 0) return 'probing';
  if (Math.max(need, expected) <= policy.minTasks) return 'minimum';
  if (expected > need) return 'expected';
  return load.queued > 0 || load.asked ? 'backlog' : 'busy';
}
