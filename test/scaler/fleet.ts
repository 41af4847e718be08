/**
 * A pool with real parts: the Temporal server, the AWS emulator, tasks as real processes in local Fargate, and the scaler's
 * ticks, with all its adapters, in this process.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateClusterCommand, UpdateServiceCommand, type Deployment, type Service } from '@aws-sdk/client-ecs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { poolConfigSchema, type PoolConfig } from '../../contract/pool-config.ts';
import type { SERVICE_TAGS } from '../../contract/service-tags.ts';
import { STACKS_PATH, type StackConfig } from '../../contract/stack-config.ts';
import { emulatorCredentials, ROOT_KEYS } from '../../local/emulator.ts';
import { localClient } from '../../local/observe.ts';
import type { Decision, WorkerReading } from '../../scaler/policy.ts';
import { desiredCountSetter } from '../../scaler/act/service-count.ts';
import { EcsServices } from '../../scaler/read/ecs.ts';
import { TemporalReader } from '../../scaler/read/temporal.ts';
import { StateTable } from '../../scaler/act/state.ts';
import type { Ports } from '../../scaler/ports.ts';
import { tick } from '../../scaler/tick.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import {
  createService,
  createStateTable,
  putParameter,
  readService,
  registerTask,
  tagService,
} from '../aws-resources.ts';
import { SIDECAR_IMAGE, taskDefinitionOf } from '../task-definition.ts';
import { TestedSite } from '../tested-site.ts';
import { until } from '../until.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/strategies/types.ts';

const IMAGE = 'example.test/worker:1';
const CLUSTER = 'fleet';
const POOL = 'fleet';
const TABLE = 'state';
const ROLE = 'AROA';
const TICK_MS = 2000;

interface FleetOptions {
  /** In place of the image. */
  directory: string;
  command: string[];
  pool: Partial<PoolConfig>;
  environment?: Record<string, string>;
  /** Of the Temporal server. */
  dynamicConfig?: Record<string, unknown>;
}

/** A fleet of our built worker, one slot per task, that reports and checks its cordon every second. */
export function fleetOfOurs(policy: FleetOptions['pool']['policy']): Fleet {
  return new Fleet({
    directory: join(import.meta.dirname, '../../dist/worker'),
    command: ['node', 'main.js'],
    pool: { policy: { slotsPerTask: 1, ...policy } },
    environment: {
      ELASTIC_WORKERS_PROCESSES: '1',
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '1',
      ELASTIC_WORKERS_STATE_TABLE: TABLE,
      ELASTIC_WORKERS_TASK_ROLE_ID: ROLE,
      ELASTIC_WORKERS_CORDON_POLL_SECONDS: '1',
      ELASTIC_WORKERS_HEARTBEAT_SECONDS: '1',
      ELASTIC_WORKERS_HEALTH_PORT: 'off',
      ELASTIC_WORKERS_METRICS_PORT: 'off',
      ELASTIC_WORKERS_CLOUDWATCH: 'off',
      ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
    },
  });
}

export class Fleet extends TestedSite {
  readonly taskQueue = 'fleet-queue';
  readonly records: TickRecord[] = [];
  readonly decisions: Decision[] = [];
  readonly errors: string[] = [];
  readonly #options: FleetOptions;
  readonly #ended = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #reader!: TemporalReader;

  constructor(options: FleetOptions) {
    super(mkdtempSync(join(tmpdir(), 'fleet-')));
    this.#options = options;
  }

