/**
 * Named loads: one is drawn from the figures of a real hour, the others are synthetic, each of a kind that some scaler handles badly.
 * Equal seeds give equal work. A hundred tasks with the given slots are enough for each.
 */
import realHour from './azure-llm-conv-2023.profile.json' with { type: 'json' };
import type { Work } from './model.ts';
import { exponential, lognormal, pareto, seeded, uniform, type Random } from './random.ts';

export interface Trace {
  /** One line. */
  about: string;
  slots: number;
  draw(seed: number): Work[];
}

const MINUTE = 60;
const HOUR = 3600;
const SLOTS = 20;

export function trace(about: string, make: (random: Random) => Work[], slots = SLOTS): Trace {
  return { about, slots, draw: (seed) => make(seeded(seed)).sort((a, b) => a.arrivalSeconds - b.arrivalSeconds) };
}

export const TRACES: Record<string, Trace> = {
  'real-hour': trace('an hour of real LLM chat requests, drawn from its figures', (random) => fromProfile(random, 1)),
  'real-hour-x10': trace('the same hour with ten times the users', (random) => fromProfile(random, 10)),
  steady: trace('10 a second of 6 s each, for an hour', (random) =>
    arrivals(random, HOUR, () => 10, lognormalOf(random, 6, 0.8)),
  ),
  bursts: trace('nothing, and every ten minutes 100 to 1,500 at once', (random) =>
    repeat(HOUR, 10 * MINUTE, (start) =>
      batch(random, start + uniform(random, [0, 3 * MINUTE]), uniform(random, [100, 1500]), 10, () =>
        lognormal(random, 8, 0.8),
      ),
    ),
  ),
  steps: trace('a new rate every ten minutes: 2, 20, 5, 40, 10, 30, 1 a second', (random) => {
    const rates = [2, 20, 5, 40, 10, 30, 1];
    return arrivals(
      random,
      70 * MINUTE,
      (at) => rates[Math.floor(at / (10 * MINUTE))] ?? 0,
      lognormalOf(random, 6, 0.5),
    );
  }),
  sine: trace('0 to 30 a second and back every 20 minutes', (random) =>
    arrivals(random, 80 * MINUTE, wave(20 * MINUTE, 0, 30), lognormalOf(random, 5, 0.7)),
  ),
  'slow-sine': trace('2 to 40 a second and back once in two hours', (random) =>
    arrivals(random, 2 * HOUR, wave(2 * HOUR, 2, 40), lognormalOf(random, 8, 0.7)),
  ),
  spikes: trace('3 a second, and 60 a second for half a minute every seven', (random) =>
    arrivals(random, 70 * MINUTE, (at) => (at % (7 * MINUTE) < 30 ? 60 : 3), lognormalOf(random, 6, 0.5)),
  ),
  trickle: trace('one every 90 s, of 20 s', (random) =>
    arrivals(
      random,
      2 * HOUR,
      () => 1 / 90,
      () => exponential(random, 20),
    ),
  ),
  ramp: trace('from nothing to 50 a second in 50 minutes, and then nothing', (random) =>
    arrivals(random, 50 * MINUTE, (at) => at / MINUTE, lognormalOf(random, 6, 0.6)),
  ),
  'long-tasks': trace(
    'one every 15 s, of 5 to 40 minutes; 4 slots a task',
    (random) =>
      arrivals(
        random,
        HOUR,
        () => 1 / 15,
        () => uniform(random, [5 * MINUTE, 40 * MINUTE]),
      ),
    4,
  ),
  'fast-tasks': trace('up to 1,200 a second, of 200 ms', (random) =>
    arrivals(random, 10 * MINUTE, wave(5 * MINUTE, 100, 1200), () => exponential(random, 0.2)),
  ),
  'on-off': trace('five minutes of 20 a second, five of nothing', (random) =>
    arrivals(random, HOUR, (at) => (at % (10 * MINUTE) < 5 * MINUTE ? 20 : 0), lognormalOf(random, 8, 0.6)),
  ),
  'heavy-tail': trace(
    'batches of heavy-tailed size at heavy-tailed intervals, of heavy-tailed service times',
    heavyTail,
  ),
  'bursty-hour': trace('a rate that jumps on every scale, from seconds to a quarter of an hour', burstyHour),
  'fan-out': trace('200 to 600 at once of about a minute, about every four minutes', (random) =>
    repeat(HOUR, 4 * MINUTE, (start) =>
      batch(random, start + uniform(random, [0, 2 * MINUTE]), uniform(random, [200, 600]), 1, () =>
        lognormal(random, 60, 0.3),
      ),
    ),
  ),
  'one-slot': trace(
    '0 to 5 a second and back every half an hour, of 10 s; one slot a task',
    (random) => arrivals(random, HOUR, wave(30 * MINUTE, 0, 5), lognormalOf(random, 10, 0.5)),
    1,
  ),
};

