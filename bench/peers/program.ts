/** A scaler that is a process of its own, as long as its fleet is compared. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { endWithThisProcess } from '../../local/process.ts';

interface Program {
  /** What messages call it. */
  name: string;
  command: string;
  args: string[];
  environment: Record<string, string>;
  logFile: string;
  onLine?: (line: string) => void;
}

/** The function ends it, and throws if it has ended by itself: then nobody scaled the fleet. */
export function startProgram(program: Program): () => Promise<void> {
  const { name, command, args, environment, logFile, onLine } = program;
  const child = spawn(command, args, { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const release = endWithThisProcess(child.pid!);
  const log = createWriteStream(logFile);
  child.stderr.pipe(log, { end: false });
  createInterface({ input: child.stdout }).on('line', (line) => {
    log.write(`${line}\n`);
    onLine?.(line);
  });
  return async () => {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (!hasEnded) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    release();
    log.end();
    if (hasEnded) throw new Error(`${name} ended by itself. Its log, ${logFile}, says why; run the load again.`);
  };
}
