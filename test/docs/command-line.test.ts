/** The command-line examples in the documents run against a stack, with the output that the documents show. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServedStacks, runCli } from '../cli/served-stacks.ts';
import { commandsIn } from './commands.ts';
import { documents } from './markdown.ts';
import { missingFrom } from './shown.ts';

jest.setTimeout(300_000);

const stacks = new ServedStacks();
const folder = mkdtempSync(join(tmpdir(), 'shown-'));
const pools = ['complex-analysis', 'fast', 'orders', 'quick-response'].map((pool) => ({ pool, policy: {} }));
const pages = documents();

beforeAll(async () => {
  await stacks.start();
  await stacks.deploy('shown', { pools });
  await stacks.tick('shown', { pools });
  writeFileSync(join(folder, 'load.csv'), 'arrival_s,service_s\n0,2\n1,3\n60,2\n');
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await stacks.stop();
});

/** The words after `elastic-workers` in a command line, or after a script that runs one of its commands. */
function shownIn(text: string): string[][] {
  return commandsIn(text).flatMap(([program, ...words]) => {
    const line = [program, ...words].filter((word) => !['npx', 'npm', 'run', '-s', '--'].includes(word ?? ''));
    return /^(elastic-workers|simulate|replay)$/.test(line[0] ?? '')
      ? [(line[0] === 'elastic-workers' ? line.slice(1) : line) as string[]]
      : [];
  });
}

test('every command runs, one after the other', async () => {
  const texts = pages.flatMap(({ snippets, code }) => [
    ...snippets.filter(({ language }) => language === 'sh').map(({ text }) => text),
    ...code.map(({ text }) => text).filter((text) => /^(npx|npm run) [^…]*$/.test(text)),
  ]);
  const commands = new Map(texts.flatMap(shownIn).map((words) => [words.join(' '), words]));
  // Some run for long, one names a task that does not exist, one creates a project, one runs all traces and writes a page.
  const notHere = /--watch|--wait|^console|^dev|^drain|^init|^prove|--help|^simulate$/;
  for (const [line] of commands) if (notHere.test(line)) commands.delete(line);
  expect(commands.size).toBeGreaterThan(15);
  for (const [line, words] of commands) {
    const ofFiles = words.map((word) => (word === 'load.csv' ? join(folder, word) : word));
    const args = words[0] === 'simulate' ? [...ofFiles, '--no-html', '--no-peers'] : ofFiles;
    const { code, stderr } = await stacks.cli(...args);
    // A problem that it finds is an answer; a usage error or a crash is not.
    if (code > 1 || /^ +at /m.test(stderr)) throw new Error(`${line} ended with ${code}: ${stderr}`);
  }
});

const consoles = pages
  .find(({ path }) => path === 'docs/cli.md')
  ?.snippets.filter(({ language }) => language === 'console');

test.each(['set agent', 'pause', 'resume', 'set complex-analysis', 'simulate'])(
  'the output of %s matches the document',
  async (start) => {
    const shown = consoles?.find(({ text }) => text.startsWith(`$ elastic-workers ${start}`))?.text ?? '';
    const [first = '', ...answer] = shown.split('\n');
    const [words = []] = shownIn(first.slice(2));
    const html = join(folder, 'simulation.html');
    const needed: Record<string, string[]> = { resume: ['pause', 'quick-response'] };
    if (needed[start]) await stacks.cli(...needed[start]);
    const { stdout, stderr } =
      start === 'simulate' ? await runCli([...words, '--html', html]) : await stacks.cli(...words);
    if (start === 'pause') await stacks.cli('resume', 'quick-response');
    const elsewhere = 'pools: complex-analysis, fast, orders, quick-response';
    const said = `${stdout}${stderr}`
      .replace(html, '.local/simulation.html')
      .replace(elsewhere, 'pools: complex-analysis, quick-response');
    // The figures change with the policy.
    const figures = (text: string) => (start === 'simulate' ? text.replaceAll(/ +[\d.]+/g, ' 0') : text).trim();
    expect(figures(said)).toBe(figures(answer.join('\n')));
  },
);

test('the output of cost has the lines that the document shows', async () => {
  const { stdout } = await stacks.cli('cost', '--hours', '1');
  expect(missingFrom([stdout], 'cost')).toEqual([]);
});
