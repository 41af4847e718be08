/**
 * Other scalers as controllers of the model, by their documented rules and defaults. None of them knows which tasks are busy: when
 * they lower the count, ECS (or Kubernetes) stops any task, and the work in it is lost.
 *
 * Where the documentation leaves a number to the user, it is one that suits the slots, and never worse than the documentation's
 * examples. The models get exact counts, although the real scalers read the same late backlog as ours.
 */
import type { Controller, Order, Settings, Truth } from './model.ts';

type Limits = Pick<Settings, 'slots' | 'minTasks' | 'maxTasks'>;

export const PEERS: Record<string, (limits: Limits) => Controller> = {
  'serverless-workers': (limits) => serverlessWorkers('serverless-workers', limits),
  'serverless-workers-tuned': (limits) => ({
    ...serverlessWorkers('serverless-workers-tuned', limits, RATE_BASED_TUNED),
    stopGraceSeconds: TUNED_GRACE_SECONDS,
  }),
  keda: (limits) => keda('keda', limits),
  'keda-tuned': (limits) => ({
    ...keda('keda-tuned', limits, KEDA_TUNED(limits)),
    stopGraceSeconds: TUNED_GRACE_SECONDS,
  }),
  hpa: depthAndCpu,
  'target-tracking': targetTracking,
  'step-scaling': stepScaling,
  formula,
};

/** The peers' own names. */
export const PEER_TITLES: Record<string, string> = {
  'serverless-workers': 'Serverless Workers (WCI), rate-based',
  'serverless-workers-tuned': 'Serverless Workers (WCI), rate-based, tuned',
  keda: 'KEDA',
  'keda-tuned': 'KEDA, tuned',
  hpa: 'HPA on depth and CPU',
  'target-tracking': 'ECS target tracking',
  'step-scaling': 'ECS step scaling',
  formula: 'formula',
};

/** Workers of tuned peers may finish their work, for as long as Fargate allows. */
export const TUNED_GRACE_SECONDS = 100;

function peer(name: string, tickSeconds: number, decide: (truth: Truth, nowSeconds: number) => number): Controller {
  const look = (_signals: unknown, truth: Truth, nowSeconds: number): Order => ({ desired: decide(truth, nowSeconds) });
  return { name, tickSeconds, protects: false, look };
}

/** Buildkite's agent scaler: tasks = (queued + running work) / slots, every 10 s. */
export function formula(limits: Limits): Controller {
  return peer('formula', 10, ({ queued, busy }) => within(limits, Math.ceil((queued + busy) / limits.slots)));
}

/** The settings of the rate-based algorithm, in the order of its source (go.temporal.io/auto-scaled-workers). */
export interface RateBasedSettings {
  pollSeconds: number;
  smoothing: number;
  initialRatePerTask: number;
  drainRate: number;
  materialBacklog: number;
  utilization: number;
  halfinWhittBeta: number;
  mostMore: number;
  upCooldownSeconds: number;
  downCooldownSeconds: number;
  quietSeconds: number;
}

const RATE_BASED: RateBasedSettings = {
  pollSeconds: 60,
  smoothing: 0.45,
  initialRatePerTask: 2,
  drainRate: 2,
  materialBacklog: 50,
  utilization: 0.8,
  halfinWhittBeta: 0.5,
  mostMore: 4,
  upCooldownSeconds: 2,
  downCooldownSeconds: 60,
  quietSeconds: 90,
};

/** The best of those that `node bench/peers/search.ts` tries: one set for all loads. */
export const RATE_BASED_TUNED: Partial<RateBasedSettings> = {
  pollSeconds: 30,
  initialRatePerTask: 0.5,
  drainRate: 0.5,
  materialBacklog: 5,
  utilization: 1,
  halfinWhittBeta: 0,
  upCooldownSeconds: 10,
  downCooldownSeconds: 30,
  quietSeconds: 0,
};

