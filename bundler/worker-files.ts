/**
 * A worker as the files its image needs: the entry with all packages bundled, its workflows bundled ahead, the threads that the
 * Temporal SDK and this package start, and Temporal's native library for each platform. The worker of this package's own image is
 * made by it, and so is that of a pool with an `entry`.
 *
 * In pieces, so that what is imported when it is first needed is not loaded at the start. Names stay as they are written, since
 * they are read in logs and stack traces, and errors are told apart by them.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type * as esbuild from 'esbuild';
import { namedImports, withoutBundler } from './esbuild-plugins.ts';

export interface WorkerFilesOptions {
  esbuild: typeof esbuild;
  /** The script that calls runElasticWorker. */
  entry: string;
  outdir: string;
  /** Paths in the files are relative to it, so that they are the same wherever it lies. */
  root: string;
  /** This package's own threads, as sources or built. */
  threads: { 'relay-thread': string; 'warm-up': string };
  /** More entry points, by the file each becomes. */
  more?: Record<string, string>;
  build?: esbuild.BuildOptions;
  /** Folders whose sources are loaded when the image is made, as packages are: that does nothing but load them. */
  libraries: string[];
}

/** What packages written as CommonJS expect to find, in a module that is none. */
export const COMMONJS_NAMES = `import { createRequire as createRequireHere } from 'node:module';
const require = createRequireHere(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`;

/** The path of what was bundled ahead is still worked out, but no longer needed: it does not have to exist. */
const PATHS_OF_SOURCES = `
const resolveHere = require.resolve;
require.resolve = Object.assign((id, options) => {
  try { return resolveHere(id, options); } catch (error) { if (!id.startsWith('.')) throw error; return __dirname + '/' + id; }
}, resolveHere);`;

/** The files that went into it. */
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

/** esbuild writes a piece for what is imported on demand also where the importing code itself is left out. */
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

/** The pieces of packages alone: to load them does nothing, at whatever time. */
function packagesAlone({ outputs }: esbuild.Metafile, { root, outdir, libraries }: WorkerFilesOptions): string[] {
  const folders = ['node_modules/', ...libraries.map((folder) => `${relative(root, folder)}/`)];
  const isPackage = (input: string) => folders.some((folder) => input.includes(folder));
  return Object.entries(outputs)
    .filter(([file, { inputs }]) => file.endsWith('.js') && Object.keys(inputs).every(isPackage))
    .map(([file]) => relative(relative(root, outdir), file))
    .filter((file) => !STARTED.test(file))
    .toSorted();
}

/** What is run by itself, and not to be loaded. */
const STARTED = /^(main|relay-thread|warm-up|workflow-worker-thread)\.js$/;

/** Temporal's native part finds itself beside the code: for the image's platforms, and for this machine. */
function copyBridges(bridge: string, to: string): void {
  const from = join(bridge, 'releases');
  const here = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform as string] ?? 'linux';
  const wanted = readdirSync(from).filter((target) => target.includes('-linux-') || target.includes(`-${here}`));
  for (const target of wanted) cpSync(join(from, target), join(to, target), { recursive: true });
}

/**
 * The workflows' bundle without what is of this machine or needless: its source map says in which line an error was thrown; the
 * sources in it are half the bundle, and each thread holds it. Returns the sources.
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
  // Its own name has a hash of where it was made.
  Object.assign(map, { file: basename(file), sources });
  const plain = code.slice(0, at).replaceAll(`${root}/`, '');
  writeFileSync(file, plain + Buffer.from(JSON.stringify(map)).toString('base64'));
  return sources;
}
