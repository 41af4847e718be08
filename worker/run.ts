/**
 * Runs a team's workflows and activities as an elastic worker: reads the environment and serves one task queue until the process is
 * told to stop. Exit code 0: all work is finished. Exit code 1: it could not start, it failed, or it had to leave work unfinished.
 *
 * In a task with several CPUs this process is the pool, and runs its own script again in each worker process.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CredentialsError } from '../contract/temporal-access.ts';
import { readConfig, type WorkerConfig } from './config.ts';
import { cordonReader } from './scale-in/cordon.ts';
import { describeAccess, readAccess, secretsOf, type TemporalAccess } from './temporal/credentials.ts';
import { accessSource, crewHere, crewOfProcesses, type Crew } from './crew.ts';
import { serveEndpoints, type Endpoints } from './observability/endpoints.ts';
import { parseShare, type ProcessShare } from './slots/elastic-slots.ts';
import { ConfigError, MemoryError, StartError } from './errors.ts';
import { createLogger } from './observability/logging.ts';
import { PoolMember, tellPool } from './processes/member.ts';
import { MEMBER_IDENTITY, MEMBER_SHARE, MEMBER_SLOTS } from './processes/messages.ts';
import type { RunningActivity } from './temporal/running-activities.ts';
import { ScaleInProtocol } from './scale-in/protocol.ts';
import { problemsOfSdk } from './sdk.ts';
import { parseSlots, type Slots } from '../contract/slots.ts';
import { mostOf } from './slots/slots-limit.ts';
import { taskProtection } from './scale-in/protection.ts';
import { describeTask, processesFor, shareOf, slotsFor, type OwnTask } from './task.ts';
import { problemsOfOptions, type RunElasticWorkerOptions } from './worker-options.ts';
import { bundleBeside, writeWorkflowBundle } from './temporal/workflow-code.ts';
import type { Stopped, Workforce } from './workforce.ts';

/** How a worker ended; it determines the process's exit code. Errors have been logged. */
export type WorkerEnd =
  | { outcome: 'finished' }
  /** `cutOff`: processes that ended before their work was finished. */
  | { outcome: 'unfinished'; unfinished: RunningActivity[]; cutOff: string[] }
  | { outcome: 'failed'; error: Error };

/**
 * If set, the worker is not run: its workflows are bundled into that directory, with its options applied, and the process ends.
 * This is how the image's build learns the options of the entry's own code.
 */
const BUNDLE_INTO = 'ELASTIC_WORKERS_BUNDLE_INTO';

/** How long after the worker has stopped the process is left, whatever the caller or unstoppable work still does. */
const LEAVE_AFTER_MS = 10_000;

let begun = false;

/**
 * Serves one task queue until the process is told to stop (SIGTERM, or a cordon and then SIGTERM). Resolves then, and never
 * rejects. Ten seconds later it exits the process, if that has not ended by itself.
 */
export async function runElasticWorker(options: RunElasticWorkerOptions = {}): Promise<WorkerEnd> {
  const { [BUNDLE_INTO]: directory, ...all } = process.env;
  const { member, env } = memberOf(all);
  const run = new Run(options, env, member);
  const end = directory === undefined ? await run.toTheEnd() : await run.bundle(directory);
  process.exitCode ||= end.outcome === 'finished' ? 0 : 1;
  // The caller's remaining code does not concern the pool, or the image.
  if (member || directory !== undefined) process.exit();
  setTimeout(() => process.exit(), LEAVE_AFTER_MS).unref();
  return end;
}

/** One of the pool's processes. */
interface Member {
  identity: string;
  slots: Slots;
  share: ProcessShare | undefined;
}

function memberOf(environment: NodeJS.ProcessEnv): { member: Member | undefined; env: NodeJS.ProcessEnv } {
  const { [MEMBER_IDENTITY]: identity, [MEMBER_SLOTS]: slots, [MEMBER_SHARE]: share, ...env } = environment;
  if (identity === undefined) return { member: undefined, env };
  return {
    member: { identity, slots: parseSlots(slots!)!, share: share === undefined ? undefined : parseShare(share) },
    env,
  };
}

class Run {
  readonly #options: RunElasticWorkerOptions;
  readonly #env: NodeJS.ProcessEnv;
  readonly #member: Member | undefined;
  readonly #logging = createLogger();
  readonly #stopping = new AbortController();

  constructor(options: RunElasticWorkerOptions, env: NodeJS.ProcessEnv, member?: Member) {
    this.#options = options;
    this.#env = env;
    this.#member = member;
  }

