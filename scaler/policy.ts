/**
 * The scaling policy: a pure function from what a tick read to what the pool shall have.
 * It imports nothing, reads no clock and never throws, so the Lambda, a replay and a simulation run the same code.
 *
 * In one line: tasks = ceil((busy + queued slots) / slots per task), the most of the last `scaleInAfterSeconds`;
 * what is unknown never scales in, and a rate-limited queue never scales out.
 */

/** A value that was read, or why it could not be: no data is not zero. */
export type Reading<T> = T | Unknown;
export interface Unknown {
  unknown: string;
}

/** One task queue of one type, as Temporal's DescribeTaskQueue reports it. Rates are per second. */
export interface QueueReading {
  backlog: number;
  ageSeconds: number;
  addRate: number;
  dispatchRate: number;
  rateLimited: boolean;
}

/** One worker's heartbeat. `task` is the ECS task it runs in, or null where that is not known. */
export interface WorkerReading {
  key: string;
  task: string | null;
  /** Since its newest heartbeat. */
  ageSeconds: number;
  usedSlots: number;
  slots: number;
  /** Totals of activity attempts since the worker started. */
  processed: number;
  failed: number;
}

/** The service's tasks by id. `running` and `pending` include the cordoned; tasks being stopped are in neither. */
export interface TasksReading {
  desired: number;
  running: string[];
  pending: string[];
  cordoned: string[];
  /** Tasks of an earlier revision than the service's own, in the middle of a deployment. */
  outdated?: string[];
}

export interface Signals {
  activityQueue: Reading<QueueReading>;
  workflowQueue: Reading<QueueReading>;
  workers: Reading<WorkerReading[]>;
  tasks: Reading<TasksReading>;
}

export interface Policy {
  minTasks: number;
  maxTasks: number;
  /** What a task that has not reported yet is expected to have. */
  slotsPerTask: number;
  /** How long queued work may wait before it starts. */
  targetWaitSeconds: number;
  /** How long the need must have stayed lower before tasks leave. */
  scaleInAfterSeconds: number;
}

export const DEFAULT_POLICY: Policy = {
  minTasks: 0,
  maxTasks: 10,
  slotsPerTask: 20,
  targetWaitSeconds: 30,
  scaleInAfterSeconds: 60,
};

/** Why the fleet has the size it has; the words that metrics, logs and pages print. */
export const REASONS = [
  'idle', // nothing queued, nothing busy: the fleet is at its minimum
  'steady', // the fleet fits the need
  'backlog', // more tasks, for work that waits
  'busy', // more tasks, for slots that are taken
  'minimum', // more tasks, for minTasks alone
  'cooling', // fewer are needed, but not for long enough yet
  'scale-in', // fewer tasks
  'maximum', // more are needed than maxTasks allows
  'rate-limited', // the queue is throttled: more workers cannot help
  'unknown', // something could not be read: the fleet does not shrink
] as const;
export type Reason = (typeof REASONS)[number];

export interface Decision {
  /** What UpdateService gets: the tasks that shall take work. */
  desired: number;
  /** All tasks that shall be cordoned from now on; one left out is taken back. */
  cordon: string[];
  reason: Reason;
  /** The numbers behind the reason, in one line. */
  detail: string;
}

/** What the policy measured on the way to its decision; an unknown figure is null. */
export interface Figures {
  busySlots: number | null;
  slots: number | null;
  queued: number | null;
  ageSeconds: number | null;
  /** Activity attempts since the tick before. */
  processed: number;
  failed: number;
}

/** What is carried from tick to tick. Bounded: see MAX_NEEDS and MAX_TOTALS. */
export interface Memory {
  version: typeof MEMORY_VERSION;
  desired: number;
  busySlots: number;
  /** [epoch ms, tasks needed], oldest first; only what can still be the most of the window is kept. */
  needs: [number, number][];
  /** Processed and failed totals by worker key. */
  totals: Record<string, [number, number]>;
}

export const MEMORY_VERSION = 1;
const MAX_NEEDS = 60;
const MAX_TOTALS = 500;

/** A heartbeat older than this says nothing about a worker whose task ECS does not list. */
const HEARTBEAT_STALE_SECONDS = 180;

export interface Outcome {
  decision: Decision;
  figures: Figures;
  memory: Memory;
}

/**
 * Decides how many tasks a pool shall have, which of them leave, and why.
 * `memory` is what the tick before returned; anything else starts afresh. `now` is in epoch milliseconds.
 */
