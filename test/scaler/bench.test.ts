/** A small run of the scaler's benchmark: it still works, and counts correctly. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(300_000);

const root = join(import.meta.dirname, '../..');

test('bench:scaler measures ticks, requests, memory, start-up and cost', async () => {
  const small = ['--pools', '3', '--ticks', '3', '--tick-seconds', '1', '--rounds', '1', '--json'];
  const { stdout } = await promisify(execFile)(
    'node',
    ['--disable-warning=ExperimentalWarning', 'bench/scaler.ts', ...small],
    { cwd: root, timeout: 240_000 },
  );
  const { runs, start, memory, cost, bundleBytes } = JSON.parse(stdout);
  const [{ rest, busy, wakeUpSeconds, residentMiB, neighbor }] = runs;
  expect(rest.ticks.map(({ pools }: { pools: number }) => pools)).toEqual([3, 3, 3]);
  // Two of each pool's queues, the listing of all workers, and at most once each pool's queue of Nexus tasks.
  expect(rest.requestsAPool.temporal).toBeGreaterThan(2 + 0.99 / 3);
  expect(rest.requestsAPool.temporal).toBeLessThan(2 + 1 / 3 + 1.01 / 3);
  expect(rest.requests['ecs DescribeServices']).toBe(3);
  expect(busy.requests['ecs DescribeTasks']).toBeGreaterThan(0);
  // Null if it was not seen before the end: the server's answers are up to five seconds old.
  expect(wakeUpSeconds).toHaveLength(1);
  expect(
    Math.min(residentMiB, neighbor.during + neighbor.between, start.bundleMs, start.sourcesMs, bundleBytes),
  ).toBeGreaterThan(0);
  expect(memory.sizes.length).toBeGreaterThan(1);
  expect(cost[0].dollars).toBeGreaterThan(1);
});
