/**
 * The order in which a task's containers start and stop: a container starts once its dependencies have reached the required state,
 * and they are stopped once it has ended. (Source: ECS developer guide, "Container dependency".)
 */
import { once } from 'node:events';
import type { ContainerDefinition } from './definitions.ts';
import { TaskStartError } from './errors.ts';

export interface Ordered {
  definition: Pick<ContainerDefinition, 'name' | 'dependsOn'>;
  process?: { readonly exited: Promise<number> };
}

/** Starts each when it is due, and none after `signal`. Once all started ones are up, throws why others did not start. */
export async function startInOrder<T extends Ordered>(
  containers: readonly T[],
  start: (container: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const begun = new Map<T, Promise<void>>();
  const begin = (container: T): Promise<void> => {
    const known = begun.get(container);
    if (known) return known;
    const ready = container.definition.dependsOn.map((dependency) => reached(dependency, containers, begin, signal));
    const beginning = Promise.all(ready).then(() => {
      signal.throwIfAborted();
      return start(container);
    });
    begun.set(container, beginning);
    return beginning;
  };
  const results = await Promise.allSettled(containers.map(begin));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function reached<T extends Ordered>(
  { containerName, condition }: ContainerDefinition['dependsOn'][number],
  containers: readonly T[],
  begin: (container: T) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const other = containers.find(({ definition }) => definition.name === containerName);
  if (other === undefined) throw new TaskStartError(`no container ${containerName} to depend on`);
  await begin(other);
  if (condition === 'START') return;
  const exitCode = await Promise.race([other.process?.exited, once(signal, 'abort')]);
  signal.throwIfAborted();
  if (condition === 'SUCCESS' && exitCode !== 0)
    throw new TaskStartError(`container ${containerName} exited with ${exitCode}: what depends on it does not start`);
}

/** Stops each container once those that depend on it have ended. */
export async function stopInOrder<T extends Ordered>(
  containers: readonly T[],
  stop: (container: T) => Promise<void>,
): Promise<void> {
  const ending = new Map<T, Promise<void>>();
  const end = (container: T): Promise<void> => {
    const known = ending.get(container);
    if (known) return known;
    const { name } = container.definition;
    const dependents = containers.filter(({ definition }) =>
      definition.dependsOn.some(({ containerName }) => containerName === name),
    );
    const ended = Promise.all(dependents.map(end)).then(() => stop(container));
    ending.set(container, ended);
    return ended;
  };
  await Promise.all(containers.map(end));
}
