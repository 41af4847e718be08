/** What the model is given: the work, and the conditions under which a fleet does it. */
import type { Signals } from '../../scaler/policy.ts';

/** A piece of work, that arrives and then runs for so long. Sorted by arrival. */
export interface Work {
  arrivalSeconds: number;
  serviceSeconds: number;
  /** An activity, unless it says otherwise. A worker has slots of their own for workflow tasks, and one thread for all of them. */
  kind?: Kind;
  /** Polls for something by failing: so many attempts fail before one succeeds, each followed by a pause. */
  retries?: { times: number; everySeconds: number };
}

export const KINDS = ['activity', 'workflowTask'] as const;
export type Kind = (typeof KINDS)[number];

/** A stretch of the model's time. */
export interface Spell {
  fromSeconds: number;
  toSeconds: number;
}

export interface Settings {
  seed: number;
  /** Slots of a task for activities, as its owner says. */
  slots: number;
  /** Slots that a task really fills; above `slots`, all of these. */
  usableSlots: number;
  /** Whether heartbeats say how many slots are free. A worker of ours cannot: its slots are not of the SDK's own kind. */
  reportsFreeSlots: boolean;
  /** Slots of a task for workflow tasks. */
  workflowSlots: number;
  minTasks: number;
  maxTasks: number;
  /** From the order of a task until it polls; drawn for each. Paid for, as Fargate bills from the image pull. */
  startUpSeconds: [least: number, most: number];
  /** A poll that finds no work ends after so long: a cordoned task leaves only when its own have ended. */
  pollSeconds: number;
  heartbeatSeconds: number;
  /** Images that are not ours: their workers take work, and are in no list. */
  neverReports: boolean;
  /** Spells in which the server's registry has lost this part of the workers. */
  unlisted: (Spell & { share: number })[];
  /** Workers of somebody else that serve the same queue: they report, and run in no task of the service. */
  foreign: { workers: number; slots: number };
  /** Part of the activities that is dispatched past the queue, and not counted there, whenever a slot is free. */
  eagerShare: number;
  /** Part of the workflow tasks that goes to the worker which has its workflow cached, and is in no count of the queue. */
  stickyShare: number;
  /** Work of terminated workflows, counted in the backlog until a worker polls it away, or for ten minutes. */
  deadWork: { atSeconds: number; count: number }[];
  /**
   * When the server restarts: activities that were dispatched in the last half minute are queued again although they run,
   * as if they had just come or with the age they had, until a worker polls them away, or for ten minutes.
   */
  restarts: { atSeconds: number; age: 'fresh' | 'old' }[];
  /** Spells in which an attempt fails with this probability, at its end, and is retried after a back-off. */
  outages: (Spell & { probability: number })[];
  /** Spells in which signals cannot be read. */
  blindSpells: (Spell & { signals: (keyof Signals)[] })[];
  /** When a new revision is deployed: each task of the old one is replaced, and goes when it may. */
  deployments: number[];
  /** What all attempts share, such as a database: more of them at once than this, and each takes longer. */
  sharedSlots: number;
  /** The activity queue's own limit of dispatches a second, as it reports it. */
  dispatchLimit: number;
  /** Part of the activities has a fairness key with a limit of its own, which no reading tells. */
  limitedKey: { share: number; perSecond: number };
  /** What a task that is stopped while it works has left, in a fleet without the scale-in protocol. The SDK's own default is 0. */
  stopGraceSeconds: number;
  /** How long lost work stays lost: the activity's heartbeat timeout and the retry's back-off. */
  redeliverySeconds: number;
  /** The fleet is watched, and paid for, so long after the last work could have been done. */
  tailSeconds: number;
  /** How often a sample is kept for charts; 0 keeps none. */
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
