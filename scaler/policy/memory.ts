/**
 * What the policy carries from tick to tick. Bounded, versioned, plain JSON; whatever cannot be understood starts afresh.
 * All times are epoch milliseconds, all sums decay.
 */
import { known, type Policy, type Signals } from './types.ts';

const MEMORY_VERSION = 11;

/** Arrivals are kept for this long. */
export const INTERVALS_KEPT_SECONDS = 70;
/** Workers and tasks that are followed individually; they stand for a larger fleet. */
export const FOLLOWED = 500;

/** The first of them, where there are too many to follow. */
export function followed<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.slice(0, FOLLOWED));
}

export interface Interval {
  at: number;
  seconds: number;
  /** The change of queued, busy and finished work: the arrivals, apart from late readings. */
  came: number;
  /** Work that left the queue for a worker, as far as the queue shows it. */
  begun: number;
  /** Attempts finished, as far as workers report them. */
  done: number;
}

/** The memory of one kind of work. */
export interface KindMemory {
  queued: number;
  /** Queued work that was in flight before a restart of the server; it counts among the busy slots. */
  again: number;
  /** 1 where the queue could not be read at the last tick. */
  wasUnread: number;
  busySlots: number;
  /** Since when some were. */
  busySince: number;
  /** When work last finished, and when the queue was last seen empty; 0 for never. */
  doneAt: number;
  emptyAt: number;
  /** The slots that a task really uses, 0 before that is known; and for how many seconds it has taken no more. */
  slots: number;
  noMoreSeconds: number;
  intervals: Interval[];
  /** Start and newest arrival of the queue's current spell of arrivals: rates after a silence are not trusted. */
  addsSince: number;
  addsUntil: number;
  /** Slot-seconds worked and attempts finished: their ratio is the service time. */
  slotSeconds: number;
  completed: number;
  /** The throughput of a full task per second, 0 before that is known; when it was measured; and for how many seconds the same tasks were full. */
  capacity: number;
  capacityAt: number;
  fullSeconds: number;
}

export const KINDS = ['activities', 'workflowTasks', 'nexusTasks'] as const;
export type Kind = (typeof KINDS)[number];

/** A worker's totals: failed activities and workflow tasks; of each kind what it has processed and holds; whether it is the pool's. */
export type WorkerTotals = number[];
const WORKER_TOTALS = 3 + 2 * KINDS.length;

export interface Memory {
  version: typeof MEMORY_VERSION;
  at: number;
  desired: number;
  kinds: Record<Kind, KindMemory>;
  activeTasks: number;
  workers: Record<string, WorkerTotals>;
  /** 1 once a worker with a known task was seen, 0 before. */
  matched: number;
  /** Slots in use by task, of those that were not told to leave; null before it has reported. */
  held: Record<string, number | null>;
  /** The service's count as last read. */
  count: number;
  /** Slots of lost tasks: their work counts as running until it is retried, or until this time. */
  slotsAwaitingRetry: number;
  awaitingRetryUntil: number;
  /** Consecutive tasks that ended before they came up, and recent workers that ended in mid-work. */
  failedStarts: number;
  /** When a task without a report last ended. */
  lostAt: number;
  crashes: number;
  pendingSince: Record<string, number>;
  runningSince: Record<string, number>;
  startUpSeconds: number;
  /** Since when fewer tasks run than were ordered and none has come up; 0 while that is not so. */
  shortSince: number;
  /** Task-seconds billed and attempts finished, over hours: their ratio is the cost of a piece of work. */
  taskSeconds: number;
  jobs: number;
  /** Attempts and failures of the last minutes. */
  attempts: number;
  failures: number;
  /** Failed workflow tasks among them. */
  workflowFailures: number;
  /** The last count that tasks were ordered up to, and when: new orders stand for a while. */
  raisedTo: number;
  raisedAt: number;
  /** When a query or a Nexus operation last found no worker; 0 for never. */
  askedAt: number;
  /** Since when most attempts fail (0: they do not), and the maximum of slots in use shortly before. */
  failingSince: number;
  busyPeak: number;
  busyPeakAt: number;
  /** Typically waiting work when tasks are ordered. */
  waitingAtOrders: number;
  /** [when at least `tasks` were last needed, tasks], most tasks first. */
  levels: [number, number][];
  /** When the need jumped, and how far: [epoch ms, tasks ordered, tasks with which hardly anything waits], oldest first. */
  onsets: [number, number, number][];
  /** The need of the last minutes, when it was low. */
  usualNeed: number;
  /** A while after tasks of an earlier deployment were last seen. */
  deployingUntil: number;
  /** The newest deployment with a task that came up; and since when there is a newer one without, or 0. */
  provenDeployment: string;
  unprovenSince: number;
  /** How long surplus tasks stayed surplus: GAP_CLASSES weights for each of GAP_GROUPS groups of tasks. */
  gaps: number[];
  /**
   * The fleet, its throughput and its service time when it last grew under a standing backlog, to see whether growth
   * helped; and, when it did not, the fleet with which it was tried again (0 before).
   */
  growth: { kind: number; at: number; tasks: number; throughput: number; serviceSeconds: number; tried: number } | null;
  /** Dollars spent in the hour that began at `spendHour`. */
  spent: number;
  spendHour: number;
}

/** Gaps between needs are counted in this many classes of length, separately for the first task, the next 2, the next 4 … */
export const GAP_CLASSES = 17;
export const GAP_GROUPS = 7;

/** Our workers report within this; a worker that has not may be of a kind that never does. */
export const REPORTS_WITHIN_SECONDS = 75;

