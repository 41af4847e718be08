/**
 * Fourteen real days, with their nights, outages and evening peaks, at several rates and service times: what a pool's habits are
 * worth over weeks. Each takes minutes, so they are not among the regimes.
 */
import { clairvoyant } from './clairvoyant.ts';
import { peerNamed } from './comparison.ts';
import { elastic } from './elastic.ts';
import { DEFAULT_SETTINGS, simulate } from './model.ts';
import { lognormal } from './random.ts';
import { DEFAULT_TASK_SIZE, summarize, type Summary } from './score.ts';
import profile from './servegen-14-days.profile.json' with { type: 'json' };
import { arrivals, trace, type Trace } from './traces.ts';

/** Pieces a second, on average; and seconds. */
const RATES = [0.02, 0.2, 2, 20];
const SERVICE_SECONDS = [2, 20, 120];
const MOST_TASKS = 300;

export const DAYS: Record<string, Trace> = Object.fromEntries(
  RATES.flatMap((rate) => SERVICE_SECONDS.map((seconds) => [`${rate}/s-of-${seconds}s`, daysOf(rate, seconds)])),
);

function daysOf(rate: number, seconds: number): Trace {
  const { relativeRate, windowSeconds } = profile;
  return trace(`fourteen days, ${rate} a second on average, of ${seconds} s`, (random) =>
    arrivals(
      random,
      relativeRate.length * windowSeconds,
      (at) => rate * relativeRate[Math.floor(at / windowSeconds)]!,
      () => lognormal(random, seconds, 0.8),
    ),
  );
}

/** Ours first. */
export function runDays(load: string, seed: number, peers: string[]): Summary[] {
  const { draw, slots } = DAYS[load]!;
  const work = draw(seed);
  const settings = { ...DEFAULT_SETTINGS, slots, seed, maxTasks: MOST_TASKS };
  const reference = clairvoyant(work, settings);
  const controllers = [elastic(settings), ...peers.map((name) => peerNamed(name, settings))];
  return controllers.map((controller) => ({
    ...summarize(simulate(work, controller, settings), reference, slots, DEFAULT_TASK_SIZE),
    controller: controller.name,
  }));
}
