/**
 * A pool's settings for the scaler: written by the stack as one SSM parameter per pool, and parsed by the scaler with the same
 * schema.
 */
import { Cron } from 'croner';
import { z } from 'zod';
import { PROTECTIONS } from './protection.ts';
import { MOST_SLOTS } from './slots.ts';

/** ECS's limit for a service. */
export const MOST_TASKS = 5000;

/** For computing monthly from hourly costs, as AWS does. */
export const HOURS_A_MONTH = 730;

const limits = {
  minTasks: z.int().min(0).max(MOST_TASKS),
  maxTasks: z.int().min(1).max(MOST_TASKS),
  slotsPerTask: z.int().min(1).max(MOST_SLOTS),
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

const timeZoneSchema = z.string().refine((zone) => explains(() => new Intl.DateTimeFormat('en', { timeZone: zone })), {
  error: ({ input }) => `unknown time zone ${JSON.stringify(input)}: use an IANA name such as Europe/Berlin`,
});

const cronSchema = z.string().refine((cron) => explains(() => new Cron(cron, { paused: true })), {
  error: ({ input }) => `not a cron expression: ${JSON.stringify(input)}; use five fields, such as "0 8 * * 1-5"`,
});

/** The most schedules that a pool may have. */
export const MOST_SCHEDULES = 20;
/** Temporal's limit, in characters. */
export const LONGEST_TASK_QUEUE = 1000;

/** Whether a cron expression ever fires: one for 30 February does not. */
export function comes(cron: string): boolean {
  return new Cron(cron, { paused: true }).nextRun() !== null;
}

/** A window with other limits for the pool: from one cron time to another, in a time zone. */
export const scheduleSchema = z
  .strictObject({
    from: cronSchema,
    to: cronSchema,
    timeZone: timeZoneSchema,
    minTasks: limits.minTasks.optional(),
    maxTasks: limits.maxTasks.optional(),
  })
  .refine(({ minTasks, maxTasks }) => minTasks === undefined || minTasks <= (maxTasks ?? Infinity), {
    error: ({ input }) => `minTasks must be at most maxTasks, got ${JSON.stringify(input)}`,
  });

export type Schedule = z.infer<typeof scheduleSchema>;

function explains(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

/** A Temporal server or Cloud namespace, and the credentials to reach it. */
export const temporalSchema = z.strictObject({
  /** Host and port. */
  address: z.string().min(1),
  namespace: z.string().min(1),
  tls: z.boolean(),
  /** ARN or name of a Secrets Manager secret: an API key, or JSON of Temporal's variables; see temporal-access.ts. */
  secret: z.string().min(1).optional(),
});

export const poolConfigSchema = z.strictObject({
  /** The pool's name: the metrics' dimension, the state table's key, the tick record's `pool`. */
  pool: z.string().min(1).max(64),
  taskQueue: z.string().min(1).max(LONGEST_TASK_QUEUE),
  /** ECS cluster, by name or ARN. */
  cluster: z.string().min(1),
  /** ECS service, by name or ARN. */
  service: z.string().min(1),
  /** The task role's unique id (`AROA…`): the first half of a cordon's key. */
  taskRoleId: z.string().min(1),
  policy: poolPolicySchema,
  schedules: z.array(scheduleSchema).max(MOST_SCHEDULES).optional(),
  /** Where the pool's task queue is (default: from the scaler's own environment). */
  temporal: temporalSchema.optional(),
  protection: z.enum(PROTECTIONS).default('worker'),
});

export type PoolConfig = z.infer<typeof poolConfigSchema>;
