/**
 * What the demo shows of each pool, read where the scaler reads it: Temporal, ECS and the state table.
 * What cannot be read is undefined, and never stops the view.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ECSClient } from '@aws-sdk/client-ecs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

import type { PoolConfig } from '../contract/pool-config.ts';
import type { Decision, Reading } from '../scaler/policy.ts';
import { EcsServices } from '../scaler/signals/ecs.ts';
import type { UncordonedTasks } from '../scaler/signals/ecs.ts';
import { TemporalReader } from '../scaler/signals/temporal.ts';
import type { TemporalSignals } from '../scaler/signals/temporal.ts';
import { StateTable } from '../scaler/state.ts';
import type { StackOutputs } from './stack.ts';

/** A pool at one moment; undefined is what could not be read. */
export interface PoolView {
  pool: string;
  backlog: number | undefined;
  ageSeconds: number | undefined;
  busySlots: number | undefined;
  slots: number | undefined;
  desired: number | undefined;
  running: number | undefined;
  starting: number | undefined;
  cordoned: number | undefined;
  decision: Pick<Decision, 'reason' | 'detail'> | undefined;
  /** Activity attempts that failed, in all workers so far. */
  failed: number;
}

export interface ObserverOptions {
  temporal: { address: string; namespace: string };
  ecsUrl: string;
  emulatorUrl: string;
  stack: StackOutputs;
}

/** A worker that has not reported for longer is gone: three of its heartbeats. */
const LIVE_SECONDS = 15;

export class Observer {
  readonly #pools: PoolConfig[];
  readonly #temporal: TemporalReader;
  readonly #ecs: EcsServices;
  readonly #state: StateTable;
  /** By worker, so that the failures of those that left stay counted. */
  readonly #failures = new Map<string, Map<string, number>>();

  constructor({ temporal, ecsUrl, emulatorUrl, stack }: ObserverOptions) {
    this.#pools = stack.Pools.map((pool) => ({
      ...pool,
      cluster: stack.Cluster,
      taskRoleId: 'not needed',
      policy: {},
    }));
    this.#temporal = new TemporalReader(temporal);
    this.#ecs = new EcsServices(new ECSClient(localClient(ecsUrl)));
    const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(emulatorUrl)));
    this.#state = new StateTable(dynamo, stack.StateTable);
  }

  async read(now: number): Promise<PoolView[]> {
    const [signals, tasks, states] = await Promise.all([
      this.#temporal.read(
        this.#pools.map(({ taskQueue }) => taskQueue),
        now,
      ),
      this.#ecs.read(this.#pools),
      this.#state.load(this.#pools.map(({ pool }) => pool)).catch(() => undefined),
    ]);
    return this.#pools.map(({ pool, taskQueue }) => {
      const decision = states?.get(pool)?.decision;
      return {
        pool,
        ...workFigures(signals.get(taskQueue)),
        ...taskFigures(tasks.get(pool), decision?.cordon ?? []),
        decision,
        failed: this.#failed(pool, signals.get(taskQueue)),
      };
    });
  }

  async close(): Promise<void> {
    await this.#temporal.close();
  }

  #failed(pool: string, signals: TemporalSignals | undefined): number {
    const failures = this.#failures.get(pool) ?? new Map<string, number>();
    this.#failures.set(pool, failures);
    if (isKnown(signals?.workers)) for (const { key, failed } of signals.workers) failures.set(key, failed);
    return [...failures.values()].reduce((sum, each) => sum + each, 0);
  }
}

/** An AWS client for an endpoint on this machine. */
export function localClient(endpoint: string) {
  return { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
}

function workFigures(signals: TemporalSignals | undefined) {
  const { activityQueue, workflowQueue, workers } = signals ?? {};
  const queues = isKnown(activityQueue) && isKnown(workflowQueue) ? [activityQueue, workflowQueue] : undefined;
  const live = isKnown(workers) ? workers.filter(({ ageSeconds }) => ageSeconds < LIVE_SECONDS) : undefined;
  return {
    backlog: queues?.reduce((sum, { backlog }) => sum + backlog, 0),
    ageSeconds: queues && Math.max(...queues.map(({ ageSeconds }) => ageSeconds)),
    busySlots: live?.reduce((sum, { usedSlots }) => sum + usedSlots, 0),
    slots: live?.reduce((sum, { slots }) => sum + slots, 0),
  };
}

/** A cordon decided on may be of a task that has left since. */
function taskFigures(tasks: Reading<UncordonedTasks> | undefined, cordon: string[]) {
  const known = isKnown(tasks) ? tasks : undefined;
  const present = known && [...known.running, ...known.pending];
  return {
    desired: known?.desired,
    running: known?.running.length,
    starting: known?.pending.length,
    cordoned: present?.filter((task) => cordon.includes(task)).length,
  };
}

function isKnown<T extends object>(reading: Reading<T> | undefined): reading is T {
  return reading !== undefined && !('unknown' in reading);
}
