/**
 * The policy's rules, each with what replaces it when it is switched off: `npm run bench:policy -- --ablate`. A rule without effect
 * here may guard against a fault that the model leaves out. If the text to replace is missing, that is an error: the table is
 * always of the current policy.
 */
import type { Replacement } from './policy-variant.ts';

interface Ablation {
  /** What is switched off, and what happens instead where that is not obvious. */
  about: string;
  replace: Replacement[];
}

function without(about: string, ...pairs: [from: string, to: string][]): Ablation {
  return { about, replace: pairs.map(([from, to]) => ({ from, to })) };
}

const constant = (about: string, name: string, value: string, neutral: string) =>
  without(about, [`const ${name} = ${value};`, `const ${name} = ${neutral};`]);

export const ABLATIONS: Record<string, Ablation> = {
  'learned-gaps': without('gaps are not learned: the odds stay at their assumed values', [
    'if (seconds <= LEAST_GAP_SECONDS) return;',
    'if (seconds > 0) return;',
  ]),
  'hold-25': without('surplus tasks stay for 25 s instead of by the odds of gaps', [
    'const isWorthIt = keepOf(cost * GAP_GROUPS + groupOf(task))[step] === 1;',
    'const isWorthIt = idleSeconds <= 25 || (cost < 0 && keepOf(step));',
  ]),
  fading: constant('learned gaps never fade', 'GAP_MEMORY_SECONDS', '86_400', 'Infinity'),
  'least-gap': constant('short gaps are learned, too', 'LEAST_GAP_SECONDS', '12', '0'),
  rhythm: without('no recurring load is expected', [
    'return byTheClock(onsets, startUpSeconds, now) ?? atIntervals(onsets, startUpSeconds, now);',
    'return undefined && atIntervals(onsets, startUpSeconds, now);',
  ]),
  clock: without('load that recurs by the clock is treated as load at equal intervals', [
    'return byTheClock(onsets, startUpSeconds, now) ??',
    'return',
  ]),
  'jump-size': without('a jump does not get at once what earlier jumps needed', [
    'now - last[0] > JUST_BEGUN_MS ||',
    'now > 0 ||',
  ]),
  'orders-stand': constant('new tasks may be removed at once', 'ORDERS_STAND_MS', '45_000', '0'),
  steady: without('the fleet scales in at each random lull of a steady flow', [
    'Math.max(ahead.keep, need.steady, ',
    'Math.max(ahead.keep, ',
  ]),
  'no-gain': without('the fleet scales out although earlier growth did not help', [
    "if (growthDoesNotHelp(growth, load, tasks, policy, now)) return 'no-gain';",
    '',
  ]),
  'a-little': without('after growth that did not help, the next try is as large as any', [
    'Math.min(need.tasks, Math.max(mostOf(growth, load), tasks.desired))',
    'need.tasks',
  ]),
  'awaiting-retry': without('no slots are kept for the work of lost tasks', [
    'lostTasks.slotsAwaitingRetry + retriedSlots',
    'retriedSlots',
  ]),
  'failing-hold': without('no slots are kept for failed attempts that will be retried', [
    'lostTasks.slotsAwaitingRetry + retriedSlots(failing, load, now)',
    'lostTasks.slotsAwaitingRetry',
  ]),
  'failing-guard': without('the fleet scales out although most attempts fail', [
    'if (isFailingMostly(load)) return load',
    'if (now === 0) return load',
  ]),
  falling: without('the fleet scales out although tasks do not start, or crash', [
    'if (falling !== undefined) return falling;',
    '',
  ]),
  'not-serving': without('the fleet scales out although running tasks take no work', [
    'if (load.notServing && (',
    'if (now === 0 && (',
  ]),
  probing: without('a new revision at zero gets no probe task', [
    'Math.max(sizing.expected, Number(probing))',
    'sizing.expected',
  ]),
  'deployment-hold': without('new tasks of a deployment may be removed during it', [
    'if (now >= deployingUntil) return 0;',
    'if (now > 0) return 0;',
  ]),
  'blind-need': without('while a signal is unknown, the fleet counts as surplus', [
    'isBlind ? Math.max(need.tasks, tasks.desired) : need.tasks;',
    'need.tasks;',
  ]),
  spare: constant('no spare slots for random arrivals', 'SPARE', '0.5', '0'),
  leaving: constant('the time a task takes to leave is not counted as its cost', 'LEAVING_SECONDS', '30', '0'),
  'share-of-held': without('slots held by long work count as free for waiting work', [
    'heldSlots) * shareOfHeld(of, load, policy)',
    'heldSlots) * 0',
  ]),
  'waiting-worth': without('waiting work gets slots by the wait target only', [
    'Math.max(withinTarget, Math.sqrt(worthOfASlot(of, load) / 2))',
    'withinTarget',
  ]),
  'wait-target': without('waiting work gets slots by what they are worth only', [
    'Math.max(withinTarget, Math.sqrt(worthOfASlot(of, load) / 2))',
    'Math.sqrt(worthOfASlot(of, load) / 2)',
  ]),
  'restart-cost': without('the cost of a restart leaves out the waiting', [
    'return startUpSeconds + Math.min(bySquare, served, shared);',
    'return startUpSeconds;',
  ]),
  'restart-by-square': without('the cost of a restart is the same for every task of an order', [
    'Math.min(bySquare, served, shared)',
    'Math.min(served, shared)',
  ]),
  'restart-served': without('the cost of a restart is not limited by what a task can serve meanwhile', [
    'Math.min(bySquare, served, shared)',
    'Math.min(bySquare, shared)',
  ]),
  'restart-shared': without("the cost of a restart is not limited by the task's share of waiting work", [
    'Math.min(bySquare, served, shared)',
    'Math.min(bySquare, served)',
  ]),
  'short-work': without('short work counts only as heartbeats see it', [
    '(of.busy + short) / 2 + of.slotsAwaitingRetry',
    'of.busy + of.slotsAwaitingRetry',
  ]),
  stalled: without('work that no task takes gets as many tasks as other work', [
    'of.stalledSeconds > policy.targetWaitSeconds;',
    'of.stalledSeconds === Infinity;',
  ]),
  flows: without('short work that no heartbeat sees does not keep a task', ['anyAtWork || flows ||', 'anyAtWork ||']),
  unreported: without('tasks without a report count as idle', [
    'policy).tasks + load.unreported.length;',
    'policy).tasks;',
  ]),
  'limited-now': without('work that a rate limit holds back counts as waiting', [
    'if ((queued === 0 && !of.isAgain) || of.limited) {',
    'if (queued === 0 && !of.isAgain) {',
  ]),
  'rate-limit': without("the fleet scales out beyond the queue's rate limit", [
    'Math.min(mostOfLimit(of), of.rateLimited',
    'Math.min(Infinity, of.rateLimited',
  ]),
  'key-limit': without('limits of fairness keys do not limit growth', [
    'of.rateLimit === undefined ? aLittle : Infinity',
    'of.rateLimit === undefined ? Infinity : Infinity',
  ]),
  'deployment-double': without('all tasks count as needed while a deployment doubles them', [
    'outdated.length > 0 ? Math.min(load.active.length, desired) : load.active.length',
    'load.active.length',
  ]),
  'counted-twice': without('work that a restarted server queues again counts as new', [
    'if (!isRead || !isFull || processed > 0) return 0;',
    'if (now > 0) return 0;',
  ]),
  'false-rates': constant('the first rates after a silence are trusted', 'FALSE_RATES_SECONDS', '40', '0'),
  'work-shown': without('the service time is not inferred from the queue', [
    'if (activeBefore > 0 && before.queued > 0 && queued > 0) {',
    'if (queued < 0) {',
  ]),
  'slots-learned': without('a task has as many slots as configured', [
    'isLess ? Math.max(1, learned) : stated',
    'stated',
  ]),
  capacity: without('a full task’s measured throughput is ignored', [
    'capacity.capacity > 0 && use.able === 0;',
    'capacity.capacity < 0;',
  ]),
  'busy-cap': without('more slots may count as busy than exist', [
    'Math.min(work.busy, Math.max(use.reportedBusy, seen.runningTasks * slots.perTask))',
    'work.busy',
  ]),
  'burst-is-no-flow': without('the busiest interval counts toward the rate', [
    'recent.length > 2 ? 1 : recent.length',
    '0',
  ]),
  'likely-time': without('the rate of arrivals does not limit the assumed service time', [
    'done, shown, likelySeconds(rate, policy))',
    'done, shown, Infinity)',
  ]),
  fresh: constant('heartbeats that are seconds old count as old', 'FRESH_SECONDS', '6', '0'),
  unseen: without('work that left the queue since a heartbeat does not count as busy', [
    'return begun * faded(ago, service.seconds) * unreported;',
    'return 0 * begun * faded(ago, service.seconds) * unreported;',
  ]),
  following: without('waiting workflow tasks do not count as future activities', [
    "kind === 'activities' ? activitiesToFollow(signals.workflowQueue, live) : 0",
    '0',
  ]),
  'start-up-learned': without('the start-up time is not learned', [
    'startUpSeconds += START_UP_WEIGHT * (',
    'startUpSeconds += 0 * (',
  ]),
  unplaced: without('tasks that are never placed count as starting forever', [
    'unplaced: isLong ? desired - active : 0',
    'unplaced: isLong ? 0 : 0',
  ]),
  'unreported-last': without('tasks without a report are removed like others', [
    'Number(a.isUnreported) - Number(b.isUnreported) ||',
    '',
  ]),
  'least-busy': without('any running task is removed, not the least busy', [
    'a.busy === b.busy ? 0 : a.busy - b.busy',
    '0',
  ]),
};
