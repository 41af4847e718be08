/**
 * Proves the product on a real account: a small stack of its own, work through it, out, in, a deployment and a drain while
 * tasks are busy, and all of it gone again. Whatever happens, the stack is destroyed and a report written.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import packageFile from '../../package.json' with { type: 'json' };
import { PRICES_OF } from '../../contract/prices.ts';
import { PROOF_POOL, PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import type { Check } from '../doctor/check.ts';
import { asJson, render as renderCheck } from '../doctor/render.ts';
import { CommandError, Shell, UsageError } from '../shell.ts';
import { Aws } from '../stacks.ts';
import { cdkVersions } from './cdk.ts';
import { examineBeforeProof } from './checks.ts';
import { costOfProof, MOST_HOURS, totalOf } from './cost.ts';
import { Course } from './course.ts';
import { decisionsOf, troublesOf } from './evidence.ts';
import { destroy, nothingLeft } from './leftovers.ts';
import { redactor, render, type Report } from './report.ts';
import { Site } from './site.ts';
import { STEPS } from './steps.ts';

export interface ProveOptions {
  temporalAddress?: string;
  temporalNamespace?: string;
  temporalSecretArn?: string;
  plaintext?: true;
  vpc?: string;
  keep?: true;
  yes?: true;
  report: string;
  json?: true;
}

export async function prove(shell: Shell, options: ProveOptions): Promise<void> {
  const settings = settingsOf(shell, options);
  // What a person reads on the way is not part of the JSON.
  const screen = new Shell({ ...shell, ...(options.json && { stdout: shell.stderr }) });
  const checks = await examineBeforeProof(shell, settings);
  for (const check of checks) screen.print(renderCheck(screen, check));
  if (checks.some(({ ok }) => ok === false)) {
    shell.exitCode = 1;
    screen.print('\nNothing has been deployed: mend what is wrong (✗) first.');
    if (options.json) shell.printJson({ ok: false, checks: checks.map(asJson), steps: [] });
    return;
  }
  screen.print(`\n${announcement(settings)}\n`);
  if (!options.yes && !(await agreed(screen))) throw new CommandError('Nothing has been done.');
  const report = await run(screen, settings, checks, options);
  const clean = redactor({ ...settings.temporal, env: shell.env, directory: process.cwd() });
  writeFileSync(options.report, clean(render(report)));
  if (!report.ok) shell.exitCode = 1;
  screen.print(`\n${report.ok ? 'Proved.' : 'Not proved.'} The report, which can be sent as it is: ${options.report}`);
  const json = { ...report, checks: report.checks.map(asJson) };
  if (options.json) shell.printJson(JSON.parse(clean(JSON.stringify(json))));
}

const SECRETS = ['TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA', 'TEMPORAL_TLS_CLIENT_KEY_PATH'];

/** Everything that is wrong with the input is told at once. */
export function settingsOf({ env, stdin }: Shell, options: ProveOptions): ProofSettings {
  const address = options.temporalAddress ?? (env.TEMPORAL_ADDRESS || undefined);
  const { temporalSecretArn: secret, plaintext, vpc: vpcId, yes } = options;
  const problems = [
    ...(address === undefined
      ? ['--temporal-address (or TEMPORAL_ADDRESS) must say where Temporal is, host:port']
      : []),
    ...(address !== undefined && !/^.+:\d+$/.test(address)
      ? [`--temporal-address must be host:port, got '${address}'`]
      : []),
    ...(secret !== undefined && !secret.startsWith('arn:')
      ? [`--temporal-secret-arn must be the ARN of a secret, got '${secret}'`]
      : []),
    ...(secret === undefined && SECRETS.some((name) => env[name])
      ? ['the workers on AWS need the key too: put it into Secrets Manager and name it with --temporal-secret-arn']
      : []),
    ...(plaintext && secret !== undefined
      ? ['--plaintext and --temporal-secret-arn contradict each other: leave one out']
      : []),
    ...(!yes && !(stdin as NodeJS.ReadStream).isTTY ? ['nobody can be asked here whether to begin: give --yes'] : []),
  ];
  if (problems.length > 0) throw new UsageError(problems);
  const namespace = options.temporalNamespace ?? (env.TEMPORAL_NAMESPACE || 'default');
  return {
    temporal: { address: address!, namespace, tls: !plaintext, ...(secret !== undefined && { secret }) },
    taskQueue: `elastic-workers-proof-${randomUUID().slice(0, 8)}`,
    ...(vpcId !== undefined && { vpcId }),
  };
}

export function announcement({ temporal, taskQueue, vpcId }: ProofSettings): string {
  const lines = costOfProof();
  const { maxTasks, vcpus, gigabytes } = PROOF_POOL;
  return [
    `The stack ${PROOF_STACK} will be deployed in this account and region, and destroyed again: ${vpcId === undefined ? 'a VPC without NAT gateway' : `in ${vpcId}`},`,
    `an ECS cluster and service with up to ${maxTasks} tasks of ${vcpus} vCPU and ${gigabytes} GB, the scaler, a table, alarms and a dashboard.`,
    `Its workers and scaler use Temporal at ${temporal.address}, namespace ${temporal.namespace}, task queue ${taskQueue}.`,
    'It takes about twenty minutes. What stays: its image and files among the CDK’s assets, for some cents a month until you',
    'tidy them up (cdk gc), and the workflows in Temporal until the namespace’s retention is over.',
    '',
    `It costs at most $${totalOf(lines).toFixed(2)}, should it take ${MOST_HOURS} h (list prices of ${PRICES_OF}):`,
    ...lines.map(({ what, arithmetic, dollars }) => `  ${dollars.toFixed(2)}  ${what}: ${arithmetic}`),
  ].join('\n');
}

async function agreed({ stdin, stdout, signal }: Shell): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stdout });
  const answer = await lines.question('Begin? [y/N] ', { signal }).catch(() => '');
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function run(shell: Shell, settings: ProofSettings, checks: Check[], { keep }: ProveOptions): Promise<Report> {
  const site = await Site.open(shell, settings);
  const course = new Course(shell);
  let passed = true;
  for (const [name, step] of Object.entries(STEPS)) {
    if (passed) passed = await course.run(name, () => step(site));
    else course.skip(name, 'as a step before it failed');
  }
  await site.work.end();
  const [decisions, troubles] = await Promise.all([decisionsOf(site), passed ? {} : troublesOf(site)]);
  const gone = keep ? leave(course) : await remove(course, site);
  await site.close();
  const at = new Date(site.startedAt).toISOString();
  return { ok: passed && gone, at, versions: await versionsOf(site), checks, steps: course.steps, decisions, troubles };
}

function leave(course: Course): true {
  for (const name of ['destroy', 'nothing left']) course.skip(name, `as --keep leaves the stack ${PROOF_STACK}`);
  return true;
}

/** Whatever has come of the steps before. */
async function remove(course: Course, site: Site): Promise<boolean> {
  await site.find().catch(() => undefined);
  if (await course.run('destroy', () => destroy(site))) return course.run('nothing left', () => nothingLeft(site));
  course.skip('nothing left', `as the stack ${PROOF_STACK} is still there`);
  return false;
}

async function versionsOf({ serverVersion }: Site): Promise<Record<string, string>> {
  const { cli, library } = cdkVersions();
  return {
    [packageFile.name]: packageFile.version,
    'Node.js': `${process.version}, ${process.platform} ${process.arch}`,
    'aws-cdk': cli,
    'aws-cdk-lib': library,
    'Temporal server': serverVersion,
    region: await new Aws().ssm.config.region(),
  };
}
