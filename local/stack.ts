/** Bootstraps and deploys CDK apps to the emulator with the CDK's own command line. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';

import { emulatorCredentials } from './emulator.ts';
import { logTail, plainEnvironment, startProcess } from './process.ts';
import { LOCAL_DIRECTORY, REPOSITORY } from './tools.ts';

/** The worker image's name in task definitions of this repository's app: what local Fargate has unpacked in `dist/worker`. */
export const LOCAL_WORKER_IMAGE = 'temporal-elastic-workers/worker:local';
export const LOCAL_WORKER_DIRECTORY = join(REPOSITORY, 'dist', 'worker');
/** The same of the sidecar's. */
export const LOCAL_SIDECAR_IMAGE = 'temporal-elastic-workers/sidecar:local';
export const LOCAL_SIDECAR_DIRECTORY = join(REPOSITORY, 'dist', 'sidecar');

export interface StackOptions {
  emulatorUrl: string;
  /** The CDK app's context; of this repository's app, the local worker image unless another is given. */
  context: Record<string, string | number>;
  /** The folder with the app's cdk.json, and the CDK's command line among its packages (default: this repository). */
  project?: string;
  /** The command of the app, instead of the one in cdk.json; without building first what it deploys. */
  app?: string;
  /** Of what the CDK writes, and its logs. */
  directory?: string;
  onProgress?: (line: string) => void;
  /** Aborts the CDK's run. */
  signal?: AbortSignal;
}

/** The folder below a run's directory in which the CDK puts what the app makes. */
export function assemblyIn(directory: string): string {
  return join(directory, 'cdk.out');
}

export async function deployStacks(options: StackOptions): Promise<void> {
  options.onProgress?.('Building the bundles and deploying the stack');
  await cdk(options, 'deploy', ['--all', '--require-approval', 'never']);
}

/** What any stack needs, once. Run where there is no cdk.json: it needs nothing of the app, and need not wait for it to be built. */
export async function bootstrap(options: Omit<StackOptions, 'context'>): Promise<void> {
  const { directory = LOCAL_DIRECTORY, onProgress } = options;
  onProgress?.('Bootstrapping the CDK');
  await cdk({ ...options, context: {}, directory }, 'bootstrap', ['aws://000000000000/us-east-1'], directory);
}

/** One run of the CDK's command line, to its end. Returns what it printed, and throws that when it failed. */
export async function cdk(
  options: StackOptions,
  command: string,
  args: string[],
  workingDirectory = options.project ?? REPOSITORY,
): Promise<string> {
  const { directory = LOCAL_DIRECTORY, app, project } = options;
  const images = { workerImage: LOCAL_WORKER_IMAGE, sidecarImage: LOCAL_SIDECAR_IMAGE };
  const context = project === undefined ? { ...images, ...options.context } : options.context;
  const common = [
    '--output',
    assemblyIn(directory),
    '--no-notices',
    '--no-color',
    ...(app === undefined || command === 'bootstrap' ? [] : ['--app', app, '--build', 'true']),
  ];
  const running = await startProcess({
    name: `cdk ${command}`,
    command: process.execPath,
    args: [
      cdkCommandLine(project ?? REPOSITORY),
      command,
      ...args,
      ...common,
      ...Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    environment: cdkEnvironment(options.emulatorUrl),
    directory: workingDirectory,
    logFile: join(directory, 'logs', `cdk-${command}.log`),
  });
  const interrupt = () => void running.stop();
  options.signal?.addEventListener('abort', interrupt, { once: true });
  const ended = await running.exited;
  options.signal?.removeEventListener('abort', interrupt);
  await running.stop();
  if (ended !== 'exit code 0') {
    throw new Error(
      `cdk ${command} failed (${ended}). The end of its log, ${running.logFile}:\n${logTail(running.logFile)}`,
    );
  }
  return readFile(running.logFile, 'utf8');
}

/** Found among the project's own packages; throws if there is none. */
export function cdkCommandLine(project: string): string {
  try {
    return join(dirname(createRequire(join(project, 'package.json')).resolve('aws-cdk/package.json')), 'bin', 'cdk');
  } catch (cause) {
    throw new Error(`${project} has no CDK command line: npm install --save-dev aws-cdk`, { cause });
  }
}

/** The user's own AWS configuration is not used: only the emulator can be reached. */
function cdkEnvironment(emulatorUrl: string): Record<string, string> {
  return {
    ...plainEnvironment(),
    ...emulatorCredentials(emulatorUrl),
    AWS_ENDPOINT_URL_S3: emulatorUrl,
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    CDK_DEFAULT_ACCOUNT: '000000000000',
    CDK_DEFAULT_REGION: 'us-east-1',
    // Images are not built: local Fargate runs their contents.
    CDK_DOCKER: 'true',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_DISABLE_VERSION_CHECK: 'true',
    // The CDK's own checks of each template, unless the user has turned them off.
    CDK_VALIDATION: process.env.CDK_VALIDATION ?? 'true',
  };
}
