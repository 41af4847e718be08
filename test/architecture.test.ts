import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Which of the project's folders a folder may import from, beside itself. */
const MAY_IMPORT: Record<string, string[]> = {
  contract: [],
  scaler: ['contract'],
  worker: ['contract'],
  sidecar: ['contract', 'worker'],
  infra: ['contract'],
  bundler: [],
  local: ['contract', 'scaler', 'worker', 'simulate'],
  simulate: ['contract', 'scaler', 'local'],
  cli: ['contract', 'scaler', 'simulate', 'local'],
  console: ['contract', 'scaler', 'simulate', 'cli'],
};

const imports = Object.keys(MAY_IMPORT).flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => importsOf(join(root, folder, file))),
);

function importsOf(file: string): { file: string; target: string; typeOnly: boolean }[] {
  const found = readFileSync(file, 'utf8').matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)'/gm);
  return [...found].map(([, type, target = '']) => ({
    file: relative(root, file),
    target: target.startsWith('.') ? relative(root, resolve(dirname(file), target)) : target,
    typeOnly: type !== undefined,
  }));
}

test('imports between folders run one way', () => {
  const wrong = imports.filter(({ file, target }) => {
    const [from = '', to = ''] = [file.split('/')[0], target.split('/')[0]];
    return to in MAY_IMPORT && to !== from && !MAY_IMPORT[from]?.includes(to);
  });
  expect(wrong).toEqual([]);
});

test('the policy imports nothing but its own parts', () => {
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

test('only entry points read the environment or the arguments', () => {
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
  const folders = ['contract', 'scaler', 'worker', 'sidecar', 'bundler', 'infra', 'simulate', 'cli', 'console'];
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
