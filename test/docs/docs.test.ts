/** The documents are correct: the compiler checks their snippets, the programs their commands, the files their links. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { REASONS } from '../../scaler/policy.ts';
import { commandsIn, problemOf } from './commands.ts';
import { documents, parse, root, type Snippet } from './markdown.ts';

jest.setTimeout(300_000);

const pages = documents();
const snippets = pages.flatMap((page) => page.snippets);
const inLanguage = (...languages: string[]) => snippets.filter(({ language }) => languages.includes(language));

test('every snippet is in a language that these tests check', () => {
  const known = ['ts', 'json', 'sh', 'console', 'diff'];
  expect(
    snippets.filter(({ language }) => !known.includes(language)).map(({ at, language }) => `${at} ${language}`),
  ).toEqual([]);
  for (const language of known) expect(inLanguage(language).length).toBeGreaterThan(0);
});

/** Names that a snippet may use without importing them. */
const GIVEN = `
import type { App, Stack } from 'aws-cdk-lib';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Role } from 'aws-cdk-lib/aws-iam';
import type { Client } from '@temporalio/client';
import type * as package from 'temporal-elastic-workers';
declare global {
  const ElasticWorkers: typeof package.ElasticWorkers;
  const app: App;
  const stack: Stack;
  const workers: package.ElasticWorkers;
  const client: Client;
  const bucket: Bucket;
  const onCall: Role;
}
`;

function compile(files: Snippet[]): string {
  mkdirSync(join(root, '.local'), { recursive: true });
  const directory = mkdtempSync(join(root, '.local/snippets-'));
  try {
    const settings = {
      extends: '../../tsconfig.json',
      compilerOptions: {
        noUnusedLocals: false,
        // A snippet may be a file at the project's root.
        rootDirs: ['.', '../..'],
        paths: {
          'temporal-elastic-workers': ['../../infra/index.ts'],
          'temporal-elastic-workers/worker': ['../../worker/index.ts'],
          'temporal-elastic-workers/workflows': ['../../worker/workflows.ts'],
        },
      },
      include: ['.'],
    };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(settings));
    writeFileSync(join(directory, 'given.d.ts'), GIVEN.replaceAll('package', 'ours'));
    for (const beside of ['activities', 'strategies']) writeFileSync(join(directory, `${beside}.ts`), 'export {};');
    for (const { at, text } of files)
      writeFileSync(join(directory, `${at.replaceAll(/[/:]/g, '_')}.ts`), `${text}\nexport {};\n`);
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, '-p', directory, '--pretty', 'false'], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    return '';
  } catch (error) {
    return String((error as { stdout?: string }).stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the compiler accepts the TypeScript snippets, and would reject wrong ones', () => {
  expect(compile(inLanguage('ts'))).toBe('');
  const wrong = {
    at: 'wrong',
    language: 'ts',
    text: "new ElasticWorkers(stack, 'W', { temporal: { address: '' }, pool: {} });",
  };
  expect(compile([wrong])).toMatch(/wrong\.ts.*'pool' does not exist/);
});

test('JSON snippets can be parsed', () => {
  for (const { at, text } of inLanguage('json')) expect(() => parseJson(at, text)).not.toThrow();
  expect(() => parseJson('wrong', '{ a: 1 }')).toThrow('wrong');
});

