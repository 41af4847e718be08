/**
 * The tick record: what one tick read about one pool, as a line of JSON. The log consists of them, and a replay reads them.
 * Version 1: fields may be added but not removed; unknown fields are allowed.
 */
import { z } from 'zod';
import { poolPolicySchema } from '../../contract/pool-config.ts';
import { known, type SlotsReading, type WorkerReading } from '../policy.ts';

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
  rateLimit: count.exactOptional(),
  /** Set if an earlier reading is used. */
  readSecondsAgo: count.optional(),
});

const slotsSchema = z.object({ usedSlots: count, slots: count.nullable(), processed: count });

const workerSchema = z.object({
  key: z.string(),
  task: z.string().nullable().default(null),
  ageSeconds: count,
  usedSlots: count,
  slots: count.nullable(),
  processed: count,
  failed: count,
  elastic: z.literal(true).exactOptional(),
  workflowFailed: count.exactOptional(),
  workflowTasks: slotsSchema.exactOptional(),
  nexusTasks: slotsSchema.exactOptional(),
  localActivities: count.exactOptional(),
});

const tasksSchema = z.object({
  desired: count,
  running: z.array(z.string()),
  pending: z.array(z.string()),
  cordoned: z.array(z.string()),
  outdated: z.array(z.string()).default([]),
  deployment: z.string().exactOptional(),
  drained: z.array(z.string()).exactOptional(),
  final: z.array(z.string()).exactOptional(),
  spot: z.array(z.string()).exactOptional(),
  zones: z.array(z.array(z.string())).exactOptional(),
});

export const tickRecordSchema = z.looseObject({
  v: z.literal(1),
  pool: z.string(),
  /** Epoch milliseconds. */
  now: z.number(),
  policy: poolPolicySchema.default({}),
  activityQueue: reading(queueSchema),
  workflowQueue: reading(queueSchema),
  nexusQueue: reading(queueSchema).exactOptional(),
  workers: reading(z.array(workerSchema)),
  tasks: reading(tasksSchema),
  /** What was shortened, and how; absent from complete records. */
  shortened: z.string().optional(),
});

export type TickRecord = z.infer<typeof tickRecordSchema>;

const ID_LENGTH = 8;
/** In a shortened record workers of about the same age are combined. */
const SAME_AGE_SECONDS = 5;

/**
 * Returns the record or, if it is too long, a shorter one with the same counts and sums, which is marked as not fit for decisions:
 * workers are combined, and task ids are cut.
 */
export function fitting(record: TickRecord, mostBytes: number): TickRecord {
  if (bytesOf(record) <= mostBytes) return record;
  const { workers, tasks } = record;
  const listed = known(workers) ? workers : [];
  const together: TickRecord = {
    ...record,
    ...(known(workers) && { workers: workersTogether(workers) }),
    shortened: `${listed.length} workers are combined`,
  };
  if (bytesOf(together) <= mostBytes || !known(tasks)) return together;
  return {
    ...together,
    // A shortened record is not used for decisions, so it can omit what only the choice of tasks needs.
    tasks: mapLists(withoutPlaces(tasks), shortIds),
    shortened: `${together.shortened}, ids are cut to ${ID_LENGTH} characters`,
  };
}

function withoutPlaces<T extends { spot?: unknown; zones?: unknown }>({ spot: _spot, zones: _zones, ...tasks }: T) {
  return tasks;
}

function mapLists<T extends object>(lists: T, change: (list: string[]) => string[]): T {
  return Object.fromEntries(
    Object.entries(lists).map(([name, value]) => [name, Array.isArray(value) ? change(value as string[]) : value]),
  ) as T;
}

export function shortIds(ids: string[]): string[] {
  return ids.map((id) => id.slice(0, ID_LENGTH));
}

export function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function workersTogether(workers: WorkerReading[]): WorkerReading[] {
  const byAge = Map.groupBy(workers, ({ ageSeconds }) => Math.floor(ageSeconds / SAME_AGE_SECONDS));
  return [...byAge.values()].map((ofAge) => {
    const sum = (count: (worker: WorkerReading) => number) => ofAge.reduce((total, worker) => total + count(worker), 0);
    const ofWorkflows = ofAge.flatMap(({ workflowTasks }) => workflowTasks ?? []);
    const ofNexus = ofAge.flatMap(({ nexusTasks }) => nexusTasks ?? []);
    return {
      key: `${ofAge.length} workers`,
      task: null,
      ageSeconds: sum(({ ageSeconds }) => ageSeconds) / ofAge.length,
      ...slotsTogether(ofAge),
      failed: sum(({ failed }) => failed),
      workflowFailed: sum(({ workflowFailed = 0 }) => workflowFailed),
      ...(ofWorkflows.length > 0 && { workflowTasks: slotsTogether(ofWorkflows) }),
      ...(ofNexus.length > 0 && { nexusTasks: slotsTogether(ofNexus) }),
      localActivities: sum(({ localActivities = 0 }) => localActivities),
    };
  });
}

/** The sum of slots is unknown if one number is. */
function slotsTogether(all: SlotsReading[]): SlotsReading {
  const sum = (count: (each: SlotsReading) => number) => all.reduce((total, each) => total + count(each), 0);
  return {
    usedSlots: sum(({ usedSlots }) => usedSlots),
    slots: all.some(({ slots }) => slots === null) ? null : sum(({ slots }) => slots ?? 0),
    processed: sum(({ processed }) => processed),
  };
}
