/**
 * Reconstructs a pool's load from its ticks: the work that arrived in a tick is the work finished plus the growth of queue and busy
 * slots. This keeps the sums right, whatever rates the server reports; within a tick, arrivals are spread evenly. Ticks do not
 * contain each duration, but they do give the mean (busy slots over finished attempts): durations are drawn around it.
 */
import type { Work } from '../../simulate/model.ts';
import { exponential, seeded } from '../../simulate/random.ts';
import type { TickView } from '../view.ts';
import { GAP_MS } from './timeline.ts';

export interface PastLoad {
  /** Sorted by arrival, in seconds after `from`. */
  work: Work[];
  /** Epoch milliseconds. */
  from: number;
  serviceSeconds: number;
  startUpSeconds: number;
  /** Time about which nothing is known. */
  unknownSeconds: number;
}

/** Thrown when no load can be reconstructed from the ticks; the message says why and what to do. */
export class NoLoadError extends Error {
  override readonly name = 'NoLoadError';
}

/** More would take the browser minutes. */
const MOST_WORK = 300_000;
/** A task's start-up time, if none was observed. */
const USUAL_START_UP_SECONDS = 42;
const SEED = 1;

export function pastLoad(ticks: TickView[]): PastLoad {
  const known = ticks.filter(isKnown);
  const [first] = known;
  if (first === undefined) throw new NoLoadError('No ticks are known in this period: choose a longer one.');
  const { arrivals, unknownSeconds, busySeconds, finished } = follow(known, first);
  if (finished === 0) throw new NoLoadError('No work was finished in this period: choose a longer one.');
  if (arrivals.length > MOST_WORK) {
    const pieces = arrivals.length.toLocaleString('en');
    throw new NoLoadError(
      `${pieces} activities arrived in this period, and the simulation can take ${MOST_WORK} at most: choose a shorter one.`,
    );
  }
  const serviceSeconds = busySeconds / finished;
  const random = seeded(SEED);
  const work = arrivals.map((arrivalSeconds) => ({
    arrivalSeconds,
    serviceSeconds: exponential(random, serviceSeconds),
  }));
  return { work, from: first.now, serviceSeconds, startUpSeconds: startUpSeconds(known), unknownSeconds };
}

interface KnownTick extends TickView {
  queued: number;
  busySlots: number;
  processed: number;
}

function isKnown(tick: TickView): tick is KnownTick {
  return tick.queued !== null && tick.busySlots !== null && tick.processed !== null;
}

function follow(ticks: KnownTick[], first: KnownTick) {
  const seen = { arrivals: [] as number[], unknownSeconds: 0, busySeconds: 0, finished: 0 };
  /** Work that arrived but has not been placed in time yet. Below zero: counted work that was none, such as workflow tasks. */
  let owed = 0;
  let before = first;
  for (const tick of ticks.slice(1)) {
    const seconds = (tick.now - before.now) / 1000;
    if (tick.now - before.now > GAP_MS) seen.unknownSeconds += seconds;
    else {
      owed += tick.processed + tick.busySlots - before.busySlots + tick.queued - before.queued;
      const count = Math.max(0, owed);
      owed -= count;
      const begin = (before.now - first.now) / 1000;
      for (let index = 0; index < count; index += 1) seen.arrivals.push(begin + ((index + 0.5) / count) * seconds);
      seen.busySeconds += ((tick.busySlots + before.busySlots) / 2) * seconds;
      seen.finished += tick.processed;
    }
    before = tick;
  }
  return seen;
}

/** The mean number of starting tasks over the starts per second. Tasks that start between two ticks are not seen. */
function startUpSeconds(ticks: TickView[]): number {
  let [startingSeconds, started] = [0, 0];
  const known = ticks.filter(({ running, starting }) => running !== null && starting !== null);
  known.forEach((tick, index) => {
    const before = known[index - 1];
    if (before === undefined || tick.now - before.now > GAP_MS) return;
    startingSeconds += (tick.starting! * (tick.now - before.now)) / 1000;
    started += Math.max(0, tick.running! + tick.starting! - before.running! - before.starting!);
  });
  return started === 0 ? USUAL_START_UP_SECONDS : Math.max(1, startingSeconds / started);
}
