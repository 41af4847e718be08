/** Uses Docker or podman, if one of them works, to build and run images that cannot run as processes of this machine. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { ImageSource } from './assembly.ts';
import type { StandIn, WantedContainer } from './fargate/index.ts';

const run = promisify(execFile);
const ENGINES = ['docker', 'podman'];
/** Limit of a build's output, which is kept for the error message. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/** The first that answers; undefined if there is none. */
export async function findEngine(): Promise<string | undefined> {
  for (const engine of ENGINES) {
    const answers = await run(engine, ['info'], { timeout: 10_000 }).then(
      () => true,
      () => false,
    );
    if (answers) return engine;
  }
  return undefined;
}

/** Builds from the folder of the CDK app's assembly. The image's name is the same as in the task definition. */
export async function buildImage(engine: string, image: string, { directory, dockerFile }: ImageSource): Promise<void> {
  const args = ['build', '--quiet', '--tag', image, ...(dockerFile ? ['--file', dockerFile] : []), '.'];
  try {
    await run(engine, args, { cwd: directory, maxBuffer: MOST_OUTPUT });
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`${engine} failed to build ${image}:\n${stderr.trimEnd() || message}`, { cause: error });
  }
}

/**
 * Runs in the host's network, where Temporal and the task's endpoints are. The engine stops it: a signal to its client does not
 * always reach the container, which then stays.
 */
export function containerCommand(engine: string, wanted: WantedContainer, directory: string): StandIn {
  const variables = wanted.variables.flatMap((name) => ['--env', name]);
  const name = `elastic-workers-${randomUUID()}`;
  const args = ['run', '--rm', '--name', name, '--network', 'host', ...variables, wanted.image, ...wanted.command];
  return {
    command: [engine, ...args],
    directory,
    stopCommand: (seconds) => [engine, 'stop', '-t', `${seconds}`, name],
  };
}
