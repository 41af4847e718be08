/** Checks for people and for scripts. */
import { count } from '../../deployed/words.ts';
import { hanging, type Shell } from '../shell.ts';
import { idOf, pageOf, type Check } from './check.ts';

export function render(shell: Shell, { check, of, ok, says, matters, mend }: Check): string {
  const [sign, colour] =
    ok === true ? (['✓', 'green'] as const) : ok === null ? (['?', 'yellow'] as const) : (['✗', 'red'] as const);
  const lines = [`${shell.style(colour, sign)} ${hanging(`${check}${of === undefined ? '' : ` (${of})`}: ${says}`)}`];
  if (matters) lines.push(`    why it matters: ${hanging(matters)}`);
  if (mend) lines.push(`    fix: ${hanging(mend)}`);
  if (ok !== true) lines.push(`    more: ${pageOf(check)}`);
  return lines.join('\n');
}

export function asJson(check: Check) {
  return { id: idOf(check.check), ...check, more: pageOf(check.check) };
}

export function summary(checks: Check[]): string {
  const [wrong, unseen] = [false, null].map((value) => checks.filter(({ ok }) => ok === value).length);
  if (wrong === 0 && unseen === 0) return `All ${checks.length} checks passed.`;
  const others = unseen === 0 ? '' : `; ${unseen} could not be checked`;
  return `${wrong ?? 0} of ${count(checks.length, 'check')} failed${others}.`;
}
