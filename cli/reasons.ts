/** A sentence for each reason of a decision, for whoever does not know the word yet. */
import type { Reason } from '../scaler/policy.ts';

export const MEANINGS: Record<Reason, string> = {
  idle: 'nothing is queued and nothing runs: the fleet is at its minimum',
  steady: 'the fleet fits the need',
  backlog: 'more tasks, for work that waits',
  busy: 'more tasks, since the slots are taken',
  expected: 'more tasks, for work that has come at such a time, or gone so far, before',
  probing: 'one task, to see whether the new revision starts',
  minimum: 'more tasks, for minTasks alone',
  cooling: 'fewer tasks would do, but the need may come back sooner than a task could',
  'scale-in': 'fewer tasks: who leaves finishes its work first',
  deploying: 'fewer tasks would do, but nobody of the new revision leaves before the old one has',
  maximum: 'more tasks are needed than maxTasks allows',
  'rate-limited': 'the queue is throttled: more workers cannot help',
  failing: 'most attempts fail: more workers would only fail faster',
  'workflow-failures': 'workflow code fails or is missing: nothing that it would start comes to be',
  'not-starting': 'tasks that were ordered do not come up, or find no capacity: more would not come up either',
  crashing: 'workers die at work, one after another: more would only die of it too',
  'no-gain': 'more tasks have not brought more throughput: look for what they all wait for',
  'not-serving': 'tasks run, but nothing is taken from the queue: elastic-workers doctor says why',
  'spend-cap': 'the budget of this hour is spent',
  paused: 'somebody has paused the pool: elastic-workers resume',
  unknown: 'something could not be read, and so the fleet does not shrink',
};
