/** docs/security.md names existing tests, and each threat has one. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/security.md'), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !/^\| (threat|-)/.test(line));
const named = (text: string) => [...text.matchAll(/`(test\/[\w/.-]+\.test\.ts)` "([^"]+)"/g)];

test('each threat has a test', () => {
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => named(row).length === 0)).toEqual([]);
});

test('every test that the page names exists', () => {
  const missing = named(page).filter(([, file = '', title = '']) => !isTitleIn(file, title));
  expect(missing.map(([whole]) => whole)).toEqual([]);
});

/** As a whole string in the file: the title of one test, or of the cases of one. */
function isTitleIn(file: string, title: string): boolean {
  const text = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : '';
  return ["'", '"'].some((quote) => text.includes(`${quote}${title}${quote}`));
}
