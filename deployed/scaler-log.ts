/** Reads the scaler's log: the tick records with their decisions, and the errors it reported. */
import { paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { z } from 'zod';
import { loggedTickSchema, type LoggedTick } from '../scaler/report/written.ts';
import type { Stack } from './stacks.ts';

export interface Span {
  /** Epoch milliseconds. */
  from: number;
  to: number;
}

/** A pool's ticks in the span, oldest first; another stack may write to the same log. Throws if the log cannot be read. */
export async function readTicks(stack: Stack, pool: string, span: Span): Promise<LoggedTick[]> {
  const lines = await readLines(stack, span, `{ $.pool = ${JSON.stringify(pool)} }`);
  return lines
    .flatMap((line) => tickIn(line) ?? [])
    .filter((tick) => tick.pool === pool && (tick.stack ?? stack.id) === stack.id)
    .toSorted((a, b) => a.now - b.now);
}

/** Every line in the span, including the platform's. */
export async function readLines({ aws, config }: Stack, span: Span, filterPattern?: string): Promise<string[]> {
  const request = { logGroupName: config.scalerLogGroup, startTime: span.from, endTime: span.to };
  const lines: string[] = [];
  const pages = paginateFilterLogEvents({ client: aws.logs }, { ...request, ...(filterPattern && { filterPattern }) });
  for await (const { events = [] } of pages) lines.push(...events.map(({ message = '' }) => message));
  return lines;
}

function tickIn(line: string): LoggedTick | undefined {
  return loggedTickSchema.safeParse(jsonOf(line)).data;
}

const complaintSchema = z.object({ level: z.literal('error'), message: z.string() });

/** The errors in a line: those of a tick, those the scaler logs itself, or the platform's report of a failed invocation. */
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
