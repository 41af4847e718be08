/** `elastic-workers init`: creates a small project from the package's templates. Existing files are never overwritten. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import packageFile from '../package.json' with { type: 'json' };
import { packageDirectory } from './package-directory.ts';
import { UsageError } from '../deployed/errors.ts';
import type { Shell } from './shell.ts';

interface Options {
  language: string;
  json?: true;
}

/** A project's name, which is also the name of its task queue and its stack. */
const NAME = /^[a-z][a-z0-9-]{0,48}[a-z0-9]$/;

export async function init(shell: Shell, folder: string | undefined, { language, json }: Options): Promise<void> {
  const target = resolve(folder ?? '.');
  const name = basename(target);
  const templates = templatesDirectory();
  const languages = readdirSync(templates).toSorted();
  const source = join(templates, language);
  const files = languages.includes(language) ? filesIn(source) : [];
  const present = files.map(plainName).filter((file) => existsSync(join(target, file)));
  const problems = [
    ...(files.length > 0 ? [] : [`--language must be one of ${languages.join(', ')}, got '${language}'`]),
    ...(NAME.test(name)
      ? []
      : [
          `the folder's name becomes the project's name: 2 to 50 lower-case letters, digits and hyphens, got '${name}'`,
        ]),
    ...(present.length > 0
      ? [`${target} already has ${present.join(', ')}: choose another folder, or move these files`]
      : []),
  ];
  if (problems.length > 0) throw new UsageError(problems);
  const values = valuesFor(name, target);
  for (const file of files) {
    const to = join(target, plainName(file));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, filled(readFileSync(join(source, file), 'utf8'), values), { flag: 'wx' });
  }
  const made = files.map(plainName);
  if (json) return shell.printJson({ folder: target, files: made });
  const steps = [
    ...(folder === undefined ? [] : [`cd ${relative(process.cwd(), target) || '.'}`]),
    // A link to a folder would bring a second copy of the Temporal SDK.
    isInstalled() ? 'npm install' : 'npm install --install-links',
    'npm run dev',
  ];
  shell.print(`Created ${made.length} files in ${target}:\n${made.map((file) => `  ${file}`).join('\n')}`);
  shell.print(
    `\nNext:\n${steps.map((step) => `  ${step}`).join('\n')}\n\nREADME.md explains each file and how to deploy.`,
  );
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** A package cannot contain a `.gitignore`, so in templates a leading dot is written as an underscore. */
function plainName(file: string): string {
  return file
    .split(sep)
    .map((part) => part.replace(/^_/, '.'))
    .join(sep);
}

function valuesFor(name: string, target: string): Record<string, string> {
  return {
    NAME: name,
    STACK: name.replaceAll(/(^|-)(.)/g, (_, __, letter: string) => letter.toUpperCase()),
    TEMPORAL: `~${packageFile.devDependencies['@temporalio/worker']}`,
    PACKAGE: packageSpec(target),
  };
}

function filled(text: string, values: Record<string, string>): string {
  return text.replaceAll(/__([A-Z]+)__/g, (found, key: string) => values[key] ?? found);
}

/** False in a checkout of this package. */
function isInstalled(): boolean {
  return basename(dirname(packageDirectory())) === 'node_modules';
}

/** The new project gets this package from where it was installed here. */
function packageSpec(target: string): string {
  const own = packageDirectory();
  if (!isInstalled()) return `file:${relative(target, own)}`;
  const lock = join(dirname(own), '.package-lock.json');
  const { packages = {} } = existsSync(lock)
    ? (JSON.parse(readFileSync(lock, 'utf8')) as { packages?: Record<string, { resolved?: string }> })
    : {};
  const resolved = packages[`node_modules/${packageFile.name}`]?.resolved ?? '';
  if (!resolved.startsWith('file:')) return `^${packageFile.version}`;
  const file = resolve(dirname(dirname(own)), resolved.slice('file:'.length));
  return `file:${relative(target, file)}`;
}

function templatesDirectory(): string {
  return join(packageDirectory(), 'templates');
}
