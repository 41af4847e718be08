import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiDocument, compileWithJsii } from '../../infra/api-document.ts';

/**
 * The whole construct is compiled by jsii 6 as it stands, so its rules for an API hold: readonly structs, unions of what it can
 * tell apart only, names that other languages can have. Not checked: jsii's rules for a tsconfig, since Node runs the sources as
 * they are, and that a package in another language is made of it.
 */
test('jsii accepts the API, and docs/api.md matches its docstrings (update it with node infra/write-api-document.ts)', async () => {
  const assembly = await compileWithJsii();
  const cells = (text: string) => text.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');
  const document = readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8');
  expect(cells(document)).toBe(cells(apiDocument(assembly)));
}, 180_000);
