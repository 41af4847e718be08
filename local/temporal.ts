/** The real Temporal server with its Web UI, on this machine only. */
import { join } from 'node:path';

import { Connection } from '@temporalio/client';

import { plainEnvironment, startProcess, untilReady, usablePort } from './process.ts';
import { ensureTools, LOCAL_DIRECTORY } from './tools.ts';

export interface TemporalOptions {
  /** Default: free ones. */
  port?: number;
  uiPort?: number;
  namespace?: string;
  /** Server settings by name, as JSON. */
  dynamicConfig?: Record<string, unknown>;
  /** Beside what any child gets of this process's environment. */
  environment?: Record<string, string>;
  /** Where it stores its data, to find it again after a restart (default: in memory). */
  databaseFile?: string;
  /** Of the log. */
  directory?: string;
  /** The `temporal` executable (default: found or downloaded). */
  executable?: string;
}

export interface LocalTemporal {
  address: string;
  uiUrl: string;
  namespace: string;
  pid: number;
  stop(): Promise<void>;
}

export async function startTemporal(options: TemporalOptions = {}): Promise<LocalTemporal> {
  const { namespace = 'default', directory = join(LOCAL_DIRECTORY, 'logs') } = options;
  const command = options.executable ?? (await ensureTools()).temporal;
  const howToChange = 'stop what is using it, or leave the port out to use a free one.';
  const port = await usablePort(options.port, "the Temporal server's", howToChange);
  const uiPort = await usablePort(options.uiPort, "the Temporal UI's", howToChange);
  const server = await startProcess({
    name: 'The Temporal server',
    command,
    args: [
      ...serverArguments(port, uiPort, namespace),
      ...(options.databaseFile === undefined ? [] : ['--db-filename', options.databaseFile]),
      ...settings(options.dynamicConfig),
    ],
    environment: { ...plainEnvironment(), ...options.environment },
    logFile: join(directory, 'temporal.log'),
  });
  const address = `127.0.0.1:${port}`;
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  await untilReady('The Temporal server', server, () => answers(address, namespace, uiUrl));
  return { address, uiUrl, namespace, pid: server.pid, stop: () => server.stop() };
}

function serverArguments(port: number, uiPort: number, namespace: string): string[] {
  const listening = ['--ip', '127.0.0.1', '--port', `${port}`, '--ui-ip', '127.0.0.1', '--ui-port', `${uiPort}`];
  return ['server', 'start-dev', ...listening, '--namespace', namespace, '--log-level', 'warn'];
}

function settings(dynamicConfig: Record<string, unknown> = {}): string[] {
  return Object.entries(dynamicConfig).flatMap(([name, value]) => [
    '--dynamic-config-value',
    `${name}=${JSON.stringify(value)}`,
  ]);
}

async function answers(address: string, namespace: string, uiUrl: string): Promise<boolean> {
  const connection = await Connection.connect({ address, connectTimeout: '1s' });
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } finally {
    await connection.close();
  }
  return (await fetch(uiUrl)).ok;
}
