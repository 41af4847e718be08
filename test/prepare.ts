/**
 * Runs once before all tests. Builds what they deploy and start from the current sources (`npm run build`), and downloads
 * the servers before several tests need them at once. Their temporary files are removed with the run, and so is what Node has
 * compiled for the hundreds of processes that they start. The CDK's own checks of each template take four seconds; only
 * test/infra/cfn-lint.test.ts, which has every template, turns them on.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools } from '../local/tools.ts';

export default async function prepare(): Promise<void> {
  const root = join(import.meta.dirname, '..');
  execFileSync(process.execPath, [join(root, 'build.ts')], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  await ensureTools({ aws: true, onProgress: (line) => process.stderr.write(`${line}\n`) });
  const temporary = mkdtempSync(join(tmpdir(), 'elastic-workers-tests-'));
  process.env.TMPDIR = temporary;
  process.env.NODE_COMPILE_CACHE = join(temporary, 'compiled');
  process.env.CDK_VALIDATION = 'false';
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
}
