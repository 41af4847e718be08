/**
 * What the fleets of one load share: a Temporal server, with Temporal's own controller for serverless workers switched on, an AWS
 * emulator, and local Fargate. One server for all loads would be the bottleneck. Each fleet has its own task queue and ECS service,
 * both named after the fleet.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateClusterCommand, DeleteServiceCommand, ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { Client, Connection } from '@temporalio/client';
import * as esbuild from 'esbuild';
import { bundleWorker } from '../../bundler/worker-files.ts';
import { emulatorCredentials, startEmulator } from '../../local/emulator.ts';
import { startLocalFargate, type LocalFargate, type TaskSummary } from '../../local/fargate/index.ts';
import { localClient } from '../../local/observe.ts';
import { freePorts } from '../../local/process.ts';
import { startTemporal } from '../../local/temporal.ts';
import { LOCAL_DIRECTORY, REPOSITORY, type Tools } from '../../local/tools.ts';
import { PEER_MAX_TASKS, PEER_SLOTS } from '../../simulate/peer-loads.ts';
import { DEFAULT_SETTINGS } from '../../simulate/model.ts';
import { createService, registerTask } from '../../test/aws-resources.ts';
import { taskDefinitionOf } from '../../test/task-definition.ts';
import { WCI_SETTINGS } from './wci.ts';

/** Kept until the next run. */
export const LOGS = join(LOCAL_DIRECTORY, 'logs', 'peers');
export const CLUSTER = 'peers';
export const REGION = 'us-east-1';
export const ROLE_ID = 'AROAPEERS';
const IMAGE = 'example.test/peers:1';

/** One fleet, under one policy, for one load. */
export interface Fleet {
  /** Of the task queue and of the service. */
  name: string;
  slots: number;
  minTasks: number;
  maxTasks: number;
  /** How long a task that is stopped may finish its work. */
  graceSeconds: number;
  /** Environment of its workers beside what all have. */
  environment: Record<string, string>;
}

export interface Stage {
  address: string;
  namespace: string;
  client: Client;
  ecs: ECSClient;
  ecsUrl: string;
  emulatorUrl: string;
  fargate: LocalFargate;
  /** The variables that lead an AWS client here. */
  aws: Record<string, string>;
  /** For what goes with the run. */
  directory: string;
  /** Every task so far, as last seen. */
  tasks: Map<string, TaskSummary>;
  stop(): Promise<void>;
}

/** `seed`: of the tasks' start-up times. */
export async function openStage(tools: Tools, seed: number): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-peers-'));
  const closers: (() => Promise<unknown> | void)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const stop = async () => {
    for (const close of closers.toReversed()) await close();
  };
  try {
    const stage = await open(tools, seed, directory, closers);
    return { ...stage, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open(
  tools: Tools,
  seed: number,
  directory: string,
  closers: (() => Promise<unknown> | void)[],
): Promise<Omit<Stage, 'stop'>> {
  await bundle(join(directory, 'worker'));
  const ecsPort = (await freePorts(1))[0]!;
  const ecsUrl = `http://127.0.0.1:${ecsPort}`;
  const logs = join(LOGS, `servers-${seed}`);
  mkdirSync(logs, { recursive: true });
  const emulator = await startEmulator({ directory: logs, ministack: tools.ministack });
  closers.push(emulator.stop);
  const aws = { ...emulatorCredentials(emulator.url), AWS_ENDPOINT_URL_ECS: ecsUrl };
  const temporal = await startTemporal({
    directory: logs,
    executable: tools.temporal,
    dynamicConfig: WCI_SETTINGS,
    environment: aws,
  });
  closers.push(temporal.stop);
  const tasks = new Map<string, TaskSummary>();
  const [min, max] = DEFAULT_SETTINGS.startUpSeconds;
  const fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    images: { [IMAGE]: join(directory, 'worker') },
    startDelaySeconds: { min, max },
    logDirectory: join(directory, 'tasks'),
    environment: { ...aws, NODE_COMPILE_CACHE: join(directory, 'compiled') },
    seed,
    port: ecsPort,
    stopGraceSeconds: 1,
    onTaskChange: (task) => tasks.set(task.taskId, task),
  });
  closers.push(fargate.stop);
  const connection = await Connection.connect({ address: temporal.address });
  closers.push(() => connection.close());
  const { address, namespace } = temporal;
  const client = new Client({ connection, namespace });
  const ecs = new ECSClient(localClient(ecsUrl));
  await ecs.send(new CreateClusterCommand({ clusterName: CLUSTER, capacityProviders: ['FARGATE'] }));
  return { address, namespace, client, ecs, ecsUrl, emulatorUrl: emulator.url, fargate, aws, directory, tasks };
}

async function bundle(outdir: string): Promise<void> {
  await bundleWorker({
    esbuild,
    entry: join(import.meta.dirname, 'worker.ts'),
    outdir,
    root: REPOSITORY,
    threads: {
      'relay-thread': join(REPOSITORY, 'worker/temporal/relay-thread.ts'),
      'warm-up': join(REPOSITORY, 'worker/warm-up.ts'),
    },
    libraries: [],
  });
}

export function fleetOf(name: string, parts: Partial<Fleet>): Fleet {
  return { name, slots: PEER_SLOTS, minTasks: 0, maxTasks: PEER_MAX_TASKS, graceSeconds: 1, environment: {}, ...parts };
}

export async function createFleet({ ecs, address }: Stage, fleet: Fleet): Promise<void> {
  const { name, graceSeconds } = fleet;
  const definition = taskDefinitionOf({
    family: name,
    image: IMAGE,
    // Fifty workers that start at the same time must not take the processors away from the server.
    command: ['nice', '-n', '10', 'node', 'main.js'],
    stopTimeout: graceSeconds + 20,
    environment: {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_TASK_QUEUE: name,
      LOG_LEVEL: 'warn',
      ELASTIC_WORKERS_POOL: name,
      ELASTIC_WORKERS_PROCESSES: '1',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${fleet.slots}`,
      ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: `${graceSeconds + 20}`,
      ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: `${graceSeconds}`,
      ELASTIC_WORKERS_DRAIN_SECONDS: `${graceSeconds + 5}`,
      ELASTIC_WORKERS_HEALTH_PORT: 'off',
      ELASTIC_WORKERS_METRICS_PORT: 'off',
      ELASTIC_WORKERS_CLOUDWATCH: 'off',
      ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
      ...fleet.environment,
    },
  });
  await createService(ecs, {
    cluster: CLUSTER,
    name,
    taskDefinition: await registerTask(ecs, definition),
    desiredCount: fleet.minTasks,
    subnets: ['subnet-1', 'subnet-2'],
  });
}

export async function setDesired({ ecs }: Pick<Stage, 'ecs'>, service: string, desiredCount: number): Promise<void> {
  await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service, desiredCount }));
}

export async function deleteService({ ecs }: Pick<Stage, 'ecs'>, service: string): Promise<void> {
  await ecs.send(new DeleteServiceCommand({ cluster: CLUSTER, service, force: true }));
}
