/**
 * Proves the product on a real account: deploys a small stack of its own, runs work on it, scales out and in, drains a task
 * and deploys while tasks are busy, and removes everything again. Whatever happens, the stack is destroyed and a report written.
 */
import { writeFileSync } from 'node:fs';
import packageFile from '../../package.json' with { type: 'json' };
import { PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import type { Check } from '../doctor/check.ts';
import { asJson, render as renderCheck } from '../doctor/render.ts';
import { CommandError } from '../../deployed/errors.ts';
import { Shell } from '../shell.ts';
import { Aws } from '../../deployed/stacks.ts';
import { cdkVersions } from './cdk.ts';
import { examineBeforeProof } from './checks.ts';
import { Course } from './course.ts';
import { decisionsOf, troublesOf } from './evidence.ts';
import { destroy, nothingLeft } from './leftovers.ts';
import { redactor, render, type Report } from './report.ts';
import { agreed, announcement, settingsOf, type ProveOptions } from './settings.ts';
import { Site } from './site.ts';
import { STEPS } from './steps.ts';

export async function prove(shell: Shell, options: ProveOptions): Promise<void> {
  const settings = settingsOf(shell, options);
  // Progress output is not part of the JSON.
  const screen = new Shell({ ...shell, ...(options.json && { stdout: shell.stderr }) });
  const checks = await examineBeforeProof(shell, settings);
  for (const check of checks) screen.print(renderCheck(screen, check));
  if (checks.some(({ ok }) => ok === false)) {
    shell.exitCode = 1;
    screen.print('\nNothing has been deployed: fix the failed checks (✗) first.');
    if (options.json) shell.printJson({ ok: false, checks: checks.map(asJson), steps: [] });
    return;
  }
  screen.print(`\n${announcement(settings)}\n`);
  if (!options.yes && !(await agreed(screen))) throw new CommandError('Nothing has been done.');
  const report = await run(screen, settings, checks, options);
  const clean = redactor({ ...settings.temporal, env: shell.env, directory: process.cwd() });
  writeFileSync(options.report, clean(render(report)));
  if (!report.ok) shell.exitCode = 1;
  screen.print(
    `\n${report.ok ? 'Passed.' : 'Failed.'} The report contains no secrets and can be shared as it is: ${options.report}`,
  );
  const json = { ...report, checks: report.checks.map(asJson) };
  if (options.json) shell.printJson(JSON.parse(clean(JSON.stringify(json))));
}

async function run(shell: Shell, settings: ProofSettings, checks: Check[], { keep }: ProveOptions): Promise<Report> {
  const site = await Site.open(shell, settings);
  const course = new Course(shell);
  let passed = true;
  for (const [name, step] of Object.entries(STEPS)) {
    if (passed) passed = await course.run(name, () => step(site));
    else course.skip(name, 'because an earlier step failed');
  }
  await site.work.end();
  const [decisions, troubles] = await Promise.all([decisionsOf(site), passed ? {} : troublesOf(site)]);
  const gone = keep ? leave(course) : await remove(course, site);
  await site.close();
  const at = new Date(site.startedAt).toISOString();
  return { ok: passed && gone, at, versions: await versionsOf(site), checks, steps: course.steps, decisions, troubles };
}

function leave(course: Course): true {
  for (const name of ['destroy', 'nothing left']) course.skip(name, `because --keep keeps the stack ${PROOF_STACK}`);
  return true;
}

/** Whatever the outcome of the steps before. */
async function remove(course: Course, site: Site): Promise<boolean> {
  await site.find().catch(() => undefined);
  if (await course.run('destroy', () => destroy(site))) return course.run('nothing left', () => nothingLeft(site));
  course.skip('nothing left', `because the stack ${PROOF_STACK} still exists`);
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
