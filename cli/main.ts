#!/usr/bin/env node
/** The command line: the only file of it that touches the process. */
import { CommanderError } from 'commander';
import { programOf } from './program.ts';
import { CommandError, UsageError } from '../deployed/errors.ts';
import { hanging, Shell, visible } from './shell.ts';

// Node's deprecation warnings about our dependencies are of no use to whoever is on call.
process.noDeprecation = true;
const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
// The reader of our output may stop early: head, less.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const shell = new Shell({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => Date.now(),
  signal: ended.signal,
});
process.exitCode = await run(process.argv.slice(2));

async function run(args: string[]): Promise<number> {
  try {
    await programOf(shell).parseAsync(args, { from: 'user' });
    return shell.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const problems = error instanceof UsageError ? error.problems : [explain(error)];
    complain(problems, args.includes('--json'));
    return error instanceof UsageError ? 2 : 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof CommandError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function complain(problems: string[], json: boolean): void {
  if (json) process.stderr.write(`${visible(JSON.stringify({ problems }))}\n`);
  else process.stderr.write(`${visible(listed(problems))}\n`);
}

function listed(problems: string[]): string {
  if (problems.length === 1) return `error: ${hanging(problems[0] as string)}`;
  return `error: ${problems.length} problems:\n${problems.map((each) => `  - ${hanging(each)}`).join('\n')}`;
}
