/** The report of a proof: a page that can be shared as it is. It contains no secrets and does not identify the account or server. */
import { hide, withoutSecrets } from '../../contract/shown.ts';
import type { Check } from '../doctor/check.ts';
import type { Step } from './course.ts';

export interface Report {
  ok: boolean;
  /** When the proof began. */
  at: string;
  versions: Record<string, string>;
  checks: Check[];
  steps: Step[];
  decisions: string[];
  /** By title; empty if all steps passed. */
  troubles: Record<string, string[]>;
}

export function render({ ok, at, versions, checks, steps, decisions, troubles }: Report): string {
  const sections = [
    `# Proof of temporal-elastic-workers: ${ok ? 'passed' : 'failed'}`,
    tableOf(['', ''], [['began', at], ...Object.entries(versions)]),
    '## Steps',
    tableOf(
      ['step', 'result', 'seconds', 'evidence'],
      steps.map(({ step, result, seconds, says }) => [step, result, String(seconds ?? ''), firstLine(says)]),
    ),
    ...steps.filter(({ says }) => says.includes('\n')).map(({ step, says }) => quoted(`### ${step}`, says)),
    '## Checks beforehand',
    checks.map(({ check, of, ok, says }) => `- ${signOf(ok)} ${check}${of ? ` (${of})` : ''}: ${says}`).join('\n'),
    quoted('## What the scaler decided', decisions.join('\n')),
    ...Object.entries(troubles).map(([title, lines]) => quoted(`## ${title}`, lines.join('\n'))),
  ];
  return `${sections.join('\n\n')}\n`;
}

function signOf(ok: boolean | null): string {
  return ok === null ? '?' : ok ? '✓' : '✗';
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

function quoted(title: string, text: string): string {
  return `${title}\n\n${text === '' ? 'nothing' : `~~~text\n${text}\n~~~`}`;
}

function tableOf(heads: string[], rows: string[][]): string {
  const lines = [heads, heads.map(() => '---'), ...rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** What identifies the owner. */
export interface Private {
  env: Record<string, string | undefined>;
  address: string;
  namespace: string;
  directory: string;
}

const SECRET_VARIABLES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

/** Makes a text safe to share. */
export function redactor({ env, address, namespace, directory }: Private): (text: string) => string {
  hide(SECRET_VARIABLES.flatMap((name) => env[name] ?? []));
  const host = address.replace(/:\d+$/, '');
  const own: [string | undefined, string][] = [
    [host, 'temporal.example.com'],
    [namespace === 'default' ? undefined : namespace, '(namespace)'],
    [directory, '.'],
    [env.HOME === '/' ? undefined : env.HOME, '~'],
  ];
  return (text) => {
    const without = own.reduce(
      (clean, [from, to]) => (from ? clean.replaceAll(from, to) : clean),
      withoutSecrets(text),
    );
    return PATTERNS.reduce((clean, [from, to]) => clean.replaceAll(from, to), without);
  };
}

const HIDDEN = '(hidden)';
const PATTERNS: [RegExp, string][] = [
  [/-----BEGIN [^-]+-----[^]*?-----END [^-]+-----/g, HIDDEN],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+/g, HIDDEN],
  [/(arn:[\w-]+:secretsmanager:[\w-]*:\d*:secret):[\w+=,.@/!-]+/g, `$1:${HIDDEN}`],
  [/(:(?:assumed-role|user|federated-user))\/[\w+=,.@/-]+/g, `$1/${HIDDEN}`],
  [/\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b/g, HIDDEN],
  [/\b[\w.+-]+@[\w-]+\.[\w.-]+\b/g, HIDDEN],
  [/(?<!\d)\d{12}(?!\d)/g, '000000000000'],
  [/(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])/g, '0.0.0.0'],
];
