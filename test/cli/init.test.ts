/** A user's project, created from scratch. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from './served-stacks.ts';

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), 'elastic-workers-init-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

test('creates a project named after its folder, and prints the next steps', async () => {
  const folder = join(directory, 'my-agents');
  const { code, stdout } = await runCli(['init', folder]);
  expect(code).toBe(0);
  expect(stdout).toContain('npm install --install-links\n  npm run dev');
  const files = filesIn(folder);
  expect(files).toEqual(expect.arrayContaining(['.gitignore', 'cdk.json', 'infra/app.ts', 'src/worker.ts']));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  expect(texts).not.toMatch(/__[A-Z]+__/);
  expect(texts).toContain("taskQueue: 'my-agents'");
  expect(texts).toContain("new Stack(app, 'MyAgents'");
});

test('prints what it created as JSON', async () => {
  const folder = join(directory, 'as-json');
  const { code, stdout } = await runCli(['init', folder, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ folder, files: expect.arrayContaining(filesIn(folder)) });
});

test('does not overwrite an existing file, and leaves no incomplete project', async () => {
  const folder = join(directory, 'taken');
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'src/worker.ts'), '// mine\n');
  const { code, stderr } = await runCli(['init', folder]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('already has src/worker.ts') });
  expect(filesIn(folder)).toEqual(['src/worker.ts']);
  expect(readFileSync(join(folder, 'src/worker.ts'), 'utf8')).toBe('// mine\n');
});

test('lists all problems with the input at once', async () => {
  const { code, stderr } = await runCli(['init', join(directory, 'Not A Name'), '--language', 'cobol']);
  expect(code).toBe(2);
  expect(stderr).toContain("--language must be one of python, typescript, got 'cobol'");
  expect(stderr).toContain("got 'Not A Name'");
});
