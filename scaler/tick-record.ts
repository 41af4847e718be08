/**
 * The tick record: what one tick read of one pool, as a line of JSON. The log consists of them, a replay reads them.
 * Version 1: fields may be added, none taken away; unknown fields are let through.
 */
import { z } from 'zod';
import { poolPolicySchema } from '../contract/pool-config.ts';

const count = z.number().min(0);

function reading<T extends z.ZodType>(schema: T) {
  return z.union([z.object({ unknown: z.string() }), schema]);
}

const queueSchema = z.object({
  backlog: count,
  ageSeconds: count,
  addRate: count,
  dispatchRate: count,
  rateLimited: z.boolean(),
});

const workerSchema = z.object({
  key: z.string(),
  task: z.string().nullable().default(null),
  ageSeconds: count,
  usedSlots: count,
  slots: count.nullable(),
  processed: count,
  failed: count,
  workflowFailed: count.exactOptional(),
});

const tasksSchema = z.object({
  desired: count,
  running: z.array(z.string()),
  pending: z.array(z.string()),
  cordoned: z.array(z.string()),
  outdated: z.array(z.string()).default([]),
  drained: z.array(z.string()).exactOptional(),
});

export const tickRecordSchema = z.looseObject({
  v: z.literal(1),
  pool: z.string(),
  /** Epoch milliseconds. */
  now: z.number(),
  policy: poolPolicySchema.default({}),
  activityQueue: reading(queueSchema),
  workflowQueue: reading(queueSchema),
  workers: reading(z.array(workerSchema)),
  tasks: reading(tasksSchema),
});

export type TickRecord = z.infer<typeof tickRecordSchema>;
