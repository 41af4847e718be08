/** `elastic-workers console`: serves a web page on this machine with what the other commands print, until it is stopped. */
import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { CommandError, UsageError } from '../deployed/errors.ts';
import { wholeNumber, type Common, type Shell } from './shell.ts';
import { openStack } from '../deployed/stacks.ts';
import { pageAssets } from '../console/assets.ts';
import { Reader } from '../console/reader.ts';
import { consoleServer } from '../console/server.ts';

export interface ConsoleOptions extends Common {
  port: string;
  temporalUi?: string;
}

export async function serveConsole(shell: Shell, options: ConsoleOptions): Promise<void> {
  const problems: string[] = [];
  const port = wholeNumber('--port', options.port, [0, 65_535], problems) ?? 0;
  const temporalUi = checkedUrl(options.temporalUi, problems);
  const stack = await openStack(options, problems);
  if (problems.length > 0) throw new UsageError(problems);
  const server = await consoleServer(
    new Reader({ env: shell.env, now: shell.now, stack, temporalUi }),
    await pageAssets(),
  );
  const url = await listen(server, port);
  if (options.json) shell.printJson({ url, stack: stack.id });
  else shell.print(`Console for ${stack.id}: ${url}\nPress Ctrl-C to stop.`);
  if (!shell.signal.aborted) await once(shell.signal, 'abort');
  await server.close();
}

/** It becomes the target of links, so only web addresses are accepted. */
function checkedUrl(text: string | undefined, problems: string[]): string | undefined {
  if (text !== undefined && !/^https?:\/\/[^\s/]/.test(text)) {
    problems.push(`--temporal-ui must be a URL such as https://temporal.example.com, got '${text}'`);
  }
  return text;
}

async function listen(server: FastifyInstance, port: number): Promise<string> {
  try {
    return await server.listen({ host: '127.0.0.1', port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'is already in use' : `cannot be used (${message})`;
    throw new CommandError(`Port ${port} on 127.0.0.1 ${problem}: choose another with --port, or 0 for any free one.`, {
      cause: error,
    });
  }
}
