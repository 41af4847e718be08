/**
 * What the scaler writes about a tick of a pool: the line of its log, and the pool's item in the state table. The scaler writes by
 * these types, and the command line and the console read with these schemas.
 */
import { z } from 'zod';
import { REASONS } from '../policy.ts';
import { tickRecordSchema } from './tick-record.ts';

const decisionSchema = z.object({
  desired: z.number(),
  cordon: z.array(z.string()),
  reason: z.enum(REASONS),
  detail: z.string(),
});

/** Null if it was unknown, or if an earlier version wrote the line. */
const figure = z.number().nullable().catch(null);

const figuresSchema = z.object({
  queued: figure,
  ageSeconds: figure,
  busySlots: figure,
  slots: figure,
  liveWorkers: figure,
  unreportedTasks: figure,
  processed: figure,
  failed: figure,
});

/** What a line of the log has beside the tick record. */
const outcomeSchema = z.object({
  /** The stack's id; records of earlier versions lack it. */
  stack: z.string().optional(),
  ...decisionSchema.shape,
  figures: figuresSchema,
  errors: z.array(z.string()),
});
export type LoggedOutcome = z.infer<typeof outcomeSchema>;

export const loggedTickSchema = tickRecordSchema.extend(outcomeSchema.shape);
export type LoggedTick = z.infer<typeof loggedTickSchema>;

export const poolItemSchema = z.object({
  tickAt: z.number(),
  decision: decisionSchema,
  figures: z.preprocess((stored) => stored ?? {}, figuresSchema),
  record: tickRecordSchema,
});
export type PoolItem = z.infer<typeof poolItemSchema>;
