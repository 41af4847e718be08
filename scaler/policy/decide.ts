/**
 * The decision: how many tasks a pool shall have, which of them leave, and why.
 *
 * Size by work, not by the length of a queue. Tasks at hand and starting are counted first; for what will still wait
 * when a task ordered now would be up, as many are ordered as balance what they cost against the waiting they save. What
 * is needless leaves when keeping it would cost more than starting another. What has come by the clock so far finds its
 * tasks up. What is unknown never scales in.
 */
import { withDrained, withoutDrained } from './drained.ts';
import { holdings, learnFallen, withoutHoldings, whyTheyFall } from './fallen.ts';
import { chooseLeavers } from './leavers.ts';
import { learnGaps, standby } from './gaps.ts';
import { isFailing, isProbing, learnProbe } from './probe.ts';
import { expectedNeed, learnRhythm, needOfJump, nextJump } from './rhythm.ts';
import { estimate, sum, type Load } from './load.ts';
import { hourOf, recall, REPORTS_WITHIN_SECONDS, type Memory } from './memory.ts';
import {
  known,
  type Decision,
  type Figures,
  type Policy,
  type Reason,
  type Signals,
  type TasksReading,
} from './types.ts';

export interface Outcome {
  decision: Decision;
  figures: Figures;
  memory: Memory;
}

/** Spare slots for randomness, in square roots of the slots at work. */
const SPARE = 0.5;
/** What a task costs beside its work: from the order until it works, and from its last work until it is gone. */
const LEAVING_SECONDS = 30;
/** How much one order changes the idea of a typical order. */
const ORDER_WEIGHT = 0.3;
/** From this share of failed attempts on, more workers would only fail faster. */
const FAILING_SHARE = 0.5;
/** Growth under a standing backlog has helped when it brought this part of the throughput that it should have. */
const GAIN_SHARE = 0.5;
const JUDGED_GROWTH = 1.25;
/** Of slower work, by the second, one cannot tell so soon. */
const LEAST_THROUGHPUT = 0.3;
/** Beside the work's own time: workers report late, and the throughput is one of a minute. */
const GAIN_AFTER_SECONDS = 60;
/** After a deployment its tasks ask again to be protected within two minutes (worker/scale-in.ts). */
const PROTECTED_AFTER_MS = 150_000;
/** So long after it was found that growth does not help, it may be tried again, by a little. */
const TRY_AGAIN_SECONDS = 600;

/**
 * Decides. `memory` is what the tick before returned; anything else starts afresh. `now` is in epoch milliseconds.
 * Never throws, reads no clock, and gives the same answer for the same question.
 */
export function decide(signals: Signals, memory: unknown, policy: Policy, now: number): Outcome {
  const before = recall(memory, signals, policy, now);
  if (!known(signals.tasks)) return withoutTasks(signals, before, policy, now);
  const tasks = withoutDrained(signals.tasks, before.desired);
  const outcome = decideOn({ ...signals, tasks }, withoutHoldings(before, signals.tasks.drained), policy, now);
  const deploying = outcome.memory.deployingUntil > now;
  return { ...outcome, decision: withDrained(outcome.decision, signals.tasks, tasks, signals.workers, deploying) };
}

type SignalsWithTasks = Signals & { tasks: TasksReading };

