/**
 * What alarms need to know about a pool's last minutes: since when it has had no worker, and how many attempts ended and failed.
 * It is kept in the state table beside the policy's memory, because the next tick may run in another process.
 */
import { z } from 'zod';
import { DEFAULT_POLICY, type Outcome } from '../policy.ts';
import type { TickRecord } from './tick-record.ts';

/** Twice the start-up time of the pool's tasks so far, plus the worker's first heartbeat. */
const DOWN_AFTER_STARTS = 2;
const DOWN_AFTER_MS = 60_000;
/** The window for failures, and how many it takes to be significant: a single failed attempt is an event, not a rate. */
const ERROR_WINDOW_MS = 5 * 60_000;
const FEWEST_FAILURES = 3;
/** Attempts within this time are counted together. */
const COUNTED_TOGETHER_MS = 30_000;

const count = z.number().nonnegative();
const trailingSchema = z.object({
  /** Epoch milliseconds. */
  downSince: z.number().optional(),
  attempts: z.array(z.object({ at: z.number(), processed: count, failed: count })).max(100),
});
export type Trailing = z.infer<typeof trailingSchema>;

/** The trailing state after a tick. Invalid stored state is ignored. */
export function trail(before: unknown, record: TickRecord, outcome: Outcome): Trailing {
  const read = trailingSchema.safeParse(before);
  const { downSince, attempts } = read.success ? read.data : { attempts: [] };
  const since = isWithoutWorkers(record, outcome) ? (downSince ?? record.now) : undefined;
  return { ...(since !== undefined && { downSince: since }), attempts: withNewest(attempts, record.now, outcome) };
}

/**
 * 1 only after a while: a pool that starts from zero has no worker either until its first task is running. Null if unknown: tasks
 * that run and report nothing may well be at work, as long as they leave nothing waiting.
 */
export function workersDown({ downSince }: Trailing, { now }: TickRecord, { figures, decision, memory }: Outcome) {
  const { liveWorkers, unreportedTasks, revisionFailing } = figures;
  if (liveWorkers === null || (liveWorkers === 0 && unreportedTasks !== 0 && decision.reason !== 'not-serving'))
    return null;
  if (revisionFailing && liveWorkers === 0) return 1;
  if (downSince === undefined) return 0;
  return Number(now - downSince >= DOWN_AFTER_MS + DOWN_AFTER_STARTS * 1000 * memory.startUpSeconds);
}

/** Percentage of failed attempts in the last five minutes; undefined while none ended, and 0 while few failed. */
export function errorRate({ attempts }: Trailing): number | undefined {
  const all = attempts.reduce((sum, { processed }) => sum + processed, 0);
  const failures = attempts.reduce((sum, { failed }) => sum + failed, 0);
  if (all === 0) return undefined;
  return failures < FEWEST_FAILURES ? 0 : (100 * failures) / all;
}

function isWithoutWorkers({ policy }: TickRecord, { figures: { liveWorkers, queued } }: Outcome): boolean {
  const minTasks = policy.minTasks ?? DEFAULT_POLICY.minTasks;
  return liveWorkers === 0 && (minTasks > 0 || (queued ?? 0) > 0);
}

function withNewest(before: Trailing['attempts'], now: number, { figures: { processed, failed } }: Outcome) {
  const at = now - (now % COUNTED_TOGETHER_MS);
  const recent = before.filter((each) => now - each.at < ERROR_WINDOW_MS);
  if (processed === 0 && failed === 0) return recent;
  const same = recent.find((each) => each.at === at) ?? { processed: 0, failed: 0 };
  const newest = { at, processed: same.processed + processed, failed: same.failed + failed };
  return [...recent.filter((each) => each.at !== at), newest];
}
