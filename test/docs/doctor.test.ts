/** Each of the doctor's checks is documented. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKS, idOf, pageOf } from '../../cli/doctor/check.ts';
import { documents, root } from './markdown.ts';

const page = documents().find(({ path }) => path === 'docs/doctor.md')!;

test.each([...CHECKS])('%s has the section that the doctor links to', (check) => {
  const [path, anchor = ''] = pageOf(check).split('#');
  expect(path).toBe(page.path);
  expect(page.anchors).toContain(anchor);
});

test('every section describes an existing check', () => {
  const ids = new Set<string>(CHECKS.map(idOf));
  const titles = [...page.prose.matchAll(/^### (.+)$/gm)].map(([, title = '']) =>
    title.toLowerCase().replaceAll(' ', '-'),
  );
  expect(titles.filter((title) => !ids.has(title))).toEqual([]);
});

test('every listed check is made', () => {
  const source = ['cli/doctor', 'cli/prove'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((file) => readFileSync(join(root, folder, file), 'utf8')),
  );
  const made = source.flatMap((text) => [...text.matchAll(/\b(?:ok|wrong|unseen|refused)\(\s*'([^']+)'/g)]);
  expect([...new Set(made.map(([, name]) => name))].toSorted()).toEqual([...CHECKS].toSorted());
});
