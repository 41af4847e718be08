import type { ContainerDefinition } from '../../local/fargate/definitions.ts';
import { startInOrder, stopInOrder, type Ordered } from '../../local/fargate/start-order.ts';

type Dependency = ContainerDefinition['dependsOn'][number];

/** Containers that log their starts and stops, each with the code it exits with by itself, or none. */
function containers(...described: [name: string, exitCode: number | undefined, ...dependsOn: Dependency[]][]) {
  const journal: string[] = [];
  const all = described.map(([name, exitCode, ...dependsOn]) => ({
    definition: { name, dependsOn },
    exited: exitCode === undefined ? new Promise<number>(() => undefined) : Promise.resolve(exitCode),
  }));
  const start = async (container: Ordered & (typeof all)[number]) => {
    journal.push(`start ${container.definition.name}`);
    container.process = container;
  };
  const stop = async ({ definition }: Ordered) => void journal.push(`stop ${definition.name}`);
  return { all: all as (Ordered & (typeof all)[number])[], journal, start, stop };
}

const on = (containerName: string, condition: Dependency['condition']): Dependency => ({ containerName, condition });
const never = new AbortController().signal;

test('a container starts once its dependencies have succeeded or started, and is stopped before them', async () => {
  const worker = ['worker', undefined, on('protect', 'SUCCESS'), on('sidecar', 'START')] as const;
  const { all, journal, start, stop } = containers([...worker], ['protect', 0], ['sidecar', undefined]);
  await startInOrder(all, start, never);
  await stopInOrder(all, stop);
  expect(journal.indexOf('start worker')).toBe(2);
  expect(journal.indexOf('stop worker')).toBe(3);
  expect(journal).toHaveLength(6);
});

test('a container whose dependency fails does not start, and says why', async () => {
  const { all, journal, start } = containers(['worker', undefined, on('protect', 'SUCCESS')], ['protect', 1]);
  await expect(startInOrder(all, start, never)).rejects.toThrow('container protect exited with 1');
  expect(journal).toEqual(['start protect']);
});

test('a stopped task starts no more containers', async () => {
  const { all, journal, start } = containers(['worker', undefined, on('protect', 'COMPLETE')], ['protect', undefined]);
  const stopping = new AbortController();
  const starting = startInOrder(all, start, stopping.signal);
  stopping.abort();
  await expect(starting).rejects.toThrow('aborted');
  expect(journal).not.toContain('start worker');
});
