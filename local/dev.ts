/**
 * Runs a user's own CDK app on this machine, with real parts: Temporal with its Web UI, emulated AWS, tasks as processes. The app is
 * deployed unchanged, and again whenever one of its files changes; nothing is left of it at the end.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { spawn } from 'node:child_process';
import { watch as watchFiles } from 'chokidar';
import { z } from 'zod';
import { OTHER_TEMPORAL_CONTEXT } from '../contract/other-temporal.ts';
import { imageDirectory, imageSource } from './assembly.ts';
import { openConsole } from './console.ts';
import { buildImage, containerCommand, findEngine } from './container-engine.ts';
import { exportLine } from './emulator.ts';
import type { StandIn, WantedContainer } from './fargate/index.ts';
import { readPlant, startSite, type Plant, type Site, type SiteOptions } from './plant.ts';
import { plainEnvironment } from './process.ts';
import { assemblyIn, bootstrap, cdkCommandLine, deployStacks } from './stack.ts';
import { ensureTools } from './tools.ts';
import { watchPlant, type Watch, type WatchOptions } from './watch.ts';

interface DevOptions extends WatchOptions, Pick<SiteOptions, 'startDelay' | 'temporalPort' | 'uiPort'> {
  /** The folder of the CDK app. */
  project: string;
  /** The app's command, instead of the one in cdk.json. */
  app?: string;
  /** By pool name: the command that runs the tasks of a pool whose image is not this package's worker. */
  commands: Record<string, string>;
  /** A shell command to run once everything is up and the pools are at their minimum. */
  start?: string;
  /** Whether the app is redeployed when a file changes. */
  watch: boolean;
}

/** What a run leaves in the project's folder: the CDK's output and logs. */
const DIRECTORY = '.elastic-workers';
const IGNORED = new Set(['node_modules', 'cdk.out', 'dist', 'coverage', '__pycache__']);
const CHANGES_WITHIN_MS = 300;

/** Resolves when the signal is aborted; rejects if something cannot be started. A change that cannot be deployed is reported, and the next one is tried. */
export async function runDev(options: DevOptions): Promise<void> {
  const { project, screen, now, signal, closers } = options;
  requireApp(options);
  const directory = join(project, DIRECTORY);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, '.gitignore'), '*\n');
  const begunAt = now();
  const tools = await ensureTools({ onProgress: screen.note });
  const site = await startSite({
    ...options,
    tools,
    directory,
    seed: 1,
    onProgress: screen.note,
    fargate: {
      findImage: (image) => imageDirectory(assemblyIn(directory), image),
      findStandIn: standIns(options, directory),
    },
  });
  await bootstrap({ emulatorUrl: site.emulatorUrl, project, directory, signal, onProgress: screen.note });
  const deploy = () => deployTo(site, options, directory);
  let plant = await deploy();
  const show = (): Watch => watchPlant(plant, options, { begunAt, deadline: Infinity });
  let view = show();
  view.phase('Your app is deployed on this machine. Press Ctrl-C to stop everything');
  const url = await openConsole({ ...site, closers, directory: join(directory, 'logs'), onProgress: screen.note });
  view.console(url);
  screen.note(
    `To use AWS's tools and 'elastic-workers' with it, run this in another terminal first:\n${exportLine(site.emulatorUrl, site.fargate.url)}`,
  );
  const { start } = options;
  if (start !== undefined)
    void view
      .until(() => view.atMinimum())
      .then(
        () => runOnce(start, site, options),
        () => undefined,
      );
  if (options.watch) {
    const stop = onChanges(project, signal, async (files) => {
      screen.note(`Changed: ${files.join(', ')}`);
      try {
        plant = await deploy();
        await view.stop();
        view = show();
        view.console(url);
        view.phase('Your app is redeployed. Busy tasks finish their work; new tasks run the change');
      } catch (error) {
        screen.note(`The deployed app was left unchanged: ${(error as Error).message}`);
      }
    });
    closers.push(stop);
  }
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Checks, before anything is started or written, for everything that keeps the app from being deployed. */
function requireApp({ project, app }: DevOptions): void {
  const problems = [app === undefined ? problemOfCdkJson(join(project, 'cdk.json')) : undefined, problemOfCdk(project)];
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0) throw new Error(found.join('\n'));
}

