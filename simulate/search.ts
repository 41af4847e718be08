/** Searches for settings that meet a wait and a budget: tries each on the same work, and returns the best first. */
import { compare, type ComparisonOptions, type Run } from './comparison.ts';
import { DEFAULT_SETTINGS, type Work } from './model.ts';
import type { Summary } from './score.ts';

export interface Goal {
  /** The p95 wait to meet. */
  waitP95Seconds: number;
  dollarsPerHour: number;
}

export interface Proposal {
  minTasks: number;
  targetWaitSeconds: number;
  summary: Summary;
  dollarsPerHour: number;
  /** Meets both the wait and the budget. */
  keeps: boolean;
}

const TARGET_WAITS = [5, 10, 20, 30, 60, 120];
const SHARES_OF_PEAK = [0, 0.1, 0.25, 0.5, 0.75];

/** Those that meet the goal, cheapest first; then those that miss it least. */
export function search(work: readonly Work[], goal: Goal, options: Omit<ComparisonOptions, 'peers'>): Proposal[] {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const [first] = compare(work, { ...options, peers: [] }).runs;
  const counts = SHARES_OF_PEAK.map((share) => Math.ceil(share * first!.summary.peakTasks));
  const minimums = new Set([...counts, 1].filter((tasks) => tasks >= settings.minTasks && tasks <= settings.maxTasks));
  return [...minimums]
    .flatMap((minTasks) =>
      TARGET_WAITS.map((targetWaitSeconds) => {
        const policy = { ...options.policy, minTasks, targetWaitSeconds };
        const [run] = compare(work, { ...options, settings: { ...settings, minTasks }, policy, peers: [] }).runs;
        return proposal(run!, { minTasks, targetWaitSeconds }, goal);
      }),
    )
    .toSorted((a, b) => missOf(a, goal) - missOf(b, goal) || a.dollarsPerHour - b.dollarsPerHour);
}

function proposal(
  { result, summary }: Run,
  settings: Pick<Proposal, 'minTasks' | 'targetWaitSeconds'>,
  goal: Goal,
): Proposal {
  const dollarsPerHour = summary.dollars / (result.horizonSeconds / 3600);
  const keeps = summary.waitP95 <= goal.waitP95Seconds && dollarsPerHour <= goal.dollarsPerHour;
  return { ...settings, summary, dollarsPerHour, keeps };
}

/** The factor by which the goal is missed; 0 when it is met. */
function missOf({ summary, dollarsPerHour }: Proposal, goal: Goal): number {
  const late = Math.max(0, summary.waitP95 / goal.waitP95Seconds - 1);
  return late + Math.max(0, dollarsPerHour / goal.dollarsPerHour - 1);
}
