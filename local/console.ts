/** The console over what runs on this machine, in a process of its own that waits until somebody opens its page. */
import { extname, join } from 'node:path';

import { emulatorCredentials } from './emulator.ts';
import { freePorts, plainEnvironment, startProcess, untilReady } from './process.ts';
import { LOCAL_DIRECTORY, REPOSITORY } from './tools.ts';

/** As it is in the repository, or as it is published. */
const COMMAND_LINE = join(REPOSITORY, 'cli', `main${extname(import.meta.filename)}`);

export interface ConsoleOptions {
  emulatorUrl: string;
  /** Temporal's Web UI, for links into it. */
  temporalUiUrl: string;
  closers: (() => Promise<void>)[];
  /** Of the log. */
  directory?: string;
}

/** Returns its address. Nothing needs it: whoever calls goes on without. */
export async function startConsole(options: ConsoleOptions): Promise<string> {
  const { emulatorUrl, temporalUiUrl, closers, directory = join(LOCAL_DIRECTORY, 'logs') } = options;
  const port = String((await freePorts(1))[0]);
  const server = await startProcess({
    name: 'The console',
    command: process.execPath,
    args: [COMMAND_LINE, 'console', '--port', port, '--temporal-ui', temporalUiUrl],
    environment: { ...plainEnvironment(), ...emulatorCredentials(emulatorUrl) },
    logFile: join(directory, 'console.log'),
  });
  closers.push(() => server.stop());
  const url = `http://127.0.0.1:${port}`;
  await untilReady('The console', server, async () => (await fetch(url)).ok);
  return url;
}
