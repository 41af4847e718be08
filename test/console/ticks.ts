/** Ticks of a pool as the scaler logs them, and as the page receives them. */
import type { TickView } from '../../console/view.ts';

export const QUIET: TickView = {
  now: 0,
  queued: 0,
  ageSeconds: 0,
  busySlots: 0,
  slots: 5,
  running: 1,
  starting: 0,
  cordoned: 0,
  processed: 0,
  failed: 0,
  desired: 1,
  cordon: [],
  reason: 'steady',
  detail: 'busy 0 queued 0',
  errors: [],
};

/** A changing load; in waves of almost half an hour with a tick every 3.2 seconds. */
export function wave(index: number, now: number): TickView {
  const busySlots = Math.round(20 + 18 * Math.sin(index / 80));
  const running = Math.ceil(busySlots / 5);
  return {
    ...QUIET,
    now,
    busySlots,
    slots: 5 * running,
    running,
    desired: running,
    processed: Math.round(busySlots / 3),
  };
}

export function logged(pool: string, tick: TickView): string {
  const { now, queued, ageSeconds, busySlots, slots, running, processed, failed, desired, cordon, reason, ...words } =
    tick;
  const queue = { backlog: queued, ageSeconds, addRate: 0, dispatchRate: 0, rateLimited: false };
  const tasks = Array.from({ length: running ?? 0 }, (_, task) => `task-${task}`);
  return JSON.stringify({
    v: 1,
    pool,
    now,
    policy: {},
    activityQueue: queue,
    workflowQueue: { ...queue, backlog: 0 },
    workers: [],
    tasks: { desired, running: tasks, pending: [], cordoned: [] },
    figures: { queued, ageSeconds, busySlots, slots, processed, failed },
    desired,
    cordon,
    reason,
    ...words,
  });
}
