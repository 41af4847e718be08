/** The errors of `dev` when it cannot start. Its normal run is tested in test/package/start.test.ts. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from './served-stacks.ts';

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), 'elastic-workers-dev-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('in a folder without a CDK app, dev lists everything that is missing and creates nothing', async () => {
  const { code, stderr } = await runCli(['dev'], { directory });
  expect(code).toBe(1);
  expect(stderr).toContain(`There is no ${join(directory, 'cdk.json')}: run this in the folder of your CDK app`);
  expect(stderr).toContain('has no CDK command line: npm install --save-dev aws-cdk');
  expect(readdirSync(directory)).toEqual([]);
});

test('all problems with the options are listed at once', async () => {
  const wrong = ['--run', 'python', '--run', 'a=b', '--run', 'a=c', '--start-delay', '5-2', '--ui-port', 'x'];
  const { code, stderr } = await runCli(['dev', ...wrong], { directory });
  expect(code).toBe(2);
  expect(stderr).toContain("--run must be <pool>=<command>, got 'python'");
  expect(stderr).toContain('--run names the pool a twice');
  expect(stderr).toContain("--start-delay must be two numbers of seconds, the smaller first, such as 2-5, got '5-2'");
  expect(stderr).toContain("--ui-port must be a whole number from 1 to 65535, got 'x'");
});
