/**
 * How many tasks the load needs. Running and starting tasks count first. For work that will still wait when a new task would be up, it
 * orders as many tasks as balance their cost against the waiting they save. Each kind of work has its own slots in a task, so the
 * kind that needs the most tasks decides.
 */
import type { KindLoad } from './kinds.ts';
import type { Load } from './load.ts';
import { KINDS, type Kind } from './memory.ts';
import type { Policy, TasksReading } from './types.ts';

/** Spare slots for randomness, as a multiple of the square root of the busy slots. */
const SPARE = 0.5;
/** For recurring load, enough tasks are pre-started that all of it starts within this. */
const PROMPT_SECONDS = 10;
/** A task's cost besides its work: from the order until it works, and from its last work until it stops. */
const LEAVING_SECONDS = 30;
/** Work shorter than this is over before a heartbeat can report it. */
const SHORT_SECONDS = 6;
/** Factor of growth in small steps. */
export const A_LITTLE = 1.25;

export interface Need {
  kind: Kind;
  tasks: number;
  /** The part of it for work that will wait. */
  grow: number;
  /** With this many tasks, hardly any work would wait. */
  prompt: number;
  /** Work that will still wait when a task ordered now would be up. */
  waiting: number;
  /** Slots to add for each piece of work that will wait. */
  share: number;
  /** More tasks would be needed if the queue's limit were higher. */
  isLimited: boolean;
  /** Tasks that stay although slightly fewer would be enough: the load varies randomly. */
  steady: number;
}

/** The tasks that the load needs, for running and for waiting work. */
export function neededTasks(load: Load, tasks: TasksReading, policy: Policy): Need {
  const [first, ...others] = KINDS.map((kind) => needOfKind(kind, load, tasks, policy));
  const leading = others.reduce((most, need) => (need.tasks > most.tasks ? need : most), first!);
  const ownKinds = KINDS.map((kind) => load.kinds[kind]).filter(({ foreign }) => foreign.slots === 0);
  const anyAtWork = load.reportedBusy > 0 || ownKinds.some(({ busy }) => busy > 0.2);
  // A flow is work, even if no heartbeat has seen any: the task that may be serving it stays.
  const flows = tasks.desired > 0 && ownKinds.some((kind) => kind.flows);
  return { ...leading, tasks: Math.max(leading.tasks, anyAtWork || flows || load.asked || load.queued > 0 ? 1 : 0) };
}

/**
 * The fleet does not scale in below what lost work will need when it is retried, nor below the tasks that report nothing and may be
 * full. It does not scale out for them.
 */
export function heldFor(slotsAwaitingRetry: number, need: Need, load: Load, tasks: TasksReading, policy: Policy): Need {
  if (slotsAwaitingRetry === 0 && load.unreported.length === 0) return need;
  const activities = { ...load.kinds.activities, slotsAwaitingRetry };
  const withRetries = { ...load, kinds: { ...load.kinds, activities } };
  const held = neededTasks(withRetries, tasks, policy).tasks + load.unreported.length;
  return { ...need, tasks: Math.max(need.tasks, Math.min(tasks.desired, held)) };
}

function needOfKind(kind: Kind, load: Load, { desired, outdated = [] }: TasksReading, policy: Policy): Need {
  const of = load.kinds[kind];
  const { queued, full, rate, serviceSeconds, slotsPerTask, foreign } = of;
  const tasksFor = (slots: number) => Math.max(0, Math.ceil((slots - foreign.slots) / slotsPerTask - 1e-9));
  const share = slotsForWaiting(of, load, policy);
  const flow = rate * serviceSeconds;
  const short = serviceSeconds < SHORT_SECONDS ? of.throughput * serviceSeconds : of.busy;
  // The mean of what heartbeats saw and what finished: heartbeats see short work by chance.
  const busy = (of.busy + short) / 2 + of.slotsAwaitingRetry;
  // Spare slots are for random arrivals: without a flow there are none.
  const atWork = tasksFor(busy + spareFor(Math.min(busy, flow)));
  const steady = tasksFor(Math.max(of.busy, short, flow) + 2 * spareFor(flow));
  if ((queued === 0 && !of.isAgain) || of.limited) {
    return { kind, tasks: atWork, prompt: atWork, grow: 0, waiting: 0, share, isLimited: of.limited, steady };
  }
  // A deployment doubles the tasks, but not the need.
  const active = outdated.length > 0 ? Math.min(load.active.length, desired) : load.active.length;
  const taken = full ? Math.max(busy, active * slotsPerTask + foreign.slots) : busy;
  // The flow, not the slots that a burst has taken, measures the arrivals.
  const flowSlots = Math.min(taken, flow) + spareFor(Math.min(taken, flow));
  const forFlow = tasksFor(flowSlots);
  const waiting = queueIn(load.startUpSeconds, of, load, load.startingIn.length);
  const heldSlots = (active + load.startingIn.length) * slotsPerTask + foreign.slots - flow;
  const held = Math.max(0, heldSlots) * shareOfHeld(of, load, policy);
  const grow = waiting > 0 ? tasksFor(flowSlots + waiting * share + held) : 0;
  const usable = tasksFor(busy + queued);
  // Work that waits beyond its target and is not taken gets a small step, and another one only if that helped.
  const isStalled = of.stalledSeconds > policy.targetWaitSeconds;
  const stalled = isStalled ? Math.max(tasksFor(busy), Math.ceil(A_LITTLE * Math.min(active, usable))) : 0;
  const tasks =
    isStalled || load.notServing ? 1 : Math.max(1, forFlow, Math.min(active + load.startingIn.length, usable), grow);
  // One free slot is enough to find that out.
  const doubtful = of.isAgain ? active + Math.max(1, load.startingIn.length) : 0;
  // The share that limits of single keys hold back is unknown: full slots get a small step, and another one only if that helped.
  const aLittle = Math.max(Math.ceil(A_LITTLE * Math.max(1, active)), active + load.startingIn.length);
  const most = Math.min(mostOfLimit(of), of.rateLimited && of.rateLimit === undefined ? aLittle : Infinity);
  return {
    kind,
    tasks: Math.min(Math.max(tasks, stalled, doubtful), most),
    prompt: Math.max(atWork, tasksFor(busy + (queued * serviceSeconds) / (serviceSeconds + PROMPT_SECONDS))),
    grow: Math.max(grow, stalled),
    waiting,
    share,
    isLimited: tasks > most,
    steady: Math.min(steady, most),
  };
}