function decideOn(signals: SignalsWithTasks, before: Memory, policy: Policy, now: number): Outcome {
  const { tasks } = signals;
  const { load, memory: learned } = estimate(signals, tasks, before, policy, now);
  const blind = unknowns(signals);
  const fallen = learnFallen(before, load, tasks, now);
  const seen = neededTasks(load, policy);
  const need = heldFor(fallen.owedSlots, seen, load, tasks, policy);
  const waiting = need.grow > tasks.desired ? need.waiting : 0;
  const waitingAtOrders =
    before.waitingAtOrders + (waiting > 0 ? ORDER_WEIGHT * (waiting - before.waitingAtOrders) : 0);

  const blindNeed = blind.length > 0 ? Math.max(need.tasks, tasks.desired) : need.tasks;
  const gaps = learnGaps(before, blindNeed, now);
  const rhythm = learnRhythm(before, need.tasks, now);
  const jump = nextJump(rhythm);
  const { keep, start } = standby(
    gaps,
    {
      needed: blindNeed,
      present: tasks.desired,
      startUpSeconds: load.startUpSeconds,
      leastSeconds: policy.scaleInAfterSeconds,
    },
    // What is back in time by the clock is not missed: it costs its start-up, and no waiting.
    (task) =>
      jump !== undefined && now < jump.at && task <= jump.tasks
        ? load.startUpSeconds
        : restartCost(task, load, waitingAtOrders, need.share),
    now,
  );
  const expected = Math.max(start, expectedNeed(jump, load.startUpSeconds, now), needOfJump(rhythm, need.tasks, now));
  const probe = learnProbe(before, load, tasks, now);
  const growth = judgeGrowth(before.growth, load, tasks, now);
  const spending = spend(before, tasks.running.length + tasks.pending.length, policy, now);

  const deployingUntil = tasks.outdated?.length ? now + PROTECTED_AFTER_MS : before.deployingUntil;
  const guard = guardOf(signals, load, whyTheyFall(fallen, tasks), growth, spending, policy, now);
  const { desired, reason } = size({
    tasks,
    load,
    probing: isProbing(probe),
    heldUnseen: load.unreported.length > 0 && need.tasks > seen.tasks,
    need: guard === undefined ? Math.min(need.tasks, Math.max(mostOf(growth), tasks.desired)) : need.tasks,
    expected,
    keep,
    held: newTasks(tasks, deployingUntil, now),
    guard,
    blind,
    policy,
  });
  const cordon = chooseLeavers(tasks, desired, load);
  const owed = fallen.owedSlots > 0 ? `; ${fallen.owedSlots} to come back from tasks that are gone` : '';
  return {
    decision: {
      desired,
      cordon,
      reason,
      detail: explain(load, need.tasks, tasks.desired, desired, policy, blind) + owed,
    },
    figures: { ...figuresOf(signals, load), revisionFailing: isFailing(probe, fallen, now) },
    memory: {
      ...before,
      ...learned,
      ...fallen,
      held: holdings(before, load, tasks, cordon, now),
      ...gaps,
      ...rhythm,
      ...spending,
      ...probe,
      deployingUntil,
      desired,
      waitingAtOrders,
      growth,
    },
  };
}

/** Nothing can be said of a fleet that cannot be seen; what was learned is kept. */
function withoutTasks(signals: Signals, before: Memory, policy: Policy, now: number): Outcome {
  const desired = clamp(before.desired, policy.minTasks, policy.maxTasks);
  const queues = [signals.activityQueue, signals.workflowQueue].filter(known);
  return {
    decision: {
      desired,
      cordon: [],
      reason: 'unknown',
      detail: `unknown: ${unknowns(signals).join(', ')}`,
    },
    figures: {
      busySlots: null,
      slots: null,
      queued: queues.length === 0 ? null : sum(queues.map(({ backlog }) => backlog)),
      ageSeconds: queues.length === 0 ? null : Math.max(...queues.map(({ ageSeconds }) => ageSeconds)),
      liveWorkers: null,
      unreportedTasks: null,
      revisionFailing: false,
      processed: 0,
      failed: 0,
    },
    memory: {
      ...before,
      // What cannot be seen costs as much as before.
      ...spend(before, before.desired, policy, now),
      at: now,
      levels: [...before.levels.filter(([, tasks]) => tasks > desired), [now, desired]],
    },
  };
}

interface Need {
  tasks: number;
  /** The part of it that is for work which will wait. */
  grow: number;
  /** What will still wait when a task ordered now would be up. */
  waiting: number;
  /** Slots to add for each piece of work that will wait. */
  share: number;
}

