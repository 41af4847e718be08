/** The page's files, by address. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../simulate/report.ts';

export type Assets = Record<string, { type: string; text: string }>;

const SCRIPT = 'text/javascript; charset=utf-8';
/** Prebuilt in an installed package; see build.ts. */
const page = join(import.meta.dirname, 'page');

export async function pageAssets(): Promise<Assets> {
  const [code, simulation, style] = await Promise.all(
    ['console.ts', 'what-if.ts', 'console.css'].map((file) => bundle(join(page, file))),
  );
  return {
    '/': { type: 'text/html; charset=utf-8', text: readFileSync(join(page, 'console.html'), 'utf8') },
    '/console.js': { type: SCRIPT, text: code! },
    '/what-if.js': { type: SCRIPT, text: simulation! },
    '/console.css': { type: 'text/css; charset=utf-8', text: style! },
  };
}
