import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allImports, DOCUMENT, FOLDERS, formatted, importedFolders } from '../scripts/architecture.ts';

const root = join(import.meta.dirname, '..');

const imports = allImports();

test('folders import only what the table in docs/architecture.md allows', async () => {
  const said = Object.entries(FOLDERS).map(([folder, { imports: allowed }]) => [folder, allowed] as const);
  expect(importedFolders()).toEqual(Object.fromEntries(said));
  const document = readFileSync(DOCUMENT, 'utf8');
  expect(await formatted(document)).toBe(document);
});

test('folders do not import each other in a cycle', () => {
  const below = new Set<string>();
  for (const [folder, allowed] of Object.entries(FOLDERS).map(([name, { imports: of }]) => [name, of] as const)) {
    expect({ folder, above: allowed.filter((other) => !below.has(other)) }).toEqual({ folder, above: [] });
    below.add(folder);
  }
});

test('the policy imports only its own modules', () => {
  const ofPolicy = imports.filter(({ file }) => file.startsWith('scaler/policy'));
  expect(ofPolicy.length).toBeGreaterThan(0);
  expect(ofPolicy.filter(({ target }) => !target.startsWith('scaler/policy/'))).toEqual([]);
});

test('the workflow sandbox imports activities as types only', () => {
  const inSandbox = imports.filter(({ file }) => file === 'worker/workflows.ts');
  expect(inSandbox.length).toBeGreaterThan(0);
  const outside = inSandbox.filter(({ target }) =>
    /activities|node:|@temporalio\/(worker|activity|client)/.test(target),
  );
  expect(outside.filter(({ typeOnly }) => !typeOnly)).toEqual([]);
});

test('only entry points read environment variables or arguments', () => {
  const entries = new Set([
    'scaler/handler.ts',
    'worker/main.ts',
    'worker/index.ts',
    'worker/run.ts',
    'worker/warm-up.ts',
    'sidecar/main.ts',
    'bundler/main.ts',
    'bundler/entry.ts',
    'infra/app.ts',
    'infra/proof-app.ts',
    'local/demo.ts',
    'cli/main.ts',
  ]);
  const folders = [
    'contract',
    'scaler',
    'worker',
    'sidecar',
    'bundler',
    'infra',
    'simulate',
    'deployed',
    'cli',
    'console',
  ];
  const reading = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => `${folder}/${file}`)
      .filter((file) => file.endsWith('.ts') && !entries.has(file))
      .filter((file) => /process\.(env|argv|exit)/.test(withoutComments(readFileSync(join(root, file), 'utf8')))),
  );
  expect(reading).toEqual([]);
});

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[^]*?\*\//g, '');
}
