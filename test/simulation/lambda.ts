/**
 * The scaler as Lambda runs it: the shipped loop, tick, adapters of ECS, state table and telemetry, and the reading of the
 * pools' parameters, with modeled services. The function may die at each request to a service, before or after the request
 * took effect.
 */
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { ECSClient } from '@aws-sdk/client-ecs';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { LONGEST_INVOCATION_SECONDS } from '../../contract/invocation.ts';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { PoolReader } from '../../scaler/config.ts';
import { runInvocation } from '../../scaler/loop.ts';
import { desiredCountSetter } from '../../scaler/act/service-count.ts';
import { EcsServices } from '../../scaler/read/ecs.ts';
import type { TemporalSignals } from '../../scaler/read/temporal.ts';
import { StateTable } from '../../scaler/act/state.ts';
import { Telemetry } from '../../scaler/report/telemetry.ts';
import type { Ports } from '../../scaler/ports.ts';
import { MINUTE, type VirtualTime } from './time.ts';

export const STATE_TABLE = 'state';
const POOLS_PATH = '/pools';
const TIMEOUT_MS = LONGEST_INVOCATION_SECONDS * 1000;

export type ServiceName = 'ecs' | 'table' | 'cloudwatch' | 'ssm' | 'temporal';

/** The services' side: how long a request takes, and what it does and returns, or throws. */
export interface Services {
  latencyMs(service: ServiceName): number;
  answer(service: ServiceName, command: string, input: object, invocation: Invocation): unknown;
  readTemporal(pools: Pick<PoolConfig, 'pool' | 'taskQueue'>[], invocation: Invocation): Map<string, TemporalSignals>;
}

export interface LambdaParts {
  time: VirtualTime;
  services: Services;
  /** By how much the machine's clock is wrong, now. */
  clockErrorMs: () => number;
  tickSeconds: number;
  endsWithItsMinute: boolean;
  onReport: (invocation: Invocation, report: Parameters<Ports['telemetry']['report']>) => void;
  onTick: (invocation: Invocation) => void;
  onLog: (line: string) => void;
  onCrash: (error: unknown) => void;
}

/** The scaler's requests, by the names of the AWS SDK's commands. */
export const REQUESTS = [
  'GetParametersByPathCommand',
  'read Temporal',
  'DescribeServicesCommand',
  'ListTasksCommand',
  'DescribeTasksCommand',
  'BatchGetCommand',
  'PutCommand',
  'BatchWriteCommand',
  'UpdateServiceCommand',
  'PutMetricDataCommand',
] as const;

/** Where an invocation dies: at its n-th request, or its n-th of one kind, and whether that still takes effect. */
export interface Death {
  request: number;
  of: (typeof REQUESTS)[number] | undefined;
  afterEffect: boolean;
}

/** One invocation. Once dead it sends nothing more; what it has sent still takes effect. */
export class Invocation {
  over = false;
  readonly number: number;
  readonly startedAt: number;
  readonly #time: VirtualTime;
  readonly #death: Death | undefined;
  readonly #onDeath: (at: string) => void;
  #requests = 0;

  constructor(number: number, time: VirtualTime, death: Death | undefined, onDeath: (at: string) => void) {
    this.number = number;
    this.startedAt = time.now;
    this.#time = time;
    this.#death = death;
    this.#onDeath = onDeath;
    time.after(TIMEOUT_MS, () => this.#die('the timeout'));
  }

  sleep(milliseconds: number): Promise<void> {
    return this.#ofTheLiving(this.#time.later(milliseconds, () => undefined));
  }

  request<T>(command: string, latencyMs: number, effect: () => T): Promise<T> {
    if (this.over) return NEVER as Promise<T>;
    const death = this.#death;
    if (death !== undefined && (death.of === undefined || death.of === command)) this.#requests += 1;
    const dies = death !== undefined && this.#requests === death.request;
    if (dies && !death.afterEffect) {
      this.#die(`${command}, before`);
      return NEVER as Promise<T>;
    }
    const answer = this.#time.later(latencyMs, () => {
      try {
        return effect();
      } finally {
        if (dies) this.#die(`${command}, after`);
      }
    });
    return this.#ofTheLiving(answer);
  }

  #die(at: string): void {
    if (this.over) return;
    this.over = true;
    this.#onDeath(at);
  }

  /** A dead invocation gets no answers. */
  #ofTheLiving<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.over || resolve(value),
        (error: Error) => this.over || reject(error),
      );
    });
  }
}

