/** Looks at everything that must hold for a stack to work, and says of each thing whether it does; exit code 1 when one does not. */
import { count, hanging, type Common, type Shell } from '../shell.ts';
import { openStack } from '../stacks.ts';
import { placesOf } from '../temporal-places.ts';
import { examineAws } from './aws.ts';
import type { Check } from './check.ts';
import { examineTemporal } from './temporal.ts';

export async function doctor(shell: Shell, options: Common): Promise<void> {
  const stack = await openStack(options);
  const now = shell.now();
  const { checks: ofAws, fleets } = await examineAws(stack, now);
  const ofTemporal = await examineTemporal(placesOf(stack, shell), fleets, now);
  const checks = [...ofTemporal, ...ofAws];
  if (checks.some(({ ok }) => ok !== true)) shell.exitCode = 1;
  if (options.json) return shell.printJson({ stack: stack.id, ok: shell.exitCode === 0, checks });
  shell.print(`Stack ${stack.id}\n`);
  for (const check of checks) shell.print(render(shell, check));
  shell.print(`\n${summary(checks)}`);
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
