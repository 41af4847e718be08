/** A world's pools and their loads, drawn from the seed: when work arrives, how long it takes, how large the fleet may be. */
import type { CapacityShare } from '../../local/fargate/capacity.ts';
import type { PoolConfig, PoolPolicy } from '../../contract/pool-config.ts';
import { exponential, lognormal, uniform, type Random } from '../../simulate/random.ts';
import { CLUSTER, REGION } from './ecs-api.ts';
import { HOUR, MINUTE, SECOND } from './time.ts';

export interface Load {
  kind: string;
  /** When the next workflow arrives, in milliseconds from now, and how many activities it has. */
  next(random: Random): { inMs: number; activities: number };
  serviceMs(random: Random): number;
  /** The mean of that. */
  meanServiceMs: number;
  /** Activities that run in parallel, on average. */
  concurrency: number;
  /** The largest number that arrives at once: a scaler that has learned when it arrives may prepare for it. */
  largestBatch: number;
  /** A scaler may learn how long its pauses are, and keep tasks during them. */
  pauses: boolean;
  /** For workflow tasks without activities: how long each occupies its worker's one thread. */
  workflowTaskMs?: number;
}

const STRATEGIES: CapacityShare[][] = [
  [{ capacityProvider: 'FARGATE', base: 0, weight: 1 }],
  [
    { capacityProvider: 'FARGATE_SPOT', base: 0, weight: 1 },
    { capacityProvider: 'FARGATE', base: 2, weight: 0 },
  ],
];

export interface PoolPlan {
  config: PoolConfig;
  load: Load;
  /** The service's tasks: a base on demand and the rest on Spot, or all on demand. */
  strategy: CapacityShare[];
  /** For workers with a sidecar. */
  heartbeatMs: number;
  /** How many attempts an activity has; 0 for no limit. */
  maximumAttempts: number;
  /** What is wrong with its configuration, if anything: it must not be scaled, and other pools must not be affected. */
  misconfigured: 'another cluster' | 'no such service' | 'parameter damaged' | undefined;
}

export interface Scenario {
  pools: PoolPlan[];
  tickSeconds: number;
  /** The page size of ListTasks: small pages reveal a truncated listing. */
  pageSize: number;
}

const LOADS: ((random: Random) => Load)[] = [
  (random) => steady('chat', uniform(random, [0.3, 1.5]), 800),
  (random) => steady('agents', uniform(random, [0.02, 0.15]), 45_000),
  (random) => steady('long', uniform(random, [0.002, 0.01]), 6 * MINUTE),
  (random) => batches('bursts', uniform(random, [10, 50]) * MINUTE, [20, 150], 12_000),
  (random) => batches('fan-out', uniform(random, [8, 30]) * MINUTE, [30, 100], 60_000),
  () => batches('by the clock', 15 * MINUTE, [30, 60], 20_000, 0),
  (random) => onAndOff('on and off', uniform(random, [0.2, 1]), uniform(random, [5, 40]) * MINUTE, 5000),
  (random) => steady('short', uniform(random, [0.5, 3]), 60),
  (random) => workflowTasks(uniform(random, [0.3, 12]), uniform(random, [2, 200])),
  (random) => batches('seldom', uniform(random, [1, 3]) * HOUR, [1, 5], 90_000),
];

export function drawScenario(random: Random): Scenario {
  const count = 2 + Math.floor(random() * 4);
  const misconfigured = random() < 0.3 ? Math.floor(random() * count) : -1;
  return {
    pools: Array.from({ length: count }, (_, index) => drawPool(random, `p${index}`, index === misconfigured)),
    tickSeconds: pick(random, [5, 10, 10, 10, 15]),
    pageSize: pick(random, [2, 100]),
  };
}

function drawPool(random: Random, pool: string, wrong: boolean): PoolPlan {
  const load = pick(random, LOADS)(random);
  const misconfigured = wrong
    ? pick(random, ['another cluster', 'no such service', 'parameter damaged'] as const)
    : undefined;
  return {
    config: {
      pool,
      taskQueue: `queue of ${pool}`,
      cluster: CLUSTER,
      service:
        misconfigured === 'another cluster'
          ? `${REGION}:service/other/${pool}`
          : misconfigured === 'no such service'
            ? 'gone'
            : pool,
      taskRoleId: `AROA${pool}`,
      policy: drawPolicy(random, load),
      protection: random() < 0.2 ? 'sidecar' : 'worker',
    },
    load,
    strategy: pick(random, STRATEGIES),
    heartbeatMs: pick(random, [5, 10, 60]) * SECOND,
    maximumAttempts: pick(random, [0, 0, 1, 1, 3]),
    misconfigured,
  };
}

/** A fleet that could never do its work proves nothing: at its maximum, each has three times what its load needs. */
function drawPolicy(random: Random, { concurrency, workflowTaskMs }: Load): PoolPolicy {
  const minTasks = pick(random, [0, 0, 0, 1, 2]);
  const slotsPerTask = pick(random, [1, 4, 10, 20]);
  return {
    minTasks,
    maxTasks:
      minTasks +
      Math.max(
        pick(random, [3, 10, 30]),
        Math.ceil((3 * concurrency) / (workflowTaskMs === undefined ? slotsPerTask : 1)),
      ),
    slotsPerTask,
    ...(random() < 0.3 && { scaleInAfterSeconds: pick(random, [30, 120]) }),
    ...(random() < 0.15 && { spendCapDollarsPerHour: 0.2 }),
  };
}

function steady(kind: string, perSecond: number, meanServiceMs: number): Load {
  return {
    kind,
    next: (random) => ({ inMs: exponential(random, SECOND / perSecond), activities: 1 }),
    serviceMs: (random) => Math.max(50, lognormal(random, meanServiceMs, 0.7)),
    meanServiceMs,
    concurrency: (perSecond * meanServiceMs) / SECOND,
    largestBatch: 1,
    pauses: perSecond < 0.5,
  };
}

function workflowTasks(perSecond: number, ms: number): Load {
  return { ...steady('workflow tasks', perSecond, ms), serviceMs: () => ms, workflowTaskMs: ms };
}

function batches(
  kind: string,
  everyMs: number,
  [least, most]: [number, number],
  meanServiceMs: number,
  spread = 0.5,
): Load {
  return {
    kind,
    next: (random) => ({
      inMs: everyMs * (1 + spread * (random() - 0.5)),
      activities: Math.round(uniform(random, [least, most])),
    }),
    serviceMs: (random) => Math.max(50, lognormal(random, meanServiceMs, 0.6)),
    meanServiceMs,
    concurrency: (((least + most) / 2) * meanServiceMs) / everyMs,
    largestBatch: most,
    pauses: true,
  };
}

function onAndOff(kind: string, perSecond: number, spellMs: number, meanServiceMs: number): Load {
  let left = spellMs;
  return {
    kind,
    next: (random) => {
      const gap = exponential(random, SECOND / perSecond);
      left -= gap;
      if (left > 0) return { inMs: gap, activities: 1 };
      left = spellMs * uniform(random, [0.5, 1.5]);
      return { inMs: spellMs * uniform(random, [0.5, 2]), activities: 1 };
    },
    serviceMs: (random) => Math.max(50, lognormal(random, meanServiceMs, 0.7)),
    meanServiceMs,
    concurrency: (perSecond * meanServiceMs) / SECOND,
    largestBatch: 1,
    pauses: true,
  };
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}
