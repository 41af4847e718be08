import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  endWithThisProcess,
  freePorts,
  plainEnvironment,
  startProcess,
  untilReady,
  usablePort,
} from '../../local/process.ts';
import type { RunningProcess } from '../../local/process.ts';

jest.setTimeout(90_000);

const directory = mkdtempSync(join(tmpdir(), 'process-test-'));
const logFile = join(directory, 'log');
const started: RunningProcess[] = [];

afterAll(async () => {
  await Promise.all(started.map((each) => each.stop(0)));
  rmSync(directory, { recursive: true });
});

async function node(script: string): Promise<RunningProcess> {
  const running = await startProcess({
    name: 'The script',
    command: process.execPath,
    args: ['-e', script],
    environment: plainEnvironment(),
    logFile,
  });
  started.push(running);
  return running;
}

/** Prints the id of its child process; both would run forever. */
const WITH_CHILD = `
  const { spawn } = require('node:child_process');
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  child.once('spawn', () => console.log('child ' + child.pid));
  setInterval(() => {}, 1000);
`;

test('stopping ends the process and everything it started', async () => {
  const running = await node(WITH_CHILD);
  const child = Number(await logged(/child (\d+)/));
  await running.stop();
  expect(await running.exited).toBe('SIGTERM');
  await until(() => !isAlive(child));
});

test('stopping waits at most the grace period for a process that ignores SIGTERM', async () => {
  const running = await node(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('child 1')`);
  await logged(/child (\d+)/);
  await running.stop(0.1);
  expect(await running.exited).toBe('SIGKILL');
});

test('stopping a process that has already ended, or a second time, is not an error', async () => {
  const running = await node('process.exit(3)');
  expect(await running.exited).toBe('exit code 3');
  await running.stop();
  await running.stop();
});

test('a command that does not exist gives one clear message', async () => {
  const starting = startProcess({ name: 'The tool', command: '/no/such/tool', args: [], environment: {}, logFile });
  await expect(starting).rejects.toThrow(/^The tool could not be started: .*\/no\/such\/tool.*ENOENT/);
});

test('a process that exits before it is ready is reported with the end of its log', async () => {
  const running = await node(`console.log('no license found'); process.exit(2)`);
  await expect(untilReady('The server', running, async () => false)).rejects.toThrow(
    /^The server ended while starting \(exit code 2\).*\nno license found$/,
  );
});

test('a process that never becomes ready is stopped after the limit', async () => {
  const running = await node('setInterval(() => {}, 1000)');
  await expect(untilReady('The server', running, async () => false, 0.2)).rejects.toThrow(
    /did not answer within 0.2 s/,
  );
  expect(isAlive(running.pid)).toBe(false);
});

test('a port in use is named, with what to do', async () => {
  // None that the system could assign to another process once the server is closed.
  const [port] = (await freePorts(1)) as [number];
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  await expect(usablePort(port, 'the UI', 'choose another.')).rejects.toThrow(
    `Port ${port} on 127.0.0.1, chosen as the UI port, is already in use: choose another.`,
  );
  await new Promise((resolve) => server.close(resolve));
  expect(await usablePort(port, 'the UI', 'choose another.')).toBe(port);
});

test('free ports are all different, and outside the range that the system assigns', async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  expect(ports.filter((port) => port < 1024 || port >= 32_768)).toEqual([]);
});

test('a port chosen shortly before is not chosen again, as its server may not listen yet', async () => {
  const ports: number[] = [];
  for (let call = 0; call < 400; call += 1) ports.push(...(await freePorts(1)));
  expect(new Set(ports).size).toBe(ports.length);
});

test('child processes get no user settings that point at real accounts', () => {
  process.env.AWS_PROFILE = 'production';
  process.env.TEMPORAL_ADDRESS = 'production:7233';
  const names = Object.keys(plainEnvironment());
  delete process.env.AWS_PROFILE;
  delete process.env.TEMPORAL_ADDRESS;
  expect(names.filter((name) => /^(AWS|TEMPORAL|ELASTIC)/.test(name))).toEqual([]);
  expect(plainEnvironment().PATH).toMatch(new RegExp(`^${join(process.execPath, '..')}:`));
});

test.each(['SIGKILL', 'SIGTERM'] as const)('no child process is left when %s ends the parent', async (signal) => {
  const module = JSON.stringify(join(import.meta.dirname, '../../local/process.ts'));
  const log = join(directory, `orphan-${signal}`);
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { startProcess, plainEnvironment } = await import(${module});
       await startProcess({ name: 'x', command: process.execPath, args: ['-e', ${JSON.stringify(WITH_CHILD)}],
         environment: plainEnvironment(), logFile: ${JSON.stringify(log)} }).then(({ pid }) => console.log(pid));
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(parent.stdout, 'data');
  const pid = Number(String(line));
  const child = Number(await logged(/child (\d+)/, log));
  expect([isAlive(pid), isAlive(child)]).toEqual([true, true]);
  parent.kill(signal);
  await until(() => !isAlive(pid) && !isAlive(child));
});

test('a released process group is left alone', () => {
  const release = endWithThisProcess(2 ** 30);
  expect(release).not.toThrow();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that init has not reaped yet is dead.
    return process.platform !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function logged(pattern: RegExp, file = logFile): Promise<string> {
  let found: RegExpExecArray | null = null;
  await until(() => (found = pattern.exec(readFileSync(file, 'utf8'))) !== null);
  return found![1]!;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}