function parseJson(at: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${at}: ${String(error)}`, { cause: error });
  }
}

/** In a sentence a command may be shortened with an ellipsis; then it is only a mention. */
const COMMAND = /^(npm|npx|node|elastic-workers|aws|temporal) [^…]+$/;

test('every command could run', async () => {
  const shown = [
    ...inLanguage('sh'),
    ...inLanguage('console').map(({ at, text }) => ({ at, text: typedIn(text) })),
    ...pages.flatMap(({ code }) => code.filter(({ text }) => COMMAND.test(text))),
    ...workflowSteps(),
  ];
  const problems = await Promise.all(
    shown.flatMap(({ at, text }) =>
      commandsIn(text).map(async (words) => ({ at, command: words.join(' '), problem: await problemOf(words) })),
    ),
  );
  expect(problems.length).toBeGreaterThan(100);
  expect(problems.filter(({ problem }) => problem !== undefined)).toEqual([]);
});

/** Input follows the prompt; the rest is output. */
function typedIn(text: string): string {
  return [...text.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command).join('\n');
}

function workflowSteps(): { at: string; text: string }[] {
  const folder = '.github/workflows';
  return readdirSync(join(root, folder)).flatMap((file) => {
    const { jobs } = parseYaml(readFileSync(join(root, folder, file), 'utf8')) as {
      jobs: Record<string, { steps: { run?: string }[] }>;
    };
    return Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run }) => (run === undefined ? [] : [{ at: `${folder}/${file}`, text: run }])),
    );
  });
}

test.each([
  'npm run no-such-script',
  'npm run demo -- --no-such-option',
  'npm test -- test/no-such-folder',
  'npx elastic-workers no-such-command',
  'npx elastic-workers explain',
  'npx elastic-workers set fast --minimum 3',
  'npx elastic-workers simulate --no-such-option',
  'aws ecs no-such-operation',
  'aws ecs update-service --no-such-option 3',
  'temporal workflow no-such-command',
  'temporal workflow list --no-such-option',
  'npx cdk deploy -c noSuchContext=1',
  'no-such-program',
])('a wrong command is rejected: %s', async (line) => {
  const [words = []] = commandsIn(line);
  expect(await problemOf(words)).toEqual(expect.any(String));
});

test('a command line is split as a shell would', () => {
  expect(commandsIn('A=1 npm ci && npm run x -- --policy \'{"a": 1}\' < file # why\naws a \\\n  b | c')).toEqual([
    ['npm', 'ci'],
    ['npm', 'run', 'x', '--', '--policy', '{"a": 1}'],
    ['aws', 'a', 'b'],
    ['c'],
  ]);
});

test('every link within the project has a target', () => {
  const broken = pages.flatMap(({ path, links }) =>
    links.filter(({ to }) => !/^https?:/.test(to) && !leads(path, to)).map(({ at, to }) => `${at} ${to}`),
  );
  expect(broken).toEqual([]);
  expect(leads('README.md', 'docs/no-such-page.md')).toBe(false);
  expect(leads('README.md', 'docs/construct.md#no-such-heading')).toBe(false);
  expect(leads('README.md', 'docs/construct.md#by-task')).toBe(true);
});

function leads(from: string, to: string): boolean {
  const [file = '', anchor] = to.split('#');
  const path = file === '' ? from : normalize(join(dirname(from), file));
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || parse(path, readFileSync(join(root, path), 'utf8')).anchors.has(anchor);
}

test('every page can be reached from the README', () => {
  const seen = new Set(['README.md', 'docs/README.md']);
  for (const path of seen) {
    const { links } = parse(path, readFileSync(join(root, path), 'utf8'));
    for (const { to } of links) {
      const [file = ''] = to.split('#');
      if (file.endsWith('.md') && !file.startsWith('http')) seen.add(normalize(join(dirname(path), file)));
    }
  }
  const shownByGitHub = new Set(['CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']);
  expect(pages.map(({ path }) => path).filter((path) => !seen.has(path) && !shownByGitHub.has(path))).toEqual([]);
});

test('every ELASTIC_WORKERS_ variable in the documents exists', () => {
  const sources = ['worker', 'scaler', 'infra', 'contract', 'test/image'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|sh)$/.test(file))
      .map((file) => readFileSync(join(root, folder, file), 'utf8')),
  );
  const named = pages.flatMap(({ prose }) => prose.match(/\bELASTIC_WORKERS_[A-Z_]+[A-Z]\b/g) ?? []);
  expect([...new Set(named)].filter((name) => !sources.some((source) => source.includes(name)))).toEqual([]);
});

test('each alarm has a runbook, and each runbook an alarm', () => {
  const alarms = readFileSync(join(root, 'infra/alarms.ts'), 'utf8').matchAll(/#alarm\('\w+', '([\w-]+)'/g);
  const names = [...alarms].map(([, name = '']) => name);
  expect(names).toHaveLength(6);
  expect(readdirSync(join(root, 'docs/runbooks')).toSorted()).toEqual(names.map((name) => `${name}.md`).toSorted());
});

test('each decision reason is explained', () => {
  const [, page = ''] = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8').split('## What the reasons mean');
  const explained = [...page.matchAll(/^\| `([\w-]+)` /gm)].map(([, reason]) => reason);
  expect(explained.toSorted()).toEqual([...REASONS].toSorted());
});

/** An entry ends with the tests that reproduce it: `Seen in [file](link): "title"`. */
const SEEN = /Seen in \[([^\]]+)\]\(\S+\): "([^"]+)"/g;

test('a test reproduces each entry of the troubleshooting page', () => {
  const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');
  const entries = page.split(/^### /m).slice(1);
  expect(entries.length).toBeGreaterThan(8);
  for (const entry of entries) {
    const seen = [...entry.replaceAll(/\s+/g, ' ').matchAll(SEEN)];
    if (seen.length === 0) throw new Error(`not reproduced: ${entry.split('\n')[0]}`);
    const absent = seen.filter(([, file = '', title = '']) => !readFileSync(join(root, file), 'utf8').includes(title));
    expect(absent.map(([line]) => line)).toEqual([]);
  }
});
