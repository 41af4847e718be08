/**
 * What the scaler is answered by AWS and by Temporal, with the faults that are on; and what the checks learn of its requests.
 */
import { poolKey } from '../../contract/state-table.ts';
import type { TemporalSignals } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { uniform } from '../../simulate/random.ts';
import { named } from './ecs-api.ts';
import { live, type Service } from './ecs-services.ts';
import { latencyMs, TIMES_OUT_AFTER_MS, type FaultKind } from './faults.ts';
import { parametersOf, type Invocation, type ServiceName, type Services } from './lambda.ts';
import { SECOND } from './time.ts';
import type { World } from './world-parts.ts';

const TURN = 'invocation#';

export class Answers implements Services {
  readonly #world: World;
  readonly #isOfRival: (invocation: Invocation) => boolean;
  /** The invocation whose request to the table is being answered. */
  #writer: Invocation | undefined;

  constructor(world: World, isOfRival: (invocation: Invocation) => boolean) {
    this.#world = world;
    this.#isOfRival = isOfRival;
  }

  latencyMs(service: ServiceName): number {
    const { faults, luck } = this.#world;
    if (service === 'temporal' && faults.active('temporal.slow')) return uniform(luck, [0.5 * SECOND, 5 * SECOND]);
    const unreachable = faults.active('temporal.unreachable') || faults.active('temporal.down');
    if (service === 'temporal' && unreachable) return 5 * SECOND;
    if (service === 'ecs' && faults.active('ecs.down')) return uniform(luck, [0, TIMES_OUT_AFTER_MS]);
    return latencyMs(luck);
  }

  /** What a request to an AWS service does and gives. */
  answer(service: ServiceName, command: string, input: object, invocation: Invocation): unknown {
    const { scenario, faults, pools } = this.#world;
    this.#refuse(service, command);
    switch (service) {
      case 'ecs':
        return this.#answerOfEcs(command, input as Record<string, unknown>, invocation);
      case 'table':
        return this.#answerOfTable(command, input, invocation);
      case 'ssm': {
        const configs = scenario.pools.map(({ config }) => config);
        const damaged = (pool: string) =>
          faults.active('ssm.parameterDamaged', pool) || pools.get(pool)?.plan.misconfigured === 'parameter damaged';
        return { Parameters: parametersOf(configs, damaged) };
      }
      default:
        return {};
    }
  }

