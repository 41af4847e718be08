/** The options of a world, and the result of its run. */
import type { Checks } from './checks.ts';
import type { FaultKind } from './faults.ts';
import type { Violation } from './rules.ts';

/** Guards that can be removed, to see that the checks notice. */
export const MUTANTS = [
  'ECS ignores protection',
  'a worker lifts its protection without looking at its work',
  'cordons are written late',
  'the memory is written without its condition',
  'a listing ends after its first page',
  'unknown readings count as zero',
  'an order adds to the count',
  'a deployment is identified by its task definition only',
  'a worker without a report counts as idle',
  'an invocation does not wait for the previous one',
  'an invocation ends with its minute',
] as const;
export type Mutant = (typeof MUTANTS)[number];

export interface WorldOptions {
  seed: number;
  /** How long faults are injected. */
  hours: number;
  mutant?: Mutant | undefined;
  /** A second scaler ticks all the time. */
  twoScalers?: boolean | undefined;
  /** Stop at the first broken rule. */
  untilBroken?: boolean | undefined;
  minutesBetweenFaults?: number | undefined;
  /** Only these faults (default: all). */
  faults?: FaultKind[] | undefined;
  print?: ((line: string) => void) | undefined;
}

export interface WorldResult {
  seed: number;
  hash: string;
  violations: Violation[];
  newest: string[];
  poolHours: number;
  taskHours: number;
  ticks: number;
  invocations: number;
  activities: number;
  kills: Checks['kills'];
  faults: Record<string, number>;
  /** Requests during which an invocation crashed, and whether before or after their effect. */
  deaths: Record<string, number>;
  scaleIns: number;
  restedAfterMinutes: number;
}
