/**
 * Builds the files for a worker's image: the entry with all packages bundled, its prebundled workflows, the threads that the Temporal
 * SDK and this package start, and Temporal's native library for each platform. Used for this package's own image and for pools with
 * an `entry`.
 *
 * It is split into chunks, so that dynamic imports are not loaded at start. Names are kept, because people read them in logs and
 * stack traces, and code distinguishes errors by them.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type * as esbuild from 'esbuild';
import { namedImports, withoutBundler } from './esbuild-plugins.ts';

interface WorkerFilesOptions {
  esbuild: typeof esbuild;
  /** The script that calls runElasticWorker. */
  entry: string;
  outdir: string;
  /** Paths in the files are relative to it, so that they are the same wherever it is. */
  root: string;
  /** This package's own threads, as sources or built. */
  threads: { 'relay-thread': string; 'warm-up': string };
  /** More entry points, by output file. */
  more?: Record<string, string>;
  build?: esbuild.BuildOptions;
  /** Folders whose sources are loaded when the image is built, like packages: loading them has no other effect. */
  libraries: string[];
}

/** Names that CommonJS packages expect, for a module that is not CommonJS. */
export const COMMONJS_NAMES = `import { createRequire as createRequireHere } from 'node:module';
const require = createRequireHere(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`;

/** The path of prebundled code is still computed, but no longer needed: it does not have to exist. */
const PATHS_OF_SOURCES = `
const resolveHere = require.resolve;
require.resolve = Object.assign((id, options) => {
  try { return resolveHere(id, options); } catch (error) { if (!id.startsWith('.')) throw error; return __dirname + '/' + id; }
}, resolveHere);`;

/** Returns the input files. */
export async function bundleWorker(options: WorkerFilesOptions): Promise<string[]> {
  const { esbuild, entry, outdir, root, threads, more, build = {} } = options;
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { resolve } = createRequire(entry);
  const worker = dirname(resolve('@temporalio/worker/package.json'));
  const fromWorker = createRequire(join(worker, 'package.json'));
  const { metafile } = await esbuild.build({
    bundle: true,
    platform: 'node',
    target: 'node24',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    minifySyntax: true,
    minifyWhitespace: true,
    ...build,
    absWorkingDir: root,
    entryPoints: {
      main: entry,
      ...threads,
      'workflow-worker-thread': join(worker, 'lib/workflow/workflow-worker-thread.js'),
      ...more,
    },
    outdir,
    format: 'esm',
    splitting: true,
    metafile: true,
    banner: { js: COMMONJS_NAMES + PATHS_OF_SOURCES },
    plugins: [withoutBundler, namedImports],
  });
  prune(metafile, root);
  writeFileSync(join(outdir, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(outdir, 'warm-up.json'), JSON.stringify(packagesAlone(metafile, options)));
  copyFileSync(fromWorker.resolve('source-map/lib/mappings.wasm'), join(outdir, 'mappings.wasm'));
  copyBridges(dirname(fromWorker.resolve('@temporalio/core-bridge/package.json')), join(outdir, 'releases'));
  return Object.keys(metafile.inputs);
}

/** esbuild writes a chunk for a dynamic import even if the importing code itself is left out. */
function prune({ outputs }: esbuild.Metafile, root: string): void {
  const isEntry = (file: string) => STARTED.test(basename(file)) || file.includes('/node_modules/');
  const reached = new Set(Object.keys(outputs).filter(isEntry));
  for (const file of reached) for (const { path } of outputs[file]?.imports ?? []) reached.add(path);
  for (const file of Object.keys(outputs)) {
    if (reached.has(file.replace(/\.map$/, ''))) continue;
    delete outputs[file];
    rmSync(join(root, file));
  }
}

/** Chunks that contain only packages: loading them has no effect, at any time. */
function packagesAlone({ outputs }: esbuild.Metafile, { root, outdir, libraries }: WorkerFilesOptions): string[] {
  const folders = ['node_modules/', ...libraries.map((folder) => `${relative(root, folder)}/`)];
  const isPackage = (input: string) => folders.some((folder) => input.includes(folder));
  return Object.entries(outputs)
    .filter(([file, { inputs }]) => file.endsWith('.js') && Object.keys(inputs).every(isPackage))
    .map(([file]) => relative(relative(root, outdir), file))
    .filter((file) => !STARTED.test(file))
    .toSorted();
}

/** Scripts that are run by themselves, and must not be loaded. */
const STARTED = /^(main|relay-thread|warm-up|workflow-worker-thread)\.js$/;

/** Temporal's native library is found beside the code: for the image's platforms, and for this machine. */
function copyBridges(bridge: string, to: string): void {
  const from = join(bridge, 'releases');
  const here = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform as string] ?? 'linux';
  const wanted = readdirSync(from).filter((target) => target.includes('-linux-') || target.includes(`-${here}`));
  for (const target of wanted) cpSync(join(from, target), join(to, target), { recursive: true });
}

/**
 * Reduces the workflow bundle to what is needed and independent of this machine: its source map gives the line of an error, while
 * the sources in it are half of the bundle, which each thread keeps in memory. Returns the sources.
 */
export function tidyWorkflowBundle(outdir: string, root: string): string[] {
  const file = join(outdir, 'workflow-bundle.js');
  if (!existsSync(file)) return [];
  const code = readFileSync(file, 'utf8');
  const at = code.lastIndexOf('base64,') + 'base64,'.length;
  const map = JSON.parse(Buffer.from(code.slice(at), 'base64').toString()) as {
    sources: string[];
    sourcesContent?: string[];
  };
  const sources = map.sources.map((source) => (source.startsWith('/') ? relative(root, source) : source));
  delete map.sourcesContent;
  // Its own name contains a hash of the build's path.
  Object.assign(map, { file: basename(file), sources });
  const plain = code.slice(0, at).replaceAll(`${root}/`, '');
  writeFileSync(file, plain + Buffer.from(JSON.stringify(map)).toString('base64'));
  return sources;
}
