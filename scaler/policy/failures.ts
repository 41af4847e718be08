/** Attempts that fail: their share, their kind, and the slots that their retries will need. */
import type { Load } from './load.ts';
import type { Memory } from './memory.ts';
import { faded, sum } from './sums.ts';
import type { WorkerReading } from './types.ts';
import { totalsFor } from './workers.ts';

const FAILURE_MEMORY_SECONDS = 60;
/** The past weighs at most as much as this many attempts, so that the end of an outage shows at once. */
const FAILURE_MEMORY_ATTEMPTS = 20;
/** Fewer attempts are not enough to judge. */
const ENOUGH_ATTEMPTS = 5;
/** Above this share of failed attempts, more workers would only fail faster. */
const FAILING_SHARE = 0.5;
/** Work that fails now is retried later: the slots in use shortly before the failures are kept for ten minutes. */
const BUSY_BEFORE_MS = 120_000;
const COMES_BACK_WITHIN_MS = 600_000;

/** Attempts since the last tick, and the share of failures among those of the last minutes. */
export function learnFailures(
  live: WorkerReading[] | undefined,
  processed: number,
  before: Memory,
  seconds: number,
): {
  load: Pick<Load, 'processed' | 'failed' | 'workflowsFail' | 'failing'>;
  memory: Pick<Memory, 'attempts' | 'failures' | 'workflowFailures'>;
} {
  const failed = failuresOf(live, before, seconds);
  const tried = processed + failed.workflowTasks;
  const kept = faded(seconds, FAILURE_MEMORY_SECONDS) * Math.min(1, FAILURE_MEMORY_ATTEMPTS / before.attempts);
  const attempts = before.attempts * kept + tried;
  const failures = before.failures * kept + failed.activities + failed.workflowTasks;
  const workflowFailures = before.workflowFailures * kept + failed.workflowTasks;
  return {
    load: {
      processed: tried,
      failed: failed.activities + failed.workflowTasks,
      workflowsFail: 2 * workflowFailures > failures,
      failing: attempts < ENOUGH_ATTEMPTS ? null : failures / attempts,
    },
    memory: { attempts, failures, workflowFailures },
  };
}

function failuresOf(live: WorkerReading[] | undefined, { workers }: Memory, seconds: number) {
  const since = (total: number, before: number | undefined) => Math.max(0, total - (before ?? 0));
  const counted = seconds === 0 ? [] : (live ?? []);
  return {
    activities: sum(counted.map(({ key, failed }) => since(failed, totalsFor(key, workers)?.[1]))),
    workflowTasks: sum(
      counted.map(({ key, workflowFailed = 0 }) => since(workflowFailed, totalsFor(key, workers)?.[2])),
    ),
  };
}

/** Most attempts fail. */
export function isFailingMostly({ failing }: Load): boolean {
  return (failing ?? 0) >= FAILING_SHARE;
}

export type Failing = Pick<Memory, 'failingSince' | 'busyPeak' | 'busyPeakAt'>;

/** Since when most attempts fail (0: they do not), and the maximum of slots in use shortly before. */
export function learnFailing(before: Memory, load: Load, now: number): Failing {
  const isFailing = isFailingMostly(load);
  const { failingSince, busyPeak, busyPeakAt } = before;
  if (isFailing && failingSince > 0) return { failingSince, busyPeak, busyPeakAt };
  const isPeak = load.reportedBusy >= busyPeak || now - busyPeakAt > BUSY_BEFORE_MS;
  return {
    failingSince: isFailing ? now : 0,
    busyPeak: isPeak ? load.reportedBusy : busyPeak,
    busyPeakAt: isPeak ? now : busyPeakAt,
  };
}

/** Slots for attempts that failed and will be retried; no count includes them until then. */
export function retriedSlots({ failingSince, busyPeak }: Failing, { reportedBusy }: Load, now: number): number {
  return failingSince > 0 && now - failingSince < COMES_BACK_WITHIN_MS ? Math.max(0, busyPeak - reportedBusy) : 0;
}
