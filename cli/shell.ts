/** What every command shares: output, errors, and the exit codes: 0 ok, 1 a problem was found, 2 usage. */
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Command } from 'commander';
import { shown } from '../contract/shown.ts';

interface ShellOptions {
  env: Record<string, string | undefined>;
  stdin: NodeJS.ReadableStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** Epoch milliseconds. */
  now: () => number;
  /** Aborts commands that would run forever. */
  signal: AbortSignal;
}

export interface Common {
  json?: true;
  stack?: string;
}

type Colour = Parameters<typeof styleText>[0];

export class Shell {
  exitCode: 0 | 1 = 0;
  readonly env: ShellOptions['env'];
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly now: () => number;
  readonly signal: AbortSignal;

  constructor({ env, stdin, stdout, stderr, now, signal }: ShellOptions) {
    this.env = env;
    this.stdin = stdin;
    this.stdout = stdout;
    this.stderr = stderr;
    this.now = now;
    this.signal = signal;
  }

  print(text: string): void {
    this.stdout.write(`${visible(text)}\n`);
  }

  /** Prints one document per call. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2));
  }

  /** Only a terminal gets colors, and not when NO_COLOR is set. */
  style(colour: Colour, text: string): string {
    return styleText(colour, text, { stream: this.stdout });
  }
}

/** A command that works on a stack. */
export function stackCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--stack <id>', 'stack to use, if there are several')
    .option('--json', 'print JSON');
}

/** Columns are as wide as their widest cell: the first is left-aligned, figures are right-aligned, words align with their heading. */
export function table(rows: string[][], right: Set<number>): string {
  const cells = rows.map((row) => row.map((cell) => visible(cell).replaceAll('\n', '\\n')));
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? '')))) ?? [];
  const pad = (cell: string, column: number) => {
    const space = ' '.repeat((widths[column] ?? 0) - width(cell));
    return right.has(column) ? space + cell : cell + space;
  };
  return cells.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/**
 * Other people's names and texts reach a terminal as text, never as commands: control characters, and those that change the
 * direction of writing, are escaped as in JSON. Line ends stay, and so do the few styles that this program uses.
 */
export function visible(text: string): string {
  const parts = text.split(OWN_STYLES);
  return parts.map((part, index) => (index % 2 === 1 ? part : shown(part))).join('');
}

/** Indents a multi-line message in a list, so that none of its lines can be mistaken for one of ours. */
export function hanging(message: string): string {
  return message.replaceAll(/\r\n|[\n\r]/g, '\n      ');
}

const OWN_STYLES = new RegExp(`(${String.fromCharCode(27)}\\[(?:1|2|22|31|32|33|39)m)`);

/** The option's number; if it is not valid, adds a problem and returns undefined. */
export function wholeNumber(
  name: string,
  value: string | undefined,
  [least, most]: [number, number],
  problems: string[],
): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (number >= least && number <= most) return number;
  problems.push(`${name} must be a whole number from ${least} to ${most}, got '${value}'`);
  return undefined;
}
