/**
 * What the scaler knows of a pool before it reads anything: written by the stack as one SSM parameter a pool,
 * parsed by the scaler with the same schema.
 */
import { z } from 'zod';

const limits = {
  minTasks: z.int().min(0).max(5000),
  maxTasks: z.int().min(1).max(5000),
  slotsPerTask: z.int().min(1).max(10_000),
  targetWaitSeconds: z.number().positive().max(86_400),
  scaleInAfterSeconds: z.number().min(0).max(86_400),
  paused: z.boolean(),
  spendCapDollarsPerHour: z.number().positive().nullable(),
  taskDollarsPerHour: z.number().positive(),
};

/** The pool's policy; every field is an override of the scaler's defaults. */
export const poolPolicySchema = z
  .strictObject(limits)
  .partial()
  .refine((policy) => policy.minTasks === undefined || policy.minTasks <= (policy.maxTasks ?? Infinity), {
    error: ({ input }) => `minTasks must be at most maxTasks, got ${JSON.stringify(input)}`,
  });

export type PoolPolicy = z.infer<typeof poolPolicySchema>;

export const poolConfigSchema = z.strictObject({
  /** The pool's name: the metrics' dimension, the state table's key, the tick record's `pool`. */
  pool: z.string().min(1).max(64),
  taskQueue: z.string().min(1).max(1000),
  /** ECS cluster, by name or ARN. */
  cluster: z.string().min(1),
  /** ECS service, by name or ARN. */
  service: z.string().min(1),
  /** The task role's unique id (`AROA…`): the first half of a cordon's key. */
  taskRoleId: z.string().min(1),
  policy: poolPolicySchema,
});

export type PoolConfig = z.infer<typeof poolConfigSchema>;