  async toTheEnd(): Promise<WorkerEnd> {
    const listeners = this.#listen();
    try {
      const config = this.#readConfig();
      const { unfinished, cutOff = [] } = await (this.#member
        ? this.#serveAsMember(config, this.#member)
        : this.#serveTask(config));
      return unfinished.length + cutOff.length === 0
        ? { outcome: 'finished' }
        : { outcome: 'unfinished', unfinished, cutOff };
    } catch (error) {
      return await this.#failed(error);
    } finally {
      for (const [event, listener] of listeners) process.off(event, listener);
    }
  }

  async bundle(directory: string): Promise<WorkerEnd> {
    const tell = (said: { problem?: string }) => writeFile(join(directory, 'described.json'), JSON.stringify(said));
    try {
      const problems = this.#problemsOfProcess(problemsOfOptions(this.#options, false));
      if (problems.length > 0) throw new ConfigError(problems);
      await writeWorkflowBundle(this.#options, directory);
      await tell({});
      return { outcome: 'finished' };
    } catch (error) {
      const failed = error as Error;
      await tell({
        problem: error instanceof ConfigError || error instanceof StartError ? failed.message : `${failed.stack}`,
      });
      return { outcome: 'failed', error: failed };
    }
  }

  #readConfig(): WorkerConfig {
    // When it is loaded, the SDK's native part starts one thread per CPU. One is enough beside the JavaScript thread, and
    // cheaper: a task with more CPUs has a process for each.
    process.env.TOKIO_WORKER_THREADS ??= '1';
    const { taskQueue } = this.#options;
    const problems = problemsOfOptions(this.#options, bundleBeside(import.meta.dirname) !== undefined);
    const config = readConfig(
      { ...(taskQueue !== undefined && { TEMPORAL_TASK_QUEUE: taskQueue }), ...this.#env },
      this.#problemsOfProcess(problems),
    );
    this.#logging.setLevel(config.logLevel);
    return config;
  }

  #problemsOfProcess(problems: string[]): string[] {
    const again = begun ? ['runElasticWorker was called twice in this process: a process serves one task queue.'] : [];
    begun = true;
    return [...again, ...problemsOfSdk(process.argv[1], import.meta.filename), ...problems];
  }

  async #serveTask(config: WorkerConfig): Promise<Stopped> {
    const task = await describeTask(config.ecs.metadataUri, this.#stopping.signal);
    const slots = config.maxConcurrentActivities ?? slotsFor(task.size);
    const processes = Math.min(config.processes ?? processesFor(task.size, mostOf(slots)), mostOf(slots));
    const access = await this.#accessOf(config);
    const { log } = this.#logging;
    tellConfiguration(log, config, task, access, { processes, slots });
    let protocol: ScaleInProtocol | undefined;
    const onChange = () => void protocol?.settle();
    const common = { config, env: this.#env, identity: task.id, slots, log: this.#logging, onChange };
    const crew =
      processes === 1
        ? await crewHere({
            ...common,
            access,
            share: shareOf(task.size, 1),
            stopping: this.#stopping.signal,
            worker: this.#options,
          })
        : crewOfProcesses({ ...common, ...howToFork(), processes, size: task.size });
    if (config.scaleIn !== undefined) crew.workforce.pause('unprotected');
    this.#stopWith(crew);
    await crew.start();
    tellStarted(log, config, task.id, slots);
    if (config.scaleIn !== undefined) {
      protocol = this.#protocolFor(config, config.scaleIn, crew.workforce, task.id);
      void this.#follow(protocol, config.scaleIn.pollSeconds);
    }
    const stopped = crew.run();
    const endpoints = this.#openEndpoints(config, crew.workforce);
    const how = await stopped;
    await (await endpoints)?.close();
    tellStopped(log, how);
    return how;
  }

  /** One of a pool's processes: it takes work when the pool tells it to. */
  async #serveAsMember(config: WorkerConfig, { identity, slots, share }: Member): Promise<Stopped> {
    let member: PoolMember | undefined;
    const log = this.#logging.log.child({ process: identity.slice(identity.lastIndexOf('#')) });
    const crew = await crewHere({
      config,
      env: this.#env,
      access: await this.#accessOf(config),
      identity,
      slots,
      share,
      log: { ...this.#logging, log },
      worker: this.#options,
      stopping: this.#stopping.signal,
      onChange: () => member?.report(),
    });
    crew.workforce.pause('unprotected');
    this.#stopWith(crew);
    await crew.start();
    const stopped = crew.run();
    member = new PoolMember(crew.workforce, () => this.#stopping.abort());
    const how = await stopped;
    await tellPool({ type: 'stopped', unfinished: how.unfinished });
    return how;
  }

  #stopWith(crew: Crew): void {
    if (this.#stopping.signal.aborted) crew.stop();
    this.#stopping.signal.addEventListener('abort', () => crew.stop());
  }

  #protocolFor(
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
      log: this.#logging.log,
    });
  }

  async #follow(protocol: ScaleInProtocol, pollSeconds: number): Promise<void> {
    const { signal } = this.#stopping;
    signal.addEventListener('abort', () => protocol.stop());
    while (!signal.aborted) {
      await protocol.round();
      await wait(pollSeconds * 1000, undefined, { signal }).catch(() => undefined);
    }
  }

