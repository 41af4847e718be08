/**
 * Builds a worker's files from its entry in a user's project, with that project's own esbuild and Temporal SDK. Problems with the
 * entry are returned, each with its place and how to fix it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import type * as esbuild from 'esbuild';
import { inPlace, PLACES } from './esbuild-plugins.ts';
import { bundleWorker, tidyWorkflowBundle } from './worker-files.ts';

/** The same as the construct's prop `bundling`. */
interface Bundling {
  nodeModules?: string[];
  externalModules?: string[];
  minify?: boolean;
  sourceMap?: boolean;
  define?: Record<string, string>;
  loader?: Record<string, string>;
  tsconfig?: string;
}

export interface EntryOptions {
  entry: string;
  outdir: string;
  /** The folder of the project's lock file. */
  root: string;
  /** This package's library, built. */
  library: string;
  /** By its name in Node.js. */
  cpu: string;
  bundling: Bundling;
}

/** Packages that only strategies need. */
const OF_STRATEGIES = ['ai', '@ai-sdk/provider', '@temporalio/ai-sdk'];

/** Returns the problems; empty if the files were built. */
export async function bundleEntry(options: EntryOptions): Promise<string[]> {
  const { entry, outdir, root, library, bundling } = options;
  const found = esbuildOf(entry);
  if (typeof found === 'string') return [found];
  const {
    nodeModules = [],
    externalModules = [],
    minify = false,
    sourceMap = true,
    define,
    loader,
    tsconfig,
  } = bundling;
  const build: esbuild.BuildOptions = {
    external: [
      ...nodeModules,
      ...externalModules,
      ...OF_STRATEGIES.filter((name) => versionOf(name, entry) === undefined),
    ],
    sourcemap: sourceMap,
    logLevel: 'silent',
    ...(minify && { minifyIdentifiers: true, keepNames: true }),
    ...(define && { define }),
    ...(loader && { loader: loader as Record<string, esbuild.Loader> }),
    ...(tsconfig !== undefined && { tsconfig }),
  };
  const threads = { 'relay-thread': join(library, 'relay-thread.js'), 'warm-up': join(library, 'warm-up.js') };
  try {
    await bundleWorker({ esbuild: found, entry, outdir, root, threads, build, libraries: [library] });
    const problem = await bundleWorkflows(found, options, build);
    if (problem !== undefined) return [problem];
    tidyWorkflowBundle(outdir, root);
    return nodeModules.length === 0 ? [] : install(nodeModules, options);
  } catch (error) {
    return problemsOf(error as Partial<esbuild.BuildFailure>, root);
  }
}

function esbuildOf(entry: string): typeof esbuild | string {
  try {
    return createRequire(entry)('esbuild') as typeof esbuild;
  } catch {
    return 'esbuild, which bundles it, is not installed in this project: run npm install --save-dev esbuild';
  }
}

const LOADING_TIMEOUT_MS = 120_000;

/**
 * Only the entry itself knows its workflows, interceptors and plugins. So it is run up to its call of runElasticWorker, which then
 * bundles the workflows instead of serving them (worker/run.ts). Node reads it from standard input in the entry's folder, so that
 * it finds the project's packages and nothing is written there.
 */