const NEVER = new Promise<never>(() => undefined);

/** A Lambda process: its clients and telemetry live from one invocation to the next, until it dies. */
export class LambdaProcess {
  readonly #parts: LambdaParts;
  readonly #telemetry: Telemetry;
  readonly #ports: Ports & { state: StateTable };
  readonly #pools: PoolReader;
  #invocation: Invocation | undefined;

  constructor(parts: LambdaParts) {
    this.#parts = parts;
    const { services, onLog, onReport } = parts;
    const client = <Client extends object>(Class: new (settings: { region: string }) => Client, service: ServiceName) =>
      Object.assign(new Class({ region: 'eu-west-1' }), { send: this.#sender(service) });
    this.#pools = new PoolReader(client(SSMClient, 'ssm'), POOLS_PATH);
    this.#telemetry = new Telemetry(client(CloudWatchClient, 'cloudwatch'), onLog, { stack: 'stack', metrics: 'full' });
    const table = { send: this.#sender('table') } as unknown as DynamoDBDocumentClient;
    const ecs = client(ECSClient, 'ecs');
    this.#ports = {
      temporal: {
        readEach: (pools) => {
          const invocation = this.#invocation!;
          parts.onTick(invocation);
          const latencyMs = services.latencyMs('temporal');
          const read = invocation.request('read Temporal', latencyMs, () => services.readTemporal(pools, invocation));
          return new Map(pools.map(({ pool }) => [pool, read.then((signals) => signals.get(pool)!)]));
        },
      },
      ecs: new EcsServices(ecs),
      setDesired: desiredCountSetter(ecs),
      state: new StateTable(table, STATE_TABLE),
      telemetry: {
        report: (...report) => {
          this.#telemetry.report(...report);
          onReport(this.#invocation!, report);
        },
      },
    };
  }

  /** What the handler does. Never settles if the invocation dies. */
  async run(invocation: Invocation): Promise<void> {
    this.#invocation = invocation;
    try {
      await this.#handle(invocation);
    } catch (error) {
      this.#parts.onCrash(error);
    }
    invocation.over = true;
  }

  async #handle(invocation: Invocation): Promise<void> {
    const { time, clockErrorMs, tickSeconds, endsWithItsMinute, onLog } = this.#parts;
    const clock = {
      now: () => time.now + clockErrorMs(),
      sleep: (milliseconds: number) => invocation.sleep(milliseconds),
    };
    const config = { mode: 'act', tickSeconds } as const;
    const [pools, ports, telemetry] = [this.#pools, this.#ports, this.#telemetry];
    const longestMs = endsWithItsMinute ? MINUTE : TIMEOUT_MS;
    const remainingMs = () => longestMs - (time.now - invocation.startedAt);
    await runInvocation({ pools, ports, telemetry, config, clock, complain: onLog }, remainingMs);
  }

  #sender(service: ServiceName) {
    return (command: { constructor: { name: string }; input: object }) => {
      const invocation = this.#invocation!;
      const { name } = command.constructor;
      const { services } = this.#parts;
      const answer = () => services.answer(service, name, command.input, invocation);
      return invocation.request(name, services.latencyMs(service), answer);
    };
  }
}

/** One SSM parameter per pool, as the stack writes it. */
export function parametersOf(
  pools: PoolConfig[],
  damaged: (pool: string) => boolean,
): { Name: string; Value: string }[] {
  return pools.map((pool) => ({
    Name: `${POOLS_PATH}/${pool.pool}`,
    Value: damaged(pool.pool) ? JSON.stringify(pool).slice(0, -20) : JSON.stringify(pool),
  }));
}
