/** The output of `npm pack` works in another CDK app: installed, type-checked and synthesized there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };
import { ensureDeclarations } from '../declarations.ts';

jest.setTimeout(300_000);

const repository = join(import.meta.dirname, '../..');
const app = mkdtempSync(join(tmpdir(), 'cdk-app-'));
const run = (command: string, args: string[], cwd = app) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const source = `
import { App, Stack } from 'aws-cdk-lib';
import { ElasticWorkers, type ElasticWorkersProps } from 'temporal-elastic-workers';

const props: ElasticWorkersProps = {
  temporal: { address: 'temporal.example.com:7233', namespace: 'default' },
  pools: { fast: { taskQueue: 'quick-response-queue' } },
};
const stack = new Stack(new App(), 'Fleet', { env: { account: '123456789012', region: 'eu-central-1' } });
const workers = new ElasticWorkers(stack, 'Workers', props);
workers.pool('fast').metricBacklog();
`;

beforeAll(async () => {
  // The tests' setup has already built everything for a release except the declarations.
  await ensureDeclarations();
  const packed = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', app], repository);
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  writeFileSync(join(app, 'package.json'), '{ "name": "somebody-elses-app", "private": true }');
  run('npm', ['install', '--no-audit', '--no-fund', '--legacy-peer-deps', join(app, filename)]);
  // A CDK app already has its own versions of these.
  for (const name of ['aws-cdk-lib', 'constructs', '@types', 'typescript']) {
    symlinkSync(join(repository, 'node_modules', name), join(app, 'node_modules', name));
  }
});

afterAll(() => rmSync(app, { recursive: true, force: true }));

test('the package installs no other packages', () => {
  const installed = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.toSorted()).toEqual([
    '@types',
    'aws-cdk-lib',
    'constructs',
    'temporal-elastic-workers',
    'typescript',
  ]);
});

test('a TypeScript app type-checks against the package’s declarations', () => {
  writeFileSync(join(app, 'app.ts'), source);
  const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  expect(run('node', ['node_modules/typescript/bin/tsc', ...strict, 'app.ts'])).toBe('');
  writeFileSync(join(app, 'wrong.ts'), source.replace('taskQueue', 'taskQeue'));
  expect(() => run('node', ['node_modules/typescript/bin/tsc', ...strict, 'wrong.ts'])).toThrow(/Command failed/);
});

test.each([
  ['an ECMAScript module', 'app.mts'],
  ['CommonJS', 'app.cts'],
])('an app written as %s synthesizes the stack, with the scaler’s and the worker’s files inside', (_, file) => {
  const common = file.endsWith('.cts');
  const code = common
    ? source
        .replaceAll(
          /import \{(.*)\} from ('.*');/g,
          (_all, names: string, from: string) => `const {${names.replace(/, type \w+/, '')}} = require(${from});`,
        )
        .replace(': ElasticWorkersProps', '')
    : source;
  writeFileSync(join(app, file), `${code}\nstack.node.root.synth();\n`);
  const out = join(app, `out-${file}`);
  mkdirSync(out);
  execFileSync(process.execPath, ['--no-warnings', file], { cwd: app, env: { ...process.env, CDK_OUTDIR: out } });

  const template = JSON.parse(readFileSync(join(out, 'Fleet.template.json'), 'utf8')) as { Resources: object };
  const types = Object.values(template.Resources).map(({ Type }: { Type: string }) => Type);
  expect(types).toEqual(
    expect.arrayContaining(['AWS::ECS::Service', 'AWS::Lambda::Function', 'AWS::CloudWatch::Alarm']),
  );
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' });
  expect(files).toContainEqual(expect.stringMatching(/^asset\.\w+\/index\.js$/));
  expect(files).toContainEqual(expect.stringMatching(/^asset\.\w+\/worker\/Dockerfile$/));
  expect(files).toContainEqual(expect.stringMatching(/^asset\.\w+\/dist\/worker\/main\.js$/));
});

test('the package has its command line', () => {
  const elasticWorkers = (...args: string[]) => run('npx', ['--no-install', 'elastic-workers', ...args]);
  expect(elasticWorkers('--version')).toBe(`${packageFile.version}\n`);
  expect(elasticWorkers('--help')).toMatch(/status.*\n[^]* drain /);
  expect(elasticWorkers('drain', '--help')).toContain('--no-wait');
});

test('the package states which CDK version it needs', () => {
  expect(Object.keys(packageFile.peerDependencies)).toEqual(expect.arrayContaining(['aws-cdk-lib', 'constructs']));
});
