/** The documents' snippets of the construct and its app run: each snippet is synthesized, and each deployment's context too. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandsIn } from './commands.ts';
import { documents, root } from './markdown.ts';

jest.setTimeout(300_000);

const snippets = documents().flatMap((page) => page.snippets);

function run(file: string, env: Record<string, string> = {}): { status: number | null; stderr: string } {
  const options = {
    cwd: root,
    env: { ...process.env, CDK_DEFAULT_REGION: 'eu-west-1', ...env },
    encoding: 'utf8',
  } as const;
  const { status, stderr } = spawnSync(process.execPath, ['--no-warnings', file], options);
  return { status, stderr };
}

/** Each is a separate module, and may have its own app; names that it does not import are provided. */
function synthesize(shown: { at: string; text: string }[]): { status: number | null; stderr: string } {
  mkdirSync(join(root, '.local'), { recursive: true });
  const directory = mkdtempSync(join(root, '.local/run-'));
  try {
    const names = shown.map(({ at }) => `${at.replaceAll(/\W/g, '_')}.ts`);
    for (const [index, { text }] of shown.entries()) {
      const own = text.replace("'temporal-elastic-workers'", "'../../infra/index.ts'");
      writeFileSync(join(directory, names[index]!), `${own}\nstack.node.root.synth();\n`);
    }
    const all = `
      import { App, Stack } from 'aws-cdk-lib';
      import { ElasticWorkers } from '../../infra/index.ts';
      for (const name of ${JSON.stringify(names)}) {
        Object.assign(globalThis, { ElasticWorkers, stack: new Stack(new App({ outdir: '${directory}/' + name + '.out' }), 'Given', { env: { region: 'eu-west-1' } }) });
        await import('./' + name).catch((cause) => { throw new Error(name, { cause }); });
      }`;
    writeFileSync(join(directory, 'all.ts'), all);
    // The file that an entry names does not exist.
    const CDK_CONTEXT_JSON = JSON.stringify({ 'aws:cdk:bundling-stacks': [] });
    return run(join(directory, 'all.ts'), { CDK_CONTEXT_JSON, CDK_OUTDIR: join(directory, 'cdk.out') });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('every snippet that creates a stack synthesizes, and one with a mistake the compiler cannot see would not', () => {
  const stacks = snippets.filter(({ language, text }) => language === 'ts' && text.includes('new ElasticWorkers'));
  expect(stacks.length).toBeGreaterThan(8);
  expect(synthesize(stacks)).toEqual({ status: 0, stderr: expect.any(String) });
  const text = stacks[0]?.text ?? '';
  const { status, stderr } = synthesize([{ at: 'wrong', text: text.replace(/temporal\.example\.com:\d+/, 'no-port') }]);
  expect(status).not.toBe(0);
  expect(stderr).toContain('no-port');
});

test('the app accepts every context that the documents deploy with', () => {
  const deployments = snippets
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => commandsIn(text))
    .filter(([program, command]) => program === 'npx' && command === 'cdk')
    .map((words) => Object.fromEntries(words.flatMap((word, at) => (words[at - 1] === '-c' ? [word.split('=')] : []))));
  // Without any it is a command for the reader's own app.
  const contexts = new Set(deployments.map((context) => JSON.stringify(context)).filter((context) => context !== '{}'));
  expect(contexts.size).toBeGreaterThan(3);
  const out = mkdtempSync(join(tmpdir(), 'deployments-'));
  for (const context of contexts) {
    const CDK_CONTEXT_JSON = context.replace('$SECRET_ARN', 'arn:aws:secretsmanager:eu-central-1:1:secret:t-AbCdEf');
    expect({ context, ...run('infra/app.ts', { CDK_CONTEXT_JSON, CDK_OUTDIR: out }) }).toMatchObject({ status: 0 });
  }
  rmSync(out, { recursive: true });
});
