/**
 * Whether a command in a document could run: the program is known here, and its subcommand, options and files exist.
 * An unknown command is a problem, so that no document contains an unchecked one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { CommanderError } from 'commander';
import { programOf } from '../../cli/program.ts';
import { Shell } from '../../cli/shell.ts';
import { ensureTools } from '../../local/tools.ts';
import { OTHER_TEMPORAL_CONTEXT } from '../../contract/other-temporal.ts';
import packageFile from '../../package.json' with { type: 'json' };
import { root } from './markdown.ts';

/** The words of each command in a command line, without variables and redirections. */
export function commandsIn(text: string): string[][] {
  const commands: string[][] = [[]];
  const pattern = /\\\n|#[^\n]*|&&|\|\||[\n;|]|[<>]\s*\S+|(?:'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s;|&<>'"])+/g;
  for (const [token] of text.matchAll(pattern)) {
    if (token === '\\\n' || /^[#<>]/.test(token)) continue;
    if (/^(&&|\|\||[\n;|])$/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands.map(withoutVariables).filter((words) => words.length > 0);
}

function withoutVariables(words: string[]): string[] {
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  return first === -1 ? [] : words.slice(first);
}

/** Undefined if the command could run. */
export async function problemOf(words: string[]): Promise<string | undefined> {
  const [program = '', ...args] = words;
  const check = PROGRAMS[program];
  if (check === undefined) return `nothing here knows the program ${program}: teach test/docs/commands.ts to check it`;
  return check(args);
}

type Check = (args: string[]) => string | undefined | Promise<string | undefined>;

const PROGRAMS: Record<string, Check> = {
  npm: ofNpm,
  npx: ([program = '', ...args]) => (program in PACKAGES ? PACKAGES[program]?.(args) : `npx ${program} is not known`),
  node: ([file = '', ...args]) => (existsSync(join(root, file)) ? ofScript(file, args) : `there is no file ${file}`),
  'elastic-workers': ofOurProgram,
  aws: ofAws,
  temporal: ofTemporal,
  git: oneOf('clone', 'config', 'diff', 'push', 'tag'),
  docker: oneOf('build', 'buildx', 'run', 'push'),
  'apt-get': oneOf('install', 'update'),
  cd: () => undefined,
  cut: () => undefined,
  export: () => undefined,
};

const PACKAGES: Record<string, Check> = { cdk: ofCdk, 'elastic-workers': ofOurProgram, prettier: () => undefined };

function oneOf(...known: string[]): Check {
  return ([word = '']) => (known.includes(word) ? undefined : `none of ${known.join(', ')}: ${word}`);
}

function ofNpm(args: string[]): string | undefined | Promise<string | undefined> {
  const at = args.indexOf('--');
  const [command = '', name = ''] = (at === -1 ? args : args.slice(0, at)).filter((arg) => !arg.startsWith('-'));
  const rest = at === -1 ? [] : args.slice(at + 1);
  if (['ci', 'install', 'audit', 'publish', 'pack', 'version'].includes(command)) return undefined;
  const script = command === 'test' ? 'test' : name;
  const line = (packageFile.scripts as Record<string, string>)[script];
  if (command !== 'run' && command !== 'test') return `npm ${command} is not known`;
  if (line === undefined) return `package.json has no script ${script}`;
  if (script === 'test') return missingFile(rest);
  const [, ours] = /^node cli\/main\.ts ?(.*)$/.exec(line) ?? [];
  if (ours !== undefined) return ofOurProgram([...ours.split(' ').filter(Boolean), ...rest]);
  const [, file] = /node (\S+\.ts)$/.exec(line) ?? [];
  if (rest.length > 0 && file === undefined && !/^scripts\/\w+\.sh$/.test(line)) return `${script} takes no options`;
  return file === undefined ? undefined : ofScript(file, rest);
}

/** A script's options are those that its source names. */
function ofScript(file: string, args: string[]): string | undefined {
  const source = readFileSync(join(root, file), 'utf8');
  const unknown = args.filter((arg) => arg.startsWith('--') && arg !== '--help' && !source.includes(nameOf(arg)));
  return unknown.length === 0 ? undefined : `${file} has no option ${unknown.join(', ')}`;
}

function missingFile(args: string[]): string | undefined {
  const missing = args.find((arg) => !arg.startsWith('-') && !existsSync(join(root, arg)));
  return missing === undefined ? undefined : `there is no ${missing}`;
}

function nameOf(option: string): string {
  return option.split('=')[0] ?? '';
}

/** The words are parsed by the program itself, whose commands then do nothing. */
async function ofOurProgram(args: string[]): Promise<string | undefined> {
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() }) as NodeJS.WriteStream;
  const said: string[] = [];
  const program = programOf(
    new Shell({
      env: {},
      stdin: process.stdin,
      stdout: nowhere(),
      stderr: nowhere(),
      now: () => 0,
      signal: new AbortController().signal,
    }),
  );
  for (const command of program.commands) {
    command.configureOutput({ writeOut: () => undefined, writeErr: (text) => void said.push(text) });
    command.action(() => undefined);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return args[0] === 'simulate' ? ofScript('simulate/simulate.ts', args.slice(1)) : undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? undefined : `elastic-workers: ${said.join(' ').trim() || error.message}`;
  }
}

function ofCdk(args: string[]): string | undefined {
  const [command = ''] = args;
  if (!['bootstrap', 'deploy', 'destroy', 'diff', 'synth'].includes(command)) return `cdk ${command} is not known`;
  const app = readFileSync(join(root, 'infra/app.ts'), 'utf8');
  for (const [index, arg] of args.entries()) {
    const value = args[index + 1] ?? '';
    const [name = ''] = value.split('=');
    // One of them belongs to the construct, in any app.
    const isKnown = name === OTHER_TEMPORAL_CONTEXT || new RegExp(`^  ${name}:`, 'm').test(app);
    if (arg === '-c' && !isKnown) return `no context ${name} in infra/app.ts`;
    if (arg === '-a' && !existsSync(join(root, value.replace(/^node /, '')))) return `there is no ${value}`;
    if (arg.startsWith('-') && !['-c', '-a', '--all', '--quiet', '--express', '--rollback'].includes(arg))
      return `cdk ${command} ${arg} is not known`;
  }
  return undefined;
}

/** Commands that the AWS CLI has in addition to the services' operations. */
const ONLY_IN_AWS_CLI: Record<string, string[]> = { 'logs tail': ['since', 'follow', 'filter-pattern', 'format'] };
const OF_ALL_AWS_COMMANDS = ['query', 'output', 'region', 'profile'];

/** Prints an operation's options, from AWS's own service models; nothing if there is no such operation. */
const AWS_OPTIONS = `
import sys, botocore.session
from botocore import xform_name
model = botocore.session.get_session().get_service_model(sys.argv[1])
for name in model.operation_names:
    if xform_name(name, '-') == sys.argv[2]:
        shape = model.operation_model(name).input_shape
        for member, of in (shape.members if shape else {}).items():
            print(xform_name(member, '-'))
            if of.type_name == 'boolean':
                print('no-' + xform_name(member, '-'))
`;

async function ofAws([service = '', operation = '', ...args]: string[]): Promise<string | undefined> {
  const known = ONLY_IN_AWS_CLI[`${service} ${operation}`] ?? (await awsOptions(service, operation));
  if (known.length === 0) return `aws ${service} ${operation} is not known`;
  const unknown = args.filter(
    (arg) => arg.startsWith('--') && ![...known, ...OF_ALL_AWS_COMMANDS].includes(nameOf(arg).slice(2)),
  );
  return unknown.length === 0 ? undefined : `aws ${service} ${operation} has no ${unknown.join(', ')}`;
}

async function awsOptions(service: string, operation: string): Promise<string[]> {
  const python = (await ensureTools()).ministack.command;
  return printed(python, ['-c', AWS_OPTIONS, service, operation]).split('\n').filter(Boolean);
}

/** The help of the real command names its subcommands and options. */
async function ofTemporal(args: string[]): Promise<string | undefined> {
  const { temporal } = await ensureTools();
  const path = args.slice(0, args.findIndex((arg) => arg.startsWith('-')) >>> 0);
  const help = printed(temporal, [...path, '--help']);
  if (!help.includes(`temporal ${path.join(' ')}`)) return `temporal ${path.join(' ')} is not known`;
  const unknown = args.filter((arg) => arg.startsWith('--') && !help.includes(`${nameOf(arg)} `));
  return unknown.length === 0 ? undefined : `temporal ${path.join(' ')} has no ${unknown.join(', ')}`;
}

function printed(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}
