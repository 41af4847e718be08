/** Workers that only get SIGTERM, without a sidecar or a scaler: what they lose is what their SDK loses at shutdown. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { endWithThisProcess, plainEnvironment } from '../../local/process.ts';
import type { ForeignWorkerProgram } from './workers.ts';

export class DirectFleet {
  readonly #program: ForeignWorkerProgram;
  readonly #environment: Record<string, string>;
  readonly #logFile: string;
  readonly #leaving: Promise<unknown>[] = [];
  #working: ChildProcess[] = [];
  /** How often a worker was sent SIGTERM. */
  stops = 0;
  /** How workers ended: exit codes, or the signal. */
  readonly exitCodes: string[] = [];

  constructor(program: ForeignWorkerProgram, environment: Record<string, string>, logFile: string) {
    this.#program = program;
    this.#environment = environment;
    this.#logFile = logFile;
  }

  /** Starts workers, or sends SIGTERM to some, until there are `count`: any of them may stop, like the scaler's tasks. */
  hold(count: number, random: () => number = Math.random): void {
    while (this.#working.length < count) this.#working.push(this.#start());
    while (this.#working.length > count) {
      const [child] = this.#working.splice(Math.floor(random() * this.#working.length), 1) as [ChildProcess];
      this.stops += 1;
      this.#leaving.push(this.#ended(child));
      child.kill('SIGTERM');
    }
  }

  async end(): Promise<void> {
    this.hold(0);
    await Promise.all(this.#leaving);
  }

  #start(): ChildProcess {
    const [file = '', ...args] = this.#program.command;
    const output = openSync(this.#logFile, 'a');
    const env = { ...plainEnvironment(), ...this.#environment };
    const child = spawn(file, args, {
      cwd: this.#program.directory,
      env,
      detached: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    if (child.pid !== undefined) {
      const release = endWithThisProcess(child.pid);
      child.once('exit', release);
    }
    return child;
  }

  async #ended(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    this.exitCodes.push(`${child.exitCode ?? child.signalCode}`);
  }
}
