/** The command line that `npm run build` produces, as it is installed: alone, without any other package. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packageFile from '../../package.json' with { type: 'json' };
import { runCli } from './served-stacks.ts';

jest.setTimeout(60_000);

const root = join(import.meta.dirname, '../..');
const alone = mkdtempSync(join(tmpdir(), 'elastic-workers-installed-'));
const main = join(alone, packageFile.bin['elastic-workers']);
const run = (...args: string[]) => runCli(args, { main, env: { AWS_ENDPOINT_URL: 'http://127.0.0.1:1', ...KEYS } });
const KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };

beforeAll(() => cpSync(join(root, 'dist/cli'), join(alone, 'dist/cli'), { recursive: true }));
afterAll(() => rmSync(alone, { recursive: true, force: true }));

test('prints its version and is executable', async () => {
  expect(await run('--version')).toMatchObject({ code: 0, stdout: `${packageFile.version}\n` });
  expect(readFileSync(main, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test.each([
  ['status'],
  ['doctor'],
  ['cost'],
  ['console'],
  ['eval'],
  ['explain', 'a'],
  ['pause', 'a'],
  ['resume', 'a'],
  ['set', 'a', '--min', '1'],
  ['drain', 'a'],
])('%s calls AWS, and says so when AWS does not answer', async (...args) => {
  expect(await run(...args)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Cannot list the stacks'),
  });
});

test('prove starts nothing without AWS', async () => {
  expect(await run('prove', '--temporal-address', '127.0.0.1:1', '--plaintext', '--yes')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^✗ AWS credentials: [^]*\nNothing has been deployed/),
  });
});

test('simulates, and writes a self-contained page', async () => {
  const html = join(alone, 'page.html');
  expect(await run('simulate', '--trace', 'trickle', '--no-peers', '--html', html)).toMatchObject({ code: 0 });
  const page = readFileSync(html, 'utf8');
  expect(page).toContain('uplot');
  expect(page).not.toContain('/* code */');
});
