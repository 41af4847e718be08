/** What a pool's work could need at most, and what its tasks have cost: kept from tick to tick, for the checks. */
import { live } from './ecs-services.ts';
import type { PoolTruth } from './pool-truth.ts';
import { HOUR, MINUTE, SECOND, type VirtualTime } from './time.ts';
import { WORKFLOW_SLOTS } from './workflow-tasks.ts';

const PEAK_OVER_MS = 3 * MINUTE;
/** The most time from the order of a task until it works. */
const START_UP_MS = 70 * SECOND;

export class Demand {
  readonly #time: VirtualTime;
  readonly #peaks = new Map<string, { at: number; slots: number }[]>();
  readonly #spent = new Map<string, { hour: number; at: number; dollars: number }>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** To be called at each tick. */
  account(truth: PoolTruth): void {
    const { now } = this.#time;
    const { pool, policy } = truth.plan.config;
    const peaks = (this.#peaks.get(pool) ?? []).filter(({ at }) => at > now - PEAK_OVER_MS);
    this.#peaks.set(pool, [...peaks, { at: now, slots: slotsOf(truth) }]);
    truth.arrivals = truth.arrivals.filter(({ at }) => at > now - PEAK_OVER_MS);
    if (policy.spendCapDollarsPerHour === undefined) return;
    const hour = hourOf(now);
    const before = this.#spent.get(pool);
    const since = Math.max(hour, before?.at ?? now);
    const dollars = (live(truth.service).length * (now - since) * 0.04937) / HOUR;
    this.#spent.set(pool, { hour, at: now, dollars: before?.hour === hour ? before.dollars + dollars : dollars });
  }

  /** Generously: all that waited or ran lately at once, and all that comes while it is worked off. */
  mostNeeded({ plan, arrivals, queue }: PoolTruth, slotsPerTask: number): number {
    const { now } = this.#time;
    const peaks = this.#peaks.get(plan.config.pool) ?? [];
    const slots = Math.max(slotsOf({ queue }), ...peaks.map((peak) => peak.slots));
    const came = arrivals.filter(({ at }) => at > now - PEAK_OVER_MS).reduce((sum, { count }) => sum + count, 0);
    if (plan.load.workflowTaskMs !== undefined) return mostForWorkflowTasks(slots, came, plan.load.workflowTaskMs);
    const coming = (came / PEAK_OVER_MS) * (START_UP_MS + plan.load.meanServiceMs * 2);
    return Math.ceil((1.5 * (slots + coming + plan.load.largestBatch)) / slotsPerTask) + 2;
  }

  /** Dollars. */
  spentThisHour(pool: string): number {
    const spending = this.#spent.get(pool);
    return spending?.hour === hourOf(this.#time.now) ? spending.dollars : 0;
  }
}

/** All work that waits or runs, on any worker. */
function slotsOf({ queue }: Pick<PoolTruth, 'queue'>): number {
  const { queued, inUse } = queue.workflowTasks;
  return queue.queued + queue.inFlight + queued + inUse;
}

/** They have slots of their own, and a task one thread: what waits is to be gone in a start-up's time. */
function mostForWorkflowTasks(slots: number, came: number, ms: number): number {
  const threads = (slots * ms) / START_UP_MS + (came * ms) / PEAK_OVER_MS;
  return Math.ceil(1.5 * Math.max(threads, (slots + (came * START_UP_MS) / PEAK_OVER_MS) / WORKFLOW_SLOTS)) + 2;
}

function hourOf(now: number): number {
  return now - (now % HOUR);
}
