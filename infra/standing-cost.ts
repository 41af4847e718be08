/**
 * The stack's monthly cost while nothing happens and every pool is at minTasks: each line with its arithmetic.
 * Work adds the cost of its tasks: `taskDollarsPerHour`.
 */
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { secondsBilledAMinute } from '../contract/invocation.ts';
import { ALARMS_A_POOL, METRICS_SENT_EVERY_SECONDS, type MetricSet } from '../contract/metrics.ts';
import { HOURS_A_MONTH } from '../contract/pool-config.ts';
import { PRICES } from '../contract/prices.ts';
import { CORDON_POLL_SECONDS } from '../contract/state-table.ts';
import { metricsOf } from './metrics.ts';
import type { PoolSettings } from './presets.ts';

interface CostLine {
  what: string;
  /** The product, or sum of products, that `dollars` is. */
  arithmetic: string;
  dollars: number;
}

export interface StandingCostInput {
  pools: { name: string; settings: PoolSettings; publicAddress: boolean }[];
  metrics: MetricSet;
  alarms: boolean;
  dashboard: boolean;
  tracing: boolean;
  scalerMemory: number;
  tickSeconds: number;
}

const MINUTES = HOURS_A_MONTH * 60;
/** Three items for the handover to the next invocation, and one that shows workers that the scaler is running. */
const SCALER_WRITES_A_MINUTE = 4;
/** Size of a tick record with a few workers. */
const RECORD_BYTES = { pool: 900, task: 250 };
/** Size of a pool's items in the table, memory and newest record, measured with 1 to 100 tasks; writes are billed by the KiB. */
const ITEM_BYTES = { pool: 3700, task: 390 };
const SENDS_A_MINUTE = Math.ceil(60 / METRICS_SENT_EVERY_SECONDS);

export function standingCost(input: StandingCostInput): CostLine[] {
  return [scaler(input), logs(input), table(input), metrics(input), ...watching(input), ...tasks(input)];
}

export function totalOf(lines: CostLine[]): number {
  return lines.reduce((sum, { dollars }) => sum + dollars, 0);
}

/** Undefined on a capacity provider, because the price of its instances is unknown. */
export function taskDollarsPerHour({ capacityProvider, taskDollarsPerHour: given, ...pool }: PoolSettings) {
  if (given !== undefined || capacityProvider !== undefined) return given;
  const { cpu, memory, cpuArchitecture, ephemeralStorageGiB = 20 } = pool;
  const isArm = cpuArchitecture === CpuArchitecture.ARM64;
  const dollars =
    (cpu / 1024) * (isArm ? PRICES.armVcpuHour : PRICES.x86VcpuHour) +
    (memory / 1024) * (isArm ? PRICES.armGigabyteHour : PRICES.x86GigabyteHour) +
    (ephemeralStorageGiB - 20) * PRICES.storageGigabyteHour;
  return Number(dollars.toFixed(6));
}

function scaler({ scalerMemory, tracing, tickSeconds }: StandingCostInput): CostLine {
  const gigabytes = scalerMemory / 1024;
  const secondsAMinute = secondsBilledAMinute(tickSeconds);
  const seconds = gigabytes * secondsAMinute * MINUTES;
  return line('scaler', [
    {
      count: `${gigabytes} GB x ${secondsAMinute} s x ${MINUTES}`,
      amount: seconds,
      price: PRICES.lambdaGigabyteSecond,
    },
    millions('invocations', MINUTES, PRICES.lambdaMillionRequests + PRICES.scheduleMillion),
    ...(tracing ? [millions('traces', MINUTES, PRICES.tracesMillion)] : []),
  ]);
}

function logs({ pools, tickSeconds }: StandingCostInput): CostLine {
  const bytes = pools.reduce((sum, { settings }) => sum + RECORD_BYTES.pool + settings.minTasks * RECORD_BYTES.task, 0);
  const gigabytes = ((60 / tickSeconds) * MINUTES * bytes) / 1e9;
  return line('scaler log', [
    { count: `${gigabytes.toFixed(3)} GB of tick records`, amount: gigabytes, price: PRICES.logGigabyte },
  ]);
}

