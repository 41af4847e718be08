/**
 * The worker's process: reads the environment, serves one task queue until it is told to stop, and says by its exit code
 * how that went: 0 all work finished, 1 it could not start, failed, or had to leave work unfinished.
 *
 * `--verbose` logs more. `--identity`, `--slots` and `--share` are the pool's to give: with them this is one of its processes.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CredentialsError } from '../contract/temporal-access.ts';
import { readConfig, type WorkerConfig } from './config.ts';
import { cordonReader } from './cordon.ts';
import { describeAccess, readAccess, secretsOf, type TemporalAccess } from './credentials.ts';
import { accessSource, crewHere, crewOfProcesses, type Crew } from './crew.ts';
import { serveEndpoints } from './endpoints.ts';
import { parseShare } from './elastic-slots.ts';
import { ConfigError, StartError } from './errors.ts';
import { createLogger } from './logging.ts';
import { PoolMember, tellPool } from './pool-member.ts';
import { ScaleInProtocol } from './scale-in.ts';
import { mostOf, parseSlots, type Slots } from './slots-limit.ts';
import { strategyNames } from './strategies/index.ts';
import { describeTask, processesFor, shareOf, slotsFor, taskProtection, type Task } from './task.ts';
import { GENERIC_STRATEGY_WORKFLOW } from './types.ts';
import type { Stopped, Workforce } from './workforce.ts';

const logging = createLogger();
const { log } = logging;
const stopping = new AbortController();
const args = readArguments();

// The SDK's native part takes as many threads as there are processors, when it is loaded. One is enough beside the
// thread that runs JavaScript, and costs less: a task with more processors has a process for each.
process.env.TOKIO_WORKER_THREADS ??= '1';

process.on('uncaughtException', (error) => void fail(error));
process.on('unhandledRejection', (error) => void fail(error));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));

try {
  const config = readConfig(process.env);
  logging.setLevel(args.verbose && config.logLevel !== 'trace' ? 'debug' : config.logLevel);
  await (args.identity === undefined ? serveTask(config) : serveAsMember(config, args.identity));
} catch (error) {
  await fail(error);
}

async function serveTask(config: WorkerConfig): Promise<void> {
  const task = await describeTask(config.ecs.metadataUri, stopping.signal);
  const slots = config.maxConcurrentActivities ?? slotsFor(task.size);
  const processes = Math.min(config.processes ?? processesFor(task.size, mostOf(slots)), mostOf(slots));
  let protocol: ScaleInProtocol | undefined;
  const common = {
    config,
    env: process.env,
    identity: task.id,
    slots,
    log: logging,
    onChange: () => void protocol?.settle(),
  };
  const access = await accessOf(config);
  tellConfiguration(config, task, access, { processes, slots });
  const crew =
    processes === 1
      ? await crewHere({ ...common, access, share: shareOf(task.size, 1), stopping: stopping.signal })
      : crewOfProcesses({ ...common, ...howToFork(), processes, size: task.size });
  if (config.scaleIn !== undefined) crew.workforce.pause('unprotected');
  stopWith(crew);
  await crew.start();
  tellStarted(config, task.id, slots);
  if (config.scaleIn !== undefined) {
    protocol = protocolFor(config, config.scaleIn, crew.workforce, task.id);
    void follow(protocol, config.scaleIn.pollSeconds);
  }
  const stopped = crew.run();
  void openEndpoints(config, crew.workforce);
  leave(await stopped);
}

/** One of a pool's processes: it takes work when the pool says so. */
async function serveAsMember(config: WorkerConfig, identity: string): Promise<void> {
  let member: PoolMember | undefined;
  const onChange = () => member?.report();
  const crew = await crewHere({
    config,
    env: process.env,
    access: await accessOf(config),
    identity,
    slots: parseSlots(args.slots!)!,
    share: args.share === undefined ? undefined : parseShare(args.share),
    log: { ...logging, log: log.child({ process: identity.slice(identity.lastIndexOf('#')) }) },
    stopping: stopping.signal,
    onChange,
  });
  crew.workforce.pause('unprotected');
  stopWith(crew);
  await crew.start();
  const stopped = crew.run();
  member = new PoolMember(crew.workforce, () => stopping.abort());
  const { unfinished } = await stopped;
  await tellPool({ type: 'stopped', unfinished });
  process.exit(unfinished.length > 0 ? 1 : 0);
}

