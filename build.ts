/** Builds what is deployed and what is published: scaler, worker, library, construct and command line — all into dist/. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, cp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join, parse } from 'node:path';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import type { BuildOptions, Plugin } from 'esbuild';
import { namedImports } from './bundler/esbuild-plugins.ts';
import { buildLibrary } from './bundler/library.ts';
import { bundleWorker, COMMONJS_NAMES, tidyWorkflowBundle } from './bundler/worker-files.ts';
import packageFile from './package.json' with { type: 'json' };

const require = createRequire(import.meta.url);
const root = import.meta.dirname;
const dist = join(root, 'dist');
const common: BuildOptions = {
  sourcesContent: false,
  bundle: true,
  platform: 'node',
  target: 'node24',
  sourcemap: true,
  logLevel: 'warning',
};

/** The simulator's page and the console's are built ahead: what is installed has no esbuild. */
const withoutEsbuild: Plugin = {
  name: 'without-esbuild',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^esbuild$/ }, ({ path }) => ({ path, namespace: 'built-ahead' }));
    const contents = `
      import { readFile } from 'node:fs/promises';
      export const build = async ({ entryPoints: [file] }) =>
        ({ outputFiles: [{ text: await readFile(file.replace(/\\.ts$/, '.js'), 'utf8') }] });`;
    onLoad({ filter: /.*/, namespace: 'built-ahead' }, () => ({ contents }));
  },
};

/** The app of a proof uses the construct as any app does, which is built already. */
const constructBeside: Plugin = {
  name: 'construct-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: './index.js', external: true }));
  },
};

/** The files that went into all bundles. */
const inputs = new Set<string>();

await rm(dist, { recursive: true, force: true });
await Promise.all([
  buildScaler(),
  buildWorker(),
  buildSidecar(),
  buildLibraries(),
  buildBundler(),
  buildConstruct(),
  buildCommandLine(),
]);
await writeNotices();

async function bundle(options: BuildOptions): Promise<void> {
  const { metafile } = await esbuild.build({ ...common, ...options, metafile: true });
  for (const input of Object.keys(metafile.inputs)) inputs.add(input);
}

/** CommonJS, since gRPC loads Node's own modules by require; minified, since loading it is most of a cold start. */
async function buildScaler(): Promise<void> {
  await bundle({
    entryPoints: [join(root, 'scaler/handler.ts')],
    outfile: join(dist, 'scaler/index.js'),
    format: 'cjs',
    minify: true,
  });
}

/** All of it, packages too, so that an image needs nothing else but Node: the same as for a pool with an entry of its own. */
async function buildWorker(): Promise<void> {
  const outdir = join(dist, 'worker');
  const from = (name: string) => join(root, 'worker', `${name}.ts`);
  const bundled = await bundleWorker({
    esbuild,
    entry: from('main'),
    outdir,
    root,
    threads: { 'relay-thread': from('temporal/relay-thread'), 'warm-up': from('warm-up') },
    more: modelProviders(),
    libraries: [join(root, 'worker'), join(root, 'contract')],
  });
  const env = { ...process.env, ELASTIC_WORKERS_BUNDLE_INTO: outdir };
  await promisify(execFile)(process.execPath, [from('main')], { env });
  await rm(join(outdir, 'described.json'));
  for (const input of [...bundled, ...tidyWorkflowBundle(outdir, root)]) inputs.add(input);
}

async function buildLibraries(): Promise<void> {
  const from = (name: string) => join(root, `${name}.ts`);
  const bundled = await buildLibrary({
    common,
    outdir: join(dist, 'library'),
    node: {
      worker: from('worker/index'),
      // Apart, so that a bundle without strategies has nothing of them.
      run: from('worker/run'),
      strategies: from('worker/plugin'),
      workflows: from('worker/workflows-outside'),
      policy: from('scaler/policy'),
      'relay-thread': from('worker/temporal/relay-thread'),
      'warm-up': from('worker/warm-up'),
    },
    sandbox: {
      workflows: from('worker/workflows'),
      'tracing/workflow-interceptors': from('worker/tracing/workflow-interceptors'),
      'strategies/shared-modules': from('worker/strategies/shared-modules'),
    },
  });
  for (const input of bundled) inputs.add(input);
}

/** It runs beside the user's own esbuild, and brings none. */
async function buildBundler(): Promise<void> {
  const outdir = join(dist, 'bundler');
  await bundle({ entryPoints: [join(root, 'bundler/main.ts')], outdir, format: 'esm', sourcemap: false });
  await writeFile(join(outdir, 'package.json'), '{ "type": "module" }\n');
}

