/** The pool with processes that crash, hang or work as configured. */
import { join } from 'node:path';
import { pino } from 'pino';
import { PersistentWorkerPool, type WorkerPoolOptions } from '../../worker/processes/pool.ts';

jest.setTimeout(120_000);

const pools: PersistentWorkerPool[] = [];
afterEach(() => Promise.allSettled(pools.splice(0).map((pool) => pool.stop())));

/** With 5 slots in 3 processes the last one has a single slot, and crashes (see the fixture). */
function poolOf(overrides: Partial<WorkerPoolOptions> = {}) {
  const listeners = new Set<() => void>();
  const pool = new PersistentWorkerPool({
    processes: 2,
    maxConcurrentActivities: 5,
    identity: 'task',
    entry: join(import.meta.dirname, 'fixtures/member.mjs'),
    env: { PATH: process.env.PATH },
    killAfterSeconds: 20,
    log: pino({ level: 'silent' }),
    now: Date.now,
    restart: { afterMs: 1, maxAfterMs: 4, crashes: 3 },
    onChange: () => listeners.forEach((look) => look()),
    ...overrides,
  });
  pools.push(pool);
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => holds() && listeners.delete(look) && resolve();
      listeners.add(look);
      look();
    });
  return { pool, until };
}

describe('PersistentWorkerPool', () => {
  it('divides the slots, adds up its processes’ work, and ends with them', async () => {
    const { pool, until } = poolOf();
    await pool.start();
    await until(() => pool.counts.tasksProcessed === 5);
    expect(pool.getStatus()).toEqual({ active: 2, failed: 0, restarting: 0, totalTasks: 5, restarts: 0 });
    expect(pool.health).toEqual({ healthy: true });
    expect((await pool.metrics()).map((each) => each.process)).toEqual(['3', '2']);
    await expect(pool.stop()).resolves.toEqual({ unfinished: [] });
    expect(pool.getStatus()).toMatchObject({ active: 0, totalTasks: 5 });
  });

  it('is drained only when every process has received the pause and is drained', async () => {
    const { pool, until } = poolOf();
    await pool.start();
    await until(() => pool.runningActivities === 2);
    expect(pool.drained).toBe(false);
    pool.pause('cordoned');
    expect(pool.drained).toBe(false);
    await until(() => pool.drained);
    expect(pool.runningActivities).toBe(0);
    pool.resume();
    expect(pool.drained).toBe(false);
    await until(() => pool.runningActivities === 2);
  });

  it('restarts a process that crashes, gives it up after a while, and keeps the others working', async () => {
    const { pool, until } = poolOf({ processes: 3 });
    await pool.start();
    await until(() => pool.getStatus().failed === 1);
    expect(pool.getStatus()).toMatchObject({ active: 2, failed: 1, restarts: 2 });
    expect(pool.health).toEqual({ healthy: true });
    pool.restartFailedWorkers();
    expect(pool.getStatus()).toMatchObject({ active: 3, failed: 0 });
    await until(() => pool.getStatus().failed === 1);
    expect(pool.getStatus().restarts).toBe(2);
  });

  it('fails with the reason when every process has been given up', async () => {
    const { pool } = poolOf({ maxConcurrentActivities: 2 });
    const started = pool.start();
    await expect(pool.ended).rejects.toThrow(
      'Every worker process crashed 3 times in a row, the last one with exit code 7',
    );
    await expect(started).rejects.toThrow('Every worker process crashed');
    expect(pool.getStatus()).toMatchObject({ active: 0, failed: 2 });
  });

  it('restarts a process that says why it cannot start for as long as it takes, once the pool is serving', async () => {
    const { pool, until } = poolOf({ processes: 3, env: { PATH: process.env.PATH, CANNOT_START: 'no server' } });
    await pool.start();
    pool.pause('cordoned');
    await until(() => pool.getStatus().restarts > 5);
    expect(pool.getStatus().failed).toBe(0);
  });

  it('resets the crash count after a process was stable', async () => {
    let now = 0;
    const { pool, until } = poolOf({ maxConcurrentActivities: 1, processes: 1, now: () => (now += 100_000) });
    void pool.start();
    await until(() => pool.getStatus().restarts === 10);
    expect(pool.getStatus().failed).toBe(0);
  });

  it('kills a process that does not exit by itself', async () => {
    const { pool, until } = poolOf({ env: { PATH: process.env.PATH, HANGS: 'yes' }, killAfterSeconds: 0.1 });
    await pool.start();
    await until(() => pool.counts.tasksProcessed === 5);
    await expect(pool.stop()).resolves.toEqual({ unfinished: [], cutOff: ['task#1', 'task#2'] });
  });
});
