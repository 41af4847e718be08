/**
 * Which folder imports which, read from the sources, and the table of it in docs/architecture.md.
 * `node scripts/architecture.ts --write` writes the table; without --write it is printed. A test compares both with the sources.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { format } from 'prettier';

const root = join(import.meta.dirname, '..');
export const DOCUMENT = join(root, 'docs/architecture.md');

/** Each folder, what it imports beside itself, and why it is a folder of its own. */
export const FOLDERS: Record<string, { imports: string[]; because: string }> = {
  'contract/': { imports: [], because: 'what stack, scaler, workers and command line share' },
  'bundler/': { imports: [], because: 'builds worker files, for this package and for pools with an `entry`' },
  'scaler/policy/': { imports: [], because: 'pure, so that a replay, a simulation and a web page can run it as it is' },
  'scaler/': {
    imports: ['contract/'],
    because: 'reads (`read/`), decides (`policy/`), acts (`act/`), reports (`report/`)',
  },
  'worker/': { imports: ['contract/'], because: 'meets the scaler only in the table, the parameters and the metrics' },
  'infra/': { imports: ['contract/'], because: 'the CDK construct' },
  'sidecar/': {
    imports: ['contract/', 'worker/'],
    because: 'speaks the worker’s protocol for a worker of any language',
  },
  'simulate/': { imports: ['contract/', 'scaler/'], because: 'the shipped policy against modeled load' },
  'local/': {
    imports: ['contract/', 'scaler/', 'worker/', 'simulate/'],
    because: 'the whole stack on one machine; construct, scaler and worker do not depend on it',
  },
  'deployed/': { imports: ['contract/', 'scaler/'], because: 'reads what is deployed, for command line and console' },
  'console/': {
    imports: ['contract/', 'scaler/', 'simulate/', 'deployed/'],
    because: 'a page that shows what the command line reads',
  },
  'cli/': {
    imports: ['contract/', 'scaler/', 'simulate/', 'local/', 'deployed/', 'console/'],
    because: 'decides with the scaler’s own code; `dev` starts the local stack, `console` the page',
  },
};

export interface Import {
  /** Both from the project's root; the target of a package is its name. */
  file: string;
  target: string;
  typeOnly: boolean;
}

/** Every import in those folders, also those that are loaded when they are needed. */
export function allImports(): Import[] {
  return [...new Set(Object.keys(FOLDERS).map((folder) => folder.split('/')[0]!))].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => importsOf(join(root, folder, file))),
  );
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = [...text.matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)'|\bimport\('([^']+)'\)/gm)];
  return found.map(([, type, from, loaded = '']) => ({
    file: relative(root, file),
    target: (from ?? loaded).startsWith('.')
      ? relative(root, resolve(dirname(file), from ?? loaded))
      : (from ?? loaded),
    typeOnly: type !== undefined,
  }));
}

/** The folder of the table that a file is in: the longest that fits. */
function folderOf(file: string): string | undefined {
  const fitting = Object.keys(FOLDERS).filter((folder) => file.startsWith(folder));
  return fitting.toSorted((a, b) => b.length - a.length)[0];
}

/** What each folder imports. For all folders but the scaler itself, the policy counts as the scaler. */
export function importedFolders(): Record<string, string[]> {
  const pairs = allImports().map(({ file, target }) => [folderOf(file), folderOf(target)] as const);
  return Object.fromEntries(
    Object.keys(FOLDERS).map((folder) => {
      const targets = new Set(
        pairs.filter(([from]) => from === folder).map(([, to]) => (to === 'scaler/policy/' ? 'scaler/' : to)),
      );
      // The policy imports its own parts.
      const own = folder === 'scaler/policy/' ? 'scaler/' : folder;
      return [folder, Object.keys(FOLDERS).filter((other) => targets.has(other) && other !== own)];
    }),
  );
}

export function formatted(document: string): Promise<string> {
  const rows = Object.entries(FOLDERS).map(([folder, { imports, because }]) => {
    const names = imports.map((name) => `\`${name}\``).join(', ') || 'nothing';
    return `| \`${folder}\` | ${names} | ${because} |`;
  });
  const table = ['| folder | imports | because |', '| --- | --- | --- |', ...rows].join('\n');
  const text = document.replace(/(?<=<!-- imports -->\n)[^]*?(?=<!-- end of imports -->)/, () => `\n${table}\n\n`);
  return format(text, { parser: 'markdown', printWidth: 120 });
}

async function main(): Promise<void> {
  const text = await formatted(readFileSync(DOCUMENT, 'utf8'));
  if (process.argv.includes('--write')) writeFileSync(DOCUMENT, text);
  else console.log(text);
}

if (process.argv[1] === import.meta.filename) void main();
