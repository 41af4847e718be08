/**
 * Whether growth has helped. Work that slows down under more tasks looks like longer work, which needs more tasks: behind a full database
 * a fleet would grow without end. Growth that has not helped is tried again after a while, in small steps.
 */
import type { Load } from './load.ts';
import { KINDS, type Memory } from './memory.ts';
import { A_LITTLE, type Need } from './need.ts';
import type { Policy, TasksReading } from './types.ts';

/** Growth under a standing backlog has helped if it brought this share of the expected throughput. */
const GAIN_SHARE = 0.5;
/** Below this throughput per second it is too early to judge. */
const LEAST_THROUGHPUT = 0.3;
/** In addition to the work's own time: workers report late, and the throughput is measured over a minute. */
const GAIN_AFTER_SECONDS = 60;
/** Growth that has not helped is tried again after this, in a small step. */
const TRY_AGAIN_SECONDS = 600;

/** The fleet and its throughput before it last grew under a standing backlog; null while there is none. */
export function judgeGrowth(
  before: Memory['growth'],
  load: Load,
  need: Need,
  tasks: TasksReading,
  now: number,
): Memory['growth'] {
  const { full, throughput, serviceSeconds } = load.kinds[need.kind];
  if (!full) return null;
  const running = tasks.running.length;
  const kind = KINDS.indexOf(need.kind);
  const current = { kind, at: now, tasks: running, throughput, serviceSeconds, tried: before?.tried ?? 0 };
  if (before?.kind !== kind) return current;
  if (running <= before.tasks) return { ...current, throughput: Math.max(before.throughput, throughput) };
  if (throughput > 0 && throughput >= before.throughput * (1 + GAIN_SHARE * (running / before.tasks - 1)))
    return { ...current, tried: before.tried > 0 ? running : 0 };
  // A second try that has not helped is not continued.
  if (before.tried > 0 || now - before.at < TRY_AGAIN_SECONDS * 1000) return before;
  return { ...current, tried: running };
}

export function growthDoesNotHelp(
  growth: Memory['growth'],
  load: Load,
  tasks: TasksReading,
  policy: Policy,
  now: number,
): boolean {
  if (growth === null) return false;
  if (growth.tried > 0 && tasks.desired >= mostOf(growth)) return true;
  const kind = load.kinds[KINDS[growth.kind]!];
  return (
    (growth.throughput >= LEAST_THROUGHPUT || kind.stalledSeconds > policy.targetWaitSeconds) &&
    wasTried(growth, tasks) &&
    now - growth.at >= (GAIN_AFTER_SECONDS + growth.serviceSeconds) * 1000
  );
}

export function wasTried(growth: Memory['growth'], { running }: TasksReading): boolean {
  return growth !== null && running.length >= A_LITTLE * growth.tasks;
}

/** Once growth has not helped, or is unlikely to, it continues in small steps as long as they help. */
export function mostOf(growth: Memory['growth'], load?: Load): number {
  if (growth === null) return Infinity;
  if (load !== undefined && load.kinds[KINDS[growth.kind]!].stalledSeconds > 0)
    return Math.ceil(A_LITTLE * growth.tasks);
  return growth.tried === 0 ? Infinity : Math.ceil(A_LITTLE * growth.tried);
}
