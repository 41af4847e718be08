/** What `prove` prints before it starts and writes to its report, as functions. */
import { PassThrough } from 'node:stream';
import type { Check } from '../../cli/doctor/check.ts';
import { costOfProof, totalOf } from '../../cli/prove/cost.ts';
import { agreed, announcement, settingsOf, type ProveOptions } from '../../cli/prove/settings.ts';
import { redactor, render, type Report } from '../../cli/prove/report.ts';
import { UsageError } from '../../deployed/errors.ts';
import { Shell } from '../../cli/shell.ts';

function shellWith(env: Record<string, string> = {}, isTTY = true): Shell {
  const stream = () => Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream;
  const { signal } = new AbortController();
  const stdin = stream() as unknown as NodeJS.ReadableStream;
  return new Shell({ env, stdin, stdout: stream(), stderr: stream(), now: () => 0, signal });
}

const ADDRESS = 'temporal.acme.io:7233';
const SECRET = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal-a1b2c3';

function problemsOf(options: Partial<ProveOptions>, env: Record<string, string> = {}, isTTY = true): string[] {
  try {
    settingsOf(shellWith(env, isTTY), { report: 'report.md', ...options });
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

describe('the options of prove', () => {
  test('require an address, as an option or a variable', () => {
    expect(problemsOf({})).toEqual([expect.stringContaining('--temporal-address (or TEMPORAL_ADDRESS)')]);
    expect(problemsOf({ temporalAddress: ADDRESS })).toEqual([]);
    expect(problemsOf({}, { TEMPORAL_ADDRESS: ADDRESS })).toEqual([]);
    expect(problemsOf({ temporalAddress: 'temporal.acme.io' })).toEqual([expect.stringContaining('host:port')]);
  });

  test('refuse a key that exists only on this machine: the workers run elsewhere', () => {
    const env = { TEMPORAL_API_KEY: 'key' };
    expect(problemsOf({ temporalAddress: ADDRESS }, env)).toEqual([expect.stringContaining('--temporal-secret-arn')]);
    expect(problemsOf({ temporalAddress: ADDRESS, temporalSecretArn: SECRET }, env)).toEqual([]);
  });

  test('allow a key over TLS only', () => {
    const options = { temporalAddress: ADDRESS, temporalSecretArn: SECRET, plaintext: true as const };
    expect(problemsOf(options)).toEqual([expect.stringContaining('--plaintext')]);
  });

  test('require --yes when there is no terminal to ask on', () => {
    expect(problemsOf({ temporalAddress: ADDRESS }, {}, false)).toEqual([expect.stringContaining('--yes')]);
    expect(problemsOf({ temporalAddress: ADDRESS, yes: true }, {}, false)).toEqual([]);
  });

  test('are passed to the workers, and each run has its own task queue', () => {
    const options = { temporalAddress: ADDRESS, temporalNamespace: 'orders', temporalSecretArn: SECRET, report: '' };
    const [one, other] = [settingsOf(shellWith(), options), settingsOf(shellWith(), options)];
    expect(one.temporal).toEqual({ address: ADDRESS, namespace: 'orders', tls: true, secret: SECRET });
    expect(one.taskQueue).not.toBe(other.taskQueue);
  });
});

describe('before it starts, prove prints', () => {
  const text = announcement(settingsOf(shellWith(), { temporalAddress: ADDRESS, report: '' }));

  test('its maximum cost, line by line, which is less than a dollar', () => {
    const lines = costOfProof();
    const total = totalOf(lines);
    expect(total).toBeGreaterThan(0.1);
    expect(total).toBeLessThan(1);
    expect(text).toContain(`It costs at most $${total.toFixed(2)}`);
    for (const { what, arithmetic, dollars } of lines)
      expect(text).toContain(`${dollars.toFixed(2)}  ${what}: ${arithmetic}`);
  });

  test('what it creates, and where its workers find Temporal', () => {
    expect(text).toContain('The stack ElasticWorkersProof will be deployed');
    expect(text).toContain(ADDRESS);
  });
});

test.each([
  ['y', true],
  ['Yes', true],
  ['n', false],
  ['', false],
])('when prove asks whether to start, it understands the answer "%s"', async (answer, begins) => {
  const shell = shellWith();
  (shell.stdin as unknown as PassThrough).write(`${answer}\n`);
  expect(await agreed(shell)).toBe(begins);
});

test('when prove asks whether to start, the end of the input counts as no', async () => {
  const shell = shellWith();
  (shell.stdin as unknown as PassThrough).end();
  expect(await agreed(shell)).toBe(false);
});

describe('the report', () => {
  const clean = redactor({
    env: {
      HOME: '/home/ada',
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG',
    },
    address: ADDRESS,
    namespace: 'orders.a1b2c',
    directory: '/home/ada/project',
  });

  test.each([
    [
      'an account',
      'arn:aws:ecs:eu-central-1:123456789012:service/proof',
      'arn:aws:ecs:eu-central-1:000000000000:service/proof',
    ],
    [
      'who it was',
      'arn:aws:sts::123456789012:assumed-role/Admin/ada@acme.io',
      'arn:aws:sts::000000000000:assumed-role/(hidden)',
    ],
    ['a server', `${ADDRESS} cannot be reached`, 'temporal.example.com:7233 cannot be reached'],
    ['a namespace', 'orders.a1b2c exists', '(namespace) exists'],
    ['an address', 'connect ECONNREFUSED 10.0.1.23:7233', 'connect ECONNREFUSED 0.0.0.0:7233'],
    ['a secret’s name', SECRET, 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:(hidden)'],
    ['an access key', 'AKIAIOSFODNN7EXAMPLE', '(hidden)'],
    ['another access key', 'ASIAIOSFODNN7EXAMPLE', '(hidden)'],
    ['a secret key', 'signed with wJalrXUtnFEMI/K7MDENG', 'signed with (hidden)'],
    ['a token', 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', 'Bearer (hidden)'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----', '(hidden)'],
    ['a folder', '/home/ada/project/cdk.out and /home/ada/.aws', './cdk.out and ~/.aws'],
  ])('contains nothing of %s', (_what, text, sent) => {
    expect(clean(text)).toBe(sent);
  });

  test('keeps figures, times and versions unchanged', () => {
    const text =
      'version 1.32.0, 1795438685477, 2026-11-23T12:57:44.000Z, aws-cdk 2.1148.1, 41.5 s, ElasticWorkersProof';
    expect(clean(text)).toBe(text);
  });

  test('contains versions, steps with figures, checks, decisions and errors', () => {
    const check: Check = { check: 'server', of: 'default', ok: true, says: 'answers' };
    const report: Report = {
      ok: false,
      at: '2026-11-30T08:00:00.000Z',
      versions: { 'Node.js': 'v24' },
      checks: [check, { ...check, check: 'Fargate quota', ok: null }],
      steps: [
        { step: 'deploy', result: 'failed', seconds: 12.5, says: 'cdk deploy ended with exit code 1:\nno | room' },
        { step: 'first task', result: 'not run', seconds: null, says: 'because an earlier step failed' },
      ],
      decisions: ['08:01:00 3 x idle, desired 0: nothing to do'],
      troubles: { 'Why tasks were stopped': ['OutOfCapacity'], 'Scaler errors': [] },
    };
    expect(render(report)).toBe(`# Proof of temporal-elastic-workers: failed

|  |  |
| --- | --- |
| began | 2026-11-30T08:00:00.000Z |
| Node.js | v24 |

## Steps

| step | result | seconds | evidence |
| --- | --- | --- | --- |
| deploy | failed | 12.5 | cdk deploy ended with exit code 1: |
| first task | not run |  | because an earlier step failed |

### deploy

~~~text
cdk deploy ended with exit code 1:
no | room
~~~

## Checks beforehand

- ✓ server (default): answers
- ? Fargate quota (default): answers

## What the scaler decided

~~~text
08:01:00 3 x idle, desired 0: nothing to do
~~~

## Why tasks were stopped

~~~text
OutOfCapacity
~~~

## Scaler errors

nothing
`);
  });
});
