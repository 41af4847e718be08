/**
 * Finds phrases that the term list (prose-terms.json) has a plainer word for: in the documents, and, in folders that are named, in the
 * string literals of the code. `npm run prose` takes the folders that are free of them; `npm run prose -- cli` adds one.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import terms from './prose-terms.json' with { type: 'json' };

interface Term {
  find: string;
  write: string;
  caseSensitive?: boolean;
}

interface Finding {
  line: number;
  found: string;
  write: string;
}

const root = join(import.meta.dirname, '..');

/** A phrase may go on in the next line. */
const patterns = (terms as Term[]).map(({ find, write, caseSensitive }) => ({
  pattern: new RegExp(find.replaceAll(' ', String.raw`\s+`), caseSensitive ? 'g' : 'gi'),
  write,
}));

export function findingsIn(text: string): Finding[] {
  return patterns
    .flatMap(({ pattern, write }) =>
      [...text.matchAll(pattern)].map(({ 0: found, index }) => ({ line: lineAt(text, index), found, write })),
    )
    .toSorted((a, b) => a.line - b.line);
}

const lineAt = (text: string, index: number) => text.slice(0, index).split('\n').length;

/** Its measured figures are written by a command, and the API by its docstrings. */
const GENERATED = new Set(['docs/api.md', 'docs/benchmark.md']);

export function documents(): string[] {
  return globSync(['*.md', 'docs/**/*.md', 'templates/**/*.md'], { cwd: root })
    .filter((path) => !GENERATED.has(path))
    .toSorted();
}

/** Code, link targets and quoted test titles are not prose. Line numbers stay. */
const NOT_PROSE = [
  /^\s*(```+)[^\n]*\n[\s\S]*?^\s*\1$/gm,
  /`[^`\n]+`(?:\s"[^"]+")?/g,
  /(?<=Seen in \[[^\]]+\]\([^)]+\):\s+)"[^"]+"(?:,\s+"[^"]+")*/g,
  /·\s"[^"]+"/g,
  /\]\([^)\s]+\)/g,
];

export function proseOf(markdown: string): string {
  return NOT_PROSE.reduce((text, pattern) => text.replaceAll(pattern, blank), markdown);
}

/** Only what reads as a sentence: a literal of several words, outside of comments. */
export function literalsOf(code: string): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  let rest = 0;
  let literals = '';
  for (const { 0: text, index } of code.matchAll(token)) {
    literals +=
      blank(code.slice(rest, index)) + (/^['"`].* /s.test(text) ? text.replaceAll(/\$\{[^}]*\}/g, blank) : blank(text));
    rest = index + text.length;
  }
  return literals;
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, '_');
}

function main(folders: string[]): number {
  const code = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }));
  const texts = [
    ...documents().map((path) => ({ path, of: proseOf })),
    ...code.map((path) => ({ path, of: literalsOf })),
  ];
  const found = texts.flatMap(({ path, of }) =>
    findingsIn(of(readFileSync(join(root, path), 'utf8'))).map((finding) => ({ path, ...finding })),
  );
  for (const { path, line, found: phrase, write } of found)
    console.log(`${path}:${line}: '${phrase.replaceAll(/\s+/g, ' ')}': write ${write}`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.slice(2));
