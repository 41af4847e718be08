/** Runs cfn-lint, which knows the schema of every CloudFormation resource, over templates. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ensurePython, LOCAL_DIRECTORY } from '../../local/tools.ts';

const findingsSchema = z.array(
  z.object({
    Filename: z.string(),
    Rule: z.object({ Id: z.string() }),
    Message: z.string(),
    Location: z.object({ Path: z.array(z.union([z.string(), z.number()])).nullable() }),
  }),
);

/** The first run downloads it. */
async function ensureCfnLint(): Promise<string> {
  const requirements = join(import.meta.dirname, 'requirements-cfn-lint.txt');
  const onProgress = (line: string) => process.stderr.write(`${line}\n`);
  const python = await ensurePython(requirements, 'cfn-lint', join(LOCAL_DIRECTORY, 'venv-cfn-lint'), onProgress);
  return join(dirname(python), 'cfn-lint');
}

/** One line per finding: the template's name, the rule, what is wrong, and where. */
export async function lint(templates: Record<string, object>): Promise<string[]> {
  const cfnLint = await ensureCfnLint();
  const directory = mkdtempSync(join(tmpdir(), 'elastic-workers-cfn-lint-'));
  try {
    for (const [name, template] of Object.entries(templates)) {
      writeFileSync(join(directory, name), JSON.stringify(template));
    }
    const files = Object.keys(templates).map((name) => join(directory, name));
    // Findings are in the output; only a failure of cfn-lint itself rejects.
    const args = ['--non-zero-exit-code', 'none', '--format', 'json', '--', ...files];
    const { stdout } = await promisify(execFile)(cfnLint, args, { maxBuffer: 64 << 20 });
    return findingsSchema.parse(JSON.parse(stdout)).map(({ Filename, Rule, Message, Location }) => {
      return `${Filename.slice(directory.length + 1)}: ${Rule.Id}: ${Message} (${Location.Path?.join('/')})`;
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
