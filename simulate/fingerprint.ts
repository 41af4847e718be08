/** Of the policy and of all that judges it: equal for code that does the same, whatever its comments and its layout. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { build } from 'esbuild';

export async function fingerprint(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['cells.ts', 'ablations.ts'].map((file) => join(import.meta.dirname, file)),
    bundle: true,
    minify: true,
    write: false,
    outdir: import.meta.dirname,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'error',
  });
  const hash = createHash('sha256');
  for (const { text } of outputFiles) hash.update(text);
  return hash.digest('hex').slice(0, 16);
}