function table({ pools, tickSeconds }: StandingCostInput): CostLine {
  const kibibytes = pools.reduce(
    (sum, { settings }) => sum + Math.ceil((ITEM_BYTES.pool + settings.minTasks * ITEM_BYTES.task) / 1024),
    0,
  );
  // Each tick reads which invocation is the newest; a waiting one reads two items each second, one read each. A worker that checks
  // for its cordon reads two items, each half a read.
  const turns = MINUTES * (60 / tickSeconds + tickSeconds);
  const reads = turns + MINUTES * pools.length + (pools.reduce(sumOfTasks, 0) * MINUTES * 60) / CORDON_POLL_SECONDS;
  return line('state table', [
    millions('writes', MINUTES * (SCALER_WRITES_A_MINUTE + kibibytes), PRICES.tableMillionWrites),
    millions('reads', reads, PRICES.tableMillionReads),
  ]);
}

function metrics({ pools, metrics: set }: StandingCostInput): CostLine {
  const count = pools.reduce((sum, { settings }) => sum + metricsOf(settings, set).length, 0);
  const requests = MINUTES * (SENDS_A_MINUTE + pools.reduce(sumOfTasks, 0));
  return line(`metrics, ${set}`, [
    { count: `${count} metrics`, amount: count, price: PRICES.metricMonth },
    { count: `${requests / 1000} thousand requests`, amount: requests / 1000, price: PRICES.metricThousandRequests },
  ]);
}

function watching({ pools, alarms, dashboard }: StandingCostInput): CostLine[] {
  const count = pools.length * ALARMS_A_POOL;
  return [
    ...(alarms ? [line('alarms', [{ count: `${count} alarms`, amount: count, price: PRICES.alarmMonth }])] : []),
    ...(dashboard ? [line('dashboard', [{ count: '1 dashboard', amount: 1, price: PRICES.dashboardMonth }])] : []),
  ];
}

function tasks({ pools }: StandingCostInput): CostLine[] {
  return pools.filter(({ settings }) => settings.minTasks > 0).map(tasksOf);
}

function tasksOf({ name, settings, publicAddress }: StandingCostInput['pools'][number]): CostLine {
  const { minTasks, onDemandBase, spot } = settings;
  const price = taskDollarsPerHour(settings);
  if (price === undefined) {
    return { what: `pool ${name}`, arithmetic: 'instances of the capacity provider are not included', dollars: 0 };
  }
  const onDemand = spot ? Math.min(minTasks, onDemandBase) : minTasks;
  const products = [
    hours(`${onDemand} tasks`, onDemand, price),
    hours(`${minTasks - onDemand} tasks on Spot`, minTasks - onDemand, price * PRICES.spotShare),
    hours(`${minTasks} public addresses`, publicAddress ? minTasks : 0, PRICES.publicAddressHour),
  ];
  return line(
    `pool ${name}`,
    products.filter(({ amount }) => amount > 0),
  );
}

interface Product {
  count: string;
  amount: number;
  price: number;
}

function hours(count: string, amount: number, price: number): Product {
  return { count: `${count} x ${HOURS_A_MONTH} h`, amount: amount * HOURS_A_MONTH, price };
}

function millions(what: string, amount: number, price: number): Product {
  return { count: `${(amount / 1e6).toFixed(4)} million ${what}`, amount: amount / 1e6, price };
}

function line(what: string, products: Product[]): CostLine {
  return {
    what,
    arithmetic: products.map(({ count, price }) => `${count} x ${Number(price.toPrecision(6))}`).join(' + '),
    dollars: products.reduce((sum, { amount, price }) => sum + amount * price, 0),
  };
}

function sumOfTasks(sum: number, { settings }: { settings: PoolSettings }): number {
  return sum + settings.minTasks;
}