function problemOfCdkJson(file: string): string | undefined {
  if (!existsSync(file))
    return `There is no ${file}: run this in the folder of your CDK app, use --app, or create a project with 'elastic-workers init'`;
  const { app } = z.looseObject({ app: z.string().optional() }).parse(JSON.parse(readFileSync(file, 'utf8')));
  return app === undefined ? `${file} names no app: add "app" to it, or use --app` : undefined;
}

function problemOfCdk(project: string): string | undefined {
  try {
    cdkCommandLine(project);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function deployTo(site: Site, options: DevOptions, directory: string): Promise<Plant> {
  const { project, app, screen, signal } = options;
  const { temporal, emulatorUrl } = site;
  await deployStacks({
    emulatorUrl,
    project,
    ...(app !== undefined && { app }),
    directory,
    signal,
    context: { [OTHER_TEMPORAL_CONTEXT]: `${temporal.address}/${temporal.namespace}` },
    onProgress: screen.note,
  });
  const plant = { ...site, ...(await readPlant(emulatorUrl)) };
  if (plant.pools.length === 0)
    throw new Error('The app has no pools: add an ElasticWorkers construct to one of its stacks.');
  const pools = new Set(plant.pools.map(({ pool }) => pool));
  const unknown = Object.keys(options.commands).filter((name) => !pools.has(name));
  if (unknown.length > 0)
    throw new Error(`--run names ${unknown.join(', ')}, but the app's pools are ${[...pools].join(', ')}: correct it`);
  await Promise.all(plant.stacks.map(({ scalerFunction }) => invoke(emulatorUrl, scalerFunction)));
  return plant;
}

/** The schedule first fires a minute after it is created. */
async function invoke(emulatorUrl: string, scaler: string): Promise<void> {
  const headers = {
    'x-amz-invocation-type': 'Event',
    authorization:
      'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=none',
  };
  await fetch(`${emulatorUrl}/2015-03-31/functions/${scaler}/invocations`, { method: 'POST', body: '{}', headers });
}

/** A pool's image that is not this package's worker is run by the command given for it, otherwise by a container engine. */
function standIns({ commands, project, screen }: DevOptions, directory: string) {
  let engine: Promise<string | undefined> | undefined;
  const built = new Map<string, Promise<void>>();
  return async (wanted: WantedContainer): Promise<StandIn | undefined> => {
    const { pool = '', image } = wanted;
    const command = Object.hasOwn(commands, pool) ? commands[pool] : undefined;
    if (command !== undefined) return { command: ['/bin/sh', '-c', `exec ${command}`], directory: project };
    const found = await (engine ??= findEngine());
    if (found === undefined) {
      screen.note(
        `Found no Docker or podman to run the image of pool ${pool}: give a command with --run ${pool}='<command>'`,
      );
      return undefined;
    }
    const source = imageSource(assemblyIn(directory), image);
    if (source !== undefined && !built.has(image)) {
      screen.note(`Building the image of pool ${pool} with ${found}`);
      built.set(image, buildImage(found, image, source));
    }
    await built.get(image)?.catch((error: Error) => {
      built.delete(image);
      throw error;
    });
    return containerCommand(found, wanted, project);
  };
}

/** Shows its output line by line. */
function runOnce(command: string, { temporal }: Site, { project, screen, closers }: DevOptions): void {
  const env = { ...plainEnvironment(), TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace };
  screen.note(`$ ${command}`);
  const child = spawn(command, { cwd: project, env, shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) =>
      String(text)
        .trimEnd()
        .split('\n')
        .forEach((line) => screen.note(`  ${line}`)),
    );
  child.on('exit', (code) => code && screen.note(`'${command}' ended with exit code ${code}`));
  closers.push(async () => void child.kill());
}

/** Makes one call at a time; changes made meanwhile go to the next call. */
function onChanges(project: string, signal: AbortSignal, changed: (files: string[]) => Promise<void>) {
  const files = new Set<string>();
  let due: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  const work = async (): Promise<void> => {
    await working;
    if (files.size === 0 || signal.aborted) return;
    const named = [...files];
    files.clear();
    await changed(named);
  };
  const watcher = watchFiles(project, { ignored: (path) => isIgnored(relative(project, path)), ignoreInitial: true });
  watcher.on('all', (_, path) => {
    files.add(relative(project, path));
    clearTimeout(due);
    due = setTimeout(() => (working = work()), CHANGES_WITHIN_MS);
  });
  return async () => {
    clearTimeout(due);
    await watcher.close();
    await working;
  };
}

function isIgnored(path: string): boolean {
  return path.split(sep).some((part) => IGNORED.has(part) || (part.startsWith('.') && part.length > 1));
}
