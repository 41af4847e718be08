/** Checks every template by AWS's schemas and the CDK's rules: what CloudFormation would refuse fails here, without an account. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App } from 'aws-cdk-lib';
import { CfnService } from 'aws-cdk-lib/aws-ecs';
import { PRESETS } from '../../infra/presets.ts';
import { runCli } from '../cli/served-stacks.ts';
import { lint } from './cfn-lint.ts';
import { optionalProps, propsIn, withCluster, withVpc } from './every-prop.ts';
import { emptyStack, ownApp, synthesize } from './synthesize.ts';

// The first run downloads cfn-lint.
jest.setTimeout(300_000);

const root = join(import.meta.dirname, '../..');
const NO_BUNDLES = { 'aws:cdk:bundling-stacks': [] };
/** The feature flags of a new CDK app. The other templates are synthesized without any, as in an old app. */
const FLAGS = JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')).context as Record<string, unknown>;
const EVERY_PROP = { 'a VPC': withVpc, 'a cluster': withCluster };

type Templates = Record<string, object>;

/** What the CDK prints during a synthesis. */
let printed = '';
const cdkFindings = () => printed.match(/^.*\(CloudFormation Validate\)$/gm) ?? [];

beforeEach(() => {
  // The preparation of the tests turns the CDK's rules off.
  delete process.env.CDK_VALIDATION;
  printed = '';
  jest.spyOn(console, 'error').mockImplementation((text) => void (printed += `${text}\n`));
});

afterEach(() => jest.restoreAllMocks());

test('cfn-lint and the CDK find nothing that is not acknowledged as intended', async () => {
  const templates = { ...presets(), ...everyProp(), ...(await ourApps()), ...(await projects()) };
  expect(cdkFindings()).toEqual([]);
  expect(await lint(templates)).toEqual([]);
});

test('cfn-lint and the CDK find a value that the resource’s schema does not allow', async () => {
  const { stack } = synthesize();
  const service = stack.node.findAll().find((construct) => construct instanceof CfnService)!;
  service.addPropertyOverride('PropagateTags', 'EVERYWHERE');
  const broken = templateOf(stack.node.root as App);
  const finding = "'EVERYWHERE' is not one of";
  expect(cdkFindings()).toEqual([expect.stringContaining(finding)]);
  expect(await lint({ broken })).toEqual([expect.stringContaining(`broken: E3030: ${finding}`)]);
});

test('every optional prop is set in one of the templates', () => {
  const given = new Set(Object.values(EVERY_PROP).flatMap((props) => propsIn(props(emptyStack()))));
  expect(optionalProps().length).toBeGreaterThan(50);
  expect(optionalProps().filter((prop) => !given.has(prop))).toEqual([]);
});

function presets(): Templates {
  const made = Object.keys(PRESETS).map((preset) => {
    const { stack } = synthesize({ preset: preset as 'staging' }, emptyStack(FLAGS));
    return [`preset ${preset}`, templateOf(stack.node.root as App)];
  });
  return Object.fromEntries(made) as Templates;
}

function everyProp(): Templates {
  const made = Object.entries(EVERY_PROP).map(([name, props]) => {
    const { stack } = synthesize(props, emptyStack(NO_BUNDLES));
    return [`every prop with ${name}`, templateOf(stack.node.root as App)];
  });
  return Object.fromEntries(made) as Templates;
}

async function ourApps(): Promise<Templates> {
  const examples = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'));
  const made = examples.map(async (file) => {
    const { app } = (await import(join(root, 'examples', file))) as { app: App };
    return [`examples ${file}`, templateOf(app)];
  });
  const own = { 'infra app.ts': templateOf(await ownApp()) };
  return { ...own, ...(Object.fromEntries(await Promise.all(made)) as Templates) };
}

/** The projects that `init` creates, with this package as it is published. */
async function projects(): Promise<Templates> {
  const directory = mkdtempSync(join(tmpdir(), 'elastic-workers-projects-'));
  try {
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(root, join(directory, 'node_modules/temporal-elastic-workers'));
    const templates: Templates = {};
    for (const language of readdirSync(join(root, 'templates'))) {
      const folder = join(directory, language);
      await runCli(['init', folder, '--language', language]);
      templates[`project in ${language}`] = synthesizeProject(folder);
    }
    return templates;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function synthesizeProject(folder: string): object {
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const environment = { CDK_OUTDIR: join(folder, 'cdk.out'), CDK_CONTEXT_JSON: JSON.stringify(NO_BUNDLES) };
  const { status, stderr } = spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: folder,
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  printed += stderr;
  const file = readdirSync(join(folder, 'cdk.out')).find((name) => name.endsWith('.template.json'));
  return JSON.parse(readFileSync(join(folder, 'cdk.out', file!), 'utf8')) as object;
}

function templateOf(app: App): object {
  return app.synth().stacks[0]!.template as object;
}
