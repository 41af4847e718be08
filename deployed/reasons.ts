/** Explains the reason of each decision in one sentence. */
import type { Reason } from '../scaler/policy.ts';

export const MEANINGS: Record<Reason, string> = {
  idle: 'nothing is queued or running: the fleet is at its minimum',
  steady: 'the fleet matches demand',
  backlog: 'more tasks, because work is waiting',
  busy: 'more tasks, because the slots are taken',
  expected: 'more tasks, ahead of work that past load predicts for this time of day or this burst',
  probing: 'one task, to check whether the new revision starts',
  minimum: 'more tasks, only to reach minTasks',
  cooling: 'capacity kept: demand is likely to return before a new task could start',
  'scale-in': 'fewer tasks; those to be removed finish their work first',
  deploying: 'scale-in waits: tasks of the new revision stay until the old ones are gone',
  maximum: 'more tasks are needed than maxTasks allows',
  'rate-limited': 'the queue is throttled: more workers cannot help',
  failing: 'most attempts fail: more workers would only fail faster',
  'workflow-failures': 'workflow code fails or is missing, so the activities it would schedule never come',
  'not-starting': 'new tasks do not start or find no capacity: more would not start either',
  crashing: 'workers crash at work, one after another: more would crash too',
  'no-gain': 'more tasks have not increased throughput: look for a shared bottleneck',
  'not-serving': 'tasks run, but nothing is taken from the queue: run elastic-workers doctor to find out why',
  'spend-cap': 'the budget for this hour is spent',
  paused: 'the pool is paused: elastic-workers resume ends the pause',
  unknown: 'a signal could not be read, so the fleet does not shrink',
};