  #refuse(service: ServiceName, command: string): void {
    const { faults, luck } = this.#world;
    const on = (kind: FaultKind) => faults.active(kind);
    if (service === 'ecs' && on('ecs.down')) throw named('ServerException', 'HTTP 500');
    if (service === 'ecs' && on('ecs.throttled') && luck() < 0.5) throw named('ThrottlingException', 'Rate exceeded');
    if (command.startsWith('Update') && on('ecs.denied')) throw named('AccessDeniedException', 'not authorized');
    if (service === 'table' && on('table.down')) throw named('InternalServerError', 'HTTP 500');
    if (service === 'table' && on('table.throttled') && luck() < 0.3) {
      throw named('ProvisionedThroughputExceededException', 'The level of configured throughput was exceeded');
    }
    if (service === 'cloudwatch' && on('cloudwatch.down')) throw named('InternalServiceFault', 'HTTP 500');
    if (service === 'ssm' && on('ssm.down')) throw named('InternalServerError', 'HTTP 500');
  }

  #answerOfEcs(command: string, input: Record<string, unknown>, invocation: Invocation): unknown {
    const { faults, ecs, checks, luck } = this.#world;
    if (command === 'UpdateServiceCommand') this.#order(input, invocation);
    if (command === 'DescribeServicesCommand') {
      for (const name of input.services as string[]) {
        const service = ecs.services.get(name);
        if (service) checks.readService(invocation, service);
      }
    }
    const answer = ecs.answer(command, input);
    if (faults.active('ecs.answersLost') && luck() < 0.3) throw named('TimeoutError', 'no answer');
    return answer;
  }

  #order(input: Record<string, unknown>, invocation: Invocation): void {
    const { options, ecs, checks, counts, note } = this.#world;
    const service = ecs.services.get(String(input.service));
    if (!service?.exists) return;
    const before = service.desired;
    if (options.mutant === 'an order adds to the count')
      input.desiredCount = Math.min(200, before + Number(input.desiredCount));
    const desired = Number(input.desiredCount);
    note(`#${invocation.number} sets ${service.name} from ${before} to ${desired}`);
    if (desired < before) counts.scaleIns += before - desired;
    checks.orders(invocation, service, desired);
  }

  #answerOfTable(command: string, input: object, invocation: Invocation): unknown {
    const { options, time, faults, table, checks, luck } = this.#world;
    const cordons = cordonsIn(input);
    for (const pool of new Set(cordons)) checks.cordons(invocation, pool);
    this.#writer = invocation;
    try {
      if (cordons.length > 0 && options.mutant === 'cordons are written late') {
        time.after(30 * SECOND, () => table.answer(command, input));
        return {};
      }
      const own = this.#turnOf(invocation);
      const answer = renamed(table.answer(command, renamed(input, TURN, own)), own, TURN);
      this.#noteVersions(answer, invocation);
      if (faults.active('table.answersLost') && luck() < 0.3) throw named('TimeoutError', 'no answer');
      return answer;
    } finally {
      this.#writer = undefined;
    }
  }

  /** How the keys begin by which an invocation sees others, and they see it. */
  #turnOf(invocation: Invocation): string {
    if (this.#world.options.mutant === 'an invocation does not wait for the previous one')
      return `${invocation.number}#`;
    return this.#isOfRival(invocation) ? 'rival#' : TURN;
  }

  #noteVersions(answer: unknown, invocation: Invocation): void {
    const { pools, checks } = this.#world;
    const { Responses = {} } = (answer ?? {}) as { Responses?: Record<string, Record<string, unknown>[]> };
    for (const item of Object.values(Responses).flat()) {
      for (const pool of pools.keys()) if (item.id === poolKey(pool)) checks.readMemory(invocation, pool, item.version);
    }
  }

  /** An item of the state table was written: by the scaler, or by something that the checks do not know. */
  itemWritten(key: string, item: Record<string, unknown> | undefined): void {
    if (key.startsWith('pool#')) this.#world.checks.wroteMemory(this.#writer, key, item?.version);
  }

  readTemporal(read: { pool: string }[], invocation: Invocation): Map<string, TemporalSignals> {
    const { options, faults, pools, checks, luck } = this.#world;
    const gone = faults.active('temporal.unreachable') || faults.active('temporal.down');
    const refused = () => gone || (faults.active('temporal.limited') && luck() < 0.4);
    const zero = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };
    const mutant = options.mutant === 'unknown readings count as zero';
    const noWorkers = refused();
    return new Map(
      read.map(({ pool }) => {
        const { queue, service } = pools.get(pool)!;
        const [noActivities, noWorkflows] = [refused(), refused()];
        const workers = queue.workers();
        checks.readTemporal(invocation, pool, !noActivities && !noWorkflows && !noWorkers, workers);
        if (options.mutant === 'a worker without a report counts as idle') workers.push(...idleWorkers(service));
        const unknown = { unknown: 'Temporal does not answer' };
        const { activity, workflow } = queue.describe();
        const signals: TemporalSignals = {
          activityQueue: noActivities ? (mutant ? zero : unknown) : activity,
          workflowQueue: noWorkflows ? (mutant ? zero : unknown) : workflow,
          workers: noWorkers ? (mutant ? [] : unknown) : workers,
        };
        return [pool, signals] as const;
      }),
    );
  }
}

function idleWorkers(service: Service): ReportedWorker[] {
  const idle = { names: [], busy: false, ageSeconds: 0, usedSlots: 0, slots: null, processed: 0, failed: 0 };
  return live(service).map(({ id }) => ({ ...idle, key: `idle-${id}`, task: id }));
}

/** The pools whose tasks a batch of writes cordons. */
function cordonsIn(input: object): string[] {
  const { RequestItems = {} } = input as { RequestItems?: Record<string, unknown> };
  const requests = Object.values(RequestItems).flat() as { PutRequest?: { Item: { pool?: string } } }[];
  return requests.flatMap(({ PutRequest }) => PutRequest?.Item.pool ?? []);
}

/** A request or an answer in which the keys that begin so begin otherwise. */
function renamed<T>(value: T, from: string, to: string): T {
  return value === undefined || from === to
    ? value
    : (JSON.parse(JSON.stringify(value).replaceAll(`"${from}`, `"${to}`)) as T);
}
