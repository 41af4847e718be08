/**
 * The declarations of what is built (`npm run declarations`), made once after a build: several test files need them, and one
 * must not write them while another packs or copies them.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withLock } from '../local/lock.ts';

const root = join(import.meta.dirname, '..');
/** A file of the part that is written last. A build removes it. */
const LAST = join(root, 'dist/library/types/worker/index.d.ts');

export function ensureDeclarations(): Promise<void> {
  return withLock(
    join(root, '.local/declarations.lock'),
    () => undefined,
    async () => {
      if (!existsSync(LAST)) await promisify(execFile)('npm', ['run', '-s', 'declarations'], { cwd: root });
    },
  );
}