/** The tasks that the queue's own limit can keep busy, plus one. */
function mostOfLimit({ rateLimit, shownSeconds, slotsPerTask, foreign }: KindLoad): number {
  if (rateLimit === undefined) return Infinity;
  return Math.floor(Math.max(0, rateLimit * shownSeconds - foreign.slots) / slotsPerTask) + 1;
}

function spareFor(slots: number): number {
  return SPARE * Math.sqrt(Math.max(0, slots));
}

/** The queue after this many seconds, with the running tasks and the first `starting` of those that start. */
function queueIn(seconds: number, of: KindLoad, load: Load, starting: number): number {
  const { queued, rate, freePerTask, slotsPerTask, serviceSeconds, foreign } = of;
  const served = (slots: number, during: number) => (slots * during) / serviceSeconds;
  let begun = load.active.length * (freePerTask + served(slotsPerTask, seconds));
  begun += foreign.free + served(foreign.slots, seconds);
  for (const startsIn of load.startingIn.slice(0, starting)) {
    if (startsIn < seconds) begun += slotsPerTask + served(slotsPerTask, seconds - startsIn);
  }
  return Math.max(0, queued + rate * seconds - begun);
}

/**
 * Slots for each piece of work that will wait: the larger of two numbers. With the first, all of it starts within the wait target.
 * With the second, one more task would cost as much as the waiting that it saves is worth. With n tasks a queue of q is gone in
 * q·S/(n·s), half of which is the mean wait; q·q·S·v/(2·n·s) + n·O has its minimum at n·s = q·√(S·v·s/(2·O)), for service time S, slots
 * per task s, value of waiting v, and overhead of a task O.
 */
function slotsForWaiting(of: KindLoad, load: Load, policy: Policy): number {
  const withinTarget = of.serviceSeconds / (of.serviceSeconds + policy.targetWaitSeconds);
  return Math.min(1, Math.max(withinTarget, Math.sqrt(worthOfASlot(of, load) / 2)));
}

/**
 * The share of slots, of those that hold work by then, that waiting work cannot use: all of them where work is long. With q waiting, A
 * such slots and m new ones, q - m pieces wait for one of the A to end, (q - m)·S/(2·A) on average: within the target T for
 * m = q - A·T/S, and at the least cost for m = q - A·O/(S·v·s). Fresh slots are needed in addition to the A.
 */
function shareOfHeld(of: KindLoad, load: Load, policy: Policy): number {
  return Math.max(0, 1 - policy.targetWaitSeconds / of.serviceSeconds, 1 - 1 / worthOfASlot(of, load));
}

/** The value of the waiting that a slot saves in a service time, divided by the slot's cost: S·v·s/O. */
function worthOfASlot({ serviceSeconds, slotsPerTask }: KindLoad, { waitWorth, startUpSeconds }: Load): number {
  return (serviceSeconds * waitWorth * slotsPerTask) / (startUpSeconds + LEAVING_SECONDS);
}

/**
 * The cost, in task-seconds, of not having the fleet's n-th task when it is needed again: its start-up, and the waiting that it would
 * have saved. The last tasks of a typical order save as much as they cost, earlier ones more, by the square; but at most what one task
 * can serve during a start-up, and at most its share of the typically waiting work.
 */
export function restartCost(task: number, load: Load, waitingAtOrders: number, { kind, share }: Need): number {
  const { startUpSeconds, waitWorth } = load;
  const { slotsPerTask, serviceSeconds } = load.kinds[kind];
  const typicalOrder = (waitingAtOrders * share) / slotsPerTask;
  const bySquare = task === 1 ? Infinity : (startUpSeconds + LEAVING_SECONDS) * (typicalOrder / task) ** 2;
  const served = waitWorth * slotsPerTask * (1 + startUpSeconds / serviceSeconds) * startUpSeconds;
  const shared = (waitWorth * waitingAtOrders * startUpSeconds) / task;
  return startUpSeconds + Math.min(bySquare, served, shared);
}
