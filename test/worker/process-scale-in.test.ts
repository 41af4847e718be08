/** The worker as a process, and the protocol of scale-in. */
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { SCALER_KEY } from '../../contract/state-table.ts';
import { emulatorCredentials } from '../../local/emulator.ts';
import { cordonReader } from '../../worker/scale-in/cordon.ts';
import { createStateTable } from '../aws-resources.ts';
import {
  ROLE,
  ecs,
  emulator,
  eventually,
  killWorkers,
  startAll,
  startWorker,
  stopAll,
  table,
} from './process-under-test.ts';

jest.setTimeout(180_000);

beforeAll(startAll);
afterEach(killWorkers);
afterAll(stopAll);

describe('the scale-in protocol', () => {
  it('protects the task, drains on a cordon, lifts the protection, and works again when the cordon is removed', async () => {
    const { worker, taskId, cordon, uncordon, startActivity } = await startWorker();
    await worker.says('Protected from scale-in');
    expect(ecs.asked.get(taskId)).toEqual([true]);
    const running = await startActivity(12);
    await running.started();
    await cordon();
    await worker.says('Cordoned');
    await expect(running.result()).resolves.toMatchObject({ asks: 1 });
    await eventually(() => ecs.isProtected(taskId) === false);
    const late = await startActivity(0);
    expect(await late.hasStarted()).toBe(false);
    const before = worker.log.length;
    await uncordon();
    await worker.says('Cordon taken back', before);
    await expect(late.result()).resolves.toMatchObject({ asks: 1 });
    expect(ecs.asked.get(taskId)).toEqual([true, false, true]);
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
  });

  it('notices a scaler that acts, but not one that only observes', async () => {
    Object.assign(process.env, emulatorCredentials(emulator.url));
    const read = cordonReader('observed', ROLE, 'a', 'pool');
    await createStateTable(emulator.url, 'observed');
    const put = (item: object) =>
      table.send(new PutCommand({ TableName: 'observed', Item: { id: SCALER_KEY, ...item } }));
    await put({ tickAt: 7 });
    const nothing = { known: true, cordoned: false, deployingTasks: 0 };
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 7 });
    await put({ tickAt: 'yesterday' });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: undefined });
    await put({ tickAt: 8, observing: true });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: undefined });
    await put({ tickAt: 9, deploying: { another: 3 } });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 9 });
    await put({ tickAt: 10, deploying: { another: 3, pool: 2 } });
    await expect(read()).resolves.toEqual({ ...nothing, scalerTickAt: 10, deployingTasks: 2 });
  });

  it('covers several processes: one protection, lifted when all of them are drained', async () => {
    const { worker, taskId, cordon, startActivity } = await startWorker({
      ELASTIC_WORKERS_PROCESSES: '2',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '2',
    });
    const running = [await startActivity(10), await startActivity(10)];
    for (const each of running) await each.started();
    await cordon();
    await worker.says('Cordoned');
    expect(ecs.isProtected(taskId)).toBe(true);
    for (const each of running) await expect(each.result()).resolves.toMatchObject({ asks: 1 });
    await eventually(() => ecs.isProtected(taskId) === false);
    expect(ecs.asked.get(taskId)).toEqual([true, false]);
    worker.signal('SIGTERM');
    expect(await worker.exitCode).toBe(0);
  });
});
