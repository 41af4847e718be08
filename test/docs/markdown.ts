/** What the document tests read from Markdown: fenced snippets, inline code, headings, links. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Snippet {
  /** `docs/worker.md:12` */
  at: string;
  language: string;
  text: string;
}

interface Document {
  /** From the project's root. */
  path: string;
  snippets: Snippet[];
  /** Code between single backticks, outside of snippets. */
  code: { at: string; text: string }[];
  anchors: Set<string>;
  links: { at: string; to: string }[];
  /** Everything but the snippets. */
  prose: string;
}

/** Every page that a reader of the project may find. */
export function documents(): Document[] {
  const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => `docs/${file}`);
  const atRoot = readdirSync(root, { encoding: 'utf8' });
  return [...atRoot, ...inDocs]
    .filter((path) => path.endsWith('.md'))
    .toSorted()
    .map((path) => parse(path, readFileSync(join(root, path), 'utf8')));
}

export function parse(path: string, text: string): Document {
  const snippets: Snippet[] = [];
  const prose: string[] = [];
  let open: { snippet: Snippet; fence: string } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, fence, language = ''] = /^\s*(`{3,})(.*)$/.exec(line) ?? [];
    if (open !== undefined && fence === open.fence && language === '') open = undefined;
    else if (open !== undefined) open.snippet.text += `${line}\n`;
    else if (fence !== undefined) {
      open = { fence, snippet: { at: `${path}:${index + 1}`, language: language.trim(), text: '' } };
      snippets.push(open.snippet);
    }
    prose.push(open !== undefined || fence !== undefined ? '' : line);
  }
  const lines = [...prose.entries()].map(([index, line]) => ({ at: `${path}:${index + 1}`, line }));
  return {
    path,
    snippets,
    code: lines.flatMap(({ at, line }) =>
      [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => ({ at, text: code })),
    ),
    anchors: anchorsOf(prose),
    links: lines.flatMap(({ at, line }) => linksIn(line).map((to) => ({ at, to }))),
    prose: prose.join('\n'),
  };
}

function linksIn(line: string): string[] {
  const text = line.replaceAll(/`[^`]*`/g, '');
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, to = '']) => to);
}

/** As GitHub derives them from headings. */
function anchorsOf(prose: string[]): Set<string> {
  const anchors = new Set<string>();
  for (const line of prose) {
    const [, title] = /^#{1,6} (.+)$/.exec(line) ?? [];
    if (title === undefined) continue;
    const plain = title.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '');
    const anchor = plain.trim().replaceAll(/\s/g, '-');
    let name = anchor;
    for (let again = 1; anchors.has(name); again += 1) name = `${anchor}-${again}`;
    anchors.add(name);
  }
  return anchors;
}
