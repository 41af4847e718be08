/**
 * What the demo shows about each pool, from the scaler's own sources: Temporal, ECS and the state table.
 * Figures that cannot be read are undefined, and never stop the view.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ECSClient } from '@aws-sdk/client-ecs';
import { paginateGetParametersByPath, SSMClient } from '@aws-sdk/client-ssm';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { z } from 'zod';

import { poolConfigSchema } from '../contract/pool-config.ts';
import type { PoolConfig } from '../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema, type StackConfig } from '../contract/stack-config.ts';
import type { Decision, Reading } from '../scaler/policy.ts';
import { EcsServices } from '../scaler/read/ecs.ts';
import type { UncordonedTasks } from '../scaler/read/ecs.ts';
import { TemporalReader } from '../scaler/read/temporal.ts';
import type { TemporalSignals } from '../scaler/read/temporal.ts';
import { StateTable } from '../scaler/act/state.ts';

/** A pool at one moment; figures that could not be read are undefined. */
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
  /** Failed activity attempts of all workers so far. */
  failed: number;
}

interface ObserverOptions {
  temporal: { address: string; namespace: string };
  ecsUrl: string;
  emulatorUrl: string;
  stateTable: string;
  pools: PoolConfig[];
}

/** A worker that has not reported for three heartbeats is gone. */
const LIVE_SECONDS = 15;

export class Observer {
  readonly #pools: PoolConfig[];
  readonly #temporal: TemporalReader;
  readonly #ecs: EcsServices;
  readonly #state: StateTable;
  /** By worker, so that failures of workers that have ended still count. */
  readonly #failures = new Map<string, Map<string, number>>();

  constructor({ temporal, ecsUrl, emulatorUrl, stateTable, pools }: ObserverOptions) {
    this.#pools = pools;
    this.#temporal = new TemporalReader(temporal);
    this.#ecs = new EcsServices(new ECSClient(localClient(ecsUrl)));
    const dynamo = DynamoDBDocumentClient.from(new DynamoDBClient(localClient(emulatorUrl)));
    this.#state = new StateTable(dynamo, stateTable);
  }

  async read(now: number): Promise<PoolView[]> {
    const [signals, services, states] = await Promise.all([
      this.#temporal.read(this.#pools, now),
      this.#ecs.read(this.#pools),
      this.#state.load(this.#pools.map(({ pool }) => pool)).catch(() => undefined),
    ]);
    const tasks = new Map([...services].map(([pool, service]) => [pool, service.tasks]));
    const cordoned = await this.#cordoned(tasks);
    return this.#pools.map(({ pool, policy }) => ({
      pool,
      ...workFigures(signals.get(pool)),
      ...taskFigures(tasks.get(pool), policy.slotsPerTask),
      cordoned: cordoned?.get(pool)?.length,
      decision: states?.get(pool)?.decision,
      failed: this.#failed(pool, signals.get(pool)),
    }));
  }

  async close(): Promise<void> {
    await this.#temporal.close();
  }

  async #cordoned(tasks: Map<string, Reading<UncordonedTasks>>): Promise<Map<string, string[]> | undefined> {
    const present = this.#pools.map((pool) => {
      const reading = tasks.get(pool.pool);
      return [pool, isKnown(reading) ? [...reading.running, ...reading.pending] : []] as const;
    });
    return this.#state.cordoned(new Map(present)).catch(() => undefined);
  }

  #failed(pool: string, signals: TemporalSignals | undefined): number {
    const failures = this.#failures.get(pool) ?? new Map<string, number>();
    this.#failures.set(pool, failures);
    if (isKnown(signals?.workers)) for (const { key, failed } of signals.workers) failures.set(key, failed);
    return [...failures.values()].reduce((sum, each) => sum + each, 0);
  }
}

/** The stacks' settings of each pool, for the scaler. */
export async function readPoolConfigs(emulatorUrl: string, path = '/elastic-workers'): Promise<PoolConfig[]> {
  const pools = await readParameters(emulatorUrl, path, poolConfigSchema);
  return pools.sort((a, b) => (a.pool < b.pool ? 1 : -1));
}

/** The stacks' descriptions, for the command line. */
export function readStackConfigs(emulatorUrl: string): Promise<StackConfig[]> {
  return readParameters(emulatorUrl, STACKS_PATH, stackConfigSchema);
}

async function readParameters<T>(emulatorUrl: string, path: string, schema: z.ZodType<T>): Promise<T[]> {
  const client = new SSMClient(localClient(emulatorUrl));
  const values: T[] = [];
  for await (const { Parameters = [] } of paginateGetParametersByPath({ client }, { Path: path, Recursive: true })) {
    values.push(...Parameters.map(({ Value = '' }) => schema.parse(JSON.parse(Value))));
  }
  return values;
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
  };
}

/** Slots are counted by tasks, because a worker's report of its free ones is optional. */
function taskFigures(tasks: Reading<UncordonedTasks> | undefined, slotsPerTask: number | undefined) {
  const known = isKnown(tasks) ? tasks : undefined;
  return {
    desired: known?.desired,
    running: known?.running.length,
    starting: known?.pending.length,
    slots: known && slotsPerTask && known.running.length * slotsPerTask,
  };
}

function isKnown<T extends object>(reading: Reading<T> | undefined): reading is T {
  return reading !== undefined && !('unknown' in reading);
}
