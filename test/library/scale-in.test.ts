/** The worker of docs/how-to/your-own-workers.md, bundled from its entry: a hundred scale-ins at work lose nothing. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bundleEntry } from '../../bundler/entry.ts';
import { seeded } from '../../simulate/random.ts';
import { FaultyStack } from '../faults/faulty-stack.ts';
import { projectOf, type Project } from './project.ts';

jest.setTimeout(900_000);

const STEPS = 100;
const POOLS = ['orders-1', 'orders-2', 'orders-3', 'orders-4'];
/** The server's own value for a poll of ten seconds: with shorter ones it loses tasks that nothing has stopped. */
const LONG_POLL_SECONDS = 10;
const SLOTS = 2;
const MOST_TASKS = 3;
const SECONDS = [0.05, 0.3, 1, 2, 4];
const random = seeded(20_261_130);

let project: Project;
let faulty: FaultyStack;

beforeAll(async () => {
  project = projectOf('orders');
  project.write({ 'package-lock.json': '{}' });
  const { directory } = project;
  const outdir = join(directory, 'bundled');
  mkdirSync(outdir);
  const library = join(directory, 'node_modules/temporal-elastic-workers/dist/library/esm');
  const entry = join(directory, 'src/worker.ts');
  const options = { entry, outdir, root: directory, library, cpu: '', bundling: {} };
  const problems = await bundleEntry(options);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const policy = { slotsPerTask: SLOTS, maxTasks: MOST_TASKS };
  faulty = new FaultyStack(
    POOLS.map((name) => ({ name, policy, worker: outdir })),
    LONG_POLL_SECONDS,
  );
  await faulty.start();
});

afterAll(async () => {
  await faulty?.stop();
  project?.remove();
});

const upTo = (count: number) => Math.floor(random() * count);

/** Decisions that cordoned tasks. */
function scaleIns(): number {
  return faulty.lines.filter(
    ({ tasks, cordon }) => 'desired' in tasks && cordon.some((task) => !tasks.cordoned.includes(task)),
  ).length;
}

/** Ticks that found cordoned tasks at work. */
function busyTicks(): number {
  return faulty.lines.filter(({ figures, cordon }) => cordon.length > 0 && (figures.busySlots ?? 0) > 0).length;
}

function reasonsOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${reasonsOf(error.cause)}` : error.message;
}

test(`${STEPS} scale-ins of busy tasks lose no attempt of activities that have only one`, async () => {
  const orders: Promise<string>[] = [];
  for (let high = true; scaleIns() < STEPS || busyTicks() <= STEPS / 2; high = !high) {
    for (const pool of POOLS) {
      await faulty.hold(pool, high ? 2 + upTo(MOST_TASKS - 1) : 1);
      for (let added = 0; added < 1 + upTo(3); added += 1) {
        const options = {
          taskQueue: pool,
          workflowId: `${pool}-${orders.length}`,
          args: ['an order', SECONDS[upTo(SECONDS.length)]],
        };
        orders.push((await faulty.client.workflow.start('order', options)).result() as Promise<string>);
      }
    }
    const ticks = faulty.linesOf(POOLS[0]!).length + (high ? 3 : 2);
    await faulty.until('the scaler ticks', () => faulty.linesOf(POOLS[0]!).length >= ticks);
  }
  const results = await Promise.allSettled(orders);
  const lost = results.filter((result) => result.status === 'rejected').map(({ reason }) => reasonsOf(reason as Error));
  expect(lost).toEqual([]);
});
