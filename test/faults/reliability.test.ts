/** docs/reliability.md names files and tests that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/reliability.md'), 'utf8');
const rows = page.split('\n').filter((line) => /^\| \d+ /.test(line));

test('each of the thirty-six faults has a row', () => {
  expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(Array.from({ length: 36 }, (_, index) => index + 1));
});

test('every test that the page names exists', () => {
  const named = [...page.matchAll(/`(test\/[\w/.-]+\.test\.ts)` "([^"]+)"/g)];
  expect(named.length).toBeGreaterThan(rows.length);
  const missing = named.filter(([, file = '', title = '']) => !isTitleIn(file, title));
  expect(missing.map(([whole]) => whole)).toEqual([]);
});

test('every file that the page names exists', () => {
  const named = [...page.matchAll(/`((?:contract|infra|scaler|test|worker)\/[\w/.-]*)`/g)].map(([, path = '']) => path);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** As a whole string in the file: the title of one test, or of one case of `each`. */
function isTitleIn(file: string, title: string): boolean {
  return existsSync(join(root, file)) && readFileSync(join(root, file), 'utf8').includes(`'${title}'`);
}
