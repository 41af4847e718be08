/** `elastic-workers dev` runs an image of another worker with Docker or podman. Run like image.test.ts. */
import { execFile } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildImage, containerCommand } from '../../local/container-engine.ts';
import { ContainerProcess } from '../../local/fargate/container.ts';
import { until } from '../until.ts';

jest.setTimeout(300_000);

const engine = process.env.ELASTIC_WORKERS_TEST_IMAGE;
const [, base = 'docker.io/library/node:24-bookworm-slim'] =
  /NODE_IMAGE=(\S+)/.exec(process.env.ELASTIC_WORKERS_TEST_IMAGE_BUILD ?? '') ?? [];
const IMAGE = `example.test/dev-image:${process.pid}`;
const withEngine = engine ? describe : describe.skip;
const folder = mkdtempSync(join(tmpdir(), 'dev-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Prints its task queue, and exits with its own code on SIGTERM. */
const PROGRAM = `process.on('SIGTERM', () => process.exit(7));
setInterval(() => {}, 1000);
console.log('serves ' + process.env.TEMPORAL_TASK_QUEUE);`;

/** A container of the image that has printed its line. */
async function startContainer(): Promise<ContainerProcess> {
  const wanted = { pool: 'orders', image: IMAGE, command: [], variables: ['TEMPORAL_TASK_QUEUE'] };
  const environment = { ...process.env, TEMPORAL_TASK_QUEUE: 'orders' } as Record<string, string>;
  const log = join(folder, 'log');
  const output = openSync(log, 'w');
  const container = await ContainerProcess.start({ ...containerCommand(engine!, wanted, folder), environment, output });
  closeSync(output);
  const printed = () => readFileSync(log, 'utf8');
  await until('it runs', 60, () => printed() !== '', printed);
  expect(printed()).toBe('serves orders\n');
  return container;
}

withEngine('an image that is built from a folder', () => {
  beforeAll(async () => {
    writeFileSync(join(folder, 'worker.js'), PROGRAM);
    writeFileSync(join(folder, 'Containerfile'), `FROM ${base}\nCOPY worker.js /\nCMD ["node", "/worker.js"]\n`);
    await buildImage(engine!, IMAGE, { directory: folder, dockerFile: 'Containerfile' });
  });

  test('runs with the task’s variables, and receives the task’s SIGTERM', async () => {
    const container = await startContainer();
    expect(await container.stop(60)).toBe(7);
  });

  test('ends by SIGTERM, although its client does not pass it on', async () => {
    const container = await startContainer();
    process.kill(container.pid, 'SIGSTOP');
    const stopped = container.stop(60);
    const left = () => promisify(execFile)(engine!, ['ps', '--all', '--quiet', '--filter', `ancestor=${IMAGE}`]);
    expect(await until('it has ended', 30, async () => (await left()).stdout === '', left)).toBe(true);
    process.kill(container.pid, 'SIGCONT');
    await stopped;
  });

  test('reports the engine’s own message when it cannot be built', async () => {
    writeFileSync(join(folder, 'Broken'), `FROM ${base}\nCOPY missing /\n`);
    const building = buildImage(engine!, `${IMAGE}-broken`, { directory: folder, dockerFile: 'Broken' });
    await expect(building).rejects.toThrow(/failed to build .*-broken:\n[^]*missing/);
  });
});