/** The assumed start-up time before any is known. */
const TYPICAL_START_UP_SECONDS = 42;

export function recall(memory: unknown, signals: Signals, policy: Policy, now: number): Memory {
  return isMemory(memory) && memory.at <= now + CLOCKS_APART_MS ? memory : afresh(signals, policy, now);
}

/** Far above any sum of milliseconds and slots. */
const LARGEST_FIGURE = 1e15;

/** Clocks of two machines differ by less. A memory from further in the future was written by a wrong clock, so all its times are wrong. */
const CLOCKS_APART_MS = 60_000;

/**
 * A fresh memory assumes that the current fleet was needed until now, and that its tasks have had time to report: a lost memory is
 * neither quiet time nor a start.
 */
function afresh(signals: Signals, policy: Policy, now: number): Memory {
  const running = known(signals.tasks) ? signals.tasks.running.slice(0, FOLLOWED) : [];
  const longAgo = now - (REPORTS_WITHIN_SECONDS + 1) * 1000;
  const desired = known(signals.tasks) ? signals.tasks.desired : policy.minTasks;
  return {
    version: MEMORY_VERSION,
    at: now,
    desired,
    kinds: { activities: ofKind(), workflowTasks: ofKind(), nexusTasks: ofKind() },
    activeTasks: 0,
    workers: {},
    matched: 0,
    held: {},
    count: desired,
    slotsAwaitingRetry: 0,
    awaitingRetryUntil: 0,
    failedStarts: 0,
    lostAt: 0,
    crashes: 0,
    pendingSince: {},
    runningSince: Object.fromEntries(running.map((task) => [task, longAgo])),
    startUpSeconds: TYPICAL_START_UP_SECONDS,
    shortSince: 0,
    taskSeconds: 0,
    jobs: 0,
    attempts: 0,
    failures: 0,
    workflowFailures: 0,
    raisedTo: 0,
    raisedAt: 0,
    askedAt: 0,
    failingSince: 0,
    busyPeak: 0,
    busyPeakAt: 0,
    waitingAtOrders: 0,
    onsets: [],
    usualNeed: desired,
    deployingUntil: 0,
    // At zero, the deployment may have been proven long ago.
    provenDeployment: known(signals.tasks) && desired === 0 ? (signals.tasks.deployment ?? '') : '',
    unprovenSince: 0,
    levels: [[now, desired]],
    gaps: Array.from({ length: GAP_GROUPS * GAP_CLASSES }, () => 0),
    growth: null,
    spent: 0,
    spendHour: hourOf(now),
  };
}

function ofKind(): KindMemory {
  return {
    queued: 0,
    again: 0,
    wasUnread: 0,
    busySlots: 0,
    busySince: 0,
    doneAt: 0,
    emptyAt: 0,
    slots: 0,
    noMoreSeconds: 0,
    intervals: [],
    addsSince: 0,
    addsUntil: 0,
    slotSeconds: 0,
    completed: 0,
    capacity: 0,
    capacityAt: 0,
    fullSeconds: 0,
  };
}

export function hourOf(now: number): number {
  return now - (now % 3_600_000);
}

/** Has all fields of a fresh memory, at every level, with finite numbers: the state table may contain anything. */
function isMemory(memory: unknown): memory is Memory {
  return hasFieldsOf(FRESH, memory, {
    version: (value) => value === MEMORY_VERSION,
    kinds: (value) =>
      hasFieldsOf(FRESH.kinds, value, { activities: isKind, workflowTasks: isKind, nexusTasks: isKind }),
    workers: recordOf(numbers(WORKER_TOTALS)),
    held: recordOf((value) => value === null || isFigure(value)),
    pendingSince: recordOf(isFigure),
    runningSince: recordOf(isFigure),
    levels: listOf(numbers(2)),
    onsets: listOf(numbers(3)),
    gaps: numbers(GAP_GROUPS * GAP_CLASSES),
    provenDeployment: (value) => typeof value === 'string',
    growth: (value) => value === null || hasFieldsOf(NO_GROWTH, value),
  });
}

type Check = (value: unknown) => boolean;

const NOTHING_READ: Signals = {
  activityQueue: { unknown: '' },
  workflowQueue: { unknown: '' },
  workers: { unknown: '' },
  tasks: { unknown: '' },
};
const FRESH = afresh(NOTHING_READ, { minTasks: 0 } as Policy, 0);
const NO_GROWTH = { kind: 0, at: 0, tasks: 0, throughput: 0, serviceSeconds: 0, tried: 0 };
const NO_INTERVAL: Interval = { at: 0, seconds: 0, came: 0, begun: 0, done: 0 };

/** The same fields as `like`, each a figure unless there is another check for it. */
function hasFieldsOf<T extends object>(like: T, value: unknown, checks: { [Name in keyof T]?: Check } = {}): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const names = Object.keys(like) as (keyof T)[];
  const given = value as Record<keyof T, unknown>;
  return Object.keys(value).length === names.length && names.every((name) => (checks[name] ?? isFigure)(given[name]));
}

function isKind(value: unknown): boolean {
  return hasFieldsOf(FRESH.kinds.activities, value, { intervals: listOf((each) => hasFieldsOf(NO_INTERVAL, each)) });
}

function isFigure(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= LARGEST_FIGURE;
}

function numbers(length: number): Check {
  return (value) => Array.isArray(value) && value.length === length && value.every(isFigure);
}

function listOf(holds: Check): Check {
  return (value) => Array.isArray(value) && value.every(holds);
}

function recordOf(holds: Check): Check {
  return (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(holds);
}
