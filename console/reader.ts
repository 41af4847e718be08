/** Reads the page's data while somebody asks: requests within a moment of each other share one reading. */
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { readAlarms } from '../deployed/pool-item.ts';
import { openStack, reasonOf, type Stack } from '../deployed/stacks.ts';
import { readStatus } from '../deployed/status.ts';
import { placesOf, type PlacedPool } from '../deployed/temporal-places.ts';
import { History, type HistoryRequest } from './history.ts';
import { temporalLinks } from './temporal-links.ts';
import type { AlarmView, Overview, PoolHistory, PoolOverview } from './view.ts';

const OVERVIEW_EVERY_MS = 1500;
/** Alarms change by the minute, and CloudWatch allows few requests for them. */
const ALARMS_EVERY_MS = 10_000;
/** A deployment may add or remove pools. */
const STACK_EVERY_MS = 60_000;

interface ReaderOptions {
  env: Record<string, string | undefined>;
  /** Epoch milliseconds. */
  now: () => number;
  stack: Stack;
  /** URL of Temporal's Web UI; guessed by default. */
  temporalUi: string | undefined;
}

export class Reader {
  readonly #env: ReaderOptions['env'];
  readonly #now: () => number;
  readonly #temporalUi: string | undefined;
  readonly #histories = new Map<string, History>();
  readonly #stack: Remembered<{ stack: Stack; problems: string[] }>;
  readonly #alarms: Remembered<Map<string, MetricAlarm[]>>;
  readonly #overview: Remembered<Overview>;

  constructor({ env, now, stack, temporalUi }: ReaderOptions) {
    this.#env = env;
    this.#now = now;
    this.#temporalUi = temporalUi;
    let newest = stack;
    const reopen = async () => {
      try {
        newest = await openStack({ stack: stack.id });
        return { stack: newest, problems: [] };
      } catch (error) {
        return { stack: newest, problems: [`cannot check whether the stack has changed: ${reasonOf(error)}`] };
      }
    };
    this.#stack = new Remembered(reopen, STACK_EVERY_MS, now);
    this.#alarms = new Remembered(() => readAlarms(newest), ALARMS_EVERY_MS, now);
    this.#overview = new Remembered(() => this.#look(), OVERVIEW_EVERY_MS, now);
  }

  overview(): Promise<Overview> {
    return this.#overview.get();
  }

  /** Undefined if there is no such pool. */
  async history(name: string, request: Omit<HistoryRequest, 'now'>): Promise<PoolHistory | undefined> {
    const { stack } = await this.#stack.get();
    const pool = stack.pools.find(({ pool }) => pool === name);
    if (pool === undefined) return undefined;
    const history = this.#histories.get(name) ?? new History();
    this.#histories.set(name, history);
    return history.read(stack, pool, { ...request, now: this.#now() });
  }

  async #look(): Promise<Overview> {
    const { stack, problems } = await this.#stack.get();
    const alarms = this.#alarms.get();
    const [status, byPool] = await Promise.all([readStatus(stack, this.#now, alarms), alarms.catch(() => null)]);
    const placed = new Map(placesOf(stack, this.#env).pools.map((pool) => [pool.pool, pool]));
    const pools = status.pools.map((each): PoolOverview => {
      const pool = placed.get(each.pool)!;
      return { ...each, ...this.#settingsOf(pool), alarms: byPool && (byPool.get(each.pool) ?? []).map(alarmView) };
    });
    const region = stack.config.region ?? null;
    return { stack: stack.id, region, now: this.#now(), pools, problems: [...problems, ...status.problems] };
  }

  #settingsOf(pool: PlacedPool) {
    return {
      taskQueue: pool.taskQueue,
      namespace: pool.temporal.namespace,
      links: temporalLinks(pool, this.#temporalUi),
    };
  }
}

/** Read again when older than the given time; requests made meanwhile wait for the same reading. Failures are not cached. */
class Remembered<T> {
  readonly #read: () => Promise<T>;
  readonly #forMs: number;
  readonly #now: () => number;
  #value: Promise<T> | undefined;
  #readAt = 0;

  constructor(read: () => Promise<T>, forMs: number, now: () => number) {
    this.#read = read;
    this.#forMs = forMs;
    this.#now = now;
  }

  get(): Promise<T> {
    if (this.#value === undefined || this.#now() - this.#readAt > this.#forMs) {
      this.#readAt = this.#now();
      const value = this.#read();
      value.catch(() => (this.#value = undefined));
      this.#value = value;
    }
    return this.#value;
  }
}

/** An alarm is named after its runbook if its description ends with one, as our construct's do. */
function alarmView({ AlarmName = '', AlarmDescription, StateValue, StateUpdatedTimestamp }: MetricAlarm): AlarmView {
  return {
    name: /Runbook: .*\/([\w-]+)$/.exec(AlarmDescription ?? '')?.[1] ?? AlarmName,
    state: StateValue ?? 'INSUFFICIENT_DATA',
    description: AlarmDescription ?? '',
    since: StateUpdatedTimestamp?.getTime() ?? null,
  };
}
