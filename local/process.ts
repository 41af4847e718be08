/**
 * Child processes that never outlive this one: each runs in its own process group with its output in a log file, and a guard
 * process ends the group if this process ends without having stopped it (crash, kill -9).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

interface ProcessOptions {
  /** Its name in messages. */
  name: string;
  command: string;
  args: string[];
  environment: Record<string, string>;
  directory?: string;
  logFile: string;
}

export interface RunningProcess {
  pid: number;
  logFile: string;
  /** Resolves when the process has ended, with how it ended. */
  exited: Promise<string>;
  /** Sends SIGTERM, after the grace period SIGKILL, and then kills whatever is left of its group. */
  stop(graceSeconds?: number): Promise<void>;
}

export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const child = spawnWithLog(options);
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new Error(`${options.name} could not be started: ${(cause as Error).message}`, { cause });
  }
  const pid = child.pid!;
  const release = endWithThisProcess(pid);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const end = async (graceSeconds = 5): Promise<void> => {
    child.kill('SIGTERM');
    const timer = new AbortController();
    await Promise.race([
      exited,
      delay(graceSeconds * 1000, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    killGroup(pid);
    await exited;
    release();
  };
  let ended: Promise<void> | undefined;
  const stop = (graceSeconds?: number) => (ended ??= end(graceSeconds));
  return { pid, logFile: options.logFile, exited, stop };
}

/** Polls until `probe` holds; fails with the log's end as soon as the process has ended, or after the time limit. */
export async function untilReady(
  name: string,
  process: RunningProcess,
  probe: () => Promise<boolean>,
  limitSeconds = 60,
): Promise<void> {
  let ended: string | undefined;
  void process.exited.then((how) => (ended = how));
  const deadline = Date.now() + limitSeconds * 1000;
  for (;;) {
    if (await probe().catch(() => false)) return;
    const reason = ended ? `ended while starting (${ended})` : `did not answer within ${limitSeconds} s`;
    if (ended !== undefined || Date.now() > deadline) {
      await process.stop(0);
      throw new Error(`${name} ${reason}. The end of its log, ${process.logFile}:\n${logTail(process.logFile)}`);
    }
    await delay(100);
  }
}

export function logTail(logFile: string, lines = 15): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** Below the ephemeral ports of Linux and macOS, which connections soon take. */
const CHOSEN_PORTS = [20_000, 32_768] as const;

/** A port is free until whoever gets it listens, which may take a server seconds: meanwhile it is not chosen again. */
const chosen = new Set<number>();
const REMEMBERED_PORTS = 2000;

/** Free ports on 127.0.0.1, all different, and different from those chosen shortly before. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>();
  while (servers.size < count) {
    const port = randomInt(...CHOSEN_PORTS);
    if (chosen.has(port)) continue;
    if (chosen.size >= REMEMBERED_PORTS) chosen.clear();
    chosen.add(port);
    const server = await listen(port).catch(unlessTaken);
    if (server) servers.set(port, server);
  }
  await Promise.all([...servers.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  return [...servers.keys()];
}

function unlessTaken(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'EADDRINUSE') throw error;
}

/** The given port if it is free, or any free one if none is given. */
export async function usablePort(port: number | undefined, what: string, howToChange: string): Promise<number> {
  if (port === undefined) return (await freePorts(1))[0]!;
  try {
    const server = await listen(port);
    await new Promise((resolve) => server.close(resolve));
    return port;
  } catch (cause) {
    const problem = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'is already in use' : String(cause);
    throw new Error(`Port ${port} on 127.0.0.1, chosen as ${what} port, ${problem}: ${howToChange}`, { cause });
  }
}

/**
 * What a child needs from this process's environment, without anything that points it at the user's own AWS account or Temporal
 * server. This process's Node comes first on the PATH.
 */
export function plainEnvironment(): Record<string, string> {
  const kept = [
    'HOME',
    'LANG',
    'LC_ALL',
    'TZ',
    'TMPDIR',
    'USER',
    'SHELL',
    'NODE_COMPILE_CACHE',
    'NODE_EXTRA_CA_CERTS',
    'SSL_CERT_FILE',
  ];
  const environment = Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  ) as Record<string, string>;
  return { ...environment, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` };
}

/** Ends the process group if this process ends without having called the returned function. */
export function endWithThisProcess(groupId: number): () => void {
  guard ??= startGuard();
  guard.stdin!.write(`+${groupId}\n`);
  return () => guard?.stdin!.write(`-${groupId}\n`);
}

let guard: ChildProcess | undefined;

const GUARD = `
const groups = new Set();
require('node:readline').createInterface({ input: process.stdin })
  .on('line', (line) => (line[0] === '+' ? groups.add(line.slice(1)) : groups.delete(line.slice(1))))
  .on('close', () => {
    for (const group of groups) try { process.kill(-group, 'SIGKILL'); } catch {}
  });
`;

function startGuard(): ChildProcess {
  const child = spawn(process.execPath, ['-e', GUARD], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  return child;
}

function spawnWithLog({ command, args, environment, directory, logFile }: ProcessOptions): ChildProcess {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w');
  try {
    return spawn(command, args, {
      env: environment,
      detached: true,
      stdio: ['ignore', log, log],
      ...(directory && { cwd: directory }),
    });
  } finally {
    closeSync(log);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // EPERM: macOS's answer for a group with only zombies left.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

async function listen(port: number): Promise<ReturnType<typeof createServer>> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
