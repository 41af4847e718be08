/** The report: one self-contained HTML file with the runs, and with the code that can repeat them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { LoadView } from './view.ts';

const page = join(import.meta.dirname, 'page');

export async function reportHtml(loads: LoadView[]): Promise<string> {
  const [code, style] = await Promise.all([bundle(join(page, 'page.ts')), bundle(join(page, 'page.css'))]);
  return readFileSync(join(page, 'page.html'), 'utf8')
    .replace('/* style */', () => style)
    .replace('/* loads */', () => JSON.stringify(loads).replaceAll('<', '\\u003c'))
    .replace('/* code */', () => code.replaceAll('</script', '<\\/script'));
}

/** A script or style sheet with everything it imports, for a browser. */
export async function bundle(file: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2024',
    logLevel: 'warning',
  });
  return outputFiles[0]!.text;
}
