/**
 * How others scale, by their documented rules and defaults, as controllers of the model. None of them knows which tasks
 * are busy: when they lower the count, ECS (or Kubernetes) stops what it likes, and what runs there is lost.
 *
 * Where a rule needs a number that its documentation leaves to the user, it gets one that suits the slots: never a worse
 * one than its documentation's examples. They are given exact counts, although the real ones read the same late backlog.
 */
import type { Controller, Order, Settings, Truth } from './model.ts';

type Limits = Pick<Settings, 'slots' | 'minTasks' | 'maxTasks'>;

export const PEERS: Record<string, (limits: Limits) => Controller> = {
  'temporal-controller': temporalController,
  keda,
  hpa: depthAndCpu,
  'target-tracking': targetTracking,
  'step-scaling': stepScaling,
  formula,
};

function peer(name: string, tickSeconds: number, decide: (truth: Truth, nowSeconds: number) => number): Controller {
  const look = (_signals: unknown, truth: Truth, nowSeconds: number): Order => ({ desired: decide(truth, nowSeconds) });
  return { name, tickSeconds, protects: false, look };
}

/** Buildkite's agent scaler: tasks = (queued + running work) / slots, every 10 s. */
export function formula(limits: Limits): Controller {
  return peer('formula', 10, ({ queued, busy }) => within(limits, Math.ceil((queued + busy) / limits.slots)));
}

/**
 * Temporal's worker controller, rate-based: one more for work that found no free slot, 2 s apart; every minute as many as
 * the arrivals need at the best rate a worker has shown, with 2 a second for the backlog; one fewer a minute at most.
 */
export function temporalController(limits: Limits): Controller {
  let desired = limits.minTasks;
  let bestRate = 0;
  let before = { dispatched: 0, queued: 0, at: 0 };
  return peer('temporal-controller', 2, (truth, now) => {
    if (truth.unmatched > 0) desired = within(limits, desired + 1);
    if (now - before.at < 60) return desired;
    const dispatchRate = (truth.dispatched - before.dispatched) / (now - before.at);
    const arrivalRate = dispatchRate + (truth.queued - before.queued) / (now - before.at);
    bestRate = Math.max(bestRate, dispatchRate / Math.max(1, truth.running));
    before = { dispatched: truth.dispatched, queued: truth.queued, at: now };
    const rate = Math.max(0, arrivalRate) + (truth.queued > 0 ? 2 : 0);
    const needed = rate === 0 ? 0 : bestRate === 0 ? desired : Math.ceil(rate / bestRate);
    desired = within(limits, Math.max(needed, desired - 1));
    return desired;
  });
}

/** KEDA's Temporal scaler: 5 of the backlog a task, through the HPA; from and to zero by KEDA itself, every 30 s. */
export function keda(limits: Limits): Controller {
  const hpa = horizontalPodAutoscaler({ ...limits, minTasks: Math.max(1, limits.minTasks) });
  let lastActive = -Infinity;
  let current = limits.minTasks;
  return peer('keda', 15, (truth, now) => {
    if (truth.queued > 0) lastActive = now;
    const atPoll = now % 30 === 0;
    if (current === 0) current = atPoll && truth.queued > 0 ? 1 : 0;
    else if (limits.minTasks === 0 && atPoll && now - lastActive >= 300) current = 0;
    else current = hpa(current, averageValue(truth.queued, 5, current), now);
    return current;
  });
}

/** An HPA on a backlog of 10 a task and on 70 % of CPU, where a full task has its CPU full. It cannot reach zero. */
export function depthAndCpu(limits: Limits): Controller {
  const atLeastOne = { ...limits, minTasks: Math.max(1, limits.minTasks) };
  const hpa = horizontalPodAutoscaler(atLeastOne);
  let current = atLeastOne.minTasks;
  return peer('hpa', 15, (truth, now) => {
    const byDepth = averageValue(truth.queued, 10, current);
    const utilization = truth.running === 0 ? 0 : truth.busy / (truth.running * limits.slots);
    const ratio = utilization / 0.7;
    const byCpu = Math.abs(ratio - 1) <= HPA_TOLERANCE ? current : Math.ceil(truth.running * ratio);
    current = hpa(current, Math.max(byDepth, byCpu), now);
    return current;
  });
}

