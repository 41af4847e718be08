/**
 * One container of a task, as a real process in its own process group. Like a container, it ends as a whole: when its first process
 * exits, all others are killed too.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { endWithThisProcess } from '../process.ts';
import { TaskStartError } from './errors.ts';
import type { StandIn } from './index.ts';

interface ContainerCommand extends StandIn {
  environment: Record<string, string>;
  /** An open file for both output streams. */
  output: number;
}

export class ContainerProcess {
  /** Settles when the process has exited: its exit code, or 128 + the number of the signal that ended it. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #stopCommand: StandIn['stopCommand'];
  #hasExited = false;
  #release?: () => void;

  static async start(options: ContainerCommand): Promise<ContainerProcess> {
    const { command, directory, environment, output, stopCommand } = options;
    const [file, ...rest] = command;
    if (!file) throw new TaskStartError('CannotStartContainerError: no command specified');
    try {
      const child = spawn(file, rest, {
        cwd: directory,
        env: environment,
        detached: true,
        stdio: ['ignore', output, output],
      });
      const container = new ContainerProcess(child, stopCommand);
      await once(child, 'spawn');
      if (child.pid !== undefined && !container.#hasExited) container.#release = endWithThisProcess(child.pid);
      return container;
    } catch (error) {
      throw new TaskStartError(`CannotStartContainerError: ${String(error)} (in ${directory})`, { cause: error });
    }
  }

  private constructor(child: ChildProcess, stopCommand: StandIn['stopCommand']) {
    this.#child = child;
    this.#stopCommand = stopCommand;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.kill();
        this.#release?.();
        this.#hasExited = true;
        resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Sends SIGTERM to the container's first process, and SIGKILL to all of them if it has not exited in time. */
  async stop(timeoutSeconds: number): Promise<number> {
    if (!this.#hasExited) this.#askToExit(timeoutSeconds);
    const overdue = setTimeout(() => this.kill(), timeoutSeconds * 1000);
    const exitCode = await this.exited;
    clearTimeout(overdue);
    return exitCode;
  }

  #askToExit(timeoutSeconds: number): void {
    const [file, ...args] = this.#stopCommand?.(timeoutSeconds) ?? [];
    if (file === undefined) this.#child.kill('SIGTERM');
    // There is no container yet, or no longer.
    else execFile(file, args, (error) => error && this.#child.kill('SIGTERM'));
  }

  /** Sends SIGKILL to every process of the container at once. */
  kill(): void {
    if (this.#hasExited || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch (error) {
      // ESRCH: nothing is left of the group, as intended.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
