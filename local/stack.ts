/** This repository's CDK app, really bootstrapped and deployed by the CDK's own command line, to the emulator. */
import { readFile, rm } from 'node:fs/promises';
import { devNull } from 'node:os';
import { join } from 'node:path';

import { z } from 'zod';

import { emulatorCredentials } from './emulator.ts';
import { logTail, plainEnvironment, startProcess } from './process.ts';
import { LOCAL_DIRECTORY, REPOSITORY } from './tools.ts';

/** The worker image's name in the deployed task definitions: what local Fargate has unpacked in `dist/worker`. */
export const LOCAL_WORKER_IMAGE = 'temporal-elastic-workers/worker:local';
export const LOCAL_WORKER_DIRECTORY = join(REPOSITORY, 'dist', 'worker');

export interface StackOptions {
  emulatorUrl: string;
  /** The CDK app's context, such as `temporalAddress`; the local worker image unless another is given. */
  context: Record<string, string | number>;
  /** The command of another CDK app, or of this one without building first what it deploys. */
  app?: string;
  /** Of what the CDK writes, and its logs. */
  directory?: string;
  onProgress?: (line: string) => void;
}

const poolOutputSchema = z.object({ pool: z.string(), taskQueue: z.string(), service: z.string() });

const outputsSchema = z.object({
  Cluster: z.string(),
  StateTable: z.string(),
  ScalerFunction: z.string(),
  Dashboard: z.string().optional(),
  Pools: z.string().transform((json) => z.array(poolOutputSchema).parse(JSON.parse(json))),
});

export type StackOutputs = z.infer<typeof outputsSchema>;

export async function deployStack(options: StackOptions): Promise<StackOutputs> {
  const { onProgress = () => {}, directory = LOCAL_DIRECTORY } = options;
  onProgress('Building the bundles and deploying the stack');
  const outputsFile = join(directory, 'outputs.json');
  await rm(outputsFile, { force: true });
  await cdk(options, 'deploy', ['--all', '--require-approval', 'never', '--outputs-file', outputsFile]);
  const [outputs] = Object.values(
    z.record(z.string(), z.unknown()).parse(JSON.parse(await readFile(outputsFile, 'utf8'))),
  );
  return outputsSchema.parse(outputs);
}

/** What any stack needs, once. Run where there is no cdk.json: it needs nothing of the app, and need not wait for it to be built. */
export async function bootstrap(options: Omit<StackOptions, 'context'>): Promise<void> {
  const { directory = LOCAL_DIRECTORY, emulatorUrl, onProgress } = options;
  onProgress?.('Bootstrapping the CDK');
  await cdk({ emulatorUrl, context: {}, directory }, 'bootstrap', ['aws://000000000000/us-east-1'], directory);
}

/** One run of the CDK's command line, to its end. Returns what it printed, and throws that when it failed. */
export async function cdk(
  options: StackOptions,
  command: string,
  args: string[],
  workingDirectory = REPOSITORY,
): Promise<string> {
  const context = Object.entries({ workerImage: LOCAL_WORKER_IMAGE, ...options.context });
  const { directory = LOCAL_DIRECTORY, app } = options;
  const common = [
    '--output',
    join(directory, 'cdk.out'),
    '--no-notices',
    '--no-color',
    ...(app === undefined ? [] : ['--app', app, '--build', 'true']),
  ];
  const running = await startProcess({
    name: `cdk ${command}`,
    command: join(REPOSITORY, 'node_modules', '.bin', 'cdk'),
    args: [command, ...args, ...common, ...context.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    environment: cdkEnvironment(options.emulatorUrl),
    directory: workingDirectory,
    logFile: join(directory, 'logs', `cdk-${command}.log`),
  });
  const ended = await running.exited;
  await running.stop();
  if (ended !== 'exit code 0') {
    throw new Error(
      `cdk ${command} failed (${ended}). The end of its log, ${running.logFile}:\n${logTail(running.logFile)}`,
    );
  }
  return readFile(running.logFile, 'utf8');
}

/** Whatever AWS configuration the user has stays out of it: only the emulator can be reached. */
function cdkEnvironment(emulatorUrl: string): Record<string, string> {
  return {
    ...plainEnvironment(),
    ...emulatorCredentials(emulatorUrl),
    AWS_ENDPOINT_URL_S3: emulatorUrl,
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    CDK_DEFAULT_ACCOUNT: '000000000000',
    CDK_DEFAULT_REGION: 'us-east-1',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_DISABLE_VERSION_CHECK: 'true',
  };
}