export function decide(signals: Signals, memory: unknown, policy: Policy, now: number): Outcome {
  const before = rememberedOr(memory, signals, policy, now);
  const live = liveWorkers(signals);
  const figures = measure(signals, live, before);
  const need = tasksNeeded(figures, before, policy);
  const blind = unknowns(signals);
  const present = known(signals.tasks) ? signals.tasks.desired : before.desired;

  const needs = withNeed(before.needs, now, blind.length > 0 ? Math.max(need, present) : need, policy);
  const { desired, reason } = size(signals, present, need, highest(needs), figures, blind, policy);
  const cordon = known(signals.tasks) ? chooseLeavers(signals.tasks, desired, live ?? []) : [];
  return {
    decision: { desired, cordon, reason, detail: explain(figures, need, present, desired, policy, blind) },
    figures,
    memory: {
      version: MEMORY_VERSION,
      desired,
      busySlots: figures.busySlots ?? before.busySlots,
      needs,
      totals: live === undefined ? before.totals : totalsOf(live),
    },
  };
}

export function known<T>(reading: Reading<T>): reading is T {
  return typeof reading !== 'object' || reading === null || !('unknown' in reading);
}

/** Starting afresh, the fleet at hand is taken to have been needed until now: not remembering is not quiet time. */
function rememberedOr(memory: unknown, signals: Signals, policy: Policy, now: number): Memory {
  if (isMemory(memory)) return memory;
  const desired = known(signals.tasks) ? signals.tasks.desired : policy.minTasks;
  return { version: MEMORY_VERSION, desired, busySlots: 0, needs: [[now, desired]], totals: {} };
}

function isMemory(memory: unknown): memory is Memory {
  if (typeof memory !== 'object' || memory === null) return false;
  const { version, desired, busySlots, needs, totals } = memory as Partial<Memory>;
  return (
    version === MEMORY_VERSION &&
    Number.isFinite(desired) &&
    Number.isFinite(busySlots) &&
    Array.isArray(needs) &&
    needs.every((need) => Array.isArray(need) && need.every(Number.isFinite)) &&
    typeof totals === 'object' &&
    totals !== null &&
    Object.values(totals).every((total) => Array.isArray(total) && total.every(Number.isFinite))
  );
}

/** The workers that can be counted on: their task is one ECS lists, or, where that is unknown, their heartbeat is fresh. */
function liveWorkers({ workers, tasks }: Signals): WorkerReading[] | undefined {
  if (!known(workers)) return undefined;
  const listed = known(tasks) ? new Set([...tasks.running, ...tasks.pending]) : undefined;
  return workers.filter((worker) =>
    listed !== undefined && worker.task !== null
      ? listed.has(worker.task)
      : worker.ageSeconds <= HEARTBEAT_STALE_SECONDS,
  );
}

function measure(signals: Signals, live: WorkerReading[] | undefined, before: Memory): Figures {
  const queues = [signals.activityQueue, signals.workflowQueue].filter(known);
  const [processed, failed] = progress(live ?? [], before.totals);
  return {
    busySlots: live === undefined ? null : sum(live.map((worker) => worker.usedSlots)),
    slots: live === undefined ? null : sum(live.map((worker) => worker.slots)),
    queued: queues.length === 0 ? null : sum(queues.map((queue) => queue.backlog)),
    ageSeconds: queues.length === 0 ? null : Math.max(...queues.map((queue) => queue.ageSeconds)),
    processed,
    failed,
  };
}

/** Attempts made since the totals remembered. A worker seen for the first time only starts to be counted. */
function progress(live: WorkerReading[], totals: Memory['totals']): [processed: number, failed: number] {
  let processed = 0;
  let failed = 0;
  for (const worker of live) {
    const before = totals[worker.key];
    if (before === undefined) continue;
    processed += Math.max(0, worker.processed - before[0]);
    failed += Math.max(0, worker.failed - before[1]);
  }
  return [processed, failed];
}

/** A task of the workflow queue is counted as the activity it is about to schedule. */
function tasksNeeded(figures: Figures, before: Memory, policy: Policy): number {
  const busy = figures.busySlots ?? before.busySlots;
  return Math.ceil((busy + (figures.queued ?? 0)) / policy.slotsPerTask);
}

function unknowns(signals: Signals): string[] {
  return Object.entries(signals)
    .filter(([, reading]) => !known(reading as Reading<unknown>))
    .map(([name]) => name);
}

