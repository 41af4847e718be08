/**
 * The workflows of a worker as one bundle for the sandbox: prebuilt and found beside the running file, given as a bundle, or built
 * when the worker starts. Errors say in a sentence why they cannot be bundled.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import {
  bundleWorkflowCode,
  type BundlerPlugin,
  type Logger,
  type LogLevel,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { StartError } from '../errors.ts';
import type { RunElasticWorkerOptions } from '../worker-options.ts';

const BUNDLE_FILE = 'workflow-bundle.js';

export function bundleBeside(directory: string): { codePath: string } | undefined {
  const codePath = join(directory, BUNDLE_FILE);
  return existsSync(codePath) ? { codePath } : undefined;
}

/** Builds the bundle ahead of time: bundler/entry.ts, which runs the entry for that, looks for the description, and the worker for the bundle. */
export async function writeWorkflowBundle(options: RunElasticWorkerOptions, directory: string): Promise<void> {
  const workflows = await workflowCode({ ...options, bundlerOptions: byLines(options.bundlerOptions) });
  if (workflows === undefined) return;
  const code = 'code' in workflows ? workflows.code : await readFile(workflows.codePath, 'utf8');
  await writeFile(join(directory, BUNDLE_FILE), code);
}

type BundlerOptions = NonNullable<RunElasticWorkerOptions['bundlerOptions']>;

/** Its source map has lines but no columns, which depend on the location of the sources and make up most of its size. */
function byLines({ webpackConfigHook = (config) => config, ...options }: BundlerOptions = {}): BundlerOptions {
  const hook: typeof webpackConfigHook = (config) => ({
    ...webpackConfigHook(config),
    devtool: 'inline-cheap-module-source-map',
  });
  return { ...options, webpackConfigHook: hook };
}

/** Undefined for a worker that only has activities. */
export async function workflowCode(options: RunElasticWorkerOptions): Promise<WorkflowBundleOption | undefined> {
  if (options.workflowBundle) return options.workflowBundle;
  const { workflowsPath, interceptors, dataConverter, plugins = [], bundlerOptions } = await configured(options);
  if (workflowsPath === undefined) return undefined;
  const output: string[] = [];
  try {
    const { code } = await bundleWorkflowCode({
      workflowsPath,
      workflowInterceptorModules: interceptors?.workflowModules ?? [],
      ...(dataConverter?.payloadConverterPath && { payloadConverterPath: dataConverter.payloadConverterPath }),
      ...(dataConverter?.failureConverterPath && { failureConverterPath: dataConverter.failureConverterPath }),
      ...bundlerOptions,
      plugins: plugins as BundlerPlugin[],
      logger: listening((line) => output.push(line)),
    });
    requireExports(workflowsPath, output);
    return { code };
  } catch (error) {
    throw error instanceof StartError
      ? error
      : new StartError(whyNot(workflowsPath, error as Error, output), { cause: error });
  }
}

/** Like the SDK when it bundles at a Worker's start: plugins may also choose the workflows. */
async function configured(options: RunElasticWorkerOptions): Promise<WorkerOptions> {
  let all: WorkerOptions = { taskQueue: '', ...options };
  for (const plugin of options.plugins ?? []) all = (await plugin.configureWorker?.(all)) ?? all;
  return all;
}

/** Webpack only warns about this, and the workflow would be missing when it is called. */
function requireExports(workflowsPath: string, output: string[]): void {
  const missing = plain(output).match(/export '[^']+'[^\n]* was not found in '[^']+'/g);
  if (missing === null) return;
  throw new StartError(
    `The workflows of ${workflowsPath} export names that do not exist: ${[...new Set(missing)].join('; ')}.`,
  );
}

function whyNot(workflowsPath: string, { message }: Error, output: string[]): string {
  const log = plain(output);
  // The SDK names those without "node:"; with it, webpack fails before.
  const disallowed = [...message.matchAll(/^ {2}- '(.*)'$/gm), ...log.matchAll(/^ERROR in (node:.*)$/gm)];
  if (disallowed.length > 0) {
    const names = [...new Set(disallowed.map(([, name]) => name))].join(', ');
    return (
      `The workflows of ${workflowsPath} import ${names}, which cannot run in a workflow: import activities with ` +
      '`import type`, and move code that needs Node.js into activities. Modules that are certainly never called there can be named in ' +
      'bundlerOptions.ignoreModules.'
    );
  }
  const errors = log.match(/^ERROR in [^]*?(?=\n\n|\n?$(?![^]))/gm) ?? [message];
  return `Cannot bundle the workflows of ${workflowsPath}:\n${errors.join('\n')}`;
}

function plain(output: string[]): string {
  return stripVTControlCharacters(output.join('\n'));
}

/** The bundler reports its findings only to the log. */
function listening(hear: (line: string) => void): Logger {
  return {
    log: (_: LogLevel, message: string) => hear(message),
    trace: hear,
    debug: hear,
    info: hear,
    warn: hear,
    error: hear,
  };
}
