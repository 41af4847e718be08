/**
 * The whole loop as it runs in an account, with real parts: the Temporal server behind a proxy, the AWS emulator behind
 * another, tasks as real processes in local Fargate, and the scaler as it is built, in a process of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CreateClusterCommand,
  UntagResourceCommand,
  UpdateServiceCommand,
  type UpdateServiceCommandInput,
  type Service,
} from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { SERVICE_TAGS } from '../../contract/service-tags.ts';
import { emulatorCredentials } from '../../local/emulator.ts';
import type { TaskSummary } from '../../local/fargate/index.ts';
import { endWithThisProcess, plainEnvironment } from '../../local/process.ts';
import type { Figures } from '../../scaler/policy.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import {
  createService,
  createStateTable,
  putParameter,
  readService,
  registerTask,
  tagService,
} from '../aws-resources.ts';
import { SIDECAR_IMAGE } from '../task-definition.ts';
import { TestedSite } from '../tested-site.ts';
import { until } from '../until.ts';
import { refusingProxy, type Refusal } from '../worker/temporal-proxies.ts';
import { AwsFront, TemporalFront } from './fronts.ts';
import { definitionOf, IMAGE, imageOf, ROLE, TABLE, WORKER_COMMAND, type FaultyPool } from './faulty-pool.ts';

const CLUSTER = 'faults';
const DIST = join(import.meta.dirname, '../../dist');

/** In local Fargate each subnet is an availability zone. */
const SUBNETS = ['subnet-1', 'subnet-2', 'subnet-3'];
/** All but one of them. */
const CLOSED_ZONES = ['us-east-1b', 'us-east-1c'];

/** A line of the scaler's log that tells of one tick of one pool. */
export type TickLine = TickRecord & {
  desired: number;
  cordon: string[];
  reason: string;
  errors: string[];
  figures: Figures;
};

export class FaultyStack extends TestedSite {
  readonly lines: TickLine[] = [];
  readonly complaints: string[] = [];
  /** Every task ever, as last seen. */
  readonly tasks = new Map<string, TaskSummary>();
  readonly aws = new AwsFront();
  readonly #pools: FaultyPool[];
  readonly #longPollSeconds: number;
  /** Activities' results that Temporal refused to take: the messages, as they came, and how long it had been refusing then. */
  readonly refusedReports: { at: number; afterMs: number; message: Buffer }[] = [];
  #refusingSince = 0;
  temporalFront!: TemporalFront;
  scalerEnd: string | undefined;
  #address = '';
  #scaler: ChildProcess | undefined;
  #refusing: Awaited<ReturnType<typeof refusingProxy>> | undefined;
  readonly #rebalances = new Set<string>();

  /** A worker that leaves waits for its open polls: `longPollSeconds` at the most, ten on a server with its own settings. */
  constructor(pools: FaultyPool[], longPollSeconds = 2) {
    super(mkdtempSync(join(tmpdir(), 'faults-')));
    this.#pools = pools;
    this.#longPollSeconds = longPollSeconds;
  }

  override async start(): Promise<void> {
    // Copies: another build of the same checkout must not take the files away from under the processes.
    for (const part of ['worker', 'sidecar', 'scaler'])
      cpSync(join(DIST, part), join(this.directory, part), { recursive: true });
    const awsUrl = await this.aws.start();
    await this.#startParts(awsUrl);
    this.aws.handOnTo(this.fargate.url);
    this.temporalFront = new TemporalFront(this.temporal.address);
    this.#address = await this.temporalFront.start();
    if (this.#pools.some(({ disturbed }) => disturbed))
      this.#refusing = await refusingProxy(this.#address, (message) =>
        this.refusedReports.push({ at: Date.now(), afterMs: Date.now() - this.#refusingSince, message }),
      );
    await createStateTable(this.emulatorUrl, TABLE);
    await this.ecs.send(
      new CreateClusterCommand({ clusterName: CLUSTER, capacityProviders: ['FARGATE', 'FARGATE_SPOT'] }),
    );
    await Promise.all(this.#pools.map((pool) => this.#createPool(pool)));
    this.#startScaler(awsUrl);
  }

  override async stop(): Promise<void> {
    this.#scaler?.kill('SIGKILL');
    await super.stop();
    await this.#refusing?.stop();
    this.temporalFront?.stop();
    this.aws.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Where Temporal is for workers. */
  get address(): string {
    return this.#address;
  }

  linesOf(pool: string): TickLine[] {
    return this.lines.filter((line) => line.pool === pool);
  }

  service(pool: string): Promise<Service> {
    return readService(this.ecs, CLUSTER, pool);
  }

  /** Holds the pool at a count, as a person can. */
  async hold(pool: string, count: number): Promise<void> {
    await tagService(this.ecs, await this.service(pool), { minTasks: `${count}`, maxTasks: `${count}` });
  }

  async release(pool: string): Promise<void> {
    const { serviceArn } = await this.service(pool);
    const tagKeys = [SERVICE_TAGS.minTasks, SERVICE_TAGS.maxTasks];
    await this.ecs.send(new UntagResourceCommand({ resourceArn: serviceArn, tagKeys }));
  }

  /** A new revision; false when ECS takes no further deployment now. */
  async deploy(pool: string, command = WORKER_COMMAND): Promise<boolean> {
    const taskDefinition = await this.#register({ ...this.#pools.find(({ name }) => name === pool)!, command });
    return this.#update({ service: pool, taskDefinition });
  }

  /** The same revision once more; false when ECS takes no further deployment now. */
  forceDeployment(pool: string): Promise<boolean> {
    return this.#update({ service: pool, forceNewDeployment: true });
  }

  async #update(change: Omit<UpdateServiceCommandInput, 'cluster'>): Promise<boolean> {
    try {
      await this.ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, ...change }));
      return true;
    } catch (error) {
      if ((error as Error).name === 'InvalidParameterException') return false;
      throw error;
    }
  }

