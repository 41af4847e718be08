/** The workers of a task: one manager in this process, or a pool of processes with one each. */
import { CloudWatchMetrics } from './observability/cloudwatch.ts';
import type { WorkerConfig } from './config.ts';
import { secretsOf, watchAccess, type AccessSource, type TemporalAccess } from './temporal/credentials.ts';
import { freePort } from './observability/endpoints.ts';
import type { WorkerLog } from './observability/logging.ts';
import { TemporalWorkerManager } from './temporal/manager.ts';
import { PersistentWorkerPool } from './processes/pool.ts';
import type { ProcessShare } from './slots/elastic-slots.ts';
import type { Slots } from '../contract/slots.ts';
import { shareOf, type TaskSize } from './task.ts';
import type { RunElasticWorkerOptions } from './worker-options.ts';
import { bundleBeside, workflowCode } from './temporal/workflow-code.ts';
import type { Stopped, Workforce } from './workforce.ts';

export interface Crew {
  workforce: Workforce;
  /** Gets ready to work, from `run` on or as soon as it is resumed. */
  start(): Promise<void>;
  /** Settles when all work is done after `stop`, or when the drain is over. */
  run(): Promise<Stopped>;
  stop(): void;
}

interface CrewOptions {
  config: WorkerConfig;
  env: NodeJS.ProcessEnv;
  access: TemporalAccess;
  identity: string;
  slots: Slots;
  /** This process's share of the task. */
  share?: ProcessShare | undefined;
  log: WorkerLog;
  /** Options of the SDK's Worker. */
  worker: RunElasticWorkerOptions;
  /** Aborted when the process was told to stop. */
  stopping: AbortSignal;
  onChange: () => void;
}

export function accessSource({ config, env }: Pick<CrewOptions, 'config' | 'env'>): AccessSource {
  return { env, secret: config.temporalSecret, now: Date.now };
}

/** A manager, with credentials renewed and metrics sent to CloudWatch. */
export async function crewHere(options: CrewOptions) {
  const { config, access, identity, slots, share, log, stopping, onChange, worker } = options;
  const cloudwatch = config.cloudwatch
    ? new CloudWatchMetrics({ stack: config.stack, pool: config.pool, now: Date.now, log: log.log })
    : undefined;
  let watch: { look: () => void } | undefined;
  const manager = new TemporalWorkerManager({
    ...config,
    ...access,
    identity,
    maxConcurrentActivities: slots,
    share,
    ...(await partsOf(worker)),
    log: log.log,
    onChange,
    onTask: (task) => cloudwatch?.record(task),
    // Whatever the error: a client certificate that is no longer accepted looks like a lost connection.
    onRefused: () => watch?.look(),
    sdkMetricsAddress: await sdkMetricsAddress(config),
  });
  const use = async (next: TemporalAccess) => {
    log.hide(secretsOf(next));
    await manager.useAccess(next);
  };
  const start = async () => {
    await manager.startWorker();
    const { credentialsPollSeconds: pollSeconds } = config;
    const source = accessSource(options);
    watch = watchAccess({ source, current: access, pollSeconds, use, log: log.log, signal: stopping });
    if (cloudwatch) setInterval(() => void cloudwatch.flush(), 60_000).unref();
  };
  const run = async () => {
    const stopped = await manager.runWorker();
    await cloudwatch?.flush();
    return stopped;
  };
  return { workforce: manager, start, run, stop: () => void manager.stopWorker() } satisfies Crew;
}

interface PoolCrewOptions extends Omit<CrewOptions, 'stopping' | 'access' | 'share' | 'worker'> {
  processes: number;
  size: TaskSize;
  /** The script that each process runs, and Node's own arguments for it. */
  entry: string;
  args: string[];
  nodeArguments: string[];
}

export function crewOfProcesses({ slots, size, log, nodeArguments, ...options }: PoolCrewOptions): Crew {
  const pool = new PersistentWorkerPool({
    ...options,
    maxConcurrentActivities: slots,
    share: shareOf(size, options.processes),
    killAfterSeconds: (options.config.shutdownForceSeconds + options.config.stopTimeoutSeconds) / 2,
    nodeArguments: [...nodeArguments.filter((argument) => !HEAP.test(argument)), ...heapFor(size, options.processes)],
    log: log.log,
    now: Date.now,
  });
  return { workforce: pool, start: () => pool.start(), run: () => pool.ended, stop: () => void pool.stop() };
}

const HEAP = /^--max[-_]old[-_]space[-_]size/;

/** The processes share the task's memory; a quarter is left for memory outside the heap: buffers, the SDK's core, the pool. */
function heapFor({ limited }: TaskSize, processes: number): string[] {
  // In percent, because an image's NODE_OPTIONS in percent would take precedence over a size in megabytes.
  return limited ? [`--max-old-space-size-percentage=${Math.floor(75 / processes)}`] : [];
}

/** Separates the workflows, which are bundled once for all successive SDK Workers; options used for bundling are not passed again. */
async function partsOf(worker: RunElasticWorkerOptions) {
  const {
    taskQueue: _queue,
    workflowsPath: _path,
    workflowBundle: _bundle,
    bundlerOptions: _options,
    ...parts
  } = worker;
  const workflows = bundleBeside(import.meta.dirname) ?? (await workflowCode(worker));
  const { workflowModules: _modules, ...interceptors } = parts.interceptors ?? {};
  return { workflows, worker: { ...parts, interceptors } };
}

/** The SDK serves its metrics on a port of its own. We serve them together with ours, so this port is internal. */
async function sdkMetricsAddress({ metricsPort, healthPort }: WorkerConfig): Promise<string | undefined> {
  return metricsPort === undefined && healthPort === undefined ? undefined : `127.0.0.1:${await freePort()}`;
}
