/**
 * The decision: how many tasks a pool shall have, which of them leave, and why.
 *
 * Size by work, not by the length of a queue. Tasks at hand and starting are counted first; for what will still wait
 * when a task ordered now would be up, as many are ordered as balance what they cost against the waiting they save. What
 * is needless leaves when keeping it would cost more than starting another. What has come by the clock so far finds its
 * tasks up. What is unknown never scales in.
 */
import { leavingForGood, withDrained, withoutDrained, withoutFinal } from './drained.ts';
import { holdings, learnFallen, withoutHoldings, whyTheyFall } from './fallen.ts';
import { chooseLeavers } from './leavers.ts';
import { learnGaps, tasksToKeep } from './gaps.ts';
import { isFailing, isProbing, learnProbe } from './probe.ts';
import { expectedNeed, learnRhythm, needOfJump, nextJump } from './rhythm.ts';
import { sum } from './kinds.ts';
import { estimate, type Load } from './load.ts';
import { hourOf, KINDS, recall, REPORTS_WITHIN_SECONDS, type Memory } from './memory.ts';
import { A_LITTLE, heldFor, neededTasks, restartCost, type Need } from './need.ts';
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

/** How fast the idea of a typical order follows the orders: after this time of ordering e⁻¹ of the difference is left. */
const ORDERS_FOLLOWED_SECONDS = 28;
/** From this share of failed attempts on, more workers would only fail faster. */
const FAILING_SHARE = 0.5;
/** Growth under a standing backlog has helped when it brought this part of the throughput that it should have. */
const GAIN_SHARE = 0.5;
/** Of slower work, by the second, one cannot tell so soon. */
const LEAST_THROUGHPUT = 0.3;
/** Beside the work's own time: workers report late, and the throughput is one of a minute. */
const GAIN_AFTER_SECONDS = 60;
/** After a deployment its tasks ask again to be protected within two minutes (worker/scale-in.ts). */
const PROTECTED_AFTER_MS = 150_000;
/** Work of which most attempts fail comes back when it no longer does: so much as there was so shortly before, for so long. */
const BUSY_BEFORE_MS = 120_000;
const COMES_BACK_WITHIN_MS = 600_000;
/** A task is billed for a minute at least, whether it is taken back at once or leaves in time for that. */
const ORDERS_STAND_MS = 45_000;
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
  const workers = withoutFinal(signals.workers, signals.tasks);
  const held = withoutHoldings(before, leavingForGood(signals.tasks));
  const outcome = decideOn({ ...signals, workers, tasks }, held, policy, now);
  const deploying = outcome.memory.deployingUntil > now;
  return { ...outcome, decision: withDrained(outcome.decision, signals.tasks, tasks, signals.workers, deploying) };
}

type SignalsWithTasks = Signals & { tasks: TasksReading };

