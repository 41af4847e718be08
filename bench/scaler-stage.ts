/** What the scaler's benchmark runs against: the Temporal server, the AWS emulator with a service a pool, and a client with work of its own. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  ECSClient,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { PoolConfig } from '../contract/pool-config.ts';
import { emulatorCredentials, startEmulator, type LocalEmulator } from '../local/emulator.ts';
import { localClient } from '../local/observe.ts';
import { plainEnvironment } from '../local/process.ts';
import { startTemporal, type LocalTemporal } from '../local/temporal.ts';
import { createStateTable } from '../test/aws-resources.ts';
import type { fanOut } from './workflows.ts';

const CLUSTER = 'bench';
const NEIGHBOR_QUEUE = 'neighbor';
const NEIGHBOR_ACTIVITIES = 5;
/** Of the preparations: the emulator does one thing at a time. */
const AT_ONCE = 16;

interface Piece {
  startedAt: number;
  ms: number;
}

export class Stage {
  readonly #directory = mkdtempSync(join(tmpdir(), 'bench-scaler-'));
  readonly #ended = new AbortController();
  readonly #heartbeats = new Map<string, { taskQueue: string; key: string }>();
  #temporal!: LocalTemporal;
  #emulator!: LocalEmulator;
  #ecs!: ECSClient;
  #neighbor: ChildProcess | undefined;
  #working: Promise<void> | undefined;
  client!: Client;
  /** Workflows of the other client, as they were completed. */
  readonly pieces: Piece[] = [];

  async start(pools: number): Promise<void> {
    const directory = join(this.#directory, 'logs');
    [this.#temporal, this.#emulator] = await Promise.all([startTemporal({ directory }), startEmulator({ directory })]);
    this.client = new Client({ connection: await Connection.connect({ address: this.#temporal.address }) });
    this.#ecs = new ECSClient(localClient(this.#emulator.url));
    await this.#ecs.send(new CreateClusterCommand({ clusterName: CLUSTER }));
    await this.#ecs.send(
      new RegisterTaskDefinitionCommand({
        family: 'worker',
        cpu: '256',
        memory: '512',
        networkMode: 'awsvpc',
        requiresCompatibilities: ['FARGATE'],
        containerDefinitions: [{ name: 'worker', image: 'example.test/worker:1' }],
      }),
    );
    await each(numbers(pools), (number) => this.#createService(poolName(number)));
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    try {
      await this.#working;
    } finally {
      this.#neighbor?.disconnect();
      await this.client?.connection.close();
      await Promise.all([this.#emulator?.stop(), this.#temporal?.stop()]);
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }

  /** The environment of a scaler of so many of the pools, with a state table of its own. */
  async scalerOf(pools: number): Promise<Record<string, string>> {
    const name = `of-${pools}-${randomUUID().slice(0, 8)}`;
    await createStateTable(this.#emulator.url, name);
    const ssm = new SSMClient(localClient(this.#emulator.url));
    await each(numbers(pools), (number) =>
      ssm.send(
        new PutParameterCommand({
          Name: `/${name}/${poolName(number)}`,
          Type: 'String',
          Value: JSON.stringify(configOf(poolName(number))),
        }),
      ),
    );
    return {
      ...plainEnvironment(),
      ...emulatorCredentials(this.#emulator.url),
      TEMPORAL_ADDRESS: this.#temporal.address,
      ELASTIC_WORKERS_STATE_TABLE: name,
      ELASTIC_WORKERS_POOLS_PATH: `/${name}`,
    };
  }

  /** Gives each of the pools tasks with a worker in each, and work that waits. */
  async makeBusy(pools: number[], tasksOfEach: number): Promise<void> {
    await each(pools, async (number) => {
      const service = poolName(number);
      await this.#ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount: tasksOfEach }));
      const { taskArns = [] } = await this.#ecs.send(new ListTasksCommand({ cluster: CLUSTER, serviceName: service }));
      for (const arn of taskArns)
        this.#heartbeats.set(arn.split('/').at(-1)!, { taskQueue: service, key: randomUUID() });
      await this.addWork(number);
    });
    await this.beat();
  }

  /** A workflow that waits for a worker. */
  async addWork(number: number): Promise<number> {
    await this.client.workflow.start('anything', { taskQueue: poolName(number), workflowId: randomUUID() });
    return Date.now();
  }

  /** As the workers of the busy pools do every few seconds. */
  async beat(): Promise<void> {
    if (this.#heartbeats.size === 0) return;
    const seconds = { seconds: Math.floor(Date.now() / 1000) as never, nanos: 0 };
    await this.client.workflowService.recordWorkerHeartbeat({
      namespace: this.#temporal.namespace,
      identity: 'bench',
      workerHeartbeat: [...this.#heartbeats].map(([task, { taskQueue, key }]) => ({
        workerInstanceKey: key,
        workerIdentity: task,
        taskQueue,
        status: 1,
        heartbeatTime: seconds,
        activityTaskSlotsInfo: {
          slotSupplierKind: 'Fixed',
          currentUsedSlots: 15,
          currentAvailableSlots: 5,
          totalProcessedTasks: Math.floor(Date.now() / 1000) % 100_000,
        },
      })),
    });
  }

  /** Another client of the same server: a worker, and one workflow after another with some activities. */
  async startNeighbor(): Promise<void> {
    const codePath = join(this.#directory, 'workflows.js');
    const workflowsPath = join(import.meta.dirname, 'workflows.ts');
    const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    writeFileSync(codePath, code);
    const script = join(import.meta.dirname, 'throughput-worker.ts');
    this.#neighbor = fork(script, ['bare', this.#temporal.address, NEIGHBOR_QUEUE, codePath, '20']);
    await once(this.#neighbor, 'message');
    this.#working = this.#work();
    // What it failed of is told by stop().
    this.#working.catch(() => undefined);
  }

  async #work(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const startedAt = Date.now();
      const began = performance.now();
      await this.client.workflow.execute<typeof fanOut>('fanOut', {
        taskQueue: NEIGHBOR_QUEUE,
        workflowId: randomUUID(),
        args: [NEIGHBOR_ACTIVITIES, 0, false],
      });
      this.pieces.push({ startedAt, ms: performance.now() - began });
    }
  }

  async #createService(serviceName: string): Promise<void> {
    await this.#ecs.send(
      new CreateServiceCommand({
        cluster: CLUSTER,
        serviceName,
        taskDefinition: 'worker',
        desiredCount: 0,
        launchType: 'FARGATE',
        networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
      }),
    );
  }
}

export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

export function poolName(number: number): string {
  return `pool-${number}`;
}

function configOf(pool: string): Omit<PoolConfig, 'protection'> {
  const policy = { maxTasks: 20, slotsPerTask: 20 };
  return { pool, taskQueue: pool, cluster: CLUSTER, service: pool, taskRoleId: 'AROA', policy };
}

async function each<T>(values: T[], work: (value: T) => Promise<unknown>): Promise<void> {
  const left = values.values();
  await Promise.all(
    numbers(AT_ONCE).map(async () => {
      for (const value of left) await work(value);
    }),
  );
}
