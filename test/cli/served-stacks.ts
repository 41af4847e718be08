/**
 * Stacks without CloudFormation: the emulator as AWS, the Temporal server, parameters, tables, services, logs and alarms as a
 * stack would have them, and ticks of the scaler in this process. The command line runs with an on-call engineer's permissions.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
  type PutMetricAlarmCommandInput,
} from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateClusterCommand,
  CreateServiceCommand,
  ECSClient,
  ListTasksCommand,
  PutClusterCapacityProvidersCommand,
  RegisterTaskDefinitionCommand,
  TagResourceCommand,
  UpdateServiceCommand,
  type Service,
} from '@aws-sdk/client-ecs';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { dimensionsOf, METRIC_NAMESPACE, METRICS } from '../../contract/metrics.ts';
import { poolConfigSchema, type PoolConfig } from '../../contract/pool-config.ts';
import { STACKS_PATH, type StackConfig } from '../../contract/stack-config.ts';
import { emulatorEndpoint, startEmulator, type LocalEmulator } from '../../local/emulator.ts';
import { localClient } from '../../local/observe.ts';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import { known } from '../../scaler/policy.ts';
import { desiredCountSetter } from '../../scaler/act/service-count.ts';
import { EcsServices } from '../../scaler/read/ecs.ts';
import { TemporalReader, type TemporalSignals } from '../../scaler/read/temporal.ts';
import { StateTable } from '../../scaler/act/state.ts';
import { Telemetry } from '../../scaler/report/telemetry.ts';
import type { Session } from '../../scaler/ports.ts';
import { tick } from '../../scaler/tick.ts';
import { createStateTable, putParameter, readService } from '../aws-resources.ts';
import { onCall } from './on-call.ts';
import { childEnvironment } from '../child-environment.ts';

const MAIN = join(import.meta.dirname, '../../cli/main.ts');

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** The working directory (default: the current one). */
  directory?: string;
  env?: Record<string, string>;
  input?: string;
  /** The program (default: the sources). */
  main?: string;
  /** Called with all output so far, whenever there is more. */
  onOutput?: (printed: string) => void;
  /** Like Ctrl-C. */
  interrupt?: AbortSignal;
}

/** Runs `elastic-workers` with these arguments, as a process. */
export function runCli(
  args: string[],
  { env = {}, input = '', main = MAIN, directory, onOutput, interrupt }: RunOptions = {},
): Promise<Ran> {
  const environment = { ...childEnvironment(), HOME: tmpdir(), ...env };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env: environment, cwd: directory },
      (error, stdout, stderr) =>
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
    // A command that does not read may exit before it gets all its input.
    child.stdin?.on('error', () => undefined).end(input);
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => onOutput?.((printed += String(chunk))));
    }
    interrupt?.addEventListener('abort', () => child.kill('SIGINT'));
  });
}

/** Rules by which an alarm always fires, or never, whatever its metric reports. */
const ALWAYS = { Threshold: -1, TreatMissingData: 'breaching' };
const NEVER = { Threshold: 1_000_000, TreatMissingData: 'notBreaching' };

export interface StackSettings {
  config?: Partial<StackConfig>;
  pools?: (Partial<PoolConfig> & { pool: string })[];
}

export class ServedStacks {
  readonly #directory = mkdtempSync(join(tmpdir(), 'elastic-workers-cli-'));
  readonly #session = new Map<string, Session>();
  temporal!: LocalTemporal;
  #emulator!: LocalEmulator;
  #keys: Record<string, string> = {};

