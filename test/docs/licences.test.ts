/** Everything is licensed under the Apache License 2.0, and all dependencies allow that. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };
import { root } from './markdown.ts';

const MAY_BE_USED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-4.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

/** Stated only in the package's own LICENSE file. */
const SAID_ELSEWHERE: Record<string, string> = { 'node_modules/unionfs': 'Unlicense' };

interface Locked {
  packages: Record<string, { license?: string }>;
}

test('the project is licensed under the Apache License 2.0', () => {
  expect(packageFile.license).toBe('Apache-2.0');
  expect(readFileSync(join(root, 'LICENSE'), 'utf8')).toMatch(/Apache License\s+Version 2\.0, January 2004/);
});

test('no dependency’s license forbids that', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Locked;
  const wrong = Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, { license }]) => ({ path, license: license ?? SAID_ELSEWHERE[path] }))
    .filter(({ license }) => !mayBeUsed(license));
  expect(wrong).toEqual([]);
  expect(mayBeUsed('GPL-3.0-only')).toBe(false);
  expect(mayBeUsed(undefined)).toBe(false);
});

/** Of alternative licenses one must be allowed; of combined licenses all must be. */
function mayBeUsed(license = ''): boolean {
  const plain = license.replaceAll(/[()]/g, '');
  if (plain.includes(' OR ')) return plain.split(' OR ').some((each) => mayBeUsed(each));
  return plain.split(' AND ').every((each) => MAY_BE_USED.has(each));
}
