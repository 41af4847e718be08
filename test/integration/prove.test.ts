/**
 * The installed `elastic-workers prove`, from its first check to its cleanup: deployed by the CDK's own command line to the
 * emulator, with the real Temporal server, real workers, and a user with exactly the documented permissions.
 */
import { existsSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import packageFile from '../../package.json' with { type: 'json' };
import { emulatorEndpoint } from '../../local/emulator.ts';
import { imageDirectory } from '../../local/assembly.ts';
import { localClient } from '../../local/observe.ts';
import { REPOSITORY } from '../../local/tools.ts';
import type { Step } from '../../cli/prove/course.ts';
import { invokeScalers } from './tested-stack.ts';
import { loggedCalls } from '../rights/statements.ts';
import { DeployedSite } from '../tested-site.ts';
import { makeServiceLinkedRole } from '../cli/account.ts';
import { onCall } from '../cli/on-call.ts';
import { runCli, type Ran, type RunOptions } from '../cli/served-stacks.ts';

jest.setTimeout(720_000);

const site = new DeployedSite('prove');
const { directory } = site;
const main = join(REPOSITORY, packageFile.bin['elastic-workers']);
let env: Record<string, string>;

beforeAll(async () => {
  const assembly = join(directory, '.elastic-workers/proof/cdk.out');
  await site.start({ fargate: { findImage: (image) => imageDirectory(assembly, image) } });
  const { emulatorUrl, fargate } = site;
  await makeServiceLinkedRole(emulatorUrl);
  env = {
    ...emulatorEndpoint(emulatorUrl),
    ...(await onCall(emulatorUrl)),
    AWS_ENDPOINT_URL_ECS: fargate.url,
    AWS_ENDPOINT_URL_S3: emulatorUrl,
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    // Images are not built: local Fargate runs their contents.
    CDK_DOCKER: 'true',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_DISABLE_VERSION_CHECK: 'true',
  };
}, 240_000);

afterAll(async () => {
  await site.stop();
}, 120_000);

/** Once the scaler exists, it is invoked at once: its schedule first fires a minute later. */
function prove(args: string[], options: RunOptions = {}): Promise<Ran> {
  let isThere = false;
  const onOutput = (printed: string) => {
    options.onOutput?.(printed);
    if (isThere || !printed.includes('✓ deploy (')) return;
    isThere = true;
    void invokeScalers(site.emulatorUrl);
  };
  return runCli(['prove', '--plaintext', ...args], {
    main,
    directory,
    ...options,
    env: { ...env, ...options.env },
    onOutput,
  });
}

const at = () => ['--temporal-address', site.temporal.address];

async function stacks(): Promise<string[]> {
  const client = new CloudFormationClient(localClient(site.emulatorUrl));
  const { Stacks = [] } = await client.send(new DescribeStacksCommand({}));
  return Stacks.map(({ StackName = '' }) => StackName).filter((name) => name !== 'CDKToolkit');
}

const results = (steps: Step[]) => Object.fromEntries(steps.map(({ step, result }) => [step, result]));

test('when something is missing, prove reports it and deploys nothing', async () => {
  const { code, stdout } = await prove(['--temporal-address', '127.0.0.1:1', '--yes']);
  expect({ code, stacks: await stacks() }).toEqual({ code: 1, stacks: [] });
  expect(stdout).toMatch(/^✗ server \(default at 127\.0\.0\.1:1\): .+\n/m);
  expect(stdout).toContain('Nothing has been deployed');
  expect(existsSync(join(directory, 'prove-report.md'))).toBe(false);
});

test('prove proves everything, and leaves nothing behind except a report that can be shared', async () => {
  const { code, stdout, stderr } = await prove([...at(), '--yes', '--json']);
  const { ok, steps, versions, decisions } = JSON.parse(stdout) as {
    ok: boolean;
    steps: Step[];
    versions: Record<string, string>;
    decisions: string[];
  };
  expect(steps.filter(({ result }) => result !== 'passed')).toEqual([]);
  expect({ code, ok, stacks: await stacks() }).toEqual({ code: 0, ok: true, stacks: [] });
  expect(stderr).toMatch(/It costs at most \$0\.\d\d/);
  const figures = Object.assign({}, ...steps.map((step) => step.figures)) as Record<string, number>;
  expect(figures).toMatchObject({ lostAttempts: 0, left: 0 });
  expect(figures.peakTasks).toBeGreaterThanOrEqual(2);
  expect(figures.heldInDeployment).toBeGreaterThanOrEqual(1);
  expect(figures.heldByDrained).toBeGreaterThanOrEqual(1);
  expect(versions).toMatchObject({ [packageFile.name]: packageFile.version, region: 'us-east-1' });
  expect(decisions.join('\n')).toMatch(/ x backlog, /);
  const report = readFileSync(join(directory, 'prove-report.md'), 'utf8');
  expect(report).toMatch(/^# Proof of temporal-elastic-workers: passed\n/);
  for (const hidden of [
    site.temporal.address,
    env.AWS_ACCESS_KEY_ID!,
    env.AWS_SECRET_ACCESS_KEY!,
    directory,
    'on-call',
  ]) {
    expect(`${report}${stdout}`).not.toContain(hidden);
  }
  const workflows = site.client.workflow.list({ query: "ExecutionStatus = 'Running'" });
  for await (const { workflowId } of workflows) throw new Error(`${workflowId} is still open`);
});

test('when the deployment fails, the rest is not run, and the report contains the CDK’s own message', async () => {
  const { code } = await prove([...at(), '--yes', '--vpc', 'vpc-0123456789abcdef0', '--report', 'failed.md']);
  expect({ code, stacks: await stacks() }).toEqual({ code: 1, stacks: [] });
  const report = readFileSync(join(directory, 'failed.md'), 'utf8');
  expect(report).toMatch(/^# Proof of temporal-elastic-workers: failed\n/);
  expect(report).toMatch(/^\| deploy \| failed \| [\d.]+ \| cdk deploy ended with exit code 1: \|$/m);
  expect(report).toMatch(/^\| first task \| not run \| {2}\| because an earlier step failed \|$/m);
  expect(report).toContain('vpc-0123456789abcdef0');
});

test('when interrupted, prove still destroys the stack, and says what was not run', async () => {
  const pressed = new AbortController();
  const onOutput = (printed: string) => {
    if (printed.includes('✓ first task')) pressed.abort();
  };
  const { code, stdout } = await prove([...at(), '--yes', '--json', '--report', 'interrupted.md'], {
    onOutput,
    interrupt: pressed.signal,
  });
  expect({ code, stacks: await stacks() }).toEqual({ code: 1, stacks: [] });
  expect(results((JSON.parse(stdout) as { steps: Step[] }).steps)).toMatchObject({
    'first task': 'passed',
    'scale in to zero': 'failed',
    'scale out from zero': 'not run',
    'nothing lost': 'not run',
    destroy: 'passed',
    'nothing left': 'passed',
  });
});

test('the documented permissions are enough for all of this', () => {
  // The first needs no permission; the other is for a service that the emulator does not have.
  const elsewhere = new Set(['sts:GetCallerIdentity', 'servicequotas:Unknown']);
  const calls = loggedCalls(join(directory, 'logs')).filter(({ caller }) => caller.endsWith(':user/on-call'));
  expect(calls.length).toBeGreaterThan(0);
  expect(calls.filter(({ allowed, action }) => !allowed && !elsewhere.has(action))).toEqual([]);
});
