/** The model's input: the work, and the conditions under which a fleet does it. */
import type { Signals } from '../../scaler/policy.ts';

/** A piece of work. A list of work is sorted by arrival. */
export interface Work {
  arrivalSeconds: number;
  serviceSeconds: number;
  /** (Default: an activity.) A worker has separate slots for workflow tasks, and one thread for all of them. */
  kind?: Kind;
  /** Work that polls by failing: this many attempts fail before one succeeds, each followed by a pause. */
  retries?: { times: number; everySeconds: number };
}

export const KINDS = ['activity', 'workflowTask'] as const;
export type Kind = (typeof KINDS)[number];

/** An interval of the model's time. */
export interface Spell {
  fromSeconds: number;
  toSeconds: number;
}

export interface Settings {
  seed: number;
  /** A task's slots for activities, as configured. */
  slots: number;
  /** Slots that a task really uses; at most `slots`. */
  usableSlots: number;
  /** Whether heartbeats report free slots. Our workers' do not: their slot supplier is not one of the SDK's. */
  reportsFreeSlots: boolean;
  /** A task's slots for workflow tasks. */
  workflowSlots: number;
  minTasks: number;
  maxTasks: number;
  /** From the order of a task until it polls; drawn for each task. Billed, because Fargate bills from the image pull. */
  startUpSeconds: [least: number, most: number];
  /** How long a poll without work stays open: a cordoned task leaves only after its polls have ended. */
  pollSeconds: number;
  heartbeatSeconds: number;
  /** For images that are not ours: their workers take work, but Temporal does not list them. */
  neverReports: boolean;
  /** Spells in which the server's registry has lost this share of the workers. */
  unlisted: (Spell & { share: number })[];
  /** Somebody else's workers on the same queue: they report, but do not run in tasks of the service. */
  foreign: { workers: number; slots: number };
  /** The share of activities that is started eagerly when a slot is free: the queue does not count them. */
  eagerShare: number;
  /** The share of workflow tasks that goes to the worker that has cached the workflow: the queue does not count them. */
  stickyShare: number;
  /** Work of terminated workflows: the backlog counts it until a worker polls, or for ten minutes. */
  deadWork: { atSeconds: number; count: number }[];
  /**
   * When the server restarts: activities that were dispatched in the last half minute are queued again although they run, as new or
   * with their old age, until a worker polls, or for ten minutes.
   */
  restarts: { atSeconds: number; age: 'fresh' | 'old' }[];
  /** Spells in which an attempt fails at its end with this probability, and is retried after a back-off. */
  outages: (Spell & { probability: number })[];
  /** Spells in which signals cannot be read. */
  blindSpells: (Spell & { signals: (keyof Signals)[] })[];
  /** Times at which a new revision is deployed: each old task is replaced, and leaves when it may. */
  deployments: number[];
  /** The capacity of what all attempts share, such as a database: with more attempts at once, each takes longer. */
  sharedSlots: number;
  /** The activity queue's own limit of dispatches per second, which it reports. */
  dispatchLimit: number;
  /** The share of activities with a fairness key that has its own limit, which no reading shows. */
  limitedKey: { share: number; perSecond: number };
  /** How long a stopped task may finish its work, in a fleet without the scale-in protocol. The SDK's default is 0. */
  stopGraceSeconds: number;
  /** From the loss of work to its retry: the activity's heartbeat timeout plus the back-off. */
  redeliverySeconds: number;
  /** How long the run continues, and tasks are billed, after the last possible end of work. */
  tailSeconds: number;
  /** Interval of the samples for charts; 0: no samples. */
  sampleSeconds: number;
}

export const DEFAULT_SETTINGS: Settings = {
  seed: 1,
  slots: 20,
  usableSlots: Infinity,
  reportsFreeSlots: false,
  workflowSlots: 40,
  minTasks: 0,
  maxTasks: 100,
  startUpSeconds: [25, 60],
  pollSeconds: 11,
  heartbeatSeconds: 10,
  neverReports: false,
  unlisted: [],
  foreign: { workers: 0, slots: 0 },
  eagerShare: 0,
  stickyShare: 0,
  deadWork: [],
  restarts: [],
  outages: [],
  blindSpells: [],
  deployments: [],
  sharedSlots: Infinity,
  dispatchLimit: Infinity,
  limitedKey: { share: 0, perSecond: Infinity },
  stopGraceSeconds: 0,
  redeliverySeconds: 11,
  tailSeconds: 1800,
  sampleSeconds: 0,
};

export function isWithin({ fromSeconds, toSeconds }: Spell, now: number): boolean {
  return now >= fromSeconds && now < toSeconds;
}
