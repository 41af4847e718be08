/** All tasks of this platform, oldest first. As in ECS, stopped ones can be described for a while, and are then dropped. */
import { clusterNameOf } from './task.ts';
import type { LocalTask } from './task.ts';

/** ECS keeps stopped tasks for about an hour. The number limits memory. */
const KEEP_STOPPED_MILLISECONDS = 3_600_000;
const KEEP_STOPPED_TASKS = 5000;

export class TaskStore {
  readonly #tasks = new Map<string, LocalTask>();

  add(task: LocalTask): void {
    this.#tasks.set(task.id, task);
  }

  all(): LocalTask[] {
    return [...this.#tasks.values()];
  }

  ofService(serviceArn: string): LocalTask[] {
    return this.all().filter((task) => task.origin.service.serviceArn === serviceArn);
  }

  inCluster(clusterName: string): LocalTask[] {
    return this.all().filter((task) => clusterNameOf(task) === clusterName);
  }

  /** The task with this id or ARN, if it is in the cluster. */
  find(clusterName: string, idOrArn: string): LocalTask | undefined {
    const task = this.#tasks.get(idOrArn.slice(idOrArn.lastIndexOf('/') + 1));
    if (!task || clusterNameOf(task) !== clusterName) return undefined;
    return idOrArn.startsWith('arn:') && idOrArn !== task.arn ? undefined : task;
  }

  /** The task and container that an agent or metadata address belongs to. */
  byToken(token: string) {
    const task = this.#tasks.get(token.slice(0, token.indexOf('-')));
    const container = task?.containers.find((candidate) => candidate.token === token);
    return task && container ? { task, container } : undefined;
  }

  forgetOld(now: number): void {
    const stopped = this.all().filter((task) => task.lastStatus === 'STOPPED');
    for (const [index, task] of stopped.entries()) {
      const age = now - (task.enteredAt('STOPPED') ?? now);
      if (age > KEEP_STOPPED_MILLISECONDS || index < stopped.length - KEEP_STOPPED_TASKS) this.#tasks.delete(task.id);
    }
  }
}
