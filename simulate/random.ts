/** Seeded random numbers: a run can be repeated to the last digit on any machine. */

/** Numbers in [0, 1). */
export type Random = () => number;

/** Tommy Ettinger's mulberry32, public domain. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function uniform(random: Random, [low, high]: readonly [number, number]): number {
  return low + (high - low) * random();
}

export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}

/** The logarithm is normal; `spread` is its standard deviation. The mean is `mean`. */
export function lognormal(random: Random, mean: number, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return mean * Math.exp(spread * normal - (spread * spread) / 2);
}

/** Heavy-tailed: at least `least`, without a variance for a `shape` up to 2. */
export function pareto(random: Random, least: number, shape: number): number {
  return least / (1 - random()) ** (1 / shape);
}