/** Keeps of the past only needs that a later one has not overtaken: the first is then the highest of the window. */
function withNeed(needs: Memory['needs'], now: number, need: number, policy: Policy): Memory['needs'] {
  const since = now - policy.scaleInAfterSeconds * 1000;
  const standing = needs.filter(([at, past]) => at >= since && at <= now && past > need);
  return [...standing, [now, need] as [number, number]].slice(-MAX_NEEDS);
}

function highest(needs: Memory['needs']): number {
  return Math.max(...needs.map(([, need]) => need));
}

function size(
  signals: Signals,
  present: number,
  need: number,
  needOfWindow: number,
  figures: Figures,
  blind: string[],
  policy: Policy,
): { desired: number; reason: Reason } {
  const within = (tasks: number) => clamp(tasks, policy.minTasks, policy.maxTasks);
  if (!known(signals.tasks)) return { desired: within(present), reason: 'unknown' };
  if (rateLimited(signals) && need > present) return { desired: within(present), reason: 'rate-limited' };
  if (need > policy.maxTasks) return { desired: policy.maxTasks, reason: 'maximum' };
  if (within(need) > present) return { desired: within(need), reason: growthReason(need, figures, policy) };
  if (blind.length > 0) return { desired: within(present), reason: 'unknown' };

  const desired = within(Math.min(present, needOfWindow));
  if (desired < present) return { desired, reason: 'scale-in' };
  if (within(need) < present) return { desired, reason: 'cooling' };
  return { desired, reason: need === 0 ? 'idle' : 'steady' };
}

function growthReason(need: number, figures: Figures, policy: Policy): Reason {
  if (need < policy.minTasks) return 'minimum';
  return (figures.queued ?? 0) > 0 ? 'backlog' : 'busy';
}

function rateLimited(signals: Signals): boolean {
  return [signals.activityQueue, signals.workflowQueue].some((queue) => known(queue) && queue.rateLimited);
}

/**
 * Picks as many tasks to leave as there are more than desired: those not yet running, then those already leaving,
 * then the least busy. In a deployment only tasks of the old revision leave, and only as many as new ones have come up.
 */
function chooseLeavers(tasks: TasksReading, desired: number, live: WorkerReading[]): string[] {
  const outdated = new Set(tasks.outdated);
  const deploying = outdated.size > 0;
  const excess = tasks.running.length + tasks.pending.length - desired;
  const runningExcess = deploying ? tasks.running.length - desired : excess;
  const busy = busyByTask(live);
  const cordoned = new Set(tasks.cordoned);

  const mayLeave = (task: string) => !deploying || outdated.has(task);
  const pending = tasks.pending.filter(mayLeave).toSorted().slice(0, Math.max(0, excess));
  const running = tasks.running.filter(mayLeave).toSorted((a, b) => leaveOrder(a, b, cordoned, busy));
  const fromRunning = Math.max(0, Math.min(excess - pending.length, runningExcess));
  return [...pending, ...running.slice(0, fromRunning)];
}

function leaveOrder(a: string, b: string, cordoned: Set<string>, busy: Map<string, number>): number {
  return (
    Number(cordoned.has(b)) - Number(cordoned.has(a)) ||
    (busy.get(a) ?? Infinity) - (busy.get(b) ?? Infinity) ||
    (a < b ? -1 : 1)
  );
}

/** Slots in use by task. A task that has not reported is absent: nothing is known of what it holds. */
function busyByTask(live: WorkerReading[]): Map<string, number> {
  const busy = new Map<string, number>();
  for (const { task, usedSlots } of live) {
    if (task !== null) busy.set(task, (busy.get(task) ?? 0) + usedSlots);
  }
  return busy;
}

function totalsOf(live: WorkerReading[]): Memory['totals'] {
  return Object.fromEntries(live.slice(0, MAX_TOTALS).map(({ key, processed, failed }) => [key, [processed, failed]]));
}

function explain(
  figures: Figures,
  need: number,
  present: number,
  desired: number,
  policy: Policy,
  blind: string[],
): string {
  const shown = (value: number | null) => (value === null ? '?' : String(value));
  const numbers =
    `busy ${shown(figures.busySlots)} + queued ${shown(figures.queued)} of ${policy.slotsPerTask} a task` +
    ` need ${need} (${policy.minTasks}..${policy.maxTasks}): ${present} to ${desired}`;
  return blind.length === 0 ? numbers : `${numbers}; unknown: ${blind.join(', ')}`;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
