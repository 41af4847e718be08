/** MiniStack as AWS, on this machine only and in memory: nothing survives `stop`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { plainEnvironment, startProcess, untilReady, usablePort } from './process.ts';
import { ensureTools, LOCAL_DIRECTORY } from './tools.ts';
import type { Tools } from './tools.ts';

export interface EmulatorOptions {
  /** Default: a free one. */
  port?: number;
  /** Inherited by the Lambda functions it runs, such as `AWS_ENDPOINT_URL_ECS`. */
  environment?: Record<string, string>;
  /**
   * How long CloudFormation waits for a service to become stable, according to the ECS endpoint in `AWS_ENDPOINT_URL_ECS`, before it
   * rolls the stack back; on AWS this takes hours. By default it does not wait: a stack is up at once.
   */
  stabilizationSeconds?: number;
  /** Of the log. */
  directory?: string;
  /** Default: found or downloaded. */
  ministack?: Tools['ministack'];
}

export interface LocalEmulator {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** Points an AWS client to the emulator; nothing real can be reached with it. */
export function emulatorEndpoint(url: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** The root user's keys, which allow everything. */
export const ROOT_KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };

/** The endpoint with the root user's keys. */
export function emulatorCredentials(url: string): Record<string, string> {
  return { ...emulatorEndpoint(url), ...ROOT_KEYS };
}

/** A line to paste into a shell, so that AWS's tools and `elastic-workers` find what runs here. */
export function exportLine(emulatorUrl: string, ecsUrl: string): string {
  const variables = { ...emulatorCredentials(emulatorUrl), AWS_ENDPOINT_URL_ECS: ecsUrl };
  return `export ${Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')}`;
}

/** The emulator's log of who called what, in its log folder: local/emulator/request_log.py. */
export function requestLog(directory: string): string {
  return join(directory, 'requests.jsonl');
}

export async function startEmulator(options: EmulatorOptions = {}): Promise<LocalEmulator> {
  const { directory = join(LOCAL_DIRECTORY, 'logs'), stabilizationSeconds = 0 } = options;
  const { command, args } = options.ministack ?? (await ensureTools()).ministack;
  const port = await usablePort(
    options.port,
    "the AWS emulator's",
    'stop what is using it, or leave the port out to use a free one.',
  );
  const temporary = mkdtempSync(join(tmpdir(), 'elastic-workers-emulator-'));
  // Also removes what Lambda functions unpack there, if this process ends without having stopped the emulator.
  const tidy = (): void => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', tidy);
  rmSync(requestLog(directory), { force: true });
  const server = await startProcess({
    name: 'The AWS emulator',
    command,
    args,
    environment: {
      ...plainEnvironment(),
      ...settings(port, temporary),
      CLOUDFORMATION_STABILIZATION_SECONDS: String(stabilizationSeconds),
      REFUSED_REQUESTS_FILE: process.env.REFUSED_REQUESTS_FILE ?? '',
      ELASTIC_WORKERS_REQUEST_LOG: requestLog(directory),
      ...options.environment,
    },
    logFile: join(directory, 'emulator.log'),
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    tidy();
    process.off('exit', tidy);
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady('The AWS emulator', server, async () => (await fetch(`${url}/_ministack/ready`)).ok);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, pid: server.pid, stop };
}

/** Lambda functions run as its child processes: with the first `node` on its PATH, unpacked in its TMPDIR. */
function settings(port: number, temporary: string): Record<string, string> {
  return {
    ...emulatorCredentials(`http://127.0.0.1:${port}`),
    GATEWAY_PORT: String(port),
    BIND_HOST: '127.0.0.1',
    TMPDIR: temporary,
    // Calls that a role's policies do not allow are denied.
    AUTH: 'true',
    IOT_MTLS_ENABLED: '0',
    SFTP_ENABLED: '0',
    // Without it the emulator would look for a container engine and clean up there.
    DOCKER_HOST: `unix://${join(temporary, 'no-docker.sock')}`,
  };
}