async function bundleWorkflows(
  { build }: typeof esbuild,
  { entry, outdir, root }: EntryOptions,
  options: esbuild.BuildOptions,
): Promise<string | undefined> {
  const { outputFiles } = await build({
    ...options,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    write: false,
    outdir,
    sourcemap: false,
    absWorkingDir: root,
    banner: { js: placeOfEntry(entry, root) },
    plugins: [inPlace],
  });
  const { stderr, error } = spawnSync(process.execPath, ['--no-warnings', '--input-type=module', '-'], {
    cwd: dirname(entry),
    input: outputFiles[0]!.text,
    env: { ...process.env, ELASTIC_WORKERS_BUNDLE_INTO: outdir },
    encoding: 'utf8',
    timeout: LOADING_TIMEOUT_MS,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const said = readDescription(outdir);
  if (said !== undefined) return said.problem;
  const why = error?.message ?? stderr.trim();
  return why === ''
    ? 'it never calls runElasticWorker: call and await it at the end of the entry'
    : `it fails before it calls runElasticWorker (synth runs it up to that call, to find its workflows):\n${why}`;
}

/** Provides CommonJS's names as globals, because the sources may declare them, too. */
function placeOfEntry(entry: string, root: string): string {
  const names = `{ require: createRequireAt(${JSON.stringify(entry)}), __filename: ${JSON.stringify(entry)}, __dirname: ${JSON.stringify(dirname(entry))} }`;
  return `${PLACES}
Object.assign(globalThis, ${names});
process.argv[1] = ${JSON.stringify(entry)};
process.chdir(${JSON.stringify(root)});`;
}

/** The output of runElasticWorker (worker/temporal/workflow-code.ts). Undefined: it was not called. */
function readDescription(outdir: string): { problem?: string } | undefined {
  const file = join(outdir, 'described.json');
  if (!existsSync(file)) return undefined;
  const said = JSON.parse(readFileSync(file, 'utf8')) as { problem?: string };
  rmSync(file);
  return said;
}

/**
 * Installs the packages that are not bundled, for the image's platform. They and their dependencies have the project's versions,
 * whichever package manager installed them.
 */
function install(names: string[], { entry, outdir, cpu }: EntryOptions): string[] {
  const missing = names.filter((name) => versionOf(name, entry) === undefined);
  if (missing.length > 0)
    return [`bundling.nodeModules: ${missing.join(', ')} is not installed in this project: install it first`];
  const dependencies = Object.fromEntries(names.map((name) => [name, versionOf(name, entry)]));
  const overrides = versionsBelow(names, entry);
  const packageFile = { type: 'module', private: true, dependencies, overrides };
  writeFileSync(join(outdir, 'package.json'), JSON.stringify(packageFile));
  const platform = ['--os=linux', `--cpu=${cpu}`, '--libc=glibc'];
  const { status, stderr, error } = spawnSync(
    'npm',
    ['install', '--omit=dev', '--no-audit', '--no-fund', '--no-package-lock', ...platform],
    { cwd: outdir, encoding: 'utf8' },
  );
  return status === 0 ? [] : [`bundling.nodeModules: npm install failed: ${error?.message ?? stderr.trim()}`];
}

/** Versions of their dependencies. A package with several versions is left to npm, as is a missing one. */
function versionsBelow(names: string[], entry: string): Record<string, string> {
  const versions = new Map<string, Set<string>>();
  const seen = new Set<string>();
  const pending = names.map((name) => packageOf(name, entry));
  for (const found of pending) {
    if (found === undefined || seen.has(found.file)) continue;
    seen.add(found.file);
    const { name, version, dependencies, optionalDependencies } = found;
    versions.set(name, (versions.get(name) ?? new Set()).add(version));
    const needed = Object.keys({ ...dependencies, ...optionalDependencies });
    pending.push(...needed.map((each) => packageOf(each, found.file)));
  }
  const single = [...versions].filter(([name, { size }]) => size === 1 && !names.includes(name));
  return Object.fromEntries(single.map(([name, [version]]) => [name, version!]));
}

interface InstalledPackage {
  file: string;
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

function versionOf(name: string, from: string): string | undefined {
  return packageOf(name, from)?.version;
}

/** Found like Node.js does; pnpm has a package behind a link, with its dependencies beside it. */
function packageOf(name: string, from: string): InstalledPackage | undefined {
  const folders = createRequire(from).resolve.paths(name) ?? [];
  const link = folders.map((folder) => join(folder, name, 'package.json')).find((each) => existsSync(each));
  if (link === undefined) return undefined;
  const file = realpathSync(link);
  return { ...(JSON.parse(readFileSync(file, 'utf8')) as Omit<InstalledPackage, 'file'>), file };
}

function problemsOf(error: Partial<esbuild.BuildFailure>, root: string): string[] {
  if (!error.errors) throw error;
  return error.errors.map(({ text, location }) => {
    if (text.includes('No loader is configured for ".node" files')) return nativePart(text);
    if (!location) return text;
    return `${relative(process.cwd(), resolve(root, location.file))}:${location.line}:${location.column + 1}: ${text}`;
  });
}

function nativePart(text: string): string {
  const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\/[^"]*$/.exec(text)?.[1] ?? 'a package';
  return `${name} contains native code, which cannot be bundled: add the package to bundling.nodeModules (${text})`;
}
