/**
 * Facts that several files repeat. Three versions of Node.js: what npm needs on a machine, what the published package needs, and
 * what everything is built and run with. The oldest Python. The address of the repository.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import packageFile from '../../package.json' with { type: 'json' };
import { documents, parse, root } from './markdown.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const machine = packageFile.devEngines.runtime.version.replace('>=', '');
const published = packageFile.engines.node.replace('>=', '');
const major = read('.node-version').trim();

/** What the pattern's first group matches in the files, once each. */
function said(pattern: RegExp, ...paths: string[]): string[] {
  return [...new Set(paths.flatMap((path) => [...read(path).matchAll(pattern)].map(([, version = '']) => version)))];
}

test('the documents name the same oldest Node.js as package.json', () => {
  const ofMachine = ['README.md', 'CONTRIBUTING.md', 'docs/how-to/first-deploy.md'];
  for (const path of ofMachine) expect(read(path)).toMatch(new RegExp(`(Node\\.js |\\()${machine} or newer`));
  const ofPackage = [
    'README.md',
    'docs/how-to/first-deploy.md',
    'docs/how-to/your-own-workers.md',
    'templates/typescript/README.md',
    'templates/python/README.md',
  ];
  for (const path of ofPackage) expect(read(path)).toContain(`Node.js ${published} or newer`);
  const pages = documents().map(({ path }) => path);
  expect(said(/Node\.js ([\d.]+) or newer/g, ...pages).toSorted()).toEqual([machine, published]);
});

test('the library is built for the oldest Node.js that the package allows, and CI runs the build with it', () => {
  expect(said(/target: 'node(\d+)'/g, 'bundler/library.ts')).toEqual([published.split('.')[0]]);
  expect(said(/node-version: (\S+)/g, '.github/workflows/ci.yml')).toEqual([`${published}.0`]);
});

test('everything else is built, tested and run with one major version', () => {
  const { node, '@types/node': types } = packageFile.devDependencies;
  expect([node, types].map((version) => version.split('.')[0])).toEqual([major, major]);
  expect(said(/target: 'node(\d+)'/g, 'build.ts', 'bundler/worker-files.ts')).toEqual([major]);
  expect(said(/installs Node\.js (\d+)/g, 'CONTRIBUTING.md')).toEqual([major]);
  expect(said(/Runtime\.NODEJS_(\d+)_X/g, 'infra/scaler-function.ts')).toEqual([major]);
  expect(said(/node:(\d+)-bookworm/g, 'worker/Dockerfile', 'sidecar/Dockerfile', '.devcontainer/Dockerfile')).toEqual([
    major,
  ]);
  const templates = ['typescript', 'python'].map((language) => `templates/${language}`);
  expect(said(/"(?:node|@types\/node)": "\^(\d+)/g, ...templates.map((folder) => `${folder}/package.json`))).toEqual([
    major,
  ]);
  const workflows = templates.map((folder) => `${folder}/_github/workflows/ci.yml`);
  expect(said(/node-version: (\S+)/g, ...workflows)).toEqual([major]);
});

test('the workflows of this repository take that version from .node-version or from their container’s name', () => {
  for (const name of ['ci', 'nightly', 'publish']) {
    const { jobs } = parseYaml(read(`.github/workflows/${name}.yml`)) as { jobs: Record<string, Job> };
    const versions = Object.entries(jobs)
      .filter(([job]) => job !== 'oldest-node')
      .map(([, { container, steps }]) => container ?? steps.find((step) => step.with?.['node-version-file'])?.with);
    for (const version of versions) {
      expect([
        `node:${major}-bookworm`,
        expect.objectContaining({ 'node-version-file': '.node-version' }),
      ]).toContainEqual(version);
    }
  }
});

interface Job {
  container?: string;
  steps: { with?: Record<string, unknown> }[];
}

test('the dev container has the same packages as CI', () => {
  const [, packages] = /apt-get install -y --no-install-recommends (.*)$/m.exec(read('.github/workflows/ci.yml')) ?? [];
  expect(packages).toContain('chromium');
  expect(read('.devcontainer/Dockerfile')).toContain(`--no-install-recommends ${packages} `);
});

test('the documents name the oldest Python that the emulator runs on', () => {
  const [oldest] = said(/OLDEST_PYTHON_MINOR = (\d+)/g, 'local/tools.ts');
  const paths = [
    'README.md',
    'CONTRIBUTING.md',
    'docs/cli.md',
    'templates/typescript/README.md',
    'templates/python/README.md',
  ];
  for (const path of paths) expect(said(/Python (3\.\d+) or newer/g, path)).toEqual([`3.${oldest}`]);
});

test('the repository’s pages have the project’s address from package.json', () => {
  const address = packageFile.repository.url.replace(/^git\+|\.git$/g, '');
  expect(packageFile.homepage).toBe(`${address}#readme`);
  expect(packageFile.bugs).toBe(`${address}/issues`);
  const pages = ['CONTRIBUTING.md', '.github/ISSUE_TEMPLATE/bug.yml', '.github/ISSUE_TEMPLATE/config.yml'];
  expect(said(/(https:\/\/github\.com\/[\w-]+\/temporal-elastic-workers)/g, ...pages)).toEqual([address]);
  const links = said(/\/blob\/main\/([\w./#-]+)/g, ...pages);
  expect(links.length).toBeGreaterThan(1);
  const broken = links.filter((link) => {
    const [path = '', anchor] = link.split('#');
    const { anchors } = parse(path, read(path));
    return anchor !== undefined && !anchors.has(anchor);
  });
  expect(broken).toEqual([]);
});
