/**
 * What the containers of a task with `pidMode: task` see of each other: their main processes, in a folder that looks like procfs.
 * A real namespace would need Linux and permissions that not every user has. Here all processes share the machine's process ids, so
 * that signals reach the right one, and HOST_PROC tells containers where to look, as with monitoring agents. Processes that a
 * container's main process starts are not listed.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Of `/proc/<pid>/stat`, between the parent's number and the time of the start. */
const FIELDS_BETWEEN = Array.from({ length: 17 }, () => 0).join(' ');

export class ProcessNamespace {
  readonly directory: string;
  #started = 0;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  /** A container's main process has no parent in the namespace. */
  add(pid: number, taskId: string, containerId: string): void {
    const folder = join(this.directory, `${pid}`);
    this.#started += 1;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'cgroup'), `0::/ecs/${taskId}/${containerId}\n`);
    writeFileSync(join(folder, 'stat'), `${pid} (container) S 0 ${FIELDS_BETWEEN} ${this.#started} 0\n`);
  }

  remove(pid: number): void {
    rmSync(join(this.directory, `${pid}`), { recursive: true, force: true });
  }

  end(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
