/** A pool of a faulty stack: what is wrong with it, and what its tasks are made of. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PoolPolicy } from '../../contract/pool-config.ts';
import { taskDefinitionOf, type TestedTask } from '../task-definition.ts';

export const IMAGE = 'example.test/worker:1';
export const TABLE = 'state';
export const ROLE = 'AROA';
const BLOCKING = join(import.meta.dirname, 'fixtures/blocking.mjs');
export const WORKER_COMMAND = ['node', 'main.js'];

/** As the platform has it, compressed like the work is. */
const STOP_TIMEOUT_SECONDS = 3;
/** How long a worker's event loop stands still when it is told to. */
export const BLOCKED_SECONDS = 3;

export interface FaultyPool {
  name: string;
  policy: PoolPolicy;
  /** Whether Spot tasks are among the pool's. */
  spot?: boolean;
  /** Whether workers protect themselves and read their cordon; without, they are workers that are just stopped. */
  protocol?: boolean;
  /** Whether its workers can be refused by Temporal, and their event loops blocked. */
  disturbed?: boolean;
  /** For how long `block` holds its workers' event loops; without, only those of a disturbed pool can be blocked. */
  blockedSeconds?: number;
  /** Whether ECS moves its tasks between availability zones. */
  rebalanced?: boolean;
  /** What its tasks run; the worker, unless given. */
  command?: string[];
  /** The folder of another worker than the package's own that protects itself. */
  worker?: string;
  /** A worker of another kind, with the sidecar beside it: the folder that stands for its image. */
  beside?: string;
}

/** Where Temporal is for workers, and where for those that it can refuse. */
interface TemporalAddresses {
  address: string;
  refusing: string | undefined;
}

type WorkerTask = Omit<TestedTask, 'family' | 'stopTimeout'>;

export function imageOf(pool: string): string {
  return `example.test/${pool}:1`;
}

/** What the pool's tasks are made of. */
export function definitionOf(pool: FaultyPool, addresses: TemporalAddresses) {
  const task = pool.beside === undefined ? ourTask(pool, addresses) : taskBeside(pool, addresses);
  return taskDefinitionOf({ family: pool.name, stopTimeout: STOP_TIMEOUT_SECONDS, ...task });
}

function taskBeside({ name, policy, command = [] }: FaultyPool, { address }: TemporalAddresses): WorkerTask {
  return {
    image: imageOf(name),
    command,
    environment: {
      TEMPORAL_ADDRESS: address,
      TEMPORAL_TASK_QUEUE: name,
      ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${policy.slotsPerTask ?? 1}`,
    },
    sidecar: { stateTable: TABLE, taskRoleId: ROLE },
  };
}

function ourTask(
  {
    name,
    policy,
    protocol = true,
    disturbed = false,
    blockedSeconds = disturbed ? BLOCKED_SECONDS : undefined,
    command = WORKER_COMMAND,
    worker,
  }: FaultyPool,
  { address, refusing }: TemporalAddresses,
): WorkerTask {
  const environment = {
    TEMPORAL_ADDRESS: disturbed ? refusing! : address,
    TEMPORAL_TASK_QUEUE: name,
    ELASTIC_WORKERS_POOL: name,
    ELASTIC_WORKERS_PROCESSES: '1',
    ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${policy.slotsPerTask ?? 1}`,
    ELASTIC_WORKERS_CORDON_POLL_SECONDS: '1',
    ELASTIC_WORKERS_HEARTBEAT_SECONDS: '1',
    ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: `${STOP_TIMEOUT_SECONDS}`,
    ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: '1',
    ELASTIC_WORKERS_DRAIN_SECONDS: '2',
    ELASTIC_WORKERS_HEALTH_PORT: 'off',
    ELASTIC_WORKERS_METRICS_PORT: 'off',
    ELASTIC_WORKERS_CLOUDWATCH: 'off',
    ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1',
    ...(blockedSeconds !== undefined && {
      NODE_OPTIONS: `--import=${pathToFileURL(BLOCKING).href}`,
      BLOCKED_SECONDS: `${blockedSeconds}`,
    }),
    ...(disturbed && {
      // A heartbeat that a refusal or a blocked loop holds back is no more than this late already.
      ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS: '1',
      ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS: '1',
    }),
    ...(protocol && { ELASTIC_WORKERS_STATE_TABLE: TABLE, ELASTIC_WORKERS_TASK_ROLE_ID: ROLE }),
  };
  return { image: worker === undefined ? IMAGE : imageOf(name), command, environment };
}