/** The tasks that the load needs: for what is at work, and for what waits. */
function neededTasks(load: Load, policy: Policy): Need {
  const { queued, full, busy, rate, serviceSeconds, slotsPerTask, active, startingIn } = load;
  const tasksFor = (slots: number) => Math.ceil(slots / slotsPerTask - 1e-9);
  const share = slotsForWaiting(load, policy);
  if (queued === 0) {
    const atWork = busy > 0.2 || load.reportedBusy > 0 ? 1 : 0;
    return {
      tasks: Math.max(atWork, tasksFor(withSpare(busy))),
      grow: 0,
      waiting: 0,
      share,
    };
  }
  // What a burst has taken up is no measure of what comes: the flow of work is.
  const taken = full ? Math.max(busy, active.length * slotsPerTask) : busy;
  const flow = withSpare(Math.min(taken, rate * serviceSeconds));
  const waiting = queueIn(load.startUpSeconds, load, startingIn.length);
  const atWork = (active.length + startingIn.length) * slotsPerTask - rate * serviceSeconds;
  const grow = waiting > 0 ? tasksFor(flow + waiting * share + Math.max(0, atWork) * shareOfHeld(load, policy)) : 0;
  // Tasks at hand go on while anything waits, and of those starting the ones that will still find something to do.
  let atHand = active.length;
  for (const [index, seconds] of startingIn.entries()) {
    if (queueIn(seconds, load, index) > 0 || atHand < tasksFor(flow)) atHand += 1;
  }
  return {
    tasks: Math.max(1, tasksFor(flow), atHand, grow),
    grow,
    waiting,
    share,
  };
}

/**
 * The fleet does not shrink below what lost work will need when it is back, nor below the tasks that report nothing, which
 * may be full; nor does it grow for them.
 */
function heldFor(owedSlots: number, need: Need, load: Load, { desired }: TasksReading, policy: Policy): Need {
  if (owedSlots === 0 && load.unreported.length === 0) return need;
  const held = neededTasks({ ...load, busy: load.busy + owedSlots }, policy).tasks + load.unreported.length;
  return { ...need, tasks: Math.max(need.tasks, Math.min(desired, held)) };
}

function withSpare(slots: number): number {
  return slots + SPARE * Math.sqrt(slots);
}

/** What will be queued in so many seconds, with the tasks at hand and the first `starting` of those that start. */
function queueIn(seconds: number, load: Load, starting: number): number {
  const { queued, rate, active, startingIn, freePerTask, slotsPerTask, serviceSeconds } = load;
  const served = (slots: number, during: number) => (slots * during) / serviceSeconds;
  let begun = active.length * (freePerTask + served(slotsPerTask, seconds));
  for (const startsIn of startingIn.slice(0, starting)) {
    if (startsIn < seconds) begun += slotsPerTask + served(slotsPerTask, seconds - startsIn);
  }
  return Math.max(0, queued + rate * seconds - begun);
}

/**
 * Slots for each piece of work that will wait. Two answers, and the larger counts: so many that all of it starts within
 * the wait target; and so many that one task more would cost what the waiting is worth that it saves. With n tasks a
 * queue of q is gone in q·S/(n·s), half of which is the mean wait; q·q·S·v/(2·n·s) + n·O is least at
 * n·s = q·√(S·v·s/(2·O)), for service time S, slots a task s, worth of waiting v, and overhead of a task O.
 */
function slotsForWaiting(load: Load, policy: Policy): number {
  const withinTarget = load.serviceSeconds / (load.serviceSeconds + policy.targetWaitSeconds);
  return Math.min(1, Math.max(withinTarget, Math.sqrt(worthOfASlot(load) / 2)));
}

/**
 * Of the slots that hold work by then, the part that waiting work cannot count on: all of it where work is long. With q
 * waiting, A such slots and m new ones, q - m wait for one of the A to end, (q - m)·S/(2·A) on average: within the target
 * T for m = q - A·T/S, and at the least cost for m = q - A·O/(S·v·s). Fresh slots are needed beside the A, not among them.
 */
function shareOfHeld(load: Load, policy: Policy): number {
  return Math.max(0, 1 - policy.targetWaitSeconds / load.serviceSeconds, 1 - 1 / worthOfASlot(load));
}

/** What the waiting is worth that a slot spares in a service time, over what it costs to have it: S·v·s/O. */
function worthOfASlot({ serviceSeconds, waitWorth, slotsPerTask, startUpSeconds }: Load): number {
  return (serviceSeconds * waitWorth * slotsPerTask) / (startUpSeconds + LEAVING_SECONDS);
}

/**
 * What it costs, in task-seconds, to be without the fleet's n-th task when it is needed again: its start-up, and the
 * waiting that it would have spared. The last tasks of a typical order spare as much as they cost, earlier ones more by
 * the square; no more than one task can serve during a start-up, nor than its share of what typically waits.
 */
