/** Builds what is deployed and what is published: scaler, worker, workflows, construct and command line — all into dist/. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { basename, dirname, join, parse } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { build, type BuildOptions, type Plugin } from 'esbuild';
import packageFile from './package.json' with { type: 'json' };
import { workerPlugins } from './worker/plugin.ts';

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

/** What packages written as CommonJS expect to find, in a module that is none. */
const COMMONJS_NAMES = `import { createRequire as createRequireHere } from 'node:module';
const require = createRequireHere(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`;

/** Workflows are bundled ahead: what would do so at run time (webpack, swc and all) stays out. */
const withoutBundler: Plugin = {
  name: 'without-bundler',
  setup({ onLoad }) {
    const contents = `
      const absent = () => { throw new Error('This worker runs workflows bundled ahead: npm run build'); };
      exports.WorkflowCodeBundler = absent;
      exports.bundleWorkflowCode = absent;
      exports.defaultWorkflowInterceptorModules = ['workflow-log-interceptor'];`;
    onLoad({ filter: /@temporalio[\\/]worker[\\/]lib[\\/]workflow[\\/]bundler\.js$/ }, () => ({ contents }));
  },
};

/** A CommonJS package that is imported on demand has the named exports that Node gives it; esbuild alone gives it but a default. */
const namedImports: Plugin = {
  name: 'named-imports',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^./]/, namespace: 'file' }, ({ kind, path, resolveDir }) =>
      kind === 'dynamic-import' && !isBuiltin(path) ? { path, namespace: 'named', pluginData: resolveDir } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'named' }, async ({ path, pluginData: resolveDir }) => {
      const names = Object.keys((await import(path)) as object).filter(
        (name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default',
      );
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir: resolveDir as string };
    });
  },
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

/** The files that went into all bundles. */
const inputs = new Set<string>();

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'worker'), { recursive: true });
await Promise.all([
  buildScaler(),
  buildWorker(),
  buildSidecar(),
  buildWorkflows(),
  buildConstruct(),
  buildCommandLine(),
]);
await writeNotices();

async function bundle(options: BuildOptions): Promise<void> {
  const { metafile } = await build({ ...common, ...options, metafile: true });
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

/**
 * All of it, packages too, so that an image needs nothing else but Node: what is loaded is read from a few files rather than
 * from hundreds. In pieces, so that what is imported when it is first needed is not loaded at the start. Names stay as they
 * are written, since they are read in logs and stack traces, and errors are told apart by them.
 */
async function buildWorker(): Promise<void> {
  const outdir = join(dist, 'worker');
  await bundle({
    entryPoints: {
      main: join(root, 'worker/main.ts'),
      'relay-thread': join(root, 'worker/relay-thread.ts'),
      'warm-up': join(root, 'worker/warm-up.ts'),
      'workflow-worker-thread': require.resolve('@temporalio/worker/lib/workflow/workflow-worker-thread.js'),
      ...modelProviders(),
    },
    outdir,
    format: 'esm',
    splitting: true,
    minifySyntax: true,
    minifyWhitespace: true,
    banner: { js: COMMONJS_NAMES },
    plugins: [withoutBundler, namedImports],
  });
  await writeFile(join(outdir, 'package.json'), '{ "type": "module" }\n');
  await copyFile(require.resolve('source-map/lib/mappings.wasm'), join(outdir, 'mappings.wasm'));
  await copyBridges(join(outdir, 'releases'));
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

/** Temporal's native part finds itself beside the code: for the image's platforms, and for this machine. */
async function copyBridges(to: string): Promise<void> {
  const from = join(dirname(require.resolve('@temporalio/core-bridge/package.json')), 'releases');
  const here = { linux: 'linux', darwin: 'darwin', win32: 'windows' }[process.platform as string] ?? 'linux';
  const wanted = readdirSync(from).filter((target) => target.includes('-linux-') || target.includes(`-${here}`));
  await Promise.all(wanted.map((target) => cp(join(from, target), join(to, target), { recursive: true })));
}

/** CommonJS, which every CDK app can load, whatever it is written in. */
async function buildConstruct(): Promise<void> {
  const outdir = join(dist, 'construct');
  await bundle({
    entryPoints: [join(root, 'infra/index.ts')],
    outdir,
    format: 'cjs',
    external: ['aws-cdk-lib', 'constructs'],
    define: { 'import.meta.dirname': '__dirname' },
  });
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

async function buildWorkflows(): Promise<void> {
  const silent = { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} };
  const workflowsPath = join(root, 'worker/workflows.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: silent, plugins: workerPlugins() });
  await writeFile(join(dist, 'worker/workflow-bundle.js'), withoutSources(code));
}

/** The source map says in which line an error was thrown; the sources in it are half the bundle, and each thread holds it. */
function withoutSources(code: string): string {
  const at = code.lastIndexOf('base64,') + 'base64,'.length;
  const map = JSON.parse(Buffer.from(code.slice(at), 'base64').toString()) as Partial<Record<string, string[]>>;
  for (const source of map.sources ?? []) inputs.add(source);
  delete map.sourcesContent;
  return code.slice(0, at) + Buffer.from(JSON.stringify(map)).toString('base64');
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
