/**
 * The loads on which the models of the peers are held against the real ones (`npm run bench:peers`): small enough that fleets of
 * all of them run side by side on one machine, and each of a kind that some scaler does badly on.
 */
import type { Work } from './model/settings.ts';
import { exponential, lognormal, seeded, uniform, type Random } from './random.ts';

interface PeerLoad {
  /** What it is, in one line. */
  about: string;
  draw(seed: number): Work[];
}

/** Of every fleet. */
export const PEER_SLOTS = 5;
export const PEER_MAX_TASKS = 8;
/** Each fleet is watched, and paid for, so long after the last work could have been done. */
export const PEER_TAIL_SECONDS = 300;

const LOAD_SECONDS = 240;

/** In this order, no two loads that start many tasks run side by side. */
export const PEER_LOADS: Record<string, PeerLoad> = {
  ramp: load('from nothing to 3 a second in four minutes, of 6 s', (random) =>
    arrivals(
      random,
      (at) => (3 * at) / LOAD_SECONDS,
      () => lognormal(random, 6, 0.3),
    ),
  ),
  'first-burst': load('120 at once, of 10 s, on a pool that has never worked', (random) =>
    batch(random, 0, 120, 8, () => lognormal(random, 10, 0.3)),
  ),
  steady: load('1.5 a second, of 8 s, for four minutes', (random) =>
    arrivals(
      random,
      () => 1.5,
      () => lognormal(random, 8, 0.3),
    ),
  ),
  'fan-out': load('40 at once, of 75 s', (random) => batch(random, 0, 40, 3, () => lognormal(random, 75, 0.2))),
  trickle: load('one every 40 s, of 15 s, for four minutes', (random) =>
    arrivals(
      random,
      () => 1 / 40,
      () => exponential(random, 15),
    ),
  ),
  'repeated-bursts': load('60 at once, of 8 s, three times, 110 s apart', (random) =>
    [0, 110, 220].flatMap((start) => batch(random, start, 60, 5, () => lognormal(random, 8, 0.3))),
  ),
};

function load(about: string, make: (random: Random) => Work[]): PeerLoad {
  return { about, draw: (seed) => make(seeded(seed)).toSorted((a, b) => a.arrivalSeconds - b.arrivalSeconds) };
}

function batch(random: Random, start: number, count: number, withinSeconds: number, service: () => number): Work[] {
  return Array.from({ length: count }, () => ({
    arrivalSeconds: start + uniform(random, [0, withinSeconds]),
    serviceSeconds: service(),
  }));
}

/** At random, at a rate that may change each second. */
function arrivals(random: Random, rateAt: (at: number) => number, service: () => number): Work[] {
  const work: Work[] = [];
  for (let second = 0; second < LOAD_SECONDS; second++) {
    const rate = rateAt(second + 0.5);
    for (let within = exponential(random, 1 / rate); within < 1; within += exponential(random, 1 / rate)) {
      work.push({ arrivalSeconds: second + within, serviceSeconds: service() });
    }
  }
  return work;
}
