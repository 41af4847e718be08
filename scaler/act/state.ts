/**
 * The scaler's side of the state table: its memory of each pool, and the cordons. A pool's memory is written conditionally on its
 * version, so that only one of two scalers acts.
 */
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { BatchGetCommand, BatchWriteCommand, PutCommand, type DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { PoolConfig } from '../../contract/pool-config.ts';
import {
  cordonKey,
  NEWEST_INVOCATION_KEY,
  poolKey,
  SCALER_KEY,
  TICKING_INVOCATION_KEY,
  type CordonItem,
  type InvocationItem,
  type ScalerItem,
} from '../../contract/state-table.ts';
import type { Decision, Figures } from '../policy.ts';
import { chunks } from '../../contract/chunks.ts';
import { fitting, type TickRecord } from '../report/tick-record.ts';

const KEYS_A_READ = 100;
const ITEMS_A_WRITE = 25;
const ROUNDS = 4;
/** An item can have 400 KiB: the memory and 5,000 cordons take up to 240 KB of that. */
const RECORD_BYTES = 140_000;
/** Never reached by counting. */
const LAST_VERSION = 1e15;
/** DynamoDB rejects an item with a number closer to zero than 1e-130, which values that decay for days can reach. */
const NEAREST_TO_ZERO = 1e-100;
/** A cordon outlives its task by days at most: long enough for any activity, short enough to leave no garbage. */
const CORDON_KEPT_SECONDS = 14 * 24 * 3600;

export interface PoolState {
  /** 0 before the first write. */
  version: number;
  memory: unknown;
  /** See trailing.ts. */
  trailing?: unknown;
  decision: Decision | undefined;
  /** What the decision was made from, for people who look. */
  figures?: Figures;
}

/** Thrown if another scaler has written the pool's memory since it was read: this one must not act. */
export class OtherScalerError extends Error {
  override readonly name = 'OtherScalerError';
}

export class StateTable {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;
  /** As last marked. */
  #deploying: Record<string, number> = {};

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** The pools' states by name; a pool that was never written has version 0. Throws if the table cannot be read. */
  async load(pools: string[]): Promise<Map<string, PoolState>> {
    const items = await this.#get(pools.map(poolKey), true);
    return new Map(
      pools.map((pool) => {
        const item = items.get(poolKey(pool));
        const state = { version: versionOf(item), memory: item?.memory, trailing: item?.trailing };
        return [pool, { ...state, decision: decisionOf(item) } as PoolState];
      }),
    );
  }

  /** Writes the state as the version after `state.version`, and returns that version. Throws OtherScalerError on a conflict. */
  async save(pool: string, state: PoolState, record: TickRecord): Promise<number> {
    const version = state.version + 1;
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: storable({
            id: poolKey(pool),
            ...state,
            version,
            tickAt: record.now,
            record: fitting(record, RECORD_BYTES),
          }),
          // An item with a damaged version is overwritten, or the pool would be stuck for good.
          ConditionExpression:
            'attribute_not_exists(version) OR NOT attribute_type(version, :number) OR version = :read' +
            ' OR NOT version BETWEEN :first AND :last',
          ExpressionAttributeValues: { ':read': state.version, ':number': 'N', ':first': 0, ':last': LAST_VERSION },
        }),
      );
      return version;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      throw new OtherScalerError(`another scaler has written pool ${pool} since version ${state.version}`, {
        cause: error,
      });
    }
  }

  /**
   * Shows workers that the scaler is running, whether it acts, and which pools are being deployed (undefined if that could not
   * be read: then it stays as before). Writes when due, and whenever a deployment has begun or ended.
   */
  async markTick(now: number, mode: 'act' | 'observe', pools: Map<string, number | undefined>, due: boolean) {
    const before = this.#deploying;
    const counts = [...pools].map(([pool, tasks]) => [pool, tasks ?? before[pool] ?? 0] as const);
    const deploying = Object.fromEntries(counts.filter(([, tasks]) => tasks > 0));
    if (!due && JSON.stringify(deploying) === JSON.stringify(before)) return;
    const item: ScalerItem = {
      id: SCALER_KEY,
      tickAt: now,
      ...(mode === 'observe' && { observing: true }),
      ...(Object.keys(deploying).length > 0 && { deploying }),
    };
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: item }));
    this.#deploying = deploying;
  }

  /** Records an invocation as the newest. */
  async announce(invocation: string): Promise<void> {
    await this.#putInvocation({ id: NEWEST_INVOCATION_KEY, invocation });
  }

  /** The newest invocation, and the one that ticks, with its start in `since`; undefined if there is none. */
  async readTurn(consistent: boolean): Promise<{ newest?: string; ticking?: string; since: number }> {
    const items = await this.#get([NEWEST_INVOCATION_KEY, TICKING_INVOCATION_KEY], consistent);
    const named = (key: string) => items.get(key) as InvocationItem | undefined;
    const [newest, ticking] = [named(NEWEST_INVOCATION_KEY), named(TICKING_INVOCATION_KEY)];
    return {
      ...(newest?.invocation && { newest: newest.invocation }),
      ...(ticking?.invocation && { ticking: ticking.invocation }),
      since: Number(ticking?.since ?? 0),
    };
  }

  async beginTurn(invocation: string, now: number): Promise<void> {
    await this.#putInvocation({ id: TICKING_INVOCATION_KEY, invocation, since: now });
  }

  /** Throws if another one has begun to tick meanwhile. */
  async endTurn(invocation: string): Promise<void> {
    await this.#putInvocation(
      { id: TICKING_INVOCATION_KEY, invocation: '' },
      { ConditionExpression: 'invocation = :ended', ExpressionAttributeValues: { ':ended': invocation } },
    );
  }

  /** The cordoned tasks of each pool. Throws if the table cannot be read. */
  async cordoned(tasks: Map<PoolConfig, string[]>): Promise<Map<string, string[]>> {
    const keyed = [...tasks].map(
      ([pool, ids]) => [pool, ids.map((id) => [id, cordonKey(pool.taskRoleId, id)])] as const,
    );
    const items = await this.#get(
      keyed.flatMap(([, ids]) => ids.map(([, key]) => key ?? '')),
      false,
    );
    return new Map(
      keyed.map(([pool, ids]) => [pool.pool, ids.filter(([, key]) => items.has(key ?? '')).map(([id]) => id ?? '')]),
    );
  }

  async cordon(pool: PoolConfig, taskIds: string[], now: number): Promise<void> {
    await this.#write(
      taskIds.map((taskId) => {
        const item: CordonItem = {
          id: cordonKey(pool.taskRoleId, taskId),
          pool: pool.pool,
          cordonedAt: now,
          expiresAt: Math.floor(now / 1000) + CORDON_KEPT_SECONDS,
        };
        return { PutRequest: { Item: item } };
      }),
    );
  }

  async takeBack(pool: PoolConfig, taskIds: string[]): Promise<void> {
    await this.#write(
      taskIds.map((taskId) => ({ DeleteRequest: { Key: { id: cordonKey(pool.taskRoleId, taskId) } } })),
    );
  }

  async #putInvocation(item: InvocationItem, condition: object = {}): Promise<void> {
    await this.#client.send(new PutCommand({ TableName: this.#table, Item: item, ...condition }));
  }

  async #get(ids: string[], consistent: boolean): Promise<Map<string, Record<string, unknown> & Partial<PoolState>>> {
    // DynamoDB rejects a request with a duplicate key, such as from two pools with the same service.
    const read = await Promise.all(
      chunks([...new Set(ids)], KEYS_A_READ).map((batch) => this.#getBatch(batch, consistent)),
    );
    return new Map(read.flat().map((item) => [String(item.id), item]));
  }

  async #getBatch(ids: string[], consistent: boolean): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    let keys: Record<string, unknown>[] = ids.map((id) => ({ id }));
    for (let round = 0; keys.length > 0; round += 1) {
      if (round === ROUNDS)
        throw new Error(`DynamoDB did not return ${keys.length} of ${ids.length} keys of ${this.#table}`);
      const answer = await this.#client.send(
        new BatchGetCommand({ RequestItems: { [this.#table]: { Keys: keys, ConsistentRead: consistent } } }),
      );
      items.push(...(answer.Responses?.[this.#table] ?? []));
      keys = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
    }
    return items;
  }

  async #write(requests: NonNullable<BatchWriteRequests>): Promise<void> {
    await Promise.all(chunks(requests, ITEMS_A_WRITE).map((batch) => this.#writeBatch(batch)));
  }

  async #writeBatch(batch: BatchWriteRequests): Promise<void> {
    let left = batch;
    for (let round = 0; left.length > 0; round += 1) {
      if (round === ROUNDS) throw new Error(`DynamoDB did not perform ${left.length} writes to ${this.#table}`);
      const answer = await this.#client.send(new BatchWriteCommand({ RequestItems: { [this.#table]: left } }));
      left = answer.UnprocessedItems?.[this.#table] ?? [];
    }
  }
}

function storable(item: Record<string, unknown>): Record<string, unknown> {
  const flush = (_: string, value: unknown) =>
    typeof value === 'number' && Math.abs(value) < NEAREST_TO_ZERO ? 0 : value;
  return JSON.parse(JSON.stringify(item, flush)) as Record<string, unknown>;
}

function versionOf(item: { version?: unknown } | undefined): number {
  const version = item?.version;
  return typeof version === 'number' && version >= 0 && version <= LAST_VERSION ? version : 0;
}

function decisionOf(item: { decision?: unknown } | undefined): Decision | undefined {
  const decision = item?.decision as Decision | undefined;
  const { cordon } = decision ?? {};
  return Array.isArray(cordon) && cordon.every((task) => typeof task === 'string') ? decision : undefined;
}

type BatchWriteRequests = NonNullable<
  NonNullable<ConstructorParameters<typeof BatchWriteCommand>[0]['RequestItems']>[string]
>;