function decideOn(signals: SignalsWithTasks, before: Memory, policy: Policy, now: number): Outcome {
  const { tasks } = signals;
  const { load, memory: learned } = estimate(signals, tasks, before, policy, now);
  const blind = unknowns(signals);
  const fallen = learnFallen(before, load, tasks, now);
  const failing = learnFailing(before, load, now);
  const seen = neededTasks(load, tasks, policy);
  const need = heldFor(fallen.owedSlots + retriedSlots(failing, load, now), seen, load, tasks, policy);
  const waiting = need.grow > tasks.desired ? need.waiting : 0;
  const followed = waiting > 0 ? 1 - Math.exp(-Math.max(0, now - before.at) / 1000 / ORDERS_FOLLOWED_SECONDS) : 0;
  const waitingAtOrders = before.waitingAtOrders + followed * (waiting - before.waitingAtOrders);

  const blindNeed = blind.length > 0 ? Math.max(need.tasks, tasks.desired) : need.tasks;
  const gaps = learnGaps(before, blindNeed, now);
  const rhythm = learnRhythm(before, need.tasks, now);
  const jump = nextJump(rhythm);
  const keep = tasksToKeep(
    gaps,
    { needed: blindNeed, present: tasks.desired, leastSeconds: policy.scaleInAfterSeconds },
    // What is back in time by the clock is not missed: it costs its start-up, and no waiting.
    (task) =>
      jump !== undefined && now < jump.at && task <= jump.tasks
        ? load.startUpSeconds
        : restartCost(task, load, waitingAtOrders, need),
    now,
  );
  const expected = Math.max(expectedNeed(jump, load.startUpSeconds, now), needOfJump(rhythm, need.tasks, now));
  const probe = learnProbe(before, load, tasks, now);
  const growth = judgeGrowth(before.growth, load, need, tasks, now);
  const paid = tasks.running.length + (load.unplaced > 0 ? 0 : tasks.pending.length);
  const spending = spend(before, paid, policy, now);

  const deployingUntil = tasks.outdated?.length ? now + PROTECTED_AFTER_MS : before.deployingUntil;
  const falling = whyTheyFall(fallen, tasks) ?? (load.unplaced > 0 ? 'not-starting' : undefined);
  const guard = guardOf(load, need, tasks, falling, growth, spending, policy, now);
  const { desired, reason } = size({
    tasks,
    load,
    probing: isProbing(probe),
    heldUnseen: load.unreported.length > 0 && need.tasks > seen.tasks,
    need: guard === undefined ? Math.min(need.tasks, Math.max(mostOf(growth, load), tasks.desired)) : need.tasks,
    expected,
    isLimited: need.isLimited,
    keep: Math.max(keep, need.steady, now - before.raisedAt < ORDERS_STAND_MS ? before.raisedTo : 0),
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
      detail: explain(load, need, tasks.desired, desired, policy, blind) + owed,
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
      ...failing,
      ...(desired > tasks.desired && { raisedTo: desired, raisedAt: now }),
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

/** The fleet and its throughput before it last grew under a standing backlog; null while there is none. */
function judgeGrowth(
  before: Memory['growth'],
  load: Load,
  need: Need,
  tasks: TasksReading,
  now: number,
): Memory['growth'] {
  const { full, throughput, serviceSeconds } = load.kinds[need.kind];
  if (!full) return null;
  const running = tasks.running.length;
  const kind = KINDS.indexOf(need.kind);
  const current = { kind, at: now, tasks: running, throughput, serviceSeconds, tried: before?.tried ?? 0 };
  if (before?.kind !== kind) return current;
  if (running <= before.tasks) return { ...current, throughput: Math.max(before.throughput, throughput) };
  if (throughput > 0 && throughput >= before.throughput * (1 + GAIN_SHARE * (running / before.tasks - 1)))
    return { ...current, tried: before.tried > 0 ? running : 0 };
  // What has been tried again, and has not helped, is not built upon.
  if (before.tried > 0 || now - before.at < TRY_AGAIN_SECONDS * 1000) return before;
  return { ...current, tried: running };
}

/** Slower work under more tasks looks like longer work, which asks for more tasks: what has not helped is not repeated. */
function growthDoesNotHelp(
  growth: Memory['growth'],
  load: Load,
  tasks: TasksReading,
  policy: Policy,
  now: number,
): boolean {
  if (growth === null) return false;
  if (growth.tried > 0 && tasks.desired >= mostOf(growth)) return true;
  const kind = load.kinds[KINDS[growth.kind]!];
  return (
    (growth.throughput >= LEAST_THROUGHPUT || kind.stalledSeconds > policy.targetWaitSeconds) &&
    wasTried(growth, tasks) &&
    now - growth.at >= (GAIN_AFTER_SECONDS + growth.serviceSeconds) * 1000
  );
}

function wasTried(growth: Memory['growth'], { running }: TasksReading): boolean {
  return growth !== null && running.length >= A_LITTLE * growth.tasks;
}

/** Once growth did not help, or is not likely to, it is tried a little at a time, for as long as that helps. */
function mostOf(growth: Memory['growth'], load?: Load): number {
  if (growth === null) return Infinity;
  if (load !== undefined && load.kinds[KINDS[growth.kind]!].stalledSeconds > 0)
    return Math.ceil(A_LITTLE * growth.tasks);
  return growth.tried === 0 ? Infinity : Math.ceil(A_LITTLE * growth.tried);
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

type Failing = Pick<Memory, 'failingSince' | 'busyPeak' | 'busyPeakAt'>;

/** Since when most attempts fail, 0 while they do not; and the most slots that were in use shortly before that. */
function learnFailing(before: Memory, load: Load, now: number): Failing {
  const isFailing = (load.failing ?? 0) >= FAILING_SHARE;
  const { failingSince, busyPeak, busyPeakAt } = before;
  if (isFailing && failingSince > 0) return { failingSince, busyPeak, busyPeakAt };
  const isPeak = load.reportedBusy >= busyPeak || now - busyPeakAt > BUSY_BEFORE_MS;
  return {
    failingSince: isFailing ? now : 0,
    busyPeak: isPeak ? load.reportedBusy : busyPeak,
    busyPeakAt: isPeak ? now : busyPeakAt,
  };
}

/** Slots for what fails now and is retried later, which until then no count shows. */
function retriedSlots({ failingSince, busyPeak }: Failing, { reportedBusy }: Load, now: number): number {
  return failingSince > 0 && now - failingSince < COMES_BACK_WITHIN_MS ? Math.max(0, busyPeak - reportedBusy) : 0;
}

/** Why the fleet must not grow, if it must not. */
function guardOf(
  load: Load,
  need: Need,
  tasks: TasksReading,
  falling: Reason | undefined,
  growth: Memory['growth'],
  { spent }: Pick<Memory, 'spent'>,
  policy: Policy,
  now: number,
): Reason | undefined {
  if ((load.failing ?? 0) >= FAILING_SHARE) return load.workflowsFail ? 'workflow-failures' : 'failing';
  if (falling !== undefined) return falling;
  if (load.notServing && (need.tasks <= tasks.desired || wasTried(growth, tasks))) return 'not-serving';
  if (growthDoesNotHelp(growth, load, tasks, policy, now)) return 'no-gain';
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
  /** The queue's own limits let through less than is needed. */
  isLimited: boolean;
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

/** What is wrong is told as well while the fleet is no larger than it needs to be, or as long as it lasts. */
const WHILE_IT_FITS = new Set<Reason>(['not-starting', 'crashing', 'not-serving']);
const WHILE_IT_LASTS = new Set<Reason>(['failing', 'workflow-failures']);

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
  return load.queued > 0 || load.asked ? 'backlog' : 'busy';
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
    slots: fresh === undefined ? null : sum(fresh.map(({ slots }) => slots ?? load.kinds.activities.slotsPerTask)),
    queued: queues.length === 0 ? null : sum(queues.map(({ backlog }) => backlog)),
    ageSeconds: queues.length === 0 ? null : Math.max(...queues.map(({ ageSeconds }) => ageSeconds)),
    liveWorkers: fresh?.length ?? null,
    unreportedTasks: load.live === undefined ? null : load.unreported.length,
    processed: load.processed,
    failed: load.failed,
  };
}

function explain(load: Load, need: Need, present: number, desired: number, policy: Policy, blind: string[]): string {
  const of = load.kinds[need.kind];
  const what = need.kind === 'activities' ? '' : need.kind === 'workflowTasks' ? 'workflow tasks: ' : 'Nexus tasks: ';
  const slots = Math.round(of.slotsPerTask);
  const stated = of.statedSlots === undefined || of.statedSlots === slots ? '' : ` (not ${of.statedSlots})`;
  const numbers =
    `${what}busy ${of.busy.toFixed(0)} queued ${of.queued} of ${slots}${stated} a task,` +
    ` ${of.rate.toFixed(1)}/s of ${of.serviceSeconds.toFixed(1)} s:` +
    ` need ${need.tasks} (${policy.minTasks}..${policy.maxTasks}), ${present} to ${desired}`;
  const notes = [
    ...(load.asked ? ['a query or a Nexus operation found no worker'] : []),
    ...(load.unplaced === 0 ? [] : [`${load.unplaced} of the tasks that were ordered do not come up`]),
    ...(of.rateLimit === undefined ? [] : [`the queue lets through ${of.rateLimit}/s`]),
    ...(of.foreign.slots === 0 ? [] : [`${of.foreign.slots} slots are other workers'`]),
    ...unknownNote(load, blind),
  ];
  return [numbers, ...notes].join('; ');
}

function unknownNote({ unreported }: Load, blind: string[]): string[] {
  const silent = unreported.length;
  const unknown = silent > 0 ? [...blind, `${silent} ${silent === 1 ? 'task' : 'tasks'} without a report`] : blind;
  return unknown.length === 0 ? [] : [`unknown: ${unknown.join(', ')}`];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
