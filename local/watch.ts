/** Reads what runs on this machine every second, shows it, and lets callers await conditions. */
import { setTimeout as delay } from 'node:timers/promises';

import type { Client } from '@temporalio/client';

import { Observer, type PoolView } from './observe.ts';
import type { Plant } from './plant.ts';
import type { Screen } from './screen.ts';
import type { WorkflowCounts } from './view.ts';

export interface Watch {
  /** Sets the console's address. */
  console(url: string | undefined): void;
  phase(text: string): void;
  workflows(): WorkflowCounts;
  workflowsStarted(count: number): void;
  /** No pool has or wants more tasks than its minimum. */
  atMinimum(): boolean;
  /** Resolves when the condition holds, or at the deadline. */
  until(condition: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface WatchOptions {
  screen: Screen;
  /** Milliseconds. */
  now: () => number;
  signal: AbortSignal;
  /** Filled as parts are started; the caller closes them, the newest first. */
  closers: (() => Promise<void>)[];
}

export interface WatchedRun {
  /** Milliseconds. */
  begunAt: number;
  deadline: number;
  /** The expected number of workflows, if known. */
  requests?: number;
  /** The workflows to count (default: all). */
  workflowType?: string;
}

const VIEW_EVERY_MS = 1000;

export function watchPlant(plant: Plant, { screen, now, signal, closers }: WatchOptions, run: WatchedRun): Watch {
  const { temporal, client, emulatorUrl, fargate } = plant;
  const observers = plant.stacks.map(
    ({ stateTable, pools }) => new Observer({ temporal, ecsUrl: fargate.url, emulatorUrl, stateTable, pools }),
  );
  const workflows: WorkflowCounts = { started: 0, completed: 0, failed: 0 };
  const ended = new AbortController();
  let pools: PoolView[] = [];
  const running = new Map<string, number[]>();
  let phase = '';
  let consoleUrl: string | undefined;
  const look = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const [read] = await Promise.all([
        Promise.all(observers.map((observer) => observer.read(now()))),
        countEnded(client, workflows, run).catch(() => undefined),
      ]);
      pools = read.flat();
      for (const { pool, running: tasks = 0 } of pools) running.set(pool, [...(running.get(pool) ?? []), tasks]);
      const elapsedSeconds = (now() - run.begunAt) / 1000;
      const urls = { temporalUiUrl: temporal.uiUrl, consoleUrl };
      screen.show({ elapsedSeconds, phase, ...urls, requests: run.requests, workflows, pools, running });
      await delay(VIEW_EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const looking = look();
  const stop = async (): Promise<void> => {
    ended.abort();
    await looking;
    screen.done();
    await Promise.all(observers.map((observer) => observer.close()));
  };
  closers.push(stop);
  return {
    console: (url) => (consoleUrl = url),
    phase: (text) => screen.note((phase = text)),
    workflows: () => workflows,
    workflowsStarted: (count) => (workflows.started += count),
    atMinimum: () => {
      const minimum = new Map(plant.pools.map(({ pool, policy }) => [pool, policy.minTasks ?? 0]));
      const present = fargate.tasks().filter(({ lastStatus }) => lastStatus !== 'STOPPED').length;
      return (
        pools.length > 0 &&
        pools.every(({ pool, desired }) => desired === minimum.get(pool)) &&
        present === [...minimum.values()].reduce((sum, tasks) => sum + tasks, 0)
      );
    },
    until: async (condition) => {
      while (!condition() && now() < run.deadline) await delay(200, undefined, { signal });
    },
    stop,
  };
}

/** If the number of started workflows is not given, it is the number that exist. */
async function countEnded(client: Client, workflows: WorkflowCounts, { requests, workflowType }: WatchedRun) {
  const type = workflowType === undefined ? '' : `WorkflowType = '${workflowType}' `;
  const { groups } = await client.workflow.count(`${type}GROUP BY ExecutionStatus`);
  const counts = new Map(groups.map(({ count, groupValues }) => [String(groupValues[0]), count]));
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  if (requests === undefined) workflows.started = total;
  workflows.completed = counts.get('Completed') ?? 0;
  workflows.failed = total - workflows.completed - (counts.get('Running') ?? 0);
}
