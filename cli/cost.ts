/**
 * What each pool has cost, and would cost in a month at that rate: task-hours from the metrics that the scaler publishes, times
 * the price of a task. Hours without metrics are unknown, not free: they are reported, and the forecast leaves them out.
 */
import { GetMetricDataCommand, type MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { dimensionsOf, METRIC_NAMESPACE, METRICS, type MetricSubject } from '../contract/metrics.ts';
import { HOURS_A_MONTH, type PoolConfig } from '../contract/pool-config.ts';
import { DEFAULT_POLICY } from '../scaler/policy.ts';
import { CommandError } from '../deployed/errors.ts';
import { hanging, table, wholeNumber, type Common, type Shell } from './shell.ts';
import { openStack, reasonOf, type Stack } from '../deployed/stacks.ts';

interface CostOptions extends Common {
  hours: string;
}

const MOST_HOURS = 15 * 24;
const PERIOD_SECONDS = 300;

interface PoolCost {
  pool: string;
  /** The metric that the tasks were counted by; null if there is none. */
  by: string | null;
  /** Hours for which the number of tasks is known. */
  knownHours: number;
  taskHours: number;
  taskDollarsPerHour: number;
  /** False if the pool's settings name no price and the default is used. */
  priced: boolean;
  dollars: number;
  /** At this rate; null if nothing is known. */
  monthDollars: number | null;
}

export async function cost(shell: Shell, options: CostOptions): Promise<void> {
  const problems: string[] = [];
  const hours = wholeNumber('--hours', options.hours, [1, MOST_HOURS], problems) ?? 0;
  const stack = await openStack(options, problems);
  const costs = await Promise.all(
    stack.pools.map(async (pool) => costOf(pool, await readTasks(stack, pool.pool, hours, shell.now()))),
  );
  if (costs.some(({ by }) => by === null)) shell.exitCode = 1;
  if (options.json) return shell.printJson({ stack: stack.id, hours, pools: costs });
  shell.print(render(costs, hours));
}

interface CountedTasks {
  by: string | null;
  /** Averages of the known periods. */
  tasks: number[];
}

/** RunningTasks is published only with `metrics: 'full'`; otherwise DesiredTasks stands in for it. */
async function readTasks(stack: Stack, pool: string, hours: number, now: number): Promise<CountedTasks> {
  const metrics = [METRICS.runningTasks.name, METRICS.desiredTasks.name];
  const values = metrics.map(() => [] as number[]);
  let NextToken: string | undefined;
  try {
    do {
      const answer = await stack.aws.cloudwatch.send(
        new GetMetricDataCommand({
          StartTime: new Date(now - hours * 3_600_000),
          EndTime: new Date(now),
          MetricDataQueries: metrics.map((metric, index) => queryOf(`m${index}`, metric, { stack: stack.id, pool })),
          NextToken,
        }),
      );
      for (const { Id, Values = [] } of answer.MetricDataResults ?? []) values[Number(Id?.slice(1))]?.push(...Values);
      ({ NextToken } = answer);
    } while (NextToken);
  } catch (error) {
    throw new CommandError(
      `Cannot read the metrics from CloudWatch: ${reasonOf(error)}. This needs cloudwatch:GetMetricData.`,
      {
        cause: error,
      },
    );
  }
  const index = values.findIndex((found) => found.length > 0);
  return { by: metrics[index] ?? null, tasks: values[index] ?? [] };
}

function queryOf(Id: string, MetricName: string, subject: MetricSubject): MetricDataQuery {
  const Metric = { Namespace: METRIC_NAMESPACE, MetricName, Dimensions: dimensionsOf(subject) };
  return { Id, MetricStat: { Metric, Period: PERIOD_SECONDS, Stat: 'Average' } };
}

function costOf({ pool, policy }: PoolConfig, { by, tasks }: CountedTasks): PoolCost {
  const price = policy.taskDollarsPerHour ?? DEFAULT_POLICY.taskDollarsPerHour;
  const periodHours = PERIOD_SECONDS / 3600;
  const knownHours = tasks.length * periodHours;
  const taskHours = tasks.reduce((sum, each) => sum + each, 0) * periodHours;
  const dollars = taskHours * price;
  return {
    pool,
    by,
    knownHours,
    taskHours,
    taskDollarsPerHour: price,
    priced: policy.taskDollarsPerHour !== undefined,
    dollars,
    monthDollars: knownHours === 0 ? null : (dollars / knownHours) * HOURS_A_MONTH,
  };
}

const HEADS = ['pool', 'task-hours', 'x $ per hour', '= spent', 'per month at this rate'];

function render(costs: PoolCost[], hours: number): string {
  const money = (dollars: number) => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;
  const rows = costs.map(({ pool, by, taskHours, taskDollarsPerHour, dollars, monthDollars }) => [
    pool,
    by === null ? '?' : taskHours.toFixed(2),
    String(taskDollarsPerHour),
    by === null ? '?' : money(dollars),
    monthDollars === null ? '?' : money(monthDollars),
  ]);
  // If a part is unknown, so is the total.
  const sum = (of: (cost: PoolCost) => number | null) => {
    const all = costs.map(of);
    return all.includes(null) ? '?' : money(all.reduce<number>((total, each) => total + (each ?? 0), 0));
  };
  const spent = sum(({ by, dollars }) => (by === null ? null : dollars));
  const total = ['all', '', '', spent, sum(({ monthDollars }) => monthDollars)];
  return [
    `The last ${hours} h`,
    '',
    table([HEADS, ...rows, ...(costs.length > 1 ? [total] : [])], new Set([1, 2, 3, 4])),
    '',
    ...costs.flatMap((each) => notes(each, hours).map(hanging)),
    `A month is ${HOURS_A_MONTH} h. Prices are list prices of on-demand tasks: Spot costs less. Data transfer and logs are not included.`,
  ].join('\n');
}

function notes({ pool, by, knownHours, priced }: PoolCost, hours: number): string[] {
  if (by === null) return [`${pool}: there is no metric of its number of tasks: the cost is unknown, not zero.`];
  return [
    ...(knownHours < hours - Math.min(1, hours / 4)
      ? [`${pool}: ${knownHours.toFixed(1)} of ${hours} h are known; the cost of the rest is unknown, not zero.`]
      : []),
    ...(by === METRICS.desiredTasks.name
      ? [`${pool}: counted by ${by}, which leaves out draining tasks. For RunningTasks, set metrics: 'full'.`]
      : []),
    ...(priced
      ? []
      : [`${pool}: its settings have no price (taskDollarsPerHour); the price used is for 1 vCPU and 2 GB.`]),
  ];
}
