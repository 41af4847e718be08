/** One of our processes, and every byte that it writes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { childEnvironment } from '../child-environment.ts';

export class Watched {
  output = '';
  readonly ended: Promise<unknown>;
  readonly #child;
  readonly #looking = new Set<() => void>();

  constructor(args: string[], environment: Record<string, string>) {
    const env = { ...childEnvironment(), TEMPORAL_CLI: '', ...environment };
    const preload = ['--import', join(import.meta.dirname, 'fixtures/dies.mjs')];
    this.#child = spawn(process.execPath, [...preload, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (data: string) => {
        this.output += data;
        for (const look of this.#looking) look();
      });
    }
    this.ended = once(this.#child, 'close');
  }

  async says(...texts: string[]): Promise<void> {
    await this.until((output) => texts.every((text) => output.includes(text)), texts.join(' and '));
  }

  async until(reached: (output: string) => boolean, what: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => reached(this.output) && resolve();
    this.#looking.add(look);
    look();
    await Promise.race([promise, this.ended]);
    this.#looking.delete(look);
    if (!reached(this.output)) throw new Error(`never said: ${what}; at last: ${this.output.slice(-2000)}`);
  }

  async ends(signal: NodeJS.Signals): Promise<string> {
    this.#child.kill(signal);
    await this.ended;
    return this.output;
  }
}
