/**
 * The workers of pools with an `entry`: their files, made when the app is synthesized and without Docker, by a program of its own
 * (bundler/), since a construct cannot wait.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Stack, Stage } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { DOCKERFILE, packageDirectory } from './assets.ts';
import type { WorkerPoolProps } from './props.ts';

export interface Bundled {
  /** By the pool's name: a folder laid out as this package's, for `workerImage`. */
  files: Record<string, string>;
  problems: string[];
}

/** Two pools with one entry are bundled once, also in several stacks of an app. */
const done = new Map<string, string[]>();

/** Nothing where the command line needs no bundles, such as to list or to destroy. */
export function bundleEntries(scope: Construct, pools: Record<string, WorkerPoolProps>): Bundled {
  const bundled: Bundled = { files: {}, problems: [] };
  if (!Stack.of(scope).bundlingRequired) return bundled;
  for (const [name, pool] of Object.entries(pools)) {
    if (pool.entry === undefined || pool.image) continue;
    const { directory, problems } = bundleEntry(pool.entry, pool, Stage.of(scope)!.outdir);
    bundled.files[name] = directory;
    bundled.problems.push(...problems.map((problem) => `pool ${name}: entry ${pool.entry}: ${problem}`));
  }
  return bundled;
}

function bundleEntry(given: string, { bundling = {}, cpuArchitecture }: WorkerPoolProps, outdir: string) {
  const entry = resolve(given);
  const cpu = cpuArchitecture === ecs.CpuArchitecture.ARM64 ? 'arm64' : 'x64';
  const options = { entry, root: rootOf(entry), bundling, cpu: bundling.nodeModules ? cpu : '' };
  const key = createHash('sha256').update(JSON.stringify(options)).digest('hex').slice(0, 16);
  const directory = join(outdir, 'elastic-workers', key);
  if (!existsSync(entry)) return { directory, problems: [`there is no such file (${entry}); correct the path`] };
  let problems = done.get(directory);
  if (problems === undefined) {
    process.stderr.write(`Bundling ${relative(process.cwd(), entry)} ...\n`);
    problems = run({ ...options, outdir: join(directory, 'dist/worker') });
    done.set(directory, problems);
    mkdirSync(dirname(join(directory, DOCKERFILE)), { recursive: true });
    copyFileSync(join(packageDirectory(), DOCKERFILE), join(directory, DOCKERFILE));
  }
  return { directory, problems };
}

function run(options: object): string[] {
  const script = join(packageDirectory(), 'dist/bundler/main.js');
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [script, JSON.stringify(options)], {
    encoding: 'utf8',
  });
  if (status === 0) return JSON.parse(stdout) as string[];
  return [`it could not be bundled: ${error?.message ?? stderr.trim()}`];
}

const LOCK_FILES = ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'npm-shrinkwrap.json'];

/** The nearest folder with a lock file, or else with a package.json. */
function rootOf(entry: string): string {
  return folderWith(LOCK_FILES, dirname(entry)) ?? folderWith(['package.json'], dirname(entry)) ?? dirname(entry);
}

function folderWith(names: string[], folder: string): string | undefined {
  if (names.some((name) => existsSync(join(folder, name)))) return folder;
  return dirname(folder) === folder ? undefined : folderWith(names, dirname(folder));
}
