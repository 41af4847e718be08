/**
 * Repeats the decisions for a log of tick records, carrying the policy's memory from record to record of each pool. Other lines
 * of the log are skipped; for a record that cannot be parsed, the answer is its `error`.
 */
import { z } from 'zod';
import type { PoolPolicy } from '../../contract/pool-config.ts';
import { decide, DEFAULT_POLICY } from '../policy.ts';
import { tickRecordSchema } from './tick-record.ts';

/** Answers each line in turn: the line to print, or undefined if it is not a tick record. */
export function replayer(overrides: PoolPolicy = {}): (line: string) => { text: string; ok: boolean } | undefined {
  const memories = new Map<string, unknown>();
  return (line) => {
    const value = jsonOf(line);
    if (typeof value !== 'object' || value === null || !('v' in value) || !('pool' in value)) return undefined;
    const parsed = tickRecordSchema.safeParse(value);
    if (!parsed.success) {
      return { text: JSON.stringify({ pool: value.pool, error: z.prettifyError(parsed.error) }), ok: false };
    }
    const { pool, now, policy, shortened, ...signals } = parsed.data;
    if (shortened !== undefined)
      return { text: JSON.stringify({ pool, now, error: `shortened: ${shortened}` }), ok: false };
    const { decision, memory } = decide(
      signals,
      memories.get(pool),
      { ...DEFAULT_POLICY, ...defined(policy), ...defined(overrides) },
      now,
    );
    memories.set(pool, memory);
    return { text: JSON.stringify({ pool, now, ...decision }), ok: true };
  };
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function defined<T extends object>(overrides: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)) as never;
}
