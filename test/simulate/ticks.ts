/** The shipped policy on the model, tick by tick: its readings and its decisions. */
import { decide, DEFAULT_POLICY, known, type Decision, type Policy, type Signals } from '../../scaler/policy.ts';
import {
  DEFAULT_SETTINGS,
  EPOCH_MS,
  simulate,
  type Result,
  type Settings,
  type Truth,
  type Work,
} from '../../simulate/model.ts';
import { exponential, seeded } from '../../simulate/random.ts';

export interface Tick extends Decision {
  now: number;
  /** The service's count before. */
  present: number;
  running: number;
  truth: Truth;
  signals: Signals;
}

export interface Run {
  ticks: Tick[];
  result: Result;
}

const TICK_SECONDS = 10;

export function runTicks(work: Work[], settings: Partial<Settings> = {}, overrides: Partial<Policy> = {}): Run {
  const all = { ...DEFAULT_SETTINGS, ...settings };
  const { minTasks, maxTasks, slots } = all;
  const policy: Policy = { ...DEFAULT_POLICY, minTasks, maxTasks, slotsPerTask: slots, ...overrides };
  const ticks: Tick[] = [];
  let memory: unknown;
  const look = (read: () => Signals, truth: Truth, now: number) => {
    const signals = read();
    const { decision, memory: next } = decide(signals, memory, policy, EPOCH_MS + now * 1000);
    memory = next;
    const { desired: present, running } = known(signals.tasks) ? signals.tasks : { desired: NaN, running: [] };
    ticks.push({ ...decision, now, present, running: running.length, truth, signals });
    return decision;
  };
  const sorted = work.toSorted((a, b) => a.arrivalSeconds - b.arrivalSeconds);
  const result = simulate(sorted, { name: 'elastic', tickSeconds: TICK_SECONDS, protects: true, look }, all);
  return { ticks, result };
}

/** Poisson arrivals of work with this mean duration. */
export function flow(of: {
  perSecond: number;
  serviceSeconds: number;
  from?: number;
  to: number;
  kind?: Work['kind'];
  seed?: number;
}): Work[] {
  const { perSecond, serviceSeconds, from = 0, to, kind = 'activity', seed = 1 } = of;
  const random = seeded(seed);
  const work: Work[] = [];
  for (let now = from; (now += exponential(random, 1 / perSecond)) < to;) {
    work.push({ arrivalSeconds: now, serviceSeconds: exponential(random, serviceSeconds), kind });
  }
  return work;
}

/** This many at the same moment. */
export function burst(count: number, arrivalSeconds: number, serviceSeconds: number): Work[] {
  return Array.from({ length: count }, () => ({ arrivalSeconds, serviceSeconds }));
}

/** How often the count changed. */
export function changes(ticks: Tick[]): number {
  return ticks.filter(({ desired, present }) => desired !== present).length;
}

export function most(ticks: Tick[]): number {
  return Math.max(...ticks.map(({ desired }) => desired));
}

export function least(ticks: Tick[]): number {
  return Math.min(...ticks.map(({ desired }) => desired));
}