function restartCost(task: number, load: Load, waitingAtOrders: number, share: number): number {
  const { startUpSeconds, slotsPerTask, serviceSeconds, waitWorth } = load;
  const typicalOrder = (waitingAtOrders * share) / slotsPerTask;
  const bySquare = task === 1 ? Infinity : (startUpSeconds + LEAVING_SECONDS) * (typicalOrder / task) ** 2;
  const served = waitWorth * slotsPerTask * (1 + startUpSeconds / serviceSeconds) * startUpSeconds;
  const shared = (waitWorth * waitingAtOrders * startUpSeconds) / task;
  return startUpSeconds + Math.min(bySquare, served, shared);
}

/** The fleet and its throughput before it last grew under a standing backlog; null while there is none. */
function judgeGrowth(before: Memory['growth'], load: Load, tasks: TasksReading, now: number): Memory['growth'] {
  if (!load.full) return null;
  const running = tasks.running.length;
  const { throughput, serviceSeconds } = load;
  const current = { at: now, tasks: running, throughput, serviceSeconds, tried: before?.tried ?? 0 };
  if (before === null) return current;
  if (running <= before.tasks) return { ...current, throughput: Math.max(before.throughput, throughput) };
  if (throughput >= before.throughput * (1 + GAIN_SHARE * (running / before.tasks - 1)))
    return { ...current, tried: before.tried > 0 ? running : 0 };
  return now - before.at >= TRY_AGAIN_SECONDS * 1000 ? { ...current, tried: running } : before;
}

/** Slower work under more tasks looks like longer work, which asks for more tasks: what has not helped is not repeated. */
function growthDoesNotHelp(growth: Memory['growth'], tasks: TasksReading, now: number): boolean {
  if (growth === null) return false;
  if (growth.tried > 0 && tasks.desired >= mostOf(growth)) return true;
  return (
    growth.throughput >= LEAST_THROUGHPUT &&
    tasks.running.length >= JUDGED_GROWTH * growth.tasks &&
    now - growth.at >= (GAIN_AFTER_SECONDS + growth.serviceSeconds) * 1000
  );
}

/** Once growth did not help, it is tried again a little at a time, for as long as that helps. */
function mostOf(growth: Memory['growth']): number {
  return growth === null || growth.tried === 0 ? Infinity : Math.ceil(JUDGED_GROWTH * growth.tried);
}

function spend(before: Memory, tasks: number, policy: Policy, now: number): Pick<Memory, 'spent' | 'spendHour'> {
  const spendHour = hourOf(now);
  const hours = Math.max(0, now - Math.max(before.at, spendHour)) / 3_600_000;
  const spent = tasks * hours * policy.taskDollarsPerHour;
  return {
    spent: spendHour === before.spendHour ? before.spent + spent : spent,
    spendHour,
  };
}

/** Why the fleet must not grow, if it must not. */
function guardOf(
  signals: Signals,
  load: Load,
  falling: Reason | undefined,
  growth: Memory['growth'],
  { spent }: Pick<Memory, 'spent'>,
  policy: Policy,
  now: number,
): Reason | undefined {
  const queues = [signals.activityQueue, signals.workflowQueue].filter(known);
  if (queues.some(({ rateLimited }) => rateLimited)) return 'rate-limited';
  if ((load.failing ?? 0) >= FAILING_SHARE) return load.workflowsFail ? 'workflow-failures' : 'failing';
  if (falling !== undefined) return falling;
  if (load.notServing) return 'not-serving';
  if (known(signals.tasks) && growthDoesNotHelp(growth, signals.tasks, now)) return 'no-gain';
  if (policy.spendCapDollarsPerHour !== null && spent >= policy.spendCapDollarsPerHour) return 'spend-cap';
  return undefined;
}

interface Sizing {
  tasks: TasksReading;
  load: Load;
  need: number;
  /** For work that is about to come by the clock. */
  expected: number;
  /** The newest deployment has yet to show that its tasks come up. */
  probing: boolean;
  /** Part of the need is for tasks that report nothing. */
  heldUnseen: boolean;
  keep: number;
  /** Tasks that cannot leave yet. */
  held: number;
  guard: Reason | undefined;
  blind: string[];
  policy: Policy;
}

function size(sizing: Sizing): { desired: number; reason: Reason } {
  const free = sizeFreely(sizing);
  const held = Math.min(sizing.tasks.desired, sizing.held);
  if (free.desired >= held) return free;
  return { desired: held, reason: held < sizing.tasks.desired ? 'scale-in' : 'deploying' };
}