/** Poisson arrivals with a changing rate: by thinning, one second at a time. */
export function arrivals(
  random: Random,
  seconds: number,
  rateAt: (at: number) => number,
  service: () => number,
): Work[] {
  const work: Work[] = [];
  for (let second = 0; second < seconds; second++) {
    const rate = rateAt(second + 0.5);
    if (rate <= 0) continue;
    for (let within = exponential(random, 1 / rate); within < 1; within += exponential(random, 1 / rate)) {
      work.push({ arrivalSeconds: second + within, serviceSeconds: service() });
    }
  }
  return work;
}

function lognormalOf(random: Random, mean: number, spread: number): () => number {
  return () => lognormal(random, mean, spread);
}

/** Starts at its minimum. */
export function wave(period: number, low: number, high: number): (at: number) => number {
  return (at) => low + ((high - low) * (1 - Math.cos((2 * Math.PI * at) / period))) / 2;
}

function repeat(seconds: number, every: number, make: (start: number) => Work[]): Work[] {
  return Array.from({ length: Math.ceil(seconds / every) }, (_, index) => make(index * every)).flat();
}

function batch(random: Random, start: number, count: number, withinSeconds: number, service: () => number): Work[] {
  return Array.from({ length: Math.round(count) }, () => ({
    arrivalSeconds: start + uniform(random, [0, withinSeconds]),
    serviceSeconds: service(),
  }));
}

function heavyTail(random: Random): Work[] {
  const work: Work[] = [];
  for (let at = 0; at < 90 * MINUTE; at += Math.min(pareto(random, 3, 1.3), 15 * MINUTE)) {
    const count = Math.min(pareto(random, 2, 1.1), 800);
    work.push(...batch(random, at, count, 2, () => Math.min(pareto(random, 2, 1.4), 20 * MINUTE)));
  }
  return work;
}

/** A cascade: at each scale, each half of an interval gets a random share of its work. */
function burstyHour(random: Random): Work[] {
  const seconds = 4096;
  const rates = new Float64Array(seconds).fill(6);
  for (let stretch = seconds; stretch >= 8; stretch /= 2) {
    for (let start = 0; start < seconds; start += stretch) {
      const share = uniform(random, [0.2, 0.8]);
      for (let at = start; at < start + stretch; at++) rates[at]! *= 2 * (at < start + stretch / 2 ? share : 1 - share);
    }
  }
  return arrivals(random, seconds, (at) => Math.min(rates[Math.floor(at)] ?? 0, 150), lognormalOf(random, 6, 0.8));
}

function fromProfile(random: Random, times: number): Work[] {
  const { arrivalsPer10Seconds, serviceSecondsQuantiles40: quantiles } = realHour;
  const service = () => {
    const position = random() * (quantiles.length - 1);
    const below = Math.floor(position);
    const low = quantiles[below]!;
    return low + ((quantiles[below + 1] ?? low) - low) * (position - below);
  };
  const rateAt = (at: number) => ((arrivalsPer10Seconds[Math.floor(at / 10)] ?? 0) / 10) * times;
  return arrivals(random, arrivalsPer10Seconds.length * 10, rateAt, service);
}
