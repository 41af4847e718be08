/**
 * The deadlines of a worker that was told to stop, all of them explicit and within the container's stop timeout: first it ends
 * open polls, then it cancels what still runs, so that activities save their progress, and at last it gives up what is left.
 */
import type { Logger } from '../observability/logging.ts';
import type { Stopped } from '../workforce.ts';
import type { RunningActivities } from './running-activities.ts';

export interface DrainOptions {
  shutdownGraceSeconds: number;
  shutdownForceSeconds: number;
  /** Of the tasks that have ended so far. */
  longestTaskSeconds: number;
  running: RunningActivities;
  /** Ends the polls that are still open. */
  shutDown: () => void;
  settle: (stopped: Stopped) => void;
  log: Logger;
}

/**
 * An open poll ends by itself within ten seconds (relay-thread.ts). It gets that time, because a task on its way to an aborted
 * poll is lost until its timeout; but only as long as a task it may still bring can be finished, judging by past durations.
 * The result cancels the deadlines.
 */
export function limitDrain(options: DrainOptions): () => void {
  const { shutdownGraceSeconds, shutdownForceSeconds, longestTaskSeconds, running, shutDown, settle, log } = options;
  const patienceSeconds = Math.max(1, shutdownGraceSeconds - longestTaskSeconds);
  const leave = () => {
    shutDown();
    if (running.count === 0) return;
    log.warn({ unfinished: running.list() }, 'The drain is nearly over: canceling running activities');
    running.leave();
  };
  const timers = [
    setTimeout(shutDown, patienceSeconds * 1000),
    setTimeout(leave, shutdownGraceSeconds * 1000),
    setTimeout(() => settle({ unfinished: running.list() }), shutdownForceSeconds * 1000),
  ];
  return () => timers.forEach(clearTimeout);
}
