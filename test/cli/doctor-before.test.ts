/** `doctor --pre` in an account without deployments, and `doctor --wait`; each fault is real. */
import type { Check } from '../../cli/doctor/check.ts';
import { bootstrapAsTheCdk, makeServiceLinkedRole } from './account.ts';
import { until } from '../until.ts';
import { ServedStacks, type Ran } from './served-stacks.ts';

jest.setTimeout(240_000);

const stacks = new ServedStacks();
let temporal: Record<string, string>;

beforeAll(async () => {
  await stacks.start();
  temporal = { TEMPORAL_ADDRESS: stacks.temporal.address };
});
afterAll(() => stacks.stop());

const pre = (env: Record<string, string> = temporal) => stacks.cliWith({ env }, 'doctor', '--pre', '--json');

function checksOf({ stdout, stderr }: Ran): Check[] {
  expect(stderr).toBe('');
  return (JSON.parse(stdout) as { checks: Check[] }).checks;
}

const verdicts = (ran: Ran) => checksOf(ran).map(({ check, ok }) => [check, ok]);

/** AWS's answers that the emulator lacks. */
async function withQuota(Value: number): Promise<{ env: Record<string, string>; stop: () => Promise<void> }> {
  const { url, stop } = await stacks.awsBut((operation, body) =>
    operation === 'GetServiceQuota'
      ? { status: 200, body: JSON.stringify({ Quota: { Value } }) }
      : { status: 200, body },
  );
  return { env: { AWS_ENDPOINT_URL_SERVICE_QUOTAS: url }, stop };
}

test('in a new account it lists what is missing, with the commands that create it', async () => {
  const ran = await pre();
  expect(ran.code).toBe(1);
  expect(verdicts(ran)).toEqual([
    ['AWS credentials', true],
    ['CDK bootstrap', false],
    ['ECS service-linked role', false],
    ['Fargate quota', null],
    ['server', true],
    ['namespace', true],
  ]);
  const mends = checksOf(ran).map(({ mend }) => mend);
  expect(mends).toContain('npx cdk bootstrap aws://000000000000/us-east-1');
  expect(mends).toContain('aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com');
});

test('every check has an id and a link, and the link is printed when the check fails', async () => {
  expect(checksOf(await pre())).toContainEqual(
    expect.objectContaining({ id: 'ecs-service-linked-role', more: 'docs/doctor.md#ecs-service-linked-role' }),
  );
  const { stdout } = await stacks.cliWith({ env: temporal }, 'doctor', '--pre');
  expect(stdout).toMatch(/^No stack yet\n/);
  expect(stdout).toMatch(/^✗ CDK bootstrap: .+\n( {4}.+\n)+ {4}more: docs\/doctor\.md#cdk-bootstrap$/m);
  expect(stdout).not.toContain('#aws-credentials');
});

test('without credentials it makes no other AWS checks', async () => {
  const env = { ...temporal, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
  expect(verdicts(await pre(env))).toEqual([
    ['AWS credentials', false],
    ['server', true],
    ['namespace', true],
  ]);
});

test('it reports when Temporal is not configured or does not answer', async () => {
  expect(checksOf(await pre({})).at(-1)).toMatchObject({ check: 'server', ok: null });
  expect(checksOf(await pre({ TEMPORAL_ADDRESS: '127.0.0.1:1' })).at(-1)).toMatchObject({ check: 'server', ok: false });
});

test('it reports a quota that is too small for all pools at their maximum', async () => {
  const { env, stop } = await withQuota(1);
  await stacks.deploy('large', { pools: [{ pool: 'large', policy: { maxTasks: 8 } }] });
  const { stdout } = await stacks.cliWith({ env }, 'doctor', '--pre', '--stack', 'large', '--json');
  await stop();
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  expect(checks.find(({ check }) => check === 'Fargate quota')).toMatchObject({
    ok: false,
    says: '1 concurrent Fargate vCPUs in this account and region; all tasks together need 2',
  });
});

test('with --wait it says what it waits for, and ends as soon as all checks pass', async () => {
  await stacks.deploy('waited', { pools: [{ pool: 'waited' }] });
  const { env, stop } = await withQuota(1000);
  let waits = '';
  const onOutput = (printed: string) => (waits = printed);
  const waiting = stacks.cliWith({ env, onOutput }, 'doctor', '--pre', '--wait', '120', '--stack', 'waited');
  await until('it waits', 90, () => waits.includes('Waiting for'));
  await stacks.provide('cluster', ['FARGATE', 'FARGATE_SPOT']);
  await bootstrapAsTheCdk(stacks.awsUrl);
  await makeServiceLinkedRole(stacks.awsUrl);
  const { code, stdout } = await waiting;
  await stop();
  expect(stdout).toMatch(/^Waiting for .*CDK bootstrap.*ECS service-linked role/);
  expect(stdout).toMatch(/^✓ deployment roles: /m);
  expect(stdout).toMatch(/^All 10 checks passed\.$/m);
  expect(code).toBe(0);
});

test('with --wait it reports what still fails when the time is up', async () => {
  const ran = await stacks.cliWith({ env: {} }, 'doctor', '--pre', '--wait', '1', '--stack', 'waited', '--json');
  expect({ code: ran.code, verdicts: verdicts(ran) }).toMatchObject({
    code: 1,
    verdicts: expect.arrayContaining([['Fargate quota', null]]),
  });
  expect(await stacks.cli('doctor', '--wait', 'long')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--wait'),
  });
});