  /** kill -9 of the worker in the task; false when it has not reported yet, or has ended. */
  kill(taskId: string): Promise<boolean> {
    return this.#signal(taskId, 'SIGKILL');
  }

  /** The event loop of the worker in the task stands still for its pool's seconds; false when it has not reported yet, or has ended. */
  block(taskId: string): Promise<boolean> {
    return this.#signal(taskId, 'SIGUSR2');
  }

  /** For so long Temporal refuses whatever the workers of the disturbed pools ask. */
  refuse(refusal: Refusal, seconds: number): void {
    const { state } = this.#refusing!;
    state.refusal = refusal;
    this.#refusingSince = Date.now();
    setTimeout(() => (state.refusal = undefined), seconds * 1000).unref();
  }

  /** Without capacity in all zones but one, what is started there makes a pool uneven. */
  closeZones(closed: boolean): void {
    this.fargate.closeZones(closed ? CLOSED_ZONES : []);
  }

  /** How many tasks were started so far to rebalance the pool's zones; ECS keeps the last hundred events. */
  async rebalances(pool: string): Promise<number> {
    const { events = [] } = await this.service(pool);
    for (const { id, message } of events) if (message?.includes('to AZ Rebalance')) this.#rebalances.add(id!);
    return this.#rebalances.size;
  }

  async #signal(taskId: string, signal: NodeJS.Signals): Promise<boolean> {
    const { workersInfo } = await this.client.workflowService.listWorkers({ namespace: this.temporal.namespace });
    const heartbeat = workersInfo?.find(({ workerHeartbeat }) => workerHeartbeat?.workerIdentity === taskId);
    const pid = Number(heartbeat?.workerHeartbeat?.hostInfo?.processId ?? 0);
    const runs = this.fargate.tasks().some((task) => task.taskId === taskId && task.lastStatus === 'RUNNING');
    if (pid === 0 || !runs) return false;
    try {
      process.kill(pid, signal);
      return true;
    } catch (error) {
      // It has ended, and local Fargate has not noticed yet.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      return false;
    }
  }

  async until<T>(
    what: string,
    condition: () => Promise<T | false | undefined> | T | false | undefined,
    seconds = 150,
  ): Promise<T> {
    const whileTheScalerRuns = async () => {
      const found = await condition();
      if (!found && this.scalerEnd !== undefined) throw new Error(`the scaler has ended: ${this.scalerEnd}`);
      return found;
    };
    const detail = () => `${this.complaints.slice(-5).join('\n')}\n${JSON.stringify(this.lines.at(-1), null, 1)}`;
    return until(what, seconds, whileTheScalerRuns, detail, 100);
  }

  #startParts(awsUrl: string): Promise<void> {
    return super.start({
      temporal: { dynamicConfig: { 'matching.longPollExpirationInterval': `${this.#longPollSeconds}s` } },
      fargate: {
        images: {
          [IMAGE]: join(this.directory, 'worker'),
          [SIDECAR_IMAGE]: join(this.directory, 'sidecar'),
          ...Object.fromEntries(this.#pools.map(({ name, worker, beside = '' }) => [imageOf(name), worker ?? beside])),
        },
        // As in the image.
        environment: { ...emulatorCredentials(awsUrl), NODE_COMPILE_CACHE: join(this.directory, 'compiled') },
        stopGraceSeconds: 1,
        onTaskChange: (task) => this.tasks.set(task.taskId, task),
      },
    });
  }

  async #createPool(pool: FaultyPool): Promise<void> {
    const { name, policy, spot = false, rebalanced = false } = pool;
    await createService(this.ecs, {
      cluster: CLUSTER,
      name,
      taskDefinition: await this.#register(pool),
      capacityProviders: ['FARGATE', ...(spot ? ['FARGATE_SPOT'] : [])],
      subnets: SUBNETS,
      zoneRebalancing: rebalanced,
    });
    const config: Omit<PoolConfig, 'protection'> & Partial<PoolConfig> = {
      pool: name,
      taskQueue: name,
      cluster: CLUSTER,
      service: name,
      taskRoleId: ROLE,
      policy,
      ...(pool.beside !== undefined && { protection: 'sidecar' as const }),
    };
    await putParameter(this.emulatorUrl, `/pools/${name}`, config);
  }

  #register(pool: FaultyPool): Promise<string> {
    const addresses = { address: this.#address, refusing: this.#refusing?.address };
    return registerTask(this.ecs, definitionOf(pool, addresses));
  }

  #startScaler(awsUrl: string): void {
    const program = join(import.meta.dirname, 'fixtures/scaler.mjs');
    const child = spawn(process.execPath, [program, join(this.directory, 'scaler/index.js')], {
      env: {
        ...plainEnvironment(),
        ...emulatorCredentials(awsUrl),
        TEMPORAL_ADDRESS: this.#address,
        ELASTIC_WORKERS_STATE_TABLE: TABLE,
        ELASTIC_WORKERS_POOLS_PATH: '/pools',
        ELASTIC_WORKERS_TICK_SECONDS: '1',
      },
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.pid !== undefined) child.once('exit', endWithThisProcess(child.pid));
    void once(child, 'exit').then(([code, signal]) => (this.scalerEnd = `${code ?? signal}`));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as TickLine & { message?: string };
      if (told.message === undefined) this.lines.push(told);
      else this.complaints.push(told.message);
    });
    this.#scaler = child;
  }
}