/**
 * Temporal's Serverless Workers, rate-based: one more task when work finds no free slot, at most every 2 s. Every minute it calculates
 * from smoothed rates how many tasks the arrivals need, plus 2 pieces a second while there is a backlog, and adds at most 4 tasks, or
 * removes 1 once all work has found a slot for 90 s. A task's throughput is assumed to be 2 a second, and learned while work queues.
 */
export function serverlessWorkers(
  name: string,
  limits: Limits,
  overrides: Partial<RateBasedSettings> = {},
): Controller {
  const settings = { ...RATE_BASED, ...overrides };
  let desired = limits.minTasks;
  let ratePerTask = settings.initialRatePerTask;
  let arrivalRate: number | undefined;
  let unmatchedAt = -Infinity;
  let grownAt = -Infinity;
  let shrunkAt = -Infinity;
  const rates = rateOverHalfMinute();
  const learn = (dispatchRate: number): void => {
    if (desired > 0 && dispatchRate > 0) {
      ratePerTask = smoothed(ratePerTask, dispatchRate / desired, settings.smoothing);
    }
  };
  const grow = (more: number, now: number): void => {
    if (more <= 0 || now - grownAt < settings.upCooldownSeconds) return;
    desired += more;
    grownAt = now;
  };
  return peer(name, 2, ({ unmatched, queued, dispatched }, now) => {
    const { arrivals, dispatches } = rates(dispatched, queued, now);
    if (unmatched > 0) {
      unmatchedAt = now;
      grow(Math.min(1, limits.maxTasks - desired), now);
      learn(dispatches);
    }
    if (now === 0 || now % settings.pollSeconds !== 0) return desired;
    const idle = queued === 0 && arrivals === 0 && dispatches === 0;
    arrivalRate = idle ? 0 : smoothed(arrivalRate ?? arrivals, arrivals, settings.smoothing);
    if (queued >= settings.materialBacklog) learn(dispatches);
    const wanted = within(
      limits,
      neededTasks(arrivalRate + (queued > 0 ? settings.drainRate : 0), ratePerTask, settings),
    );
    if (wanted > desired) grow(Math.min(settings.mostMore, wanted - desired), now);
    else if (
      wanted < desired &&
      now - unmatchedAt >= settings.quietSeconds &&
      now - shrunkAt >= settings.downCooldownSeconds
    ) {
      desired -= 1;
      shrunkAt = now;
    }
    return desired;
  });
}

/** The larger of two needs: by a utilization target, and by square-root staffing. */
function neededTasks(rate: number, ratePerTask: number, { utilization, halfinWhittBeta }: RateBasedSettings): number {
  const load = rate / ratePerTask;
  return Math.max(Math.ceil(load / utilization), Math.ceil(load + halfinWhittBeta * load ** 0.5));
}

function smoothed(before: number, sample: number, weight: number): number {
  return weight * sample + (1 - weight) * before;
}

/** Arrivals and dispatches per second over the last 30 s, as Temporal reports them. */
function rateOverHalfMinute(): (
  dispatched: number,
  queued: number,
  now: number,
) => { arrivals: number; dispatches: number } {
  let past: { at: number; dispatched: number; arrived: number }[] = [];
  return (dispatched, queued, now) => {
    const arrived = dispatched + queued;
    past = [...past.filter(({ at }) => at >= now - 30), { at: now, dispatched, arrived }];
    const seconds = Math.max(now - past[0]!.at, 2);
    return {
      arrivals: Math.max(0, arrived - past[0]!.arrived) / seconds,
      dispatches: (dispatched - past[0]!.dispatched) / seconds,
    };
  };
}

export interface KedaSettings {
  pollSeconds: number;
  cooldownSeconds: number;
  /** Target backlog per task: KEDA's targetQueueSize. */
  target: number;
  downStabilizationSeconds: number;
}

const KEDA: KedaSettings = { pollSeconds: 30, cooldownSeconds: 300, target: 5, downStabilizationSeconds: 300 };

