/** `elastic-workers dev`: the user's own CDK app on this machine. */
import { resolve } from 'node:path';
import { runDev } from '../local/dev.ts';
import { openScreen } from '../local/screen.ts';
import { parseStartDelay, type StartDelay } from '../local/start-delay.ts';
import { CommandError, UsageError } from '../deployed/errors.ts';
import { wholeNumber, type Shell } from './shell.ts';

interface Options {
  app?: string;
  run: string[];
  start?: string;
  watch: boolean;
  startDelay: string;
  temporalPort?: string;
  uiPort?: string;
}

export async function dev(shell: Shell, options: Options): Promise<void> {
  const startedAt = shell.now();
  const problems: string[] = [];
  const given = {
    commands: commandsOf(options.run, problems),
    startDelay: delayOf(options.startDelay, problems),
    temporalPort: wholeNumber('--temporal-port', options.temporalPort, [1, 65_535], problems),
    uiPort: wholeNumber('--ui-port', options.uiPort, [1, 65_535], problems),
  };
  if (problems.length > 0) throw new UsageError(problems);
  const { temporalPort, uiPort, ...rest } = given;
  const screen = openScreen(shell.stdout, () => (shell.now() - startedAt) / 1000);
  const closers: (() => Promise<void>)[] = [];
  try {
    await runDev({
      ...rest,
      ...(temporalPort !== undefined && { temporalPort }),
      ...(uiPort !== undefined && { uiPort }),
      ...(options.app !== undefined && { app: options.app }),
      ...(options.start !== undefined && { start: options.start }),
      project: resolve('.'),
      watch: options.watch,
      screen,
      now: shell.now,
      signal: shell.signal,
      closers,
    });
  } catch (error) {
    // An interruption during start-up is not a failure.
    if (!shell.signal.aborted) throw new CommandError((error as Error).message);
  } finally {
    screen.done();
    if (closers.length > 0) screen.note('Cleaning up');
    for (const close of closers.toReversed())
      await close().catch((error) => screen.note(`While cleaning up: ${error}`));
  }
}

/** `<pool>=<command>`, each pool once. */
function commandsOf(given: string[], problems: string[]): Record<string, string> {
  const commands: Record<string, string> = {};
  for (const each of given) {
    const at = each.indexOf('=');
    const [pool, command] = [each.slice(0, Math.max(0, at)).trim(), each.slice(at + 1).trim()];
    if (pool === '' || command === '') problems.push(`--run must be <pool>=<command>, got '${each}'`);
    else if (Object.hasOwn(commands, pool)) problems.push(`--run names the pool ${pool} twice: give it one command`);
    else commands[pool] = command;
  }
  return commands;
}

function delayOf(given: string, problems: string[]): StartDelay {
  const delay = parseStartDelay(given);
  if (delay === undefined)
    problems.push(`--start-delay must be two numbers of seconds, the smaller first, such as 2-5, got '${given}'`);
  return delay ?? { min: 0, max: 0 };
}
