/**
 * The worker's process: reads the environment, serves one task queue until it is told to stop, and says by its exit code
 * how that went: 0 all work finished, 1 it could not start, failed, or had to leave work unfinished.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError, readConfig, type WorkerConfig } from './config.ts';
import { cordonReader } from './cordon.ts';
import { createLogger } from './logging.ts';
import { StartError, TemporalWorkerManager } from './manager.ts';
import { ScaleInProtocol } from './scale-in.ts';
import { strategyNames } from './strategies/registry.ts';
import { taskIdentity, taskProtection } from './task.ts';
import { GENERIC_STRATEGY_WORKFLOW } from './types.ts';

const log = createLogger();
const stopping = new AbortController();

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));

try {
  await serve(readConfig(process.env));
} catch (error) {
  fail(error);
}

async function serve(config: WorkerConfig): Promise<void> {
  const identity = await taskIdentity(config.ecs.metadataUri, stopping.signal);
  let protocol: ScaleInProtocol | undefined;
  const manager = new TemporalWorkerManager({
    ...config,
    identity,
    workflows: workflows(),
    log,
    onChange: () => void protocol?.settle(),
  });
  stopping.signal.addEventListener('abort', () => void manager.stopWorker());
  await manager.startWorker();
  summarize(config, identity);
  if (config.scaleIn !== undefined) {
    protocol = protocolFor(config.scaleIn, manager, identity);
    manager.pause();
    void follow(protocol, config.scaleIn.pollSeconds);
  }
  const { unfinished } = await manager.runWorker();
  if (unfinished.length > 0) log.error({ unfinished }, `Left with ${unfinished.length} activities unfinished`);
  else log.info('Stopped: all work is finished');
  process.exit(unfinished.length > 0 ? 1 : 0);
}

/** Built ahead beside the running file, or bundled from the source when run from there. */
function workflows(): { codePath: string } | { workflowsPath: string } {
  const codePath = join(import.meta.dirname, 'workflow-bundle.js');
  return existsSync(codePath) ? { codePath } : { workflowsPath: join(import.meta.dirname, 'workflows.ts') };
}

function protocolFor(
  scaleIn: NonNullable<WorkerConfig['scaleIn']>,
  worker: TemporalWorkerManager,
  taskId: string,
): ScaleInProtocol {
  return new ScaleInProtocol({
    worker,
    protection: taskProtection(scaleIn.agentUri),
    readCordon: cordonReader(scaleIn.stateTable, scaleIn.taskRoleId, taskId),
    now: Date.now,
    scalerGoneSeconds: scaleIn.scalerGoneSeconds,
    log,
  });
}

async function follow(protocol: ScaleInProtocol, pollSeconds: number): Promise<void> {
  stopping.signal.addEventListener('abort', () => protocol.stop());
  while (!stopping.signal.aborted) {
    await protocol.round();
    await wait(pollSeconds * 1000, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

function summarize(config: WorkerConfig, identity: string): void {
  const { address, namespace, taskQueue, pool, maxConcurrentActivities, heartbeatSeconds, drainSeconds } = config;
  log.info(
    {
      taskQueue,
      pool,
      strategies: strategyNames(),
      workflow: GENERIC_STRATEGY_WORKFLOW,
      activity: 'executeStrategyDirectly',
      maxConcurrentActivities,
      identity,
      address,
      namespace,
      heartbeatSeconds,
      drainSeconds,
      scaleInProtection: config.scaleIn ? 'on' : 'off',
    },
    'Worker started',
  );
}

/** A second Ctrl-C does not wait any more. A platform's SIGTERM may well come twice and means no more than once. */
function stop(signal: NodeJS.Signals): void {
  if (stopping.signal.aborted) {
    if (signal !== 'SIGINT') return;
    log.error('Interrupted again: leaving at once');
    process.exit(1);
  }
  log.info(`Got ${signal}: finishing what runs`);
  stopping.abort();
}

function fail(error: unknown): never {
  // What the operator can mend needs no stack.
  if (error instanceof ConfigError || error instanceof StartError) log.fatal(error.message);
  else if (stopping.signal.aborted && (error as Error)?.name === 'AbortError') process.exit(0);
  else log.fatal({ error }, 'The worker failed');
  process.exit(1);
}