export const KEDA_TUNED = ({ slots }: Pick<Limits, 'slots'>): KedaSettings => ({
  pollSeconds: 5,
  cooldownSeconds: 60,
  target: slots,
  downStabilizationSeconds: 60,
});

const HPA_SYNC_SECONDS = 15;

/** KEDA's Temporal scaler: a target backlog per task, through the HPA. KEDA itself scales from and to zero, at its polls. */
function keda(name: string, limits: Limits, overrides: Partial<KedaSettings> = {}): Controller {
  const { pollSeconds, cooldownSeconds, target, downStabilizationSeconds } = { ...KEDA, ...overrides };
  const atLeastOne = { ...limits, minTasks: Math.max(1, limits.minTasks) };
  const hpa = horizontalPodAutoscaler(atLeastOne, downStabilizationSeconds);
  let lastActive = -Infinity;
  let current = limits.minTasks;
  return peer(name, 5, ({ queued }, now) => {
    const atPoll = now % pollSeconds === 0;
    if (atPoll && queued > 0) lastActive = now;
    if (current === 0) current = atPoll && queued > 0 ? 1 : 0;
    else if (limits.minTasks === 0 && atPoll && now - lastActive >= cooldownSeconds) current = 0;
    else if (now % HPA_SYNC_SECONDS === 0) current = hpa(current, averageValue(queued, target, current), now);
    return current;
  });
}

/** An HPA on a backlog of 10 per task and on 70 % CPU, where a full task uses all of its CPU. It cannot reach zero. */
function depthAndCpu(limits: Limits): Controller {
  const atLeastOne = { ...limits, minTasks: Math.max(1, limits.minTasks) };
  const hpa = horizontalPodAutoscaler(atLeastOne);
  let current = atLeastOne.minTasks;
  return peer('hpa', HPA_SYNC_SECONDS, (truth, now) => {
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

/** Its default behavior: up by 100 % or by 4 every 15 s, whichever is more; down to the maximum of the last 300 s. */
function horizontalPodAutoscaler(
  limits: Limits,
  downStabilizationSeconds = 300,
): (current: number, wanted: number, now: number) => number {
  let wishes: { at: number; wanted: number }[] = [];
  return (current, wanted, now) => {
    wishes = [...wishes.filter(({ at }) => at > now - downStabilizationSeconds), { at: now, wanted }];
    if (wanted > current) return within(limits, Math.min(wanted, Math.max(current * 2, current + 4)));
    return within(limits, Math.min(current, Math.max(...wishes.map((wish) => wish.wanted))));
  };
}

/**
 * AWS target tracking on the backlog per task; the target is a task's slots. It scales out in proportion after 3 minutes above the
 * target, and in after 15 minutes below 90 % of it, with 300 s between changes. The metric needs a task, so the minimum is 1.
 */
function targetTracking(limits: Limits): Controller {
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

/** AWS step scaling: out by steps on a one-minute backlog alarm; in by a quarter after five minutes below 30 % utilization. */
function stepScaling(limits: Limits): Controller {
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

/** `fulls`: the backlog divided by a task's slots. */
function growthStep(fulls: number): number {
  if (fulls >= 20) return 20;
  if (fulls >= 5) return 5;
  if (fulls >= 1) return 2;
  return fulls > 0 ? 1 : 0;
}

/** As in CloudWatch: the average of a minute's values, once the minute is over. */
function minuteAverage(): (value: number, now: number) => number | undefined {
  let values: number[] = [];
  return (value, now) => {
    if (now > 0) values.push(value);
    if (now % 60 !== 0 || values.length === 0) return undefined;
    const average = values.reduce((sum, each) => sum + each, 0) / values.length;
    values = [];
    return average;
  };
}

function within({ minTasks, maxTasks }: Limits, tasks: number): number {
  return Math.min(Math.max(tasks, minTasks), maxTasks);
}
