/** The difference of two versions on the same seeds, with its confidence interval. */
import type { CellResult } from './cells.ts';
import { geometricMean, type Summary } from './score.ts';

/** In percent, with a 95 % confidence interval of ± `margin`. Above 0, the other version is worse. */
export interface Difference {
  percent: number;
  margin: number;
}

/** From the ratio of scores seed by seed, because some seeds are harder for both. */
export function differenceOf(ours: number[], others: number[]): Difference {
  const percents = ours.map((score, index) => 100 * (others[index]! / score - 1));
  return { percent: meanOf(percents), margin: marginOf(percents) };
}

export function isSure({ percent, margin }: Difference): boolean {
  return Math.abs(percent) > margin;
}

/** For each seed, the geometric mean over the loads. */
export function bySeed(results: CellResult[], figure: (result: CellResult) => number): number[] {
  return [...Map.groupBy(results, ({ seed }) => seed).values()].map((ofSeed) => geometricMean(ofSeed.map(figure)));
}

export function summaryOf({ summaries }: CellResult, controller: string): Summary {
  return summaries.find((summary) => summary.controller === controller)!;
}

/** Half of the 95 % confidence interval of their mean, by Student's t. */
export function marginOf(values: number[]): number {
  if (values.length < 2) return Infinity;
  const mean = meanOf(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return studentT(values.length - 1) * Math.sqrt(variance / values.length);
}

export function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The 97.5 % quantiles of Student's t for 1 to 9 degrees of freedom, and of the normal distribution. */
const T_975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const Z_975 = 1.959964;

/** From ten degrees of freedom, the Cornish-Fisher expansion is accurate to 0.001. */
function studentT(degrees: number): number {
  if (degrees <= T_975.length) return T_975[degrees - 1]!;
  const z = Z_975;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}
