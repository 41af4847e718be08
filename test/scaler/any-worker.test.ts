/** Somebody else's worker image under our scaler: real processes, whose activities are tried once. */
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { Fleet } from './fleet.ts';

jest.setTimeout(180_000);

const fixtures = join(import.meta.dirname, 'fixtures');
const fleet = new Fleet({
  directory: fixtures,
  command: ['node', 'plain-worker.mjs'],
  pool: { protection: 'scaler', policy: { slotsPerTask: 1, maxTasks: 4 } },
});
let connection: NativeConnection;
let workflows: Worker;
let serving: Promise<void>;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  await fleet.start();
  const bundle = await bundleWorkflowCode({
    workflowsPath: join(fixtures, 'naps.ts'),
    logger: new DefaultLogger('ERROR'),
  });
  connection = await NativeConnection.connect({ address: fleet.temporal.address });
  workflows = await Worker.create({ connection, workflowBundle: bundle, taskQueue: 'workflows' });
  serving = workflows.run();
});

afterAll(async () => {
  workflows?.shutdown();
  await serving;
  await connection?.close();
  await fleet.stop();
});

const nap = (seconds: number) =>
  fleet.client.workflow.start('napOnce', {
    taskQueue: 'workflows',
    workflowId: `nap-${Math.random()}`,
    args: [fleet.taskQueue, seconds],
  });

test('leaves task by task as each falls idle, and nothing that runs is lost', async () => {
  await fleet.tag({ minTasks: '4' });
  await fleet.until(
    'four tasks, all protected',
    () => fleet.running().length === 4 && fleet.running().every(({ protectedUntil }) => protectedUntil),
  );
  const naps = [await nap(12), await nap(12)];
  await fleet.until('two are busy', () => busySlots() === 2);

  await fleet.tag({ minTasks: '1', maxTasks: '1' });
  await fleet.until('the idle two have left', () => fleet.running().length === 2);
  expect(await fleet.service()).toMatchObject({ desiredCount: 2 });
  await expect(Promise.all(naps.map((handle) => handle.result()))).resolves.toEqual(['slept', 'slept']);
  await fleet.until('one of the others has left', () => fleet.running().length === 1);
  expect(fleet.errors).toEqual([]);
});

function busySlots(): number {
  const { workers } = fleet.records.at(-1) ?? {};
  return Array.isArray(workers) ? workers.reduce((sum, { usedSlots }) => sum + usedSlots, 0) : 0;
}
