/** Everything on one machine: the real Temporal server, emulated AWS, Fargate as processes, and this repository's stack deployed to it. */
import { join } from 'node:path';

import { Client, Connection } from '@temporalio/client';

import type { PoolConfig } from '../contract/pool-config.ts';
import type { StackConfig } from '../contract/stack-config.ts';
import { emulatorEndpoint, startEmulator } from './emulator.ts';
import { startLocalFargate } from './fargate/index.ts';
import type { LocalFargate, LocalFargateOptions, TaskSummary } from './fargate/index.ts';
import { readPoolConfigs, readStackConfigs } from './observe.ts';
import { freePorts } from './process.ts';
import {
  bootstrap,
  deployStacks,
  LOCAL_SIDECAR_DIRECTORY,
  LOCAL_SIDECAR_IMAGE,
  LOCAL_WORKER_DIRECTORY,
  LOCAL_WORKER_IMAGE,
} from './stack.ts';
import type { StartDelay } from './start-delay.ts';
import { startTemporal } from './temporal.ts';
import type { LocalTemporal, TemporalOptions } from './temporal.ts';
import { LOCAL_DIRECTORY } from './tools.ts';
import type { Tools } from './tools.ts';

export interface SiteOptions {
  tools: Tools;
  seed: number;
  /** A task's start-up time. */
  startDelay: StartDelay;
  /** Ports of the Temporal server and its Web UI (default: free ones). */
  temporalPort?: number;
  uiPort?: number;
  /** Of the Temporal server, beside what is set here. */
  temporal?: Pick<TemporalOptions, 'dynamicConfig' | 'databaseFile'>;
  onProgress: (line: string) => void;
  signal: AbortSignal;
  /** Filled as parts are started; the caller closes them, the newest first. */
  closers: (() => Promise<void>)[];
  /** Of local Fargate, beside what is set here; images beside the local worker's. */
  fargate?: Partial<LocalFargateOptions>;
  /** Of the logs, and of what the CDK writes. */
  directory?: string;
}

interface PlantOptions extends SiteOptions {
  /** The CDK app's, beside what is set here. */
  context?: Record<string, string | number>;
  /** As of a stack. */
  project?: string;
  app?: string;
}

/** On Fargate it is a minute and more; nobody should wait that long on one machine. */
export const LOCAL_CONTEXT = { tickSeconds: 5, scaleInAfterSeconds: 15, maxTasks: 10 };

/** The environment that a stack is deployed to. */
export interface Site {
  temporal: LocalTemporal;
  client: Client;
  emulatorUrl: string;
  fargate: LocalFargate;
}

export interface Plant extends Site {
  stacks: (StackConfig & { pools: PoolConfig[] })[];
  dashboard: string | undefined;
  pools: PoolConfig[];
}

export async function startPlant(options: PlantOptions): Promise<Plant> {
  const site = await startSite(options);
  const { temporal, emulatorUrl } = site;
  const context = {
    ...LOCAL_CONTEXT,
    temporalAddress: temporal.address,
    temporalNamespace: temporal.namespace,
    ...options.context,
  };
  await bootstrap({ ...options, emulatorUrl });
  await deployStacks({ ...options, emulatorUrl, context });
  return { ...site, ...(await readPlant(emulatorUrl)) };
}

/** Reads what is deployed there. */
export async function readPlant(emulatorUrl: string): Promise<Pick<Plant, 'stacks' | 'dashboard' | 'pools'>> {
  const configs = await readStackConfigs(emulatorUrl);
  const stacks = await Promise.all(
    configs.map(async (config) => ({ ...config, pools: await readPoolConfigs(emulatorUrl, config.poolsPath) })),
  );
  const dashboard = stacks.find((stack) => stack.dashboard !== undefined)?.dashboard;
  return { stacks, dashboard, pools: stacks.flatMap(({ pools }) => pools) };
}

/** Each closer is registered before the next part is started. */
export async function startSite(options: SiteOptions): Promise<Site> {
  const { tools, onProgress, signal, closers, temporalPort: port, uiPort } = options;
  const logs = logsOf(options);
  onProgress('Starting Temporal, the AWS emulator and local Fargate');
  const temporal = await startTemporal({
    ...options.temporal,
    directory: logs,
    executable: tools.temporal,
    ...(port && { port }),
    ...(uiPort && { uiPort }),
  });
  closers.push(temporal.stop);
  signal.throwIfAborted();
  const [ecsPort] = (await freePorts(1)) as [number];
  const emulator = await startEmulator({
    directory: logs,
    ministack: tools.ministack,
    environment: { AWS_ENDPOINT_URL_ECS: `http://127.0.0.1:${ecsPort}` },
  });
  closers.push(emulator.stop);
  signal.throwIfAborted();
  const fargate = await startFargate(options, emulator.url, ecsPort);
  closers.push(fargate.stop);
  signal.throwIfAborted();
  onProgress(`Temporal's Web UI: ${temporal.uiUrl}; AWS: ${emulator.url}; ECS: ${fargate.url}; logs: ${logs}`);
  const connection = await Connection.connect({ address: temporal.address });
  closers.push(() => connection.close());
  const client = new Client({ connection, namespace: temporal.namespace });
  return { temporal, client, emulatorUrl: emulator.url, fargate };
}

function logsOf({ directory = LOCAL_DIRECTORY }: SiteOptions): string {
  return join(directory, 'logs');
}

function startFargate(options: SiteOptions, emulatorUrl: string, port: number): Promise<LocalFargate> {
  return startLocalFargate({
    ...options.fargate,
    emulatorUrl,
    port,
    images: {
      [LOCAL_WORKER_IMAGE]: LOCAL_WORKER_DIRECTORY,
      [LOCAL_SIDECAR_IMAGE]: LOCAL_SIDECAR_DIRECTORY,
      ...options.fargate?.images,
    },
    startDelaySeconds: options.startDelay,
    seed: options.seed,
    environment: {
      ...emulatorEndpoint(emulatorUrl),
      ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
      ...options.fargate?.environment,
    },
    logDirectory: join(logsOf(options), 'tasks'),
    onTaskChange: options.fargate?.onTaskChange ?? ((task) => reportCrash(task, options.onProgress)),
    log: options.onProgress,
  });
}

/** A worker that ends normally, as one does beside a sidecar after its cordon, has not crashed. */
function reportCrash(task: TaskSummary, onProgress: (line: string) => void): void {
  const { lastStatus, stopCode = '', exitCode } = task;
  if (lastStatus !== 'STOPPED' || !['EssentialContainerExited', 'TaskFailedToStart'].includes(stopCode)) return;
  if (exitCode === 0) return;
  onProgress(`Task ${task.taskId} of ${task.service} stopped by itself: ${task.stoppedReason} (log: ${task.logFile})`);
}
