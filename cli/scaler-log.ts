/** What the scaler has said in its log: the tick records with their decisions, and its complaints. */
import { paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { z } from 'zod';
import { REASONS } from '../scaler/policy.ts';
import { tickRecordSchema } from '../scaler/tick-record.ts';
import type { Stack } from './stacks.ts';

const loggedTickSchema = tickRecordSchema.extend({
  /** The stack's id; a record of an earlier version lacks it. */
  stack: z.string().optional(),
  desired: z.number(),
  cordon: z.array(z.string()),
  reason: z.enum(REASONS),
  detail: z.string(),
  figures: z.looseObject({}),
  errors: z.array(z.string()),
});

export type LoggedTick = z.infer<typeof loggedTickSchema>;

export interface Span {
  /** Epoch milliseconds. */
  from: number;
  to: number;
}

/** A pool's ticks in the span, oldest first; another stack may write to the same log. Throws when the log cannot be read. */
export async function readTicks(stack: Stack, pool: string, span: Span): Promise<LoggedTick[]> {
  const lines = await readLines(stack, span, `{ $.pool = ${JSON.stringify(pool)} }`);
  return lines
    .flatMap((line) => tickIn(line) ?? [])
    .filter((tick) => tick.pool === pool && (tick.stack ?? stack.id) === stack.id)
    .toSorted((a, b) => a.now - b.now);
}

/** Everything in the span, of the platform too. */
export async function readLines({ aws, config }: Stack, span: Span, filterPattern?: string): Promise<string[]> {
  const request = { logGroupName: config.scalerLogGroup, startTime: span.from, endTime: span.to };
  const lines: string[] = [];
  const pages = paginateFilterLogEvents({ client: aws.logs }, { ...request, ...(filterPattern && { filterPattern }) });
  for await (const { events = [] } of pages) lines.push(...events.map(({ message = '' }) => message));
  return lines;
}

export function tickIn(line: string): LoggedTick | undefined {
  return loggedTickSchema.safeParse(jsonOf(line)).data;
}

const complaintSchema = z.object({ level: z.literal('error'), message: z.string() });

/** What the line complains of: the scaler's errors in a tick, its own words, or the platform's of a failed invocation. */
export function complaintsIn(line: string): string[] {
  const value = jsonOf(line);
  const tick = loggedTickSchema.safeParse(value).data;
  if (tick) return tick.errors;
  const complaint = complaintSchema.safeParse(value).data;
  if (complaint) return [complaint.message];
  return /Task timed out|Runtime exited|\bERROR\b.*Error|"errorType"/.test(line) ? [line.trim().slice(0, 300)] : [];
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