  async #openEndpoints(config: WorkerConfig, workforce: Workforce): Promise<Endpoints | undefined> {
    const { bindAddress: host, healthPort, metricsPort } = config;
    if (healthPort === undefined && metricsPort === undefined) return undefined;
    const { log } = this.#logging;
    const endpoints = await serveEndpoints({ workforce, host, healthPort, metricsPort, log });
    log.info({ host, ...endpoints.ports }, 'Listening for health checks and metrics');
    return endpoints;
  }

  async #accessOf(config: WorkerConfig): Promise<TemporalAccess> {
    const access = await readAccess(accessSource({ config, env: this.#env }));
    this.#logging.hide(secretsOf(access));
    return access;
  }

  #listen() {
    const fail = async (error: unknown) => {
      const { outcome } = await this.#failed(error);
      process.exit(outcome === 'finished' ? 0 : 1);
    };
    const listeners: [string, (error: unknown) => void][] = [
      ['uncaughtException', (error) => void fail(error)],
      ['unhandledRejection', (error) => void fail(error)],
      ['SIGTERM', () => this.#stop('SIGTERM')],
      ['SIGINT', () => this.#stop('SIGINT')],
    ];
    for (const [event, listener] of listeners) process.on(event, listener);
    return listeners;
  }

  /** A second Ctrl-C exits at once. A platform may send SIGTERM twice, which means no more than once. */
  #stop(signal: NodeJS.Signals): void {
    // Ctrl-C also reaches the pool's processes, but they take orders only from the pool.
    if (this.#member && signal === 'SIGINT') return;
    const { log } = this.#logging;
    if (this.#stopping.signal.aborted) {
      if (signal !== 'SIGINT') return;
      log.error('Interrupted again: exiting at once');
      process.exit(1);
    }
    log.info(`Received ${signal}: finishing running work`);
    this.#stopping.abort();
  }

  async #failed(error: unknown): Promise<WorkerEnd> {
    if (this.#stopping.signal.aborted && (error as Error)?.name === 'AbortError') return { outcome: 'finished' };
    const { log } = this.#logging;
    const operators =
      error instanceof ConfigError ||
      error instanceof StartError ||
      error instanceof MemoryError ||
      error instanceof CredentialsError;
    // Errors that the operator can fix need no stack trace. The pool logs them once for all its processes.
    if (operators && this.#member) await tellPool({ type: 'cannot start', message: error.message });
    else if (operators) log.fatal(error.message);
    else log.fatal({ error }, 'The worker failed');
    return { outcome: 'failed', error: error as Error };
  }
}

type Log = ReturnType<typeof createLogger>['log'];

/** All settings, given or default; none of them is secret. */
function tellConfiguration(
  log: Log,
  config: WorkerConfig,
  { size }: OwnTask,
  access: TemporalAccess,
  { processes, slots: maxConcurrentActivities }: { processes: number; slots: Slots },
): void {
  log.info({ ...config, processes, maxConcurrentActivities, size, temporal: describeAccess(access) }, 'Configuration');
}

function tellStarted(log: Log, config: WorkerConfig, identity: string, maxConcurrentActivities: Slots): void {
  const { taskQueue, pool, heartbeatSeconds, shutdownForceSeconds: drainSeconds } = config;
  const scaleInProtection = config.scaleIn ? 'on' : 'off';
  log.info(
    { taskQueue, pool, maxConcurrentActivities, identity, heartbeatSeconds, drainSeconds, scaleInProtection },
    'Worker started',
  );
}

function tellStopped(log: Log, { unfinished, cutOff = [] }: Stopped): void {
  if (unfinished.length > 0) log.error({ unfinished }, `Stopped with ${unfinished.length} activities unfinished`);
  if (cutOff.length > 0) log.error({ cutOff }, 'Processes ended before their work was finished');
  if (unfinished.length + cutOff.length === 0) log.info('Stopped: all work is finished');
}

/** The same script, with its own arguments. */
function howToFork() {
  return { entry: process.argv[1]!, args: process.argv.slice(2), nodeArguments: process.execArgv };
}
