/** The real worker, as built for deployment, as a real child process, followed by its log. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../child-environment.ts';

interface LogLine {
  level: string;
  message: string;
  [field: string]: unknown;
}

const BUILT = join(import.meta.dirname, '../../dist/worker/main.js');

export class WorkerProcess {
  readonly log: LogLine[] = [];
  readonly exitCode: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  /** `stderr` of a worker that must run out of memory is ignored: Jest mistakes V8's message for its own crash. */
  constructor(environment: Record<string, string>, stderr: 'inherit' | 'ignore' = 'inherit', main = BUILT) {
    const env = { ...childEnvironment(), ...environment };
    this.#child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', stderr] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.log.push(JSON.parse(line) as LogLine);
      for (const look of this.#waiting) look();
    });
    this.exitCode = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  /** The first matching line from `since` on; fails if the process exits without one. */
  async says(message: string, since = 0): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const line = this.log.slice(since).find((each) => each.message.includes(message));
        if (line === undefined) return;
        this.#waiting.delete(look);
        resolve(line);
      };
      this.#waiting.add(look);
      look();
      void this.exitCode.then((code) =>
        reject(new Error(`The worker ended (${code}) without saying "${message}": ${JSON.stringify(this.log)}`)),
      );
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exitCode;
  }
}
