/** Runs once before all tests: what they deploy and start is what `npm run build` makes of the present sources. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export default function build(): void {
  const root = join(import.meta.dirname, '..');
  execFileSync(process.execPath, [join(root, 'build.ts')], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}
