/**
 * From nothing to your own workers, as the README describes it, with the output of `npm pack`: a project is created, passes
 * its own checks, and its pool serves a workflow on this machine, from zero and back.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../../local/tools.ts';
import { ensureDeclarations } from '../declarations.ts';
import { until } from '../until.ts';

jest.setTimeout(600_000);

const repository = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'elastic-workers-start-'));
const project = join(folder, 'my-agents');
let environment: NodeJS.ProcessEnv;

function run(directory: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    cwd: directory,
    env: environment,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

beforeAll(async () => {
  // As a user with a Temporal CLI; other tests cover its download.
  environment = { ...process.env, TEMPORAL_CLI: (await ensureTools()).temporal, XDG_CACHE_HOME: join(folder, 'cache') };
  await ensureDeclarations();
  const packed = run(repository, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  writeFileSync(join(folder, 'package.json'), '{ "name": "folder", "private": true }');
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', join(folder, filename));
  run(folder, 'npx', '--no-install', 'elastic-workers', 'init', 'my-agents');
  run(project, 'npm', 'install', '--no-audit', '--no-fund');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the created project passes its own checks, and can be deployed', () => {
  expect(run(project, 'npm', 'test')).toMatch(/pass 1\n/);
  run(project, 'npm', 'run', 'synth');
});

test('dev lists the pools when a command is given for an unknown one', () => {
  const dev = () => run(project, 'npx', '--no-install', 'elastic-workers', 'dev', '--run', 'nope=true');
  expect(dev).toThrow("--run names nope, but the app's pools are main: correct it");
});

test('dev serves its workflow from zero and returns to zero, deploys a change, and leaves nothing behind', async () => {
  const end = await withDev(project, ['--start', 'node src/start.ts'], async (shows) => {
    await servedFromZeroAndBack(shows);
    const activities = join(project, 'src/activities.ts');
    writeFileSync(activities, readFileSync(activities, 'utf8').replace('Hello', 'Good morning'));
    await shows('it is redeployed', /redeployed/);
    appendFileSync(join(project, 'src/worker.ts'), '\nthis is no TypeScript');
    await shows('what is wrong with it', /The deployed app was left unchanged/);
  });
  expect(end).toEqual(NOTHING_LEFT);
});

test('a Python project passes its own checks, and its workers with a sidecar serve it in dev', async () => {
  const inPython = join(folder, 'in-python');
  run(folder, 'npx', '--no-install', 'elastic-workers', 'init', 'in-python', '--language', 'python');
  // The first project was installed from nothing. This one starts with its packages, most of which it needs too.
  renameSync(join(project, 'node_modules'), join(inPython, 'node_modules'));
  run(inPython, 'npm', 'install', '--no-audit', '--no-fund');
  expect(run(inPython, 'npm', 'test')).toMatch(/1 passed/);
  const python = '.venv/bin/python';
  const commands = ['--run', `main=${python} worker/worker.py`, '--start', `${python} worker/start.py`];
  expect(await withDev(inPython, commands, servedFromZeroAndBack)).toEqual(NOTHING_LEFT);
});

type Shows = (what: string, pattern: RegExp) => Promise<unknown>;

async function servedFromZeroAndBack(shows: Shows): Promise<void> {
  await shows('the workflow’s result', /Hello, Ada!.*Hello, Grace!/s);
  await shows('the pool is at zero again', /1 completed, 0 failed\n.*desired 0, running 0, starting 0/);
}

const NOTHING_LEFT = { code: 0, processes: [] };

/** Ends it like Ctrl-C; returns its exit code and what is left of it. */
async function withDev(directory: string, args: string[], use: (shows: Shows) => Promise<void>) {
  let output = '';
  // Without npm, which Ctrl-C ends as well: its exit code is not the command's.
  const bin = join(directory, 'node_modules/.bin');
  const child = spawn(join(bin, 'elastic-workers'), ['dev', ...args], {
    cwd: directory,
    env: { ...environment, PATH: `${bin}:${environment.PATH}` },
  });
  child.stdout.on('data', (text) => (output += String(text)));
  child.stderr.on('data', (text) => (output += String(text)));
  const ended = once(child, 'exit');
  try {
    await use((what, pattern) =>
      until(
        what,
        180,
        () => pattern.test(output),
        () => output,
      ),
    );
  } finally {
    child.kill('SIGINT');
  }
  const [code] = (await ended) as [number | null];
  const processes = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n');
  return { code, processes: processes.filter((line) => line.includes(directory)) };
}
