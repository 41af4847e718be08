/**
 * The sidecar's image in a process namespace that it shares with other containers, as in a task with `pidMode: task`: it finds the worker's
 * main process by the kernel's own procfs, and may signal it although it runs as another user. Run as image.test.ts is.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { sidecarCommand } from '../../contract/sidecar.ts';
import { Stage } from '../sidecar/stage.ts';

jest.setTimeout(600_000);

const engine = process.env.ELASTIC_WORKERS_TEST_IMAGE;
const buildArguments = process.env.ELASTIC_WORKERS_TEST_IMAGE_BUILD?.split(' ').filter(Boolean) ?? [];
const IMAGE = 'temporal-elastic-workers/sidecar:test';
const root = join(import.meta.dirname, '../..');
const withEngine = engine ? describe : describe.skip;
const NAMES = ['pause', 'other', 'worker', 'sidecar'].map((name) => `sidecar-image-test-${process.pid}-${name}`);
const [PAUSE = '', OTHER = '', WORKER = '', SIDECAR = ''] = NAMES;
const SLEEPS = 'setInterval(() => {}, 1000)';
/** Exits a second after SIGTERM, and has a child. */
const WORKS = `require('node:child_process').spawn('node', ['-e', '${SLEEPS}']); ${SLEEPS};
  process.on('SIGTERM', () => setTimeout(() => process.exit(3), 1000));`;

withEngine('the sidecar’s image', () => {
  const stage = new Stage();

  beforeAll(async () => {
    const args = ['build', ...buildArguments, '-f', 'sidecar/Dockerfile', '-t', IMAGE, '.'];
    execFileSync(engine!, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    await stage.start();
  });

  afterAll(() => {
    // The first one last, because the others share its process namespace.
    for (const name of NAMES.toReversed()) spawnSync(engine!, ['rm', '--force', name], { stdio: 'ignore' });
    stage.stop();
  });

  test('finds the worker among the task’s containers, sends it SIGTERM on a cordon, and exits after it', async () => {
    run(PAUSE, [], ['node', '-e', SLEEPS]);
    const shared = ['--pid', `container:${PAUSE}`];
    run(OTHER, shared, ['node', '-e', SLEEPS]);
    const environment = Object.entries(stage.environment()).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const hardened = ['--read-only', '--network', 'host', '--user', '0', '--cap-drop', 'ALL', '--cap-add', 'KILL'];
    const sidecar = spawn(
      engine!,
      ['run', '--name', SIDECAR, ...shared, ...hardened, ...environment, IMAGE, ...sidecarCommand('follow')],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    stage.listen(sidecar);
    const ended = once(sidecar, 'close');
    stage.containerId = run(WORKER, [...shared, '--user', '12345'], ['node', '-e', WORKS]);
    await stage.until(() => stage.said('Found the worker'));
    await stage.until(() => stage.protected);
    stage.cordoned = true;
    expect((await ended)[0]).toBe(0);
    expect(stage.said('ended after its cordon')).toBeDefined();
    expect(execFileSync(engine!, ['wait', WORKER], { encoding: 'utf8' }).trim()).toBe('3');
    expect(execFileSync(engine!, ['inspect', '-f', '{{.State.Running}}', OTHER], { encoding: 'utf8' }).trim()).toBe(
      'true',
    );
  });

  /** The container's id. */
  function run(name: string, options: string[], command: string[]): string {
    const args = ['run', '--detach', '--name', name, ...options, IMAGE, ...command];
    return execFileSync(engine!, args, { encoding: 'utf8' }).trim();
  }
});
