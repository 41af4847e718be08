/**
 * The policy's rules, each with what is left when it is switched off: `npm run bench:policy -- --ablate`. A rule that the
 * figures make nothing of may guard against what the model leaves out; one that they make much of is not to be lost by
 * chance. What cannot be replaced any more is an error: the table is of the policy as it is.
 */
import type { Replacement } from './policy-variant.ts';

export interface Ablation {
  /** What is switched off, and what is done instead where that is not plain. */
  about: string;
  replace: Replacement[];
}

function without(about: string, ...pairs: [from: string, to: string][]): Ablation {
  return { about, replace: pairs.map(([from, to]) => ({ from, to })) };
}

const constant = (about: string, name: string, value: string, neutral: string) =>
  without(about, [`const ${name} = ${value};`, `const ${name} = ${neutral};`]);

export const ABLATIONS: Record<string, Ablation> = {
  'learned-gaps': without('gaps are not learned: the odds stay as assumed', [
    'if (seconds <= LEAST_GAP_SECONDS) return;',
    'if (seconds > 0) return;',
  ]),
  'hold-25': without('each task is held for 25 s, instead of by the odds of gaps', [
    'const isWorthIt = keepOf(cost * GAP_GROUPS + groupOf(task))[step] === 1;',
    'const isWorthIt = idleSeconds <= 25 || (cost < 0 && keepOf(step));',
  ]),
  fading: constant('learned gaps do not fade', 'GAP_MEMORY_SECONDS', '86_400', 'Infinity'),
  'least-gap': constant('short gaps are learned as well', 'LEAST_GAP_SECONDS', '12', '0'),
  rhythm: without('no jump is expected by the clock', [
    'return byTheClock(onsets, startUpSeconds, now) ?? atIntervals(onsets, startUpSeconds, now);',
    'return undefined && atIntervals(onsets, startUpSeconds, now);',
  ]),
  clock: without('jumps by the clock count as any others at equal intervals', [
    'return byTheClock(onsets, startUpSeconds, now) ??',
    'return',
  ]),
  'jump-size': without('the size of earlier jumps is not ordered at the start of the next', [
    'now - last[0] > JUST_BEGUN_MS ||',
    'now > 0 ||',
  ]),
  'orders-stand': constant('new orders may be taken back at once', 'ORDERS_STAND_MS', '45_000', '0'),
  steady: without('the fleet shrinks with each chance lull of a steady flow', [
    'Math.max(ahead.keep, need.steady, ',
    'Math.max(ahead.keep, ',
  ]),
  'no-gain': without('the fleet grows although growth has not helped', [
    "if (growthDoesNotHelp(growth, load, tasks, policy, now)) return 'no-gain';",
    '',
  ]),
  'a-little': without('growth is tried again at once, not a little at a time', [
    'Math.min(need.tasks, Math.max(mostOf(growth, load), tasks.desired))',
    'need.tasks',
  ]),
  'awaiting-retry': without('no room is kept for what killed tasks held', [
    'lostTasks.slotsAwaitingRetry + retriedSlots',
    'retriedSlots',
  ]),
  'failing-hold': without('no room is kept for attempts that fail and will be retried', [
    'lostTasks.slotsAwaitingRetry + retriedSlots(failing, load, now)',
    'lostTasks.slotsAwaitingRetry',
  ]),
  'failing-guard': without('the fleet grows although most attempts fail', [
    'if (isFailingMostly(load)) return load',
    'if (now === 0) return load',
  ]),
  falling: without('the fleet grows although tasks do not come up, or crash', [
    'if (falling !== undefined) return falling;',
    '',
  ]),
  'not-serving': without('the fleet grows although no task takes work', [
    'if (load.notServing && (',
    'if (now === 0 && (',
  ]),
  probing: without('a new deployment is not probed', ['Math.max(sizing.expected, Number(probing))', 'sizing.expected']),
  'deployment-hold': without('the new tasks of a deployment may leave during it', [
    'if (now >= deployingUntil) return 0;',
    'if (now > 0) return 0;',
  ]),
  'blind-need': without('while something cannot be read, the fleet counts as not needed', [
    'isBlind ? Math.max(need.tasks, tasks.desired) : need.tasks;',
    'need.tasks;',
  ]),
  spare: constant('no spare slots for randomness', 'SPARE', '0.5', '0'),
  leaving: constant('a task is reckoned to leave at once', 'LEAVING_SECONDS', '30', '0'),
  'share-of-held': without('slots held by long work count as free for what waits', [
    'heldSlots) * shareOfHeld(of, load, policy)',
    'heldSlots) * 0',
  ]),
  'waiting-worth': without('what waits gets slots by the wait target alone', [
    'Math.max(withinTarget, Math.sqrt(worthOfASlot(of, load) / 2))',
    'withinTarget',
  ]),
  'wait-target': without('what waits gets slots by their worth alone', [
    'Math.max(withinTarget, Math.sqrt(worthOfASlot(of, load) / 2))',
    'Math.sqrt(worthOfASlot(of, load) / 2)',
  ]),
  'restart-cost': without('a restart costs its start-up alone, no waiting', [
    'return startUpSeconds + Math.min(bySquare, served, shared);',
    'return startUpSeconds;',
  ]),
  'restart-by-square': without('a restart costs no less for later tasks of an order', [
    'Math.min(bySquare, served, shared)',
    'Math.min(served, shared)',
  ]),
  'restart-served': without('a restart may cost more than a task can serve meanwhile', [
    'Math.min(bySquare, served, shared)',
    'Math.min(bySquare, shared)',
  ]),
  'restart-shared': without("a restart may cost more than the task's share of what waits", [
    'Math.min(bySquare, served, shared)',
    'Math.min(bySquare, served)',
  ]),
  'short-work': without('short work counts as heartbeats happen to see it', [
    '(of.busy + short) / 2 + of.slotsAwaitingRetry',
    'of.busy + of.slotsAwaitingRetry',
  ]),
  stalled: without('work that is not taken gets as many tasks as other work', [
    'of.stalledSeconds > policy.targetWaitSeconds;',
    'of.stalledSeconds === Infinity;',
  ]),
  flows: without('short work that no heartbeat sees keeps no task', ['anyAtWork || flows ||', 'anyAtWork ||']),
  unreported: without('tasks without a report count as idle', [
    'policy).tasks + load.unreported.length;',
    'policy).tasks;',
  ]),
  'limited-now': without('work that the queue holds back counts as waiting', [
    'if ((queued === 0 && !of.isAgain) || of.limited) {',
    'if (queued === 0 && !of.isAgain) {',
  ]),
  'rate-limit': without("the fleet grows beyond what the queue's limit lets through", [
    'Math.min(mostOfLimit(of), of.rateLimited',
    'Math.min(Infinity, of.rateLimited',
  ]),
  'key-limit': without('limits of single keys do not hold growth back', [
    'of.rateLimit === undefined ? aLittle : Infinity',
    'of.rateLimit === undefined ? Infinity : Infinity',
  ]),
  'deployment-double': without('a deployment’s doubled tasks count as needed', [
    'outdated.length > 0 ? Math.min(load.active.length, desired) : load.active.length',
    'load.active.length',
  ]),
  'counted-twice': without('what a restarted server queues again counts as new', [
    'if (!isRead || !isFull || processed > 0) return 0;',
    'if (now > 0) return 0;',
  ]),
  'false-rates': constant('the first rates of a silent queue are believed', 'FALSE_RATES_SECONDS', '40', '0'),
  'work-shown': without('the queue tells nothing of the service time', [
    'if (activeBefore > 0 && before.queued > 0 && queued > 0) {',
    'if (queued < 0) {',
  ]),
  'slots-learned': without('a task has the slots that its owner says', [
    'isLess ? Math.max(1, learned) : stated',
    'stated',
  ]),
  capacity: without('a full task gets done what its slots would', [
    'capacity.capacity > 0 && use.able === 0;',
    'capacity.capacity < 0;',
  ]),
  'busy-cap': without('more slots may count as busy than there are', [
    'Math.min(work.busy, Math.max(use.reportedBusy, seen.runningTasks * slots.perTask))',
    'work.busy',
  ]),
  'burst-is-no-flow': without('the interval in which most came is part of the rate', [
    'recent.length > 2 ? 1 : recent.length',
    '0',
  ]),
  'likely-time': without('how fast work comes tells nothing of how long a piece of it lasts', [
    'done, shown, likelySeconds(rate, policy))',
    'done, shown, Infinity)',
  ]),
  fresh: constant('heartbeats of a few seconds count as old', 'FRESH_SECONDS', '6', '0'),
  unseen: without('what has left the queue since a heartbeat does not count as busy', [
    'return begun * faded(ago, service.seconds) * unreported;',
    'return 0 * begun * faded(ago, service.seconds) * unreported;',
  ]),
  following: without('waiting workflow tasks do not count as activities to come', [
    "kind === 'activities' ? activitiesToFollow(signals.workflowQueue, live) : 0",
    '0',
  ]),
  'start-up-learned': without('the start-up is not learned', [
    'startUpSeconds += START_UP_WEIGHT * (',
    'startUpSeconds += 0 * (',
  ]),
  unplaced: without('tasks that do not come up count as starting for ever', [
    'unplaced: isLong ? desired - active : 0',
    'unplaced: isLong ? 0 : 0',
  ]),
  'unreported-last': without('tasks without a report leave as others do', [
    'Number(a.isUnreported) - Number(b.isUnreported) ||',
    '',
  ]),
  'least-busy': without('any running task leaves, not the least busy', [
    'a.busy === b.busy ? 0 : a.busy - b.busy',
    '0',
  ]),
};