/** Small, as it is in every task: no package is in it. */
async function buildSidecar(): Promise<void> {
  const outdir = join(dist, 'sidecar');
  await bundle({
    entryPoints: { main: join(root, 'sidecar/main.ts') },
    outdir,
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: false,
  });
  await writeFile(join(outdir, 'package.json'), '{ "type": "module" }\n');
}

interface PackageFile {
  dependencies?: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** Other providers of models are imported by their name when they are asked for; those that were added are put where they are found. */
function modelProviders(): Record<string, string> {
  const { dependencies = {}, devDependencies }: PackageFile = packageFile;
  const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => name.startsWith('@ai-sdk/'));
  const added = names.filter((name) => !['@ai-sdk/amazon-bedrock', '@ai-sdk/mcp', '@ai-sdk/provider'].includes(name));
  return Object.fromEntries(added.map((name) => [`node_modules/${name}/index`, name]));
}

/** CommonJS, which every CDK app can load, whatever it is written in; and beside it the app of `elastic-workers prove`. */
async function buildConstruct(): Promise<void> {
  const outdir = join(dist, 'construct');
  const options: BuildOptions = {
    outdir,
    format: 'cjs',
    external: ['aws-cdk-lib', 'constructs'],
    define: { 'import.meta.dirname': '__dirname' },
  };
  await bundle({ ...options, entryPoints: [join(root, 'infra/index.ts')] });
  await bundle({ ...options, entryPoints: [join(root, 'infra/proof-app.ts')], plugins: [constructBeside] });
  await writeFile(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
}

/** All of it, since Node strips no types below node_modules; in pieces, so that a command loads what it needs. */
async function buildCommandLine(): Promise<void> {
  const outdir = join(dist, 'cli');
  await bundle({
    entryPoints: { main: join(root, 'cli/main.ts'), testing: join(root, 'local/testing.ts') },
    outdir,
    format: 'esm',
    splitting: true,
    sourcemap: false,
    minifySyntax: true,
    minifyWhitespace: true,
    banner: { js: COMMONJS_NAMES },
    plugins: [withoutEsbuild, namedImports],
  });
  await writeFile(join(outdir, 'package.json'), '{ "type": "module" }\n');
  await copyWhatIsFetched(outdir);
  const pages = ['simulate/page/page', 'console/page/console'].map((page) => join(root, page));
  const entries = [...pages.flatMap((page) => [`${page}.ts`, `${page}.css`]), join(root, 'console/page/what-if.ts')];
  await bundle({
    entryPoints: entries.map((entry) => ({ in: entry, out: parse(entry).name })),
    outdir: join(outdir, 'page'),
    platform: 'browser',
    target: 'es2024',
    format: 'iife',
    minify: true,
    sourcemap: false,
  });
  await Promise.all(pages.map((page) => copyFile(`${page}.html`, join(outdir, 'page', `${basename(page)}.html`))));
}

/** The emulator's own part, and what is fetched for it and for a Temporal server, are found beside the code. */
async function copyWhatIsFetched(outdir: string): Promise<void> {
  await cp(join(root, 'local/emulator'), join(outdir, 'emulator'), {
    recursive: true,
    filter: (path) => !path.includes('__pycache__'),
  });
  for (const name of ['emulator', 'temporal'])
    await copyFile(join(root, `local/requirements-${name}.txt`), join(outdir, `requirements-${name}.txt`));
}

/** The licences of the packages that the bundles hold, which ask to be passed on with them. */
async function writeNotices(): Promise<void> {
  const inPackage = /(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//;
  const found = [...inputs].flatMap((input) => inPackage.exec(input)?.[1] ?? []);
  const packages = [...new Set(found), 'node_modules/@temporalio/core-bridge'].toSorted();
  const notices = packages.filter((name) => existsSync(join(root, name, 'package.json'))).map(noticeOf);
  const text = notices.join(`\n${'-'.repeat(80)}\n\n`);
  await writeFile(join(dist, 'THIRD-PARTY-NOTICES.txt'), text);
  await writeFile(join(dist, 'worker/THIRD-PARTY-NOTICES.txt'), text);
}

function noticeOf(directory: string): string {
  const { name, version, license } = require(join(root, directory, 'package.json')) as Record<string, string>;
  const texts = readdirSync(join(root, directory)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const read = (file: string) => readFileSync(join(root, directory, file), 'utf8').trim();
  return [`${name} ${version} (${license})`, ...texts.map(read), ''].join('\n\n');
}