function sizeFreely(sizing: Sizing): { desired: number; reason: Reason } {
  const { tasks, probing, heldUnseen, guard, blind, policy } = sizing;
  const expected = Math.max(sizing.expected, Number(probing));
  const need = Math.max(sizing.need, expected);
  const keep = Math.max(sizing.keep, expected);
  const within = (count: number) => clamp(count, policy.minTasks, policy.maxTasks);
  const present = tasks.desired;
  if (policy.paused) return { desired: present, reason: 'paused' };
  // What fails now is retried later, and until then no count shows it: a failing pool keeps what it has.
  if (guard === 'failing' || guard === 'workflow-failures') return { desired: within(present), reason: guard };
  const isDown = guard === 'not-starting' || guard === 'crashing' || guard === 'not-serving';
  if (guard !== undefined && (need > present || (isDown && within(need) === present)))
    return { desired: within(present), reason: guard };
  if (need > policy.maxTasks) return { desired: policy.maxTasks, reason: 'maximum' };
  if (within(need) > present) return { desired: within(need), reason: growthReason(sizing) };
  if (blind.length > 0) return { desired: within(present), reason: 'unknown' };

  const desired = within(Math.min(present, keep));
  if (desired < present) return { desired, reason: 'scale-in' };
  if (heldUnseen && within(need) === present) return { desired, reason: 'unknown' };
  if (within(need) < present) return { desired, reason: 'cooling' };
  return { desired, reason: need === 0 ? 'idle' : 'steady' };
}

/**
 * The tasks of the new revision, in a deployment and shortly after it: ECS may refuse to protect them until the old ones
 * have left, and would stop them at work if the service were to have fewer. Once the old ones have left that is the whole
 * count: for a task that has ended by itself ECS may have started another that is not seen yet, and it stops any of them.
 */
function newTasks({ desired, running, pending, outdated = [] }: TasksReading, deployingUntil: number, now: number) {
  if (now >= deployingUntil) return 0;
  if (outdated.length === 0) return desired;
  const old = new Set(outdated);
  return [...running, ...pending].filter((task) => !old.has(task)).length;
}

function growthReason({ need, expected, load, policy }: Sizing): Reason {
  if (Math.max(need, expected) === 0) return 'probing';
  if (Math.max(need, expected) <= policy.minTasks) return 'minimum';
  if (expected > need) return 'expected';
  return load.queued > 0 ? 'backlog' : 'busy';
}

function unknowns(signals: Signals): string[] {
  return Object.entries(signals)
    .filter(([, reading]) => !known<unknown>(reading))
    .map(([name]) => name);
}

function figuresOf(signals: Signals, load: Load): Omit<Figures, 'revisionFailing'> {
  const queues = [signals.activityQueue, signals.workflowQueue].filter(known);
  const fresh = load.live?.filter(({ ageSeconds }) => ageSeconds <= REPORTS_WITHIN_SECONDS * 3);
  return {
    busySlots: fresh === undefined ? null : sum(fresh.map(({ usedSlots }) => usedSlots)),
    slots: fresh === undefined ? null : sum(fresh.map(({ slots }) => slots ?? load.slotsPerTask)),
    queued: queues.length === 0 ? null : sum(queues.map(({ backlog }) => backlog)),
    ageSeconds: queues.length === 0 ? null : Math.max(...queues.map(({ ageSeconds }) => ageSeconds)),
    liveWorkers: fresh?.length ?? null,
    unreportedTasks: load.live === undefined ? null : load.unreported.length,
    processed: load.processed,
    failed: load.failed,
  };
}

function explain(load: Load, need: number, present: number, desired: number, policy: Policy, blind: string[]): string {
  const { busy, queued, rate, serviceSeconds, slotsPerTask } = load;
  const numbers =
    `busy ${busy.toFixed(0)} queued ${queued} of ${slotsPerTask} a task, ${rate.toFixed(1)}/s of ${serviceSeconds.toFixed(1)} s:` +
    ` need ${need} (${policy.minTasks}..${policy.maxTasks}), ${present} to ${desired}`;
  const silent = load.unreported.length;
  const unknown = silent > 0 ? [...blind, `${silent} ${silent === 1 ? 'task' : 'tasks'} without a report`] : blind;
  return unknown.length === 0 ? numbers : `${numbers}; unknown: ${unknown.join(', ')}`;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
