/** Runs the console for what runs on this machine, in a process of its own that is idle until somebody opens its page. */
import { extname, join } from 'node:path';

import { emulatorCredentials } from './emulator.ts';
import { freePorts, plainEnvironment, startProcess, untilReady } from './process.ts';
import type { LocalTemporal } from './temporal.ts';
import { LOCAL_DIRECTORY, REPOSITORY } from './tools.ts';

/** Its source in the repository, or the published file. */
const COMMAND_LINE = join(REPOSITORY, 'cli', `main${extname(import.meta.filename)}`);

export interface ConsoleOptions {
  emulatorUrl: string;
  /** The console links to its Web UI. */
  temporal: Pick<LocalTemporal, 'uiUrl'>;
  onProgress: (line: string) => void;
  closers: (() => Promise<void>)[];
  /** Of the log. */
  directory?: string;
}

/** Returns its address. Nothing depends on it: everything continues without it. */
export async function openConsole(options: ConsoleOptions): Promise<string | undefined> {
  try {
    const url = await startConsole(options);
    options.onProgress(`Console: ${url}`);
    return url;
  } catch (error) {
    options.onProgress(`Continuing without the console, which did not start: ${(error as Error).message}`);
    return undefined;
  }
}

export async function startConsole(options: Omit<ConsoleOptions, 'onProgress'>): Promise<string> {
  const { emulatorUrl, temporal, closers, directory = join(LOCAL_DIRECTORY, 'logs') } = options;
  const port = String((await freePorts(1))[0]);
  const server = await startProcess({
    name: 'The console',
    command: process.execPath,
    args: [COMMAND_LINE, 'console', '--port', port, '--temporal-ui', temporal.uiUrl],
    environment: { ...plainEnvironment(), ...emulatorCredentials(emulatorUrl) },
    logFile: join(directory, 'console.log'),
  });
  closers.push(() => server.stop());
  const url = `http://127.0.0.1:${port}`;
  await untilReady('The console', server, async () => (await fetch(url)).ok);
  return url;
}
