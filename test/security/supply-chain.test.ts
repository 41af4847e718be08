/** What is installed, built and checked comes from where it was said, and runs nothing of its own but what is listed here. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { integrity?: string; inBundle?: boolean; hasInstallScript?: boolean }>;
};
const installed = Object.entries(packages).filter(([path]) => path !== '');

test('of the packages that would run a script when they are installed, two may, as each is decided on', () => {
  const running = installed.filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = running.map(([path]) => path.replace('node_modules/', ''));
  const decided = Object.entries(packageFile.allowScripts);
  expect(decided.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  expect(decided.filter(([, allowed]) => allowed).map(([name]) => name)).toEqual(['node', 'esbuild']);
});

test('our own package runs none where it is installed', () => {
  const scripts = Object.keys(packageFile.scripts);
  expect(scripts.filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
});

test('every package has its hash in the lock file', () => {
  expect(installed.filter(([, { integrity, inBundle }]) => !inBundle && !integrity).map(([path]) => path)).toEqual([]);
});

/** npm knows the job by its identity, so that no token has to be kept. It waits for the job before it, which has no such right. */
const PUBLISHES = `
  publish:
    needs: check
    runs-on: ubuntu-24.04
    environment: npm
    permissions:
      contents: read
      id-token: write
`;

describe('the workflows of CI', () => {
  const directory = join(root, '.github/workflows');
  const texts = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8'));

  test('use actions by their commits alone', () => {
    const used = texts.flatMap((text) => [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action));
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/@[0-9a-f]{40}$/.test(action ?? ''))).toEqual([]);
  });

  test('may read and nothing else, know no secret, and look for known vulnerabilities', () => {
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

test('a version is published from its tag alone, after all checks, with provenance, and not from a cache', () => {
  const text = readFileSync(join(root, '.github/workflows/publish.yml'), 'utf8');
  expect(text).toMatch(/^on:\n {2}push:\n {4}tags: \['v\*'\]\npermissions:/m);
  const [checks, publishes] = text.split(PUBLISHES);
  expect(checks).toMatch(/^ {6}- run: npm run check$/m);
  expect(publishes).toMatch(/^ {6}- run: npm publish --provenance\b/m);
  expect(publishes).not.toMatch(/cache: npm/);
});

test('the image is built of base images that whoever builds it can name by their digests', () => {
  const text = readFileSync(join(root, 'worker/Dockerfile'), 'utf8');
  expect([...text.matchAll(/^FROM (\S+)/gm)].map(([, from]) => from)).toEqual(['${NODE_IMAGE}', '${BASE_IMAGE}']);
});