  override async start(): Promise<void> {
    await super.start({
      temporal: {
        databaseFile: join(this.directory, 'temporal.db'),
        dynamicConfig: { 'matching.longPollExpirationInterval': '5s', ...this.#options.dynamicConfig },
      },
      fargate: {
        images: { [IMAGE]: this.#options.directory, [SIDECAR_IMAGE]: join(import.meta.dirname, '../../dist/sidecar') },
        environment: ROOT_KEYS,
        stopGraceSeconds: 1,
      },
    });
    await this.ecs.send(new CreateClusterCommand({ clusterName: CLUSTER, capacityProviders: ['FARGATE'] }));
    await createStateTable(this.emulatorUrl, TABLE);
    await this.deploy();
    this.#ticking = this.#tick();
  }

  override async stop(): Promise<void> {
    this.#ended.abort();
    await this.#ticking;
    await this.#reader?.close();
    await super.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A new revision of the task definition, and the service updated to it; the first one creates the service. */
  async deploy(): Promise<void> {
    const environment = {
      TEMPORAL_ADDRESS: this.temporal.address,
      TEMPORAL_TASK_QUEUE: this.taskQueue,
      ELASTIC_WORKERS_POOL: POOL,
      ...this.#options.environment,
    };
    const sidecar = { stateTable: TABLE, taskRoleId: ROLE };
    const definition = taskDefinitionOf({
      family: POOL,
      image: IMAGE,
      command: this.#options.command,
      stopTimeout: 2,
      environment,
      ...(this.#pool().protection === 'sidecar' && { sidecar }),
    });
    const taskDefinition = await registerTask(this.ecs, definition);
    if (taskDefinition === `${POOL}:1`) {
      await createService(this.ecs, { cluster: CLUSTER, name: 'worker', taskDefinition });
    } else {
      await this.ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service: 'worker', taskDefinition }));
    }
  }

  /** The same task definition again, as after a change of the network or a CloudFormation rollback. */
  async forceDeployment(): Promise<void> {
    await this.ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service: 'worker', forceNewDeployment: true }));
  }

  async tag(limits: Partial<Record<keyof typeof SERVICE_TAGS, string>>): Promise<void> {
    await tagService(this.ecs, await this.service(), limits);
  }

  service(): Promise<Service> {
    return readService(this.ecs, CLUSTER, 'worker');
  }

  /** Where another process finds AWS. */
  get environment(): Record<string, string> {
    return { ...emulatorCredentials(this.emulatorUrl), AWS_ENDPOINT_URL_ECS: this.fargate.url };
  }

  /** What a deployment writes for the command line. */
  async tellCommandLine(): Promise<void> {
    const stack: StackConfig = {
      poolsPath: '/pools',
      stateTable: TABLE,
      scalerFunction: 'none',
      scalerLogGroup: 'none',
      temporal: { address: this.temporal.address, namespace: this.temporal.namespace, tls: false },
    };
    await putParameter(this.emulatorUrl, `${STACKS_PATH}/fleet`, stack);
    await putParameter(this.emulatorUrl, '/pools/fleet', this.#pool());
  }

  /** As another controller would. */
  async setDesired(desiredCount: number): Promise<void> {
    await this.ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service: 'worker', desiredCount }));
  }

  /** A workflow with one activity of this many seconds. */
  async startWork(name: string, seconds: number) {
    const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
    return this.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue: this.taskQueue,
      workflowId: name,
      args: ['sequential', { task: name, steps: ['Answer'] }, config],
    });
  }

  /** The newest deployment, once it is complete and no other is left. */
  async deployed(): Promise<Deployment | undefined> {
    const [newest, ...older] = (await this.service()).deployments ?? [];
    return older.length === 0 && newest?.rolloutState === 'COMPLETED' ? newest : undefined;
  }

  /** Workers that have just reported. */
  reporting(): WorkerReading[] {
    const { workers } = this.records.at(-1) ?? {};
    return Array.isArray(workers) ? workers.filter(({ ageSeconds }) => ageSeconds < 5) : [];
  }

  busySlots(): number {
    return this.reporting().reduce((sum, { usedSlots }) => sum + usedSlots, 0);
  }

  async until<T>(
    what: string,
    condition: () => Promise<T | false | undefined> | T | false | undefined,
    seconds = 90,
  ): Promise<T> {
    return until(what, seconds, condition, () => this.account(), 100);
  }

  /** The decisions, with the number of ticks in a row, and the errors; to find out why a test has failed. */
  account(): string {
    const lines: { text: string; ticks: number; detail: string }[] = [];
    for (const { desired, reason, detail } of this.decisions) {
      const text = `${reason} ${desired}`;
      if (lines.at(-1)?.text !== text) lines.push({ text, ticks: 0, detail });
      lines.at(-1)!.ticks += 1;
    }
    const decided = lines.map(({ text, ticks, detail }) => `${text} × ${ticks}: ${detail}`).join('\n');
    return `${decided}\nerrors: ${this.errors.slice(-5).join('; ')}\n${JSON.stringify(this.records.at(-1))}`;
  }

  #dynamo(): DynamoDBDocumentClient {
    return DynamoDBDocumentClient.from(new DynamoDBClient(localClient(this.emulatorUrl)), {
      marshallOptions: { removeUndefinedValues: true },
    });
  }

  async #tick(): Promise<void> {
    this.#reader = new TemporalReader({ address: this.temporal.address, namespace: this.temporal.namespace });
    const ports: Ports = {
      temporal: this.#reader,
      ecs: new EcsServices(this.ecs),
      setDesired: desiredCountSetter(this.ecs),
      state: new StateTable(this.#dynamo(), TABLE),
      telemetry: {
        report: (record, { decision }, errors) => {
          this.records.push(record);
          this.decisions.push(decision);
          this.errors.push(...errors);
        },
      },
    };
    const session = new Map();
    while (!this.#ended.signal.aborted) {
      await tick([this.#pool()], session, ports, { mode: 'act', now: Date.now(), keeps: true });
      await delay(TICK_MS, undefined, { signal: this.#ended.signal }).catch(() => undefined);
    }
  }

  #pool(): PoolConfig {
    return poolConfigSchema.parse({
      pool: POOL,
      taskQueue: this.taskQueue,
      cluster: CLUSTER,
      service: 'worker',
      taskRoleId: ROLE,
      policy: {},
      ...this.#options.pool,
    });
  }
}
