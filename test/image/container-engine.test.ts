/** `elastic-workers dev` runs an image of another worker with Docker or podman. Run like image.test.ts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, containerCommand } from '../../local/container-engine.ts';

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

withEngine('an image that is built from a folder', () => {
  test('runs with the task’s variables, and receives the task’s SIGTERM', async () => {
    writeFileSync(join(folder, 'worker.js'), PROGRAM);
    writeFileSync(join(folder, 'Containerfile'), `FROM ${base}\nCOPY worker.js /\nCMD ["node", "/worker.js"]\n`);
    await buildImage(engine!, IMAGE, { directory: folder, dockerFile: 'Containerfile' });
    const wanted = { pool: 'orders', image: IMAGE, command: [], variables: ['TEMPORAL_TASK_QUEUE'] };
    const [file = '', ...args] = containerCommand(engine!, wanted, folder).command;
    const container = spawn(file, args, {
      env: { ...process.env, TEMPORAL_TASK_QUEUE: 'orders' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(container, 'exit');
    const [said] = (await once(container.stdout, 'data')) as [Buffer];
    expect(said.toString()).toBe('serves orders\n');
    container.kill('SIGTERM');
    expect((await ended)[0]).toBe(7);
  });

  test('reports the engine’s own message when it cannot be built', async () => {
    writeFileSync(join(folder, 'Broken'), `FROM ${base}\nCOPY missing /\n`);
    const building = buildImage(engine!, `${IMAGE}-broken`, { directory: folder, dockerFile: 'Broken' });
    await expect(building).rejects.toThrow(/failed to build .*-broken:\n[^]*missing/);
  });
});
