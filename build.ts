/** Builds what is deployed: the scaler's bundle, the worker's, and the workflows' — all into dist/. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { build, type BuildOptions } from 'esbuild';
import { workerPlugins } from './worker/plugin.ts';

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

await rm(dist, { recursive: true, force: true });
await mkdir(join(dist, 'worker'), { recursive: true });
await Promise.all([buildScaler(), buildWorker(), buildWorkflows()]);

/** CommonJS, since gRPC loads Node's own modules by require; minified, since loading it is most of a cold start. */
async function buildScaler(): Promise<void> {
  await build({
    ...common,
    entryPoints: [join(root, 'scaler/handler.ts')],
    outfile: join(dist, 'scaler/index.js'),
    format: 'cjs',
    minify: true,
  });
}

/** In pieces, so that what is imported when it is first needed is not loaded at the start. */
async function buildWorker(): Promise<void> {
  await build({
    ...common,
    entryPoints: [join(root, 'worker/main.ts')],
    outdir: join(dist, 'worker'),
    format: 'esm',
    splitting: true,
    packages: 'external',
  });
}

async function buildWorkflows(): Promise<void> {
  const silent = { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} };
  const workflowsPath = join(root, 'worker/workflows.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: silent, plugins: workerPlugins() });
  await writeFile(join(dist, 'worker/workflow-bundle.js'), code);
}
