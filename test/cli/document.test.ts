/** docs/cli.md matches --help: both have the same commands and options. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from './served-stacks.ts';

jest.setTimeout(60_000);

const root = join(import.meta.dirname, '../..');
const [, ...sections] = readFileSync(join(root, 'docs/cli.md'), 'utf8').split(/^## /m);
const bySection = new Map(sections.map((text) => [text.slice(0, text.indexOf('\n')).replaceAll('`', ''), text]));
/** Documented once, for all commands. */
const SHARED = ['--help', '--json', '--stack', '--version'];

async function helpOf(...command: string[]): Promise<string> {
  const { code, stdout } = await runCli([...command, '--help']);
  expect(code).toBe(0);
  return stdout;
}

/** With their value, such as `--last <count>`. */
function optionsIn(help: string): string[] {
  const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+(?: [<[][^>\]]+[>\]])?)/gm)].map(
    ([, option = '']) => option,
  );
  return options.filter((option) => !SHARED.includes(option.split(' ')[0] ?? '')).toSorted();
}

function documentedIn(section: string): string[] {
  return [...section.matchAll(/^\| `(--[^`]+)`/gm)].map(([, option = '']) => option).toSorted();
}

test('every command has a section, and every section describes a command', async () => {
  const help = await helpOf();
  const commands = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  expect(commands.length).toBeGreaterThan(9);
  const others = new Set(['All commands', 'Rights']);
  expect([...bySection.keys()].filter((name) => !others.has(name)).toSorted()).toEqual(
    commands.filter((name) => name !== 'help').toSorted(),
  );
});

test('every section lists exactly the options of its command', async () => {
  const commands = [...bySection.keys()].filter((name) => /^[a-z]+$/.test(name));
  const helps = await Promise.all(commands.map((command) => helpOf(command)));
  const options = helps.map((help, index) => [commands[index], optionsIn(help)]);
  expect(options.flatMap(([, of]) => of).length).toBeGreaterThan(20);
  expect(commands.map((command) => [command, documentedIn(bySection.get(command) ?? '')])).toEqual(options);
});

test('every example uses existing commands and options', async () => {
  const examples = [...bySection.values()].flatMap((text) => [
    ...text.matchAll(/elastic-workers ([a-z]+)((?: [^|\n]*)?)$/gm),
  ]);
  expect(examples.length).toBeGreaterThan(10);
  for (const [, command = '', args = ''] of examples) {
    const help = await helpOf(command);
    for (const [option] of args.matchAll(/--[a-z-]+/g)) expect(`${command}: ${help}`).toContain(`${option} `);
  }
});

test('what all commands have in common is documented once', async () => {
  const help = (await helpOf()) + (await helpOf('status'));
  for (const option of SHARED) expect(help).toContain(option);
  expect(documentedIn(bySection.get('All commands') ?? '').map((option) => option.split(' ')[0])).toEqual(SHARED);
});
