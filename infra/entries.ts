/**
 * Bundles the workers of pools with an `entry`, at synth and without Docker. A separate program (bundler/) does it, because a
 * construct cannot await anything.
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

interface Bundled {
  /** By pool name: a folder laid out like this package's, for `workerImage`. */
  files: Record<string, string>;
  problems: string[];
}

/** An entry that several pools share is bundled once, even across stacks of an app. */
const done = new Map<string, string[]>();

/** Does nothing if the CDK command needs no bundles, such as list or destroy. */
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
  return [`bundling failed: ${error?.message ?? stderr.trim()}`];
}

const LOCK_FILES = ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'npm-shrinkwrap.json'];

/** The nearest folder with a lock file, otherwise with a package.json. */
function rootOf(entry: string): string {
  return folderWith(LOCK_FILES, dirname(entry)) ?? folderWith(['package.json'], dirname(entry)) ?? dirname(entry);
}

function folderWith(names: string[], folder: string): string | undefined {
  if (names.some((name) => existsSync(join(folder, name)))) return folder;
  return dirname(folder) === folder ? undefined : folderWith(names, dirname(folder));
}
