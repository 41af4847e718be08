/** Compares the answers in docs/cli.md with real ones: line by line, ignoring figures, names and reasons. */
import { MEANINGS } from '../../deployed/reasons.ts';
import { documents } from './markdown.ts';

const REASONS = Object.keys(MEANINGS);
const EXPLAINED = Object.entries(MEANINGS).map(([reason, meaning]) => `${reason}: ${meaning}`);

/** The lines shown after `$ elastic-workers <command>` that are in none of the answers. */
export function missingFrom(answers: string[], command: string): string[] {
  const real = answers.flatMap((answer) => answer.split('\n').map(formOf));
  return answerShown(command).filter((line) => {
    const form = formOf(line);
    const cut = form.endsWith('…') ? form.slice(0, -1).trimEnd() : undefined;
    return !real.some((each) => (cut === undefined ? each === form : each.startsWith(cut)));
  });
}

function answerShown(command: string): string[] {
  const snippets = documents().find(({ path }) => path === 'docs/cli.md')?.snippets ?? [];
  const shown = snippets.find(
    ({ language, text }) => language === 'console' && text.startsWith(`$ elastic-workers ${command}`),
  );
  if (shown === undefined) throw new Error(`docs/cli.md shows no answer to ${command}`);
  return shown.text.split('\n').slice(1);
}

function formOf(line: string): string {
  const explained = EXPLAINED.find((each) => line.includes(each));
  return (explained === undefined ? line : line.replace(explained, 'reason'))
    .replaceAll(new RegExp(`\\b(${REASONS.join('|')})\\b`, 'g'), 'reason')
    .replaceAll(/\bTemporalElasticWorkers[\w-]*|\bWorkersScalerLogs\w+/g, 'Stack')
    .replaceAll(/complex-analysis|quick-response/g, 'pool')
    .replaceAll(/\b[0-9a-f]{32}\b|ecs-svc\/\w+/g, 'id')
    .replaceAll(/\d+(?:[.:]\d+)*/g, '0')
    .replaceAll(/0 (?:s|min|h)\b/g, '0 s')
    .replaceAll(/0 ([a-z]{2,}?)(?:ies|y|s)\b/g, '0 $1')
    .replaceAll(/ +/g, ' ');
}
