/** What a world is made of, and what comes of it. */
import type { Checks } from './checks.ts';
import type { FaultKind } from './faults.ts';
import type { Violation } from './rules.ts';

/** Guards that can be taken out, to see that the checks notice. */
export const MUTANTS = [
  'ECS ignores protection',
  'a worker lifts its protection without looking at its work',
  'cordons are written late',
  'the memory is written without its condition',
  'a listing ends after its first page',
  'what is unknown is read as zero',
  'an order adds to the count',
  'a deployment is known by its task definition alone',
  'a worker without a report is taken to be idle',
  'an invocation does not wait for the one before',
  'an invocation ends with its minute',
] as const;
export type Mutant = (typeof MUTANTS)[number];

export interface WorldOptions {
  seed: number;
  /** How long faults come. */
  hours: number;
  mutant?: Mutant | undefined;
  /** A second scaler ticks all the time. */
  twoScalers?: boolean | undefined;
  /** Do not live on after a rule was broken. */
  untilBroken?: boolean | undefined;
  minutesBetweenFaults?: number | undefined;
  /** Only these faults; all by default. */
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
  /** Requests at which an invocation died, and whether before or after their effect. */
  deaths: Record<string, number>;
  scaleIns: number;
  restedAfterMinutes: number;
}
