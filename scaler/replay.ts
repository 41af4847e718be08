/**
 * Reads tick records as lines of JSON from standard input and prints one decision a line as it reads, carrying the
 * policy's memory from record to record of each pool. Lines that are no tick records (a log's other lines) are passed
 * over; a tick record that cannot be understood is answered by a line with `error`, and exit code 1 at the end.
 */
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { z } from 'zod';
import { poolPolicySchema, type PoolPolicy } from '../contract/pool-config.ts';
import { decide, DEFAULT_POLICY } from './policy.ts';
import { tickRecordSchema } from './tick-record.ts';

/** Answers each line in turn: the line to print, or undefined for a line that is no tick record. */
export function replayer(overrides: PoolPolicy = {}): (line: string) => { text: string; ok: boolean } | undefined {
  const memories = new Map<string, unknown>();
  return (line) => {
    const value = jsonOf(line);
    if (typeof value !== 'object' || value === null || !('v' in value) || !('pool' in value)) return undefined;
    const parsed = tickRecordSchema.safeParse(value);
    if (!parsed.success) {
      return { text: JSON.stringify({ pool: value.pool, error: z.prettifyError(parsed.error) }), ok: false };
    }
    const { pool, now, policy, ...signals } = parsed.data;
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

async function main(): Promise<void> {
  const command = new Command('replay')
    .description('Reads tick records as JSON lines from standard input and prints one decision a line.')
    .option('--policy <json>', 'overrides of every record’s policy, such as \'{"maxTasks":50}\'', '{}')
    .parse();
  const overrides = poolPolicySchema.safeParse(jsonOf(command.opts<{ policy: string }>().policy));
  if (!overrides.success) command.error(`--policy: ${z.prettifyError(overrides.error)}`);

  const answer = replayer(overrides.data);
  for await (const line of createInterface({ input: process.stdin })) {
    const answered = answer(line);
    if (answered === undefined) continue;
    process.stdout.write(`${answered.text}\n`);
    if (!answered.ok) process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) void main();
