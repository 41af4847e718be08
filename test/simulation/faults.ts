/**
 * What can go wrong, and when: each fault lasts for a while, or happens once, for one pool or for all. Drawn at random
 * from the seed; the last part of a world's life has no faults.
 */
import { exponential, uniform, type Random } from '../../simulate/random.ts';
import { MINUTE, SECOND } from './time.ts';

/** For all pools. The numbers: how often, relative to others, and the range of minutes it lasts; 0 means once. */
const OF_ALL = {
  'temporal.unreachable': [3, 0.2, 20], // for the scaler alone: its network, its certificate, its key
  'temporal.down': [3, 0.2, 15], // for the workers too
  'temporal.slow': [2, 1, 10],
  'temporal.limited': [2, 1, 20], // some reads are refused
  'temporal.restarts': [2, 0, 0], // what is in flight is queued again
  'temporal.restartsEmpty': [0.5, 0, 0],
  'ecs.throttled': [3, 1, 20],
  'ecs.down': [2, 1, 90],
  'ecs.denied': [1, 2, 20], // AccessDenied for what changes a service
  'ecs.agentDown': [2, 1, 30], // workers cannot protect themselves
  'ecs.answersLost': [2, 1, 10], // done, but the response is lost
  'table.throttled': [3, 1, 20],
  'table.down': [2, 1, 20],
  'table.answersLost': [1, 1, 10],
  'cloudwatch.down': [1, 1, 60],
  'ssm.down': [1, 1, 10],
  'scaler.diesInMidTick': [6, 1, 10], // each invocation dies at one of its calls, before or after its effect
  'scaler.twice': [4, 5, 15],
  'scaler.late': [2, 1, 20],
  'scaler.absent': [2, 1, 40],
  'scaler.clockJumps': [1, 1, 10],
} as const;

const OF_ONE_POOL = {
  'temporal.noHeartbeats': [2, 1, 30],
  'temporal.staleHeartbeats': [2, 1, 10],
  'temporal.forgetsWorkers': [2, 1, 40], // half of the workers are not listed
  'temporal.deadWork': [2, 0, 0], // terminated workflows, still counted in the backlog
  'temporal.rateLimited': [1, 5, 30], // the whole queue, which says so
  'temporal.limitedKey': [2, 5, 30], // half of the work, and no reading shows which
  'temporal.foreignWorkers': [2, 5, 60], // another service's workers serve the queue as well
  'ecs.partial': [2, 1, 20], // the service, some of its tasks, or a page of them are missing
  'ecs.noCapacity': [2, 5, 90],
  'ecs.neverPlaces': [1, 5, 90], // every new task stays pending
  'ecs.badImage': [2, 5, 60], // every new task crashes at its start
  'ecs.deployment': [4, 0, 0],
  'ecs.forcedDeployment': [3, 0, 0], // of the same task definition
  'ecs.rebalances': [1, 5, 60], // between availability zones
  'ecs.fiveDeployments': [1, 0, 0],
  'ecs.badDeployment': [1, 0, 0],
  'ecs.deploymentResetsCount': [2, 0, 0],
  'ecs.countByHand': [2, 0, 0],
  'ecs.taskStoppedByHand': [1, 0, 0],
  'ecs.serviceDeleted': [0.5, 2, 20],
  'ecs.spot': [4, 0, 0],
  'ecs.crash': [4, 0, 0],
  'table.itemDamaged': [3, 0, 0],
  'ssm.parameterDamaged': [1, 2, 20],
  'work.failing': [2, 2, 20], // downstream is down: every attempt fails
  'work.poisoned': [1, 0, 0], // a piece of work that kills every worker it reaches
  'work.nineHours': [0.5, 0, 0], // one activity of nine hours, with one attempt
} as const;

export type FaultKind = keyof typeof OF_ALL | keyof typeof OF_ONE_POOL;
const ODDS: Record<FaultKind, readonly [often: number, leastMinutes: number, mostMinutes: number]> = {
  ...OF_ALL,
  ...OF_ONE_POOL,
};
export const FAULT_KINDS = Object.keys(ODDS) as FaultKind[];

export interface Fault {
  kind: FaultKind;
  pool: string | undefined;
  from: number;
  to: number;
  /** Each fault's own random value: which call, which task, how far. */
  luck: number;
}

/** The mean time between faults, unless the world sets another. */
export const MINUTES_BETWEEN_FAULTS = 12;

interface FaultPlan {
  pools: string[];
  from: number;
  /** The last fault has ended by then. */
  to: number;
  minutesBetween: number;
  only: FaultKind[] | undefined;
}

export function drawFaults(random: Random, { pools, from, to, minutesBetween, only }: FaultPlan): Fault[] {
  const betweenMs = minutesBetween * MINUTE;
  const faults: Fault[] = [];
  if (only?.length === 0) return faults;
  for (let at = from + exponential(random, betweenMs); at < to; at += exponential(random, betweenMs)) {
    const kind = drawKind(random, only);
    const [, least, most] = ODDS[kind];
    // Most are short, some are long.
    const minutes = least + (most - least) * random() ** 3;
    const pool = kind in OF_ALL ? undefined : pools[Math.floor(random() * pools.length)];
    faults.push({ kind, pool, from: at, to: Math.min(to, at + minutes * MINUTE), luck: random() });
  }
  return faults;
}

function drawKind(random: Random, only: FaultKind[] = FAULT_KINDS): FaultKind {
  const weights = only.map((kind) => ODDS[kind][0]);
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  return only.find((_, index) => (left -= weights[index]!) < 0) ?? only.at(-1)!;
}

/** The faults that are active now. */
export class Faults {
  readonly #on = new Map<string, number>();

  active(kind: FaultKind, pool?: string): boolean {
    return (this.#on.get(nameOf(kind, pool)) ?? 0) > 0;
  }

  begin({ kind, pool }: Pick<Fault, 'kind' | 'pool'>): void {
    const name = nameOf(kind, pool);
    this.#on.set(name, (this.#on.get(name) ?? 0) + 1);
  }

  end({ kind, pool }: Pick<Fault, 'kind' | 'pool'>): void {
    const name = nameOf(kind, pool);
    this.#on.set(name, (this.#on.get(name) ?? 0) - 1);
  }

  /** The active faults of all pools and of this one. */
  ofPool(pool: string): string[] {
    return [...this.#on].flatMap(([name, count]) => {
      const [kind = '', of] = name.split(' ');
      return count > 0 && (of === undefined || of === pool) ? [kind] : [];
    });
  }
}

function nameOf(kind: FaultKind, pool: string | undefined): string {
  return pool === undefined ? kind : `${kind} ${pool}`;
}

/** How long a request takes: mostly milliseconds. */
export function latencyMs(random: Random): number {
  return random() < 0.01 ? uniform(random, [200, 1500]) : uniform(random, [3, 40]);
}

/** The AWS client's timeout, after two tries. */
export const TIMES_OUT_AFTER_MS = 6 * SECOND;
