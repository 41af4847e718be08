/**
 * The decision: how many tasks a pool needs, which of them to remove, and why.
 *
 * It sizes by work, not by queue length. Running and starting tasks count first. For work that will still wait when a new task would be
 * up, it orders as many tasks as balance their cost against the waiting they save. It removes surplus tasks once keeping them costs more
 * than starting new ones. It pre-starts tasks for recurring load. Unknown signals never scale in.
 */
import { leavingForGood, withDrained, withoutDrained, withoutFinal } from './drained.ts';
import { explain, figuresOf, figuresUnseen, unknowns } from './explain.ts';
import { learnFailing, retriedSlots } from './failures.ts';
import { holdings, learnLostTasks, whyTasksAreLost, withoutHoldings } from './lost-tasks.ts';
import { learnGaps, tasksToKeep } from './gaps.ts';
import { judgeGrowth, mostOf } from './growth.ts';
import { guardOf, newTasks, PROTECTED_AFTER_MS, spend } from './guards.ts';
import { chooseLeavers } from './leavers.ts';
import { estimate, type Load } from './load.ts';
import { recall, type Memory } from './memory.ts';
import { heldFor, neededTasks, restartCost, type Need } from './need.ts';
import { isFailing, isProbing, learnProbe } from './probe.ts';
import { expectedNeed, learnRhythm, needOfJump, nextJump } from './rhythm.ts';
import { size } from './size.ts';
import { clamp, faded } from './sums.ts';
import { known, type Decision, type Figures, type Policy, type Signals, type TasksReading } from './types.ts';

export interface Outcome {
  decision: Decision;
  figures: Figures;
  memory: Memory;
}

/** Time constant of the typical order: after this time of ordering, e⁻¹ of the difference is left. */
const ORDERS_FOLLOWED_SECONDS = 28;
/** A task is billed for a minute at least, whether it is taken back at once or leaves in time for that. */
const ORDERS_STAND_MS = 45_000;

/**
 * Decides. `memory` is what the previous tick returned; anything else starts afresh. `now` is in epoch milliseconds.
 * Never throws, reads no clock, and returns the same decision for the same input.
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
  const lostTasks = learnLostTasks(before, load, tasks, now);
  const failing = learnFailing(before, load, now);
  const seen = neededTasks(load, tasks, policy);
  const need = heldFor(lostTasks.slotsAwaitingRetry + retriedSlots(failing, load, now), seen, load, tasks, policy);
  const ahead = lookAhead(load, need, { tasks, before, policy, isBlind: blind.length > 0, now });
  const probe = learnProbe(before, load, tasks, now);
  const growth = judgeGrowth(before.growth, load, need, tasks, now);
  const paid = tasks.running.length + (load.unplaced > 0 ? 0 : tasks.pending.length);
  const spending = spend(before, paid, policy, now);
  const deployingUntil = tasks.outdated?.length ? now + PROTECTED_AFTER_MS : before.deployingUntil;
  const falling = whyTasksAreLost(lostTasks, tasks) ?? (load.unplaced > 0 ? 'not-starting' : undefined);
  const guard = guardOf(load, need, tasks, falling, growth, spending, policy, now);
  const { desired, reason } = size({
    tasks,
    load,
    probing: isProbing(probe),
    heldUnseen: load.unreported.length > 0 && need.tasks > seen.tasks,
    need: guard === undefined ? Math.min(need.tasks, Math.max(mostOf(growth, load), tasks.desired)) : need.tasks,
    expected: ahead.expected,
    isLimited: need.isLimited,
    keep: Math.max(ahead.keep, need.steady, now - before.raisedAt < ORDERS_STAND_MS ? before.raisedTo : 0),
    held: newTasks(tasks, deployingUntil, now),
    guard,
    blind,
    policy,
  });
  const cordon = chooseLeavers(tasks, desired, load);
  const sizes = { present: tasks.desired, desired, slotsAwaitingRetry: lostTasks.slotsAwaitingRetry, jump: ahead.jump };
  return {
    decision: { desired, cordon, reason, detail: explain(load, need, sizes, policy, blind) },
    figures: { ...figuresOf(signals, load), revisionFailing: isFailing(probe, lostTasks, now) },
    memory: {
      ...before,
      ...learned,
      ...lostTasks,
      held: holdings(before, load, tasks, cordon, now),
      ...ahead.memory,
      ...spending,
      ...probe,
      ...failing,
      ...(desired > tasks.desired && { raisedTo: desired, raisedAt: now }),
      deployingUntil,
      desired,
      growth,
    },
  };
}

interface LookingAhead {
  tasks: TasksReading;
  before: Memory;
  policy: Policy;
  /** A signal could not be read: tasks that may be needed count as needed. */
  isBlind: boolean;
  now: number;
}

/** Surplus tasks to keep because demand is likely to return soon, and tasks to pre-start for recurring load. */
function lookAhead(load: Load, need: Need, { tasks, before, policy, isBlind, now }: LookingAhead) {
  const waiting = need.grow > tasks.desired ? need.waiting : 0;
  const followed = waiting > 0 ? 1 - faded((now - before.at) / 1000, ORDERS_FOLLOWED_SECONDS) : 0;
  const waitingAtOrders = before.waitingAtOrders + followed * (waiting - before.waitingAtOrders);
  const needed = isBlind ? Math.max(need.tasks, tasks.desired) : need.tasks;
  const gaps = learnGaps(before, needed, now);
  const rhythm = learnRhythm(before, need, now);
  const jump = nextJump(rhythm, load.startUpSeconds, now);
  const keep = tasksToKeep(
    gaps,
    { needed, present: tasks.desired, leastSeconds: policy.scaleInAfterSeconds },
    (task) => restartCost(task, load, waitingAtOrders, need),
    now,
  );
  const expected = Math.max(expectedNeed(jump, now), needOfJump(rhythm, need.tasks, now));
  return { keep, expected, jump, memory: { ...gaps, ...rhythm, waitingAtOrders } };
}

/** For a fleet that cannot be read: nothing changes, and what was learned is kept. */
function withoutTasks(signals: Signals, before: Memory, policy: Policy, now: number): Outcome {
  const desired = clamp(before.desired, policy.minTasks, policy.maxTasks);
  return {
    decision: { desired, cordon: [], reason: 'unknown', detail: `unknown: ${unknowns(signals).join(', ')}` },
    figures: figuresUnseen(signals),
    memory: {
      ...before,
      // The unreadable fleet costs as much as before.
      ...spend(before, before.desired, policy, now),
      at: now,
      levels: [...before.levels.filter(([, tasks]) => tasks > desired), [now, desired]],
    },
  };
}
