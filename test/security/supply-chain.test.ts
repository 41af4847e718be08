/** Everything installed, built and checked comes from its declared source, and runs only the scripts listed here. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { integrity?: string; inBundle?: boolean; hasInstallScript?: boolean }>;
};
const installed = Object.entries(packages).filter(([path]) => path !== '');

test('of the packages with install scripts, only the two that we allowed may run theirs', () => {
  const running = installed.filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = running.map(([path]) => path.replace('node_modules/', ''));
  const decided = Object.entries(packageFile.allowScripts);
  expect(decided.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  expect(decided.filter(([, allowed]) => allowed).map(([name]) => name)).toEqual(['node', 'esbuild']);
});

test('our own package has no install script', () => {
  const scripts = Object.keys(packageFile.scripts);
  expect(scripts.filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
});

test('the lock file has a hash for every package', () => {
  expect(installed.filter(([, { integrity, inBundle }]) => !inBundle && !integrity).map(([path]) => path)).toEqual([]);
});

/** npm knows the job by its identity, so no token has to be stored. The job before it has no such permission. */
const PUBLISHES = `
  publish:
    needs: check
    runs-on: ubuntu-24.04
    environment: npm
    permissions:
      contents: read
      id-token: write
`;

describe('the CI workflows', () => {
  const directory = join(root, '.github/workflows');
  const texts = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8'));

  test('pin actions to commits', () => {
    const used = texts.flatMap((text) => [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action));
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/@[0-9a-f]{40}$/.test(action ?? ''))).toEqual([]);
  });

  test('have read-only permissions and no secrets, and check for known vulnerabilities', () => {
    for (const text of texts) {
      expect(text).toMatch(/^permissions:\n {2}contents: read\n/m);
      expect(text.replace(PUBLISHES, '')).not.toMatch(/pull_request_target|secrets\.|: write/);
      const checkouts = text.match(/actions\/checkout@.*\n +with:\n +persist-credentials: false\n/g) ?? [];
      expect(checkouts).toHaveLength(text.split('actions/checkout@').length - 1);
    }
    expect(texts.join('')).toMatch(/^ {6}- run: npm run audit$/m);
    expect(texts.join('')).toMatch(/^ {2}schedule:$/m);
  });
});

test('a version is published only from its tag, after all checks, with provenance and without a cache', () => {
  const text = readFileSync(join(root, '.github/workflows/publish.yml'), 'utf8');
  expect(text).toMatch(/^on:\n {2}push:\n {4}tags: \['v\*'\]\npermissions:/m);
  const [checks, publishes] = text.split(PUBLISHES);
  expect(checks).toMatch(/^ {6}- run: npm run check$/m);
  expect(publishes).toMatch(/^ {6}- run: npm publish --provenance\b/m);
  expect(publishes).not.toMatch(/cache: npm/);
});

test('anyone who builds the image can pin its base images by digest', () => {
  const text = readFileSync(join(root, 'worker/Dockerfile'), 'utf8');
  expect([...text.matchAll(/^FROM (\S+)/gm)].map(([, from]) => from)).toEqual(['${NODE_IMAGE}', '${BASE_IMAGE}']);
});
