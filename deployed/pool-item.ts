/** Reads what the scaler last wrote about each pool and itself to the state table, and the pools' alarms. */
import { paginateDescribeAlarms, type MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { METRIC_NAMESPACE, poolIn } from '../contract/metrics.ts';
import { poolKey, SCALER_KEY, type ScalerItem } from '../contract/state-table.ts';
import { poolItemSchema, type PoolItem } from '../scaler/report/written.ts';
import type { Stack } from './stacks.ts';

/** Undefined if the scaler has never written it. Throws if the table cannot be read or parsed. */
export async function readPoolState({ aws, config }: Stack, pool: string): Promise<PoolItem | undefined> {
  const { Item } = await aws.table.send(new GetCommand({ TableName: config.stateTable, Key: { id: poolKey(pool) } }));
  if (Item === undefined) return undefined;
  const parsed = poolItemSchema.safeParse(Item);
  if (parsed.success) return parsed.data;
  throw new Error(`the item ${poolKey(pool)} cannot be parsed: ${z.prettifyError(parsed.error)}`);
}

/** The scaler's latest sign of life, as workers see it; undefined if it has never given one. */
export async function readScaler({ aws, config }: Stack): Promise<Omit<ScalerItem, 'id'> | undefined> {
  const { Item } = await aws.table.send(new GetCommand({ TableName: config.stateTable, Key: { id: SCALER_KEY } }));
  return typeof Item?.tickAt === 'number' ? (Item as ScalerItem) : undefined;
}

/** The alarms on the metrics of the stack's pools, by pool name. */
export async function readAlarms({ id, aws }: Pick<Stack, 'id' | 'aws'>): Promise<Map<string, MetricAlarm[]>> {
  const byPool = new Map<string, MetricAlarm[]>();
  for await (const { MetricAlarms = [] } of paginateDescribeAlarms(
    { client: aws.cloudwatch },
    { AlarmTypes: ['MetricAlarm'] },
  )) {
    for (const alarm of MetricAlarms) {
      const pool = poolIn(id, alarm.Dimensions);
      if (alarm.Namespace !== METRIC_NAMESPACE || pool === undefined) continue;
      byPool.set(pool, [...(byPool.get(pool) ?? []), alarm]);
    }
  }
  return byPool;
}
