/**
 * The conditions under which the policy is judged. One thing differs from the base at a time: the start-up, the tick, the
 * heartbeat, or a stress.
 */
import { DEFAULT_SETTINGS, type Settings } from './model.ts';
import { exponential, lognormal } from './random.ts';
import { arrivals, trace, TRACES, wave, type Trace } from './traces.ts';

interface Regime {
  /** What differs from the base. */
  about: string;
  settings?: Partial<Settings>;
  tickSeconds?: number;
  loads: Record<string, Trace>;
}

/** Constants and rules may have been chosen with these seeds. */
export const TUNING_SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** Never choose anything with these: they show what a choice is worth on unseen work. */
export const JUDGING_SEEDS = [101, 102, 103, 104, 105, 106, 107, 108, 109, 110];

const HOUR = 3600;

/** Batches, single pieces, a flow that stops, heavy tails and a fan-out: where policies differ most. */
export const REPRESENTATIVE = pick(['bursts', 'trickle', 'on-off', 'heavy-tail', 'fan-out']);

const waves = trace(
  '0.5 to 4 a second and back every 20 minutes, of 20 s; 10 slots a task',
  (random) => arrivals(random, HOUR, wave(20 * 60, 0.5, 4), () => exponential(random, 20)),
  10,
);
const STRESSED = { waves, ...pick(['fan-out']) };

const shortWork = trace('0 to 60 a second and back every 10 minutes, of 50 ms', (random) =>
  arrivals(random, HOUR / 2, wave(600, 0, 60), () => exponential(random, 0.05)),
);
const workflowTasks = trace(
  'workflow tasks, 5 to 40 a second and back every 20 minutes, with few activities',
  (random) => [
    ...arrivals(random, HOUR, wave(20 * 60, 5, 40), () => exponential(random, 0.05)).map((work) => ({
      ...work,
      kind: 'workflowTask' as const,
    })),
    ...arrivals(
      random,
      HOUR,
      () => 0.2,
      () => lognormal(random, 10, 0.5),
    ),
  ],
);

const spells = (...minutes: [from: number, to: number][]) =>
  minutes.map(([from, to]) => ({ fromSeconds: from * 60, toSeconds: to * 60 }));

export const BASE = 'base';

export const REGIMES: Record<string, Regime> = {
  [BASE]: { about: aboutBase(), loads: TRACES },
  'start-up 5–15 s': { about: 'small images', settings: { startUpSeconds: [5, 15] }, loads: REPRESENTATIVE },
  'start-up 180–300 s': { about: 'large images', settings: { startUpSeconds: [180, 300] }, loads: REPRESENTATIVE },
  'tick 2 s': { about: 'the scaler ticks more often', tickSeconds: 2, loads: REPRESENTATIVE },
  'tick 5 s': { about: 'the scaler ticks more often', tickSeconds: 5, loads: REPRESENTATIVE },
  'tick 30 s': { about: 'the scaler ticks less often', tickSeconds: 30, loads: REPRESENTATIVE },
  'heartbeat 5 s': { about: 'workers report more often', settings: { heartbeatSeconds: 5 }, loads: REPRESENTATIVE },
  'heartbeat 60 s': { about: 'workers report less often', settings: { heartbeatSeconds: 60 }, loads: REPRESENTATIVE },
  'open polls': {
    about: 'polls of 60 s: a cordoned task stays until its own polls have ended',
    settings: { pollSeconds: 60 },
    loads: REPRESENTATIVE,
  },
  'no reports': { about: 'workers never report', settings: { neverReports: true }, loads: STRESSED },
  unlisted: {
    about: 'the server forgets half of the workers for 15 minutes',
    settings: { unlisted: spells([15, 30]).map((spell) => ({ ...spell, share: 0.5 })) },
    loads: STRESSED,
  },
  'eager starts': {
    about: '90 % of the activities are started eagerly, past the queue',
    settings: { eagerShare: 0.9 },
    loads: STRESSED,
  },
  outage: {
    about: 'all attempts fail for 10 minutes',
    settings: { outages: spells([15, 25]).map((spell) => ({ ...spell, probability: 1 })) },
    loads: STRESSED,
  },
  'blind spells': {
    about: 'queues and workers are unreadable three times, for some minutes each',
    settings: {
      blindSpells: spells([8, 11], [21, 26], [40, 42]).map((spell) => ({
        ...spell,
        signals: ['activityQueue', 'workflowQueue', 'workers'],
      })),
    },
    loads: STRESSED,
  },
  deployments: { about: 'three deployments', settings: { deployments: [600, 1500, 2700] }, loads: STRESSED },
  bottleneck: { about: 'all work slows down above 150 slots at once', settings: { sharedSlots: 150 }, loads: STRESSED },
  'rate limit': { about: 'the queue dispatches at most 3 a second', settings: { dispatchLimit: 3 }, loads: STRESSED },
  'limited key': {
    about: 'a fifth of the work has a fairness key that is limited to 0.5 starts a second',
    settings: { limitedKey: { share: 0.2, perSecond: 0.5 } },
    loads: STRESSED,
  },
  'dead tasks': {
    about: 'twice, the backlog counts 300 tasks of terminated workflows; the server restarts once',
    settings: {
      deadWork: [600, 2200].map((atSeconds) => ({ atSeconds, count: 300 })),
      restarts: [{ atSeconds: 1500, age: 'fresh' }],
    },
    loads: STRESSED,
  },
  'workflow tasks': {
    about: 'most work is workflow tasks; 70 % go to the worker that has cached their workflow',
    settings: { stickyShare: 0.7 },
    loads: { 'workflow-tasks': workflowTasks },
  },
  'very short work': { about: 'too short for heartbeats to see', loads: { 'short-work': shortWork } },
};

function pick(names: string[]): Record<string, Trace> {
  return Object.fromEntries(names.map((name) => [name, TRACES[name]!]));
}

function aboutBase(): string {
  const { startUpSeconds, heartbeatSeconds } = DEFAULT_SETTINGS;
  return `start-up ${startUpSeconds.join('–')} s, tick 10 s, heartbeat ${heartbeatSeconds} s`;
}
