/** Runs the current project's CDK command line on the app that ships with this package. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PROOF_CONTEXT, PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import { logTail, startProcess } from '../../local/process.ts';
import { cdkCommandLine } from '../../local/stack.ts';
import { qualifierIn } from '../doctor/account.ts';
import { packageDirectory } from '../package-directory.ts';
import { CommandError } from '../../deployed/errors.ts';
import type { Shell } from '../shell.ts';

/** The built app, so that it is the same from source as from an installed package. */
const appFile = () => join(packageDirectory(), 'dist/construct/proof-app.js');
const LOG_LINES = 100;

/** Created in the current folder; ignored by Git. */
const DIRECTORY = '.elastic-workers';

/** Runs it to the end; throws with the end of its log if it fails or the signal aborts it. */
export async function cdk(
  command: 'deploy' | 'destroy',
  args: string[],
  settings: ProofSettings,
  { env, signal }: Pick<Shell, 'env'> & { signal?: AbortSignal },
): Promise<void> {
  // What an earlier proof looked up may no longer exist.
  if (command === 'deploy') rmSync(join(DIRECTORY, 'proof'), { recursive: true, force: true });
  mkdirSync(join(DIRECTORY, 'proof'), { recursive: true });
  writeFileSync(join(DIRECTORY, '.gitignore'), '*\n');
  const context = {
    [PROOF_CONTEXT]: JSON.stringify(settings),
    '@aws-cdk/core:bootstrapQualifier': qualifierIn('cdk.json'),
  };
  const running = await startProcess({
    name: `cdk ${command}`,
    command: process.execPath,
    args: [
      cdkCommandLine(process.cwd()),
      command,
      PROOF_STACK,
      ...args,
      '--app',
      appFile(),
      '--output',
      'cdk.out',
      '--no-notices',
      '--no-color',
      ...Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    environment: JSON.parse(JSON.stringify(env)) as Record<string, string>,
    directory: join(DIRECTORY, 'proof'),
    logFile: join(DIRECTORY, 'logs', `cdk-${command}.log`),
  });
  const stop = () => void running.stop();
  signal?.addEventListener('abort', stop, { once: true });
  const ended = await running.exited;
  signal?.removeEventListener('abort', stop);
  await running.stop();
  if (signal?.aborted) {
    const why = (signal.reason as Error).name === 'TimeoutError' ? 'it took too long' : 'interrupted';
    throw new CommandError(`${why}, with cdk ${command} at:\n${logTail(running.logFile, LOG_LINES)}`);
  }
  if (ended !== 'exit code 0') {
    throw new CommandError(`cdk ${command} ended with ${ended}:\n${logTail(running.logFile, LOG_LINES)}`);
  }
}

/** Versions of what the app needs from the project. Throws with instructions if something is missing. */
export function cdkVersions(): { cli: string; library: string } {
  const cli = createRequire(cdkCommandLine(process.cwd()))('../package.json') as { version: string };
  const require = createRequire(appFile());
  require.resolve('constructs');
  return { cli: cli.version, library: (require('aws-cdk-lib/package.json') as { version: string }).version };
}