function stopWith(crew: Crew): void {
  if (stopping.signal.aborted) crew.stop();
  stopping.signal.addEventListener('abort', () => crew.stop());
}

function leave({ unfinished, cutOff = [] }: Stopped): never {
  if (unfinished.length > 0) log.error({ unfinished }, `Left with ${unfinished.length} activities unfinished`);
  if (cutOff.length > 0) log.error({ cutOff }, 'Processes ended before they had finished what they ran');
  const finished = unfinished.length + cutOff.length === 0;
  if (finished) log.info('Stopped: all work is finished');
  process.exit(finished ? 0 : 1);
}

function howToFork() {
  const entry = process.argv[1]!;
  return { entry, args: args.verbose ? ['--verbose'] : [], nodeArguments: process.execArgv };
}

function protocolFor(
  { pool }: WorkerConfig,
  scaleIn: NonNullable<WorkerConfig['scaleIn']>,
  worker: Workforce,
  taskId: string,
): ScaleInProtocol {
  return new ScaleInProtocol({
    worker,
    protection: taskProtection(scaleIn.agentUri),
    readCordon: cordonReader(scaleIn.stateTable, scaleIn.taskRoleId, taskId, pool),
    now: Date.now,
    random: Math.random,
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

async function openEndpoints({ bindAddress: host, healthPort, metricsPort }: WorkerConfig, workforce: Workforce) {
  if (healthPort === undefined && metricsPort === undefined) return;
  const { ports } = await serveEndpoints({ workforce, host, healthPort, metricsPort, log });
  log.info({ host, ...ports }, 'Listening for health checks and metrics');
}

/** Everything the worker runs with, whether said or by default; nothing of it is secret. */
function tellConfiguration(
  config: WorkerConfig,
  { size }: Task,
  access: TemporalAccess,
  { processes, slots: maxConcurrentActivities }: { processes: number; slots: Slots },
): void {
  log.info({ ...config, processes, maxConcurrentActivities, size, temporal: describeAccess(access) }, 'Configuration');
}

async function accessOf(config: WorkerConfig): Promise<TemporalAccess> {
  const access = await readAccess(accessSource({ config, env: process.env }));
  logging.hide(secretsOf(access));
  return access;
}

function tellStarted(config: WorkerConfig, identity: string, maxConcurrentActivities: Slots): void {
  const { taskQueue, pool, heartbeatSeconds, model, profile } = config;
  if (model === undefined && profile !== 'development') {
    log.warn(
      'ELASTIC_WORKERS_MODEL is not set: where no model is named, the embedded one answers, which makes its answers up',
    );
  }
  log.info(
    {
      taskQueue,
      pool,
      strategies: strategyNames(),
      workflow: GENERIC_STRATEGY_WORKFLOW,
      activity: 'executeStrategyDirectly',
      maxConcurrentActivities,
      identity,
      heartbeatSeconds,
      drainSeconds: config.shutdownForceSeconds,
      scaleInProtection: config.scaleIn ? 'on' : 'off',
    },
    'Worker started',
  );
}

/** A second Ctrl-C does not wait any more. A platform's SIGTERM may well come twice and means no more than once. */
function stop(signal: NodeJS.Signals): void {
  // Ctrl-C reaches the pool's processes too, whom the pool itself tells what to do.
  if (args.identity !== undefined && signal === 'SIGINT') return;
  if (stopping.signal.aborted) {
    if (signal !== 'SIGINT') return;
    log.error('Interrupted again: leaving at once');
    process.exit(1);
  }
  log.info(`Got ${signal}: finishing what runs`);
  stopping.abort();
}

function readArguments() {
  try {
    const text = { type: 'string' } as const;
    const options = {
      verbose: { type: 'boolean', default: false },
      identity: text,
      slots: text,
      share: text,
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    log.fatal((error as Error).message);
    process.exit(1);
  }
}

async function fail(error: unknown): Promise<never> {
  const operators = error instanceof ConfigError || error instanceof StartError || error instanceof CredentialsError;
  if (stopping.signal.aborted && (error as Error)?.name === 'AbortError') process.exit(0);
  // What the operator can mend needs no stack. The pool tells it for all its processes at once.
  if (operators && args.identity !== undefined) await tellPool({ type: 'cannot start', message: error.message });
  else if (operators) log.fatal(error.message);
  else log.fatal({ error }, 'The worker failed');
  process.exit(1);
}