  async start(): Promise<void> {
    // One after the other: each takes a free port when it starts.
    this.#emulator = await startEmulator({ directory: this.#directory });
    this.#keys = await onCall(this.#emulator.url);
    this.temporal = await startTemporal({ directory: this.#directory });
    await this.ecs.send(new CreateClusterCommand({ clusterName: 'cluster' }));
    await this.ecs.send(
      new RegisterTaskDefinitionCommand({
        family: 'worker',
        cpu: '256',
        memory: '512',
        networkMode: 'awsvpc',
        requiresCompatibilities: ['FARGATE'],
        containerDefinitions: [{ name: 'worker', image: 'example.test/worker:1' }],
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([this.#emulator?.stop(), this.temporal?.stop()]);
    await rm(this.#directory, { recursive: true, force: true });
  }

  get awsUrl(): string {
    return this.#emulator.url;
  }

  get ecs(): ECSClient {
    return new ECSClient(this.#client());
  }

  get cloudwatch(): CloudWatchClient {
    return new CloudWatchClient(this.#client());
  }

  cli(...args: string[]): Promise<Ran> {
    return this.cliWith({}, ...args);
  }

  cliWith({ env, ...options }: RunOptions, ...args: string[]): Promise<Ran> {
    return runCli(args, { env: { ...this.environment, ...env }, ...options });
  }

  /** The environment that leads a process to the emulator, as a user with the documented permissions. */
  get environment(): Record<string, string> {
    return { ...emulatorEndpoint(this.#emulator.url), ...this.#keys };
  }

  /** Polls until the answer is as wanted, for readings that lag by some seconds. */
  async eventually<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
    for (const giveUpAt = Date.now() + 90_000; ; await delay(200)) {
      const answer = await ask();
      if (wanted(answer)) return answer;
      if (Date.now() > giveUpAt) throw new Error(`never: ${wanted}\n${JSON.stringify(answer, null, 1)}`);
    }
  }

  async queued(taskQueue: string, count: number): Promise<void> {
    const isThere = ({ workflowQueue }: TemporalSignals) => known(workflowQueue) && workflowQueue.backlog === count;
    await this.eventually(() => this.#signals(taskQueue), isThere);
  }

  async heartbeat(taskQueue: string): Promise<void> {
    await this.eventually(
      () => this.#signals(taskQueue),
      ({ workers }) => known(workers) && workers.length > 0,
    );
  }

  async #signals(taskQueue: string): Promise<TemporalSignals> {
    const reader = new TemporalReader(this.#configOf('').temporal);
    const read = await reader.read([{ pool: '', taskQueue }], Date.now());
    await reader.close();
    return read.get('') as TemporalSignals;
  }

  /** Sets an alarm's state, and rules that keep it there when the emulator evaluates it. */
  async setAlarm(AlarmName: string, StateValue: 'ALARM' | 'OK'): Promise<void> {
    const { MetricAlarms } = await this.cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [AlarmName] }));
    const alarm = MetricAlarms![0] as PutMetricAlarmCommandInput;
    await this.cloudwatch.send(new PutMetricAlarmCommand({ ...alarm, ...(StateValue === 'ALARM' ? ALWAYS : NEVER) }));
    await this.cloudwatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: 'test' }));
  }

  service(name: string): Promise<Service> {
    return readService(this.ecs, 'cluster', name);
  }

  /** The cluster's capacity providers. */
  async provide(cluster: string, capacityProviders: string[]): Promise<void> {
    const request = { cluster, capacityProviders, defaultCapacityProviderStrategy: [] };
    await this.ecs.send(new PutClusterCapacityProvidersCommand(request));
  }

  /** By ARN. */
  async tasks(serviceName: string): Promise<string[]> {
    const { taskArns = [] } = await this.ecs.send(new ListTasksCommand({ cluster: 'cluster', serviceName }));
    return taskArns;
  }

  async scale(service: string, desiredCount: number): Promise<void> {
    await this.ecs.send(new UpdateServiceCommand({ cluster: 'cluster', service, desiredCount }));
  }

  async tag(service: string, tags: Record<string, string>): Promise<void> {
    const { serviceArn } = await this.service(service);
    const list = Object.entries(tags).map(([key, value]) => ({ key, value }));
    await this.ecs.send(new TagResourceCommand({ resourceArn: serviceArn, tags: list }));
  }

  /** The emulator as AWS, with answers changed by `change`. */
  async awsBut(
    change: (operation: string, answer: string) => { status: number; body: string },
  ): Promise<Pick<LocalEmulator, 'url' | 'stop'>> {
    const server = createServer(async (request, response) => {
      // As it was signed, host included; on a new connection, which the emulator cannot have just closed.
      const options = { method: 'POST', headers: request.headers, agent: false as const };
      const onward = httpRequest(`${this.#emulator.url}${request.url}`, options);
      request.pipe(onward);
      const [answer] = (await once(onward, 'response')) as [IncomingMessage];
      const operation = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
      const changed = change(operation, await text(answer));
      response.writeHead(changed.status, { 'content-type': answer.headers['content-type'] ?? '' });
      response.end(changed.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stop = async () => {
      server.closeAllConnections();
      server.close();
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
  }

  /** What a deployment creates: parameters, a table, a log group, a service for each pool. */
  async deploy(id: string, { config = {}, pools = [{ pool: 'pool' }] }: StackSettings = {}): Promise<void> {
    const poolConfigs = pools.map((pool) => this.#poolOf(id, pool));
    const stack = { ...this.#configOf(id), ...config };
    await this.put(`${STACKS_PATH}/${id}`, stack);
    for (const pool of poolConfigs) {
      await this.put(`${stack.poolsPath}/${pool.pool}`, pool);
      await this.createService(pool.service);
    }
    await createStateTable(this.#emulator.url, stack.stateTable);
    const logs = new CloudWatchLogsClient(this.#client());
    await logs.send(new CreateLogGroupCommand({ logGroupName: stack.scalerLogGroup }));
    await logs.send(new CreateLogStreamCommand({ logGroupName: stack.scalerLogGroup, logStreamName: 'scaler' }));
  }

  /** One tick of the shipped scaler over the stack's pools, as the handler does it. */
  async tick(id: string, settings: StackSettings = {}, now = Date.now()): Promise<void> {
    const stack = { ...this.#configOf(id), ...settings.config };
    const pools = (settings.pools ?? [{ pool: 'pool' }]).map((pool) => this.#poolOf(id, pool));
    const lines: string[] = [];
    const temporal = new TemporalReader(stack.temporal);
    const telemetry = new Telemetry(this.cloudwatch, (line) => lines.push(line), {
      stack: id,
      metrics: 'essential',
    });
    const table = DynamoDBDocumentClient.from(new DynamoDBClient(this.#client()), {
      marshallOptions: { removeUndefinedValues: true },
    });
    const ports = {
      temporal,
      ecs: new EcsServices(this.ecs),
      setDesired: desiredCountSetter(this.ecs),
      state: new StateTable(table, stack.stateTable),
      telemetry,
    };
    const session = this.#session.get(id) ?? new Map();
    this.#session.set(id, session);
    await tick(pools, session, ports, { mode: 'observe', now, keeps: true });
    await telemetry.send(now, { force: true });
    await temporal.close();
    await this.log(id, lines, now, stack.scalerLogGroup);
  }

  async log(
    id: string,
    lines: string[],
    timestamp = Date.now(),
    logGroupName = this.#configOf(id).scalerLogGroup,
  ): Promise<void> {
    await new CloudWatchLogsClient(this.#client()).send(
      new PutLogEventsCommand({
        logGroupName,
        logStreamName: 'scaler',
        logEvents: lines.map((message) => ({ message, timestamp })),
      }),
    );
  }

  async createService(serviceName: string, desiredCount = 1): Promise<void> {
    await this.ecs.send(
      new CreateServiceCommand({
        cluster: 'cluster',
        serviceName,
        taskDefinition: 'worker:1',
        desiredCount,
        launchType: 'FARGATE',
        // As in the stack: by default a service has it on.
        availabilityZoneRebalancing: 'DISABLED',
        networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
      }),
    );
  }

  /** The alarms of a pool; without actions they notify nobody. */
  async alarm(stack: string, pool: string, actions = ['arn:aws:sns:us-east-1:000000000000:on-call']): Promise<void> {
    const { workersDown, backlog, errorRate, desiredTasks, pinnedAtMax } = METRICS;
    for (const { name } of [workersDown, backlog, errorRate, desiredTasks, pinnedAtMax]) {
      await this.cloudwatch.send(
        new PutMetricAlarmCommand({
          AlarmName: `${pool}-${name}`,
          AlarmDescription: `${pool}: the runbook of ${name}.`,
          Namespace: METRIC_NAMESPACE,
          MetricName: name,
          Dimensions: dimensionsOf({ stack, pool }),
          Period: 60,
          EvaluationPeriods: 1,
          ...NEVER,
          Statistic: 'Average',
          ComparisonOperator: 'GreaterThanThreshold',
          AlarmActions: actions,
        }),
      );
    }
  }

  put(name: string, value: object): Promise<void> {
    return putParameter(this.#emulator.url, name, value);
  }

  #configOf(id: string): StackConfig {
    return {
      poolsPath: `/elastic-workers/${id}`,
      stateTable: `${id}-state`,
      scalerFunction: `${id}-scaler`,
      scalerLogGroup: `${id}-scaler-log`,
      region: 'us-east-1',
      temporal: { address: this.temporal.address, namespace: 'default', tls: false },
    };
  }

  #poolOf(id: string, pool: Partial<PoolConfig> & { pool: string }): PoolConfig {
    return poolConfigSchema.parse({
      taskQueue: `${id}-queue`,
      cluster: 'cluster',
      service: `${id}-${pool.pool}`,
      taskRoleId: 'AROA',
      policy: { slotsPerTask: 5, maxTasks: 8 },
      ...pool,
    });
  }

  #client() {
    return localClient(this.#emulator.url);
  }
}
