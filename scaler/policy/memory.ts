/**
 * What the policy carries from tick to tick. Bounded, versioned, plain JSON; whatever cannot be understood starts afresh.
 * All times are epoch milliseconds, all sums decay.
 */
import { known, type Policy, type Signals } from './types.ts';

const MEMORY_VERSION = 11;

/** Arrivals of ticks this old are kept. */
export const INTERVALS_KEPT_SECONDS = 70;
/** Workers and tasks followed one by one; a larger fleet is judged by these. */
export const FOLLOWED = 500;

/** The first of them, where there are more than can be followed. */
export function followed<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.slice(0, FOLLOWED));
}

export interface Interval {
  at: number;
  seconds: number;
  /** Change of what is queued, busy and done: what came, but for readings that lag. */
  came: number;
  /** What left the queue for a worker, as far as the queue shows it. */
  begun: number;
  /** Attempts finished, as far as workers report them. */
  done: number;
}

/** What is remembered of one kind of work. */
export interface KindMemory {
  queued: number;
  /** Of what is queued, what was in flight before a restart of the server, and is counted among the busy slots. */
  again: number;
  /** 1 where the queue could not be read at the last tick. */
  wasUnread: number;
  busySlots: number;
  /** Since when some were. */
  busySince: number;
  /** When something was last finished; and when the queue was last seen empty; 0 for never. */
  doneAt: number;
  emptyAt: number;
  /** The slots that a task really takes, where that was seen; 0 before. And for how many seconds it has taken no more. */
  slots: number;
  noMoreSeconds: number;
  intervals: Interval[];
  /** The queue's present spell of arrivals, and its newest: rates of a queue that was silent are not to be trusted. */
  addsSince: number;
  addsUntil: number;
  /** Slot-seconds worked and attempts finished: their ratio is the service time. */
  slotSeconds: number;
  completed: number;
  /** What a full task gets done a second, 0 before that was seen; when it was; and for how many seconds as many were full. */
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
  /** 1 once a worker was seen whose task is known, 0 before. */
  matched: number;
  /** Slots in use by task, of those that were not told to leave; null before it has reported. */
  held: Record<string, number | null>;
  /** The service's count as last read. */
  count: number;
  /** Slots of tasks that went with work: it is taken to be under way until it has come back, or until then. */
  slotsAwaitingRetry: number;
  awaitingRetryUntil: number;
  /** Tasks in a row that were gone before they had come up; and of late, workers that were gone in mid-work. */
  failedStarts: number;
  /** When one was last gone that had not reported. */
  lostAt: number;
  crashes: number;
  pendingSince: Record<string, number>;
  runningSince: Record<string, number>;
  startUpSeconds: number;
  /** Since when fewer tasks run than were ordered and none has come up; 0 while that is not so. */
  shortSince: number;
  /** Task-seconds paid and attempts finished, over hours: their ratio is what a piece of work costs. */
  taskSeconds: number;
  jobs: number;
  /** Attempts and failures of the last minutes. */
  attempts: number;
  failures: number;
  /** Failed workflow tasks among them. */
  workflowFailures: number;
  /** The count that tasks were last ordered up to, and when: so soon it is not taken back. */
  raisedTo: number;
  raisedAt: number;
  /** When a query or a Nexus operation last found no worker; 0 for never. */
  askedAt: number;
  /** Since when most attempts fail, 0 while they do not; and the most slots that were in use shortly before that. */
  failingSince: number;
  busyPeak: number;
  busyPeakAt: number;
  /** Work that waited when tasks were last ordered for it, typically. */
  waitingAtOrders: number;
  /** [when at least `tasks` were last needed, tasks], most tasks first. */
  levels: [number, number][];
  /** When the need jumped, and how far: [epoch ms, tasks ordered, tasks with which hardly anything waits], oldest first. */
  onsets: [number, number, number][];
  /** The need of the last minutes, when it was low. */
  usualNeed: number;
  /** Some time after tasks of an earlier deployment were last seen. */
  deployingUntil: number;
  /** The newest deployment of which a task has come up; and since when there is a newer one of which none has, or 0. */
  provenDeployment: string;
  unprovenSince: number;
  /** How long tasks that had become needless stayed so: GAP_CLASSES weights for each of GAP_GROUPS groups of tasks. */
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

/** Gaps between needs are counted in so many classes of length; and apart for the first task, the next 2, the next 4 … */
export const GAP_CLASSES = 17;
export const GAP_GROUPS = 7;

/** A worker of ours has reported by then; one that has not may be of a kind that never does. */
export const REPORTS_WITHIN_SECONDS = 75;

/** Before anything was seen, a task is taken to start in so long. */
const TYPICAL_START_UP_SECONDS = 42;

export function recall(memory: unknown, signals: Signals, policy: Policy, now: number): Memory {
  return isMemory(memory) && memory.at <= now + CLOCKS_APART_MS ? memory : afresh(signals, policy, now);
}

/** Sums of milliseconds and slots stay far below it. */
const LARGEST_FIGURE = 1e15;

/** Two machines' clocks differ by less. A memory from further ahead was written by a clock that was wrong, and all its times are. */
const CLOCKS_APART_MS = 60_000;

/**
 * The fleet at hand is taken to have been needed until now, and its tasks to have had time to report: not remembering is
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
    // At zero, nothing says that the deployment was not proven long ago.
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

/** Has the fields of a fresh memory, all the way down, with numbers that one can calculate with: the state table may hold anything. */
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
