/** Looks at everything that must hold for a stack to work, and says of each thing whether it does; exit code 1 when one does not. */
import { count, hanging, type Common, type Shell } from '../shell.ts';
import { openStack, type Stack } from '../stacks.ts';
import { placesOf } from '../temporal-places.ts';
import { examineAws } from './aws.ts';
import type { Check } from './check.ts';
import { examineServices } from './deployment.ts';
import { examineLongWork } from './long-work.ts';
import { examineTemporal } from './temporal.ts';

export interface DoctorOptions extends Common {
  /** Only what a deployment should wait for. */
  pre?: true;
}

export async function doctor(shell: Shell, options: DoctorOptions): Promise<void> {
  const stack = await openStack(options);
  const checks = await (options.pre ? examineBefore : examine)(stack, shell);
  if (checks.some(({ ok }) => ok !== true)) shell.exitCode = 1;
  if (options.json) return shell.printJson({ stack: stack.id, ok: shell.exitCode === 0, checks });
  shell.print(`Stack ${stack.id}\n`);
  for (const check of checks) shell.print(render(shell, check));
  shell.print(`\n${summary(checks)}`);
}

async function examine(stack: Stack, shell: Shell): Promise<Check[]> {
  const now = shell.now();
  const { checks, fleets } = await examineAws(stack, now);
  return [...(await examineTemporal(placesOf(stack, shell), fleets, now)), ...checks];
}

async function examineBefore(stack: Stack, shell: Shell): Promise<Check[]> {
  const looks = [examineLongWork(placesOf(stack, shell), shell.now()), examineServices(stack)];
  return (await Promise.all(looks)).flat();
}

function render(shell: Shell, { check, of, ok, says, matters, mend }: Check): string {
  const [sign, colour] =
    ok === true ? (['✓', 'green'] as const) : ok === null ? (['?', 'yellow'] as const) : (['✗', 'red'] as const);
  const lines = [`${shell.style(colour, sign)} ${hanging(`${check}${of === undefined ? '' : ` (${of})`}: ${says}`)}`];
  if (matters) lines.push(`    why it matters: ${hanging(matters)}`);
  if (mend) lines.push(`    mend: ${hanging(mend)}`);
  return lines.join('\n');
}

function summary(checks: Check[]): string {
  const [wrong, unseen] = [false, null].map((value) => checks.filter(({ ok }) => ok === value).length);
  if (wrong === 0 && unseen === 0) return `All ${checks.length} checks are ok.`;
  const others = unseen === 0 ? '' : `; ${unseen} could not be looked at`;
  return `${count(wrong ?? 0, 'thing is', 'things are')} wrong, of ${count(checks.length, 'check')}${others}.`;
}
