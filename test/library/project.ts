/** A project of a user: its own sources, this package as published, and a Temporal SDK. */
import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '../../local/lock.ts';

const repository = join(import.meta.dirname, '../..');
const local = join(repository, '.local');

/** Downloaded once, by npm: completely, or not at all. */
export async function installedSdk(version: string): Promise<string> {
  const folder = join(local, `sdk-${version}`);
  const isThere = () => existsSync(join(folder, 'installed'));
  if (isThere()) return folder;
  const names = ['activity', 'client', 'common', 'worker', 'workflow'].map((name) => `@temporalio/${name}@${version}`);
  await withLock(
    `${folder}.lock`,
    () => undefined,
    async () => {
      if (isThere()) return;
      const made = mkdtempSync(`${folder}-`);
      writeFileSync(join(made, 'package.json'), '{ "private": true }');
      await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--silent', ...names], { cwd: made });
      writeFileSync(join(made, 'installed'), '');
      rmSync(folder, { recursive: true, force: true });
      renameSync(made, folder);
    },
  );
  return folder;
}

export interface Project {
  directory: string;
  write(files: Record<string, string>): void;
  /** What the compiler prints; nothing if there is no problem. */
  compile(...args: string[]): string;
  remove(): void;
}

/** Of `fixture`'s files; with the repository's own packages, or those of an SDK's folder. */
export function projectOf(fixture: string, packages = repository, name = 'project'): Project {
  mkdirSync(local, { recursive: true });
  const directory = mkdtempSync(join(local, `${name}-`));
  cpSync(join(import.meta.dirname, 'fixtures', fixture), directory, { recursive: true });
  linkPackages(join(packages, 'node_modules'), join(directory, 'node_modules'));
  if (packages !== repository) link(join(repository, 'node_modules/@types'), join(directory, 'node_modules/@types'));
  const ours = join(directory, 'node_modules/temporal-elastic-workers');
  for (const name of ['dist/library', 'dist/bundler', 'package.json'])
    cpSync(join(repository, name), join(ours, name), { recursive: true });
  return {
    directory,
    write: (files) => Object.entries(files).forEach(([name, text]) => writeInto(directory, name, text)),
    compile: (...args) => compile(directory, args),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Each one separately, so that another can be added. */
function linkPackages(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    if (name.startsWith('@') && name !== '@types') linkPackages(join(from, name), join(to, name));
    else if (!name.startsWith('.')) link(join(from, name), join(to, name));
  }
}

function link(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  if (!existsSync(to)) symlinkSync(from, to);
}

function writeInto(directory: string, name: string, text: string): void {
  mkdirSync(dirname(join(directory, name)), { recursive: true });
  writeFileSync(join(directory, name), text);
}

function compile(directory: string, args: string[]): string {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  try {
    return execFileSync(process.execPath, [tsc, ...args], { cwd: directory, encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
