/** Runs the policy over a log of tick records: one decision per line, as they come. */
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { poolPolicySchema } from '../contract/pool-config.ts';
import { replayer } from '../scaler/report/replay.ts';
import { UsageError } from '../deployed/errors.ts';
import type { Shell } from './shell.ts';

interface ReplayOptions {
  policy: string;
}

export async function replay(shell: Shell, { policy }: ReplayOptions): Promise<void> {
  const answer = replayer(policyIn(policy));
  for await (const line of createInterface({ input: shell.stdin })) {
    const answered = answer(line);
    if (answered === undefined) continue;
    shell.print(answered.text);
    if (!answered.ok) shell.exitCode = 1;
  }
}

function policyIn(text: string) {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError([`--policy must be JSON such as '{"maxTasks":50}', got '${text}'`]);
  }
  const parsed = poolPolicySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError([`--policy is not valid:\n${z.prettifyError(parsed.error)}`]);
}
