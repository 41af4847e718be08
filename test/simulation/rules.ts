/** The rules that the checks hold the scaler to (checks.ts), and what is said of one that is broken. */
export const RULES = {
  killed: 'an attempt at work was killed by scale-in',
  limits: 'the count was set outside 0 to maxTasks and the tasks that leave for good',
  blind: 'tasks were told to leave although something could not be read',
  uncordoned: 'the count was lowered below the tasks that were not cordoned',
  overtaken: 'a scaler acted although another one had written the pool since',
  unneeded: 'far more was ordered than any work could need',
  keptIdle: 'tasks were kept long after there was any work',
  spending: 'the fleet grew although the hour’s budget was spent',
  notRecovered: 'two ticks after all faults had ended, the scaler still could not see or act',
  blindGap: 'without a fault, nobody looked at a pool for more than 20 seconds',
  lostTick: 'without a fault or a second scaler, a tick was lost to another invocation',
  crashed: 'the scaler’s loop ended with an error',
  notDone: 'work was not done long after all faults had ended',
  notAtMinimum: 'the fleet did not return to its minimum',
  leftCordoned: 'a task that is to work was left cordoned',
  unreported: 'a task was removed that had not said whether it was at work',
  base: 'an on-demand task was removed although there were Spot tasks',
} as const;
export type Rule = keyof typeof RULES;

export interface Violation {
  rule: Rule;
  hours: number;
  pool: string;
  detail: string;
}