const HPA_TOLERANCE = 0.1;

function averageValue(metric: number, target: number, current: number): number {
  return current > 0 && Math.abs(metric / (target * current) - 1) <= HPA_TOLERANCE
    ? current
    : Math.ceil(metric / target);
}

/** Its default behaviour: up by 100 % or 4 each 15 s, whichever is more; down to the most of the last 300 s. */
function horizontalPodAutoscaler(limits: Limits): (current: number, wanted: number, now: number) => number {
  let wishes: { at: number; wanted: number }[] = [];
  return (current, wanted, now) => {
    wishes = [...wishes.filter(({ at }) => at > now - 300), { at: now, wanted }];
    if (wanted > current) return within(limits, Math.min(wanted, Math.max(current * 2, current + 4)));
    return within(limits, Math.min(current, Math.max(...wishes.map((wish) => wish.wanted))));
  };
}

/**
 * AWS target tracking on the backlog of a task, a slot-full each: above it for 3 minutes it grows in proportion, below
 * 90 % of it for 15 minutes it shrinks in proportion; 300 s between. Without a task there is no such metric: at least 1.
 */
export function targetTracking(limits: Limits): Controller {
  const atLeastOne = { ...limits, minTasks: Math.max(1, limits.minTasks) };
  const metric = minuteAverage();
  let desired = atLeastOne.minTasks;
  let minutes: number[] = [];
  let changedAt = -Infinity;
  return peer('target-tracking', 10, ({ queued, running }, now) => {
    const average = metric(queued / Math.max(1, running), now);
    if (average === undefined) return desired;
    minutes = [...minutes, average / limits.slots].slice(-15);
    const grows = minutes.length >= 3 && minutes.slice(-3).every((ratio) => ratio > 1);
    const shrinks = minutes.length >= 15 && minutes.every((ratio) => ratio < 0.9);
    if ((!grows && !shrinks) || now - changedAt < 300) return desired;
    const next = within(atLeastOne, Math.ceil(desired * minutes.at(-1)!));
    if (next !== desired) changedAt = now;
    desired = next;
    return desired;
  });
}

/** AWS step scaling: alarms of one minute on the backlog, by steps; of five minutes under 30 % busy, a quarter fewer. */
export function stepScaling(limits: Limits): Controller {
  const backlog = minuteAverage();
  const utilization = minuteAverage();
  let desired = limits.minTasks;
  let quietMinutes = 0;
  let changedAt = -Infinity;
  return peer('step-scaling', 10, ({ queued, busy, running }, now) => {
    const averageBusy = utilization(running === 0 ? 0 : busy / (running * limits.slots), now);
    const averageQueued = backlog(queued, now);
    if (averageQueued === undefined || averageBusy === undefined) return desired;
    quietMinutes = averageQueued < 1 && averageBusy < 0.3 ? quietMinutes + 1 : 0;
    const step = growthStep(averageQueued / limits.slots) || (quietMinutes >= 5 ? -Math.ceil(desired / 4) : 0);
    const coolDown = step > 0 ? 60 : 300;
    if (step === 0 || now - changedAt < coolDown) return desired;
    desired = within(limits, desired + step);
    changedAt = now;
    return desired;
  });
}

/** By slot-fulls of backlog. */
function growthStep(fulls: number): number {
  if (fulls >= 20) return 20;
  if (fulls >= 5) return 5;
  if (fulls >= 1) return 2;
  return fulls > 0 ? 1 : 0;
}

/** CloudWatch's: what was put in a minute, averaged, when the minute is over. */
function minuteAverage(): (value: number, now: number) => number | undefined {
  let values: number[] = [];
  return (value, now) => {
    values.push(value);
    if (now % 60 !== 0) return undefined;
    const average = values.reduce((sum, each) => sum + each, 0) / values.length;
    values = [];
    return average;
  };
}

function within({ minTasks, maxTasks }: Limits, tasks: number): number {
  return Math.min(Math.max(tasks, minTasks), maxTasks);
}
