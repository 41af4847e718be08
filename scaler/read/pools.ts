/** Puts together what one tick knows of each pool: its queues, workers, tasks and cordons. */
import type { PoolConfig } from '../../contract/pool-config.ts';
import { policyAt } from '../../contract/schedules.ts';
import { known, type Reading, type WorkerReading } from '../policy.ts';
import type { Ports } from '../ports.ts';
import type { TickRecord } from '../report/tick-record.ts';
import { unread, type ServiceReading, type UncordonedTasks } from './ecs.ts';
import { overrule } from './overrides.ts';
import type { ReadQueue, TemporalSignals } from './temporal.ts';
import { taskOf, type ReportedWorker } from './workers.ts';

/** What is known of a pool in this tick. */
export interface PoolReading {
  config: PoolConfig;
  record: TickRecord;
  problems: string[];
}

export interface Fleets {
  services: Map<string, ServiceReading>;
  cordoned: CordonedByPool;
}

export async function readFleets(pools: PoolConfig[], ports: Ports): Promise<Fleets> {
  const services = await ports.ecs.read(pools);
  return { services, cordoned: await readCordoned(pools, services, ports) };
}

export function poolReading(
  config: PoolConfig,
  signals: TemporalSignals,
  { services, cordoned }: Fleets,
  now: number,
): PoolReading {
  const { pool } = config;
  const service = services.get(pool) ?? unread('not read');
  const { activityQueue, workflowQueue, nexusQueue, workers } = isEmpty(service.tasks)
    ? withoutTasks(signals)
    : readNow(signals);
  const record: TickRecord = {
    v: 1,
    pool,
    now,
    policy: overrule(policyAt(config, now), service.overrides),
    activityQueue,
    workflowQueue,
    ...(nexusQueue !== undefined && { nexusQueue }),
    workers: known(workers) ? inTheirTasks(workers, service) : workers,
    tasks: withCordoned(service.tasks, cordoned, config),
  };
  return { config, record, problems: service.overrides.problems };
}

function isEmpty(tasks: Reading<UncordonedTasks>): boolean {
  return known(tasks) && tasks.desired === 0 && tasks.running.length === 0 && tasks.pending.length === 0;
}

/** A pool without tasks has no workers, even if the server does not say so. */
function withoutTasks(signals: TemporalSignals): TemporalSignals {
  return known(signals.workers) ? signals : { ...signals, workers: [] };
}

/** An earlier reading may be used only while there is no task that it could remove. */
function readNow({ activityQueue, workflowQueue, workers }: TemporalSignals): TemporalSignals {
  const fresh = (queue: Reading<ReadQueue>) =>
    known(queue) && queue.readSecondsAgo !== undefined ? { unknown: 'not read in this tick' } : queue;
  return { activityQueue: fresh(activityQueue), workflowQueue: fresh(workflowQueue), workers };
}

function inTheirTasks(workers: ReportedWorker[], { tasks, addresses }: ServiceReading): WorkerReading[] {
  const ids = new Set(known(tasks) ? [...tasks.running, ...tasks.pending] : []);
  return workers.map(({ names, ...worker }) => ({
    ...worker,
    task: taskOf({ task: worker.task, names }, ids, addresses),
  }));
}

type CordonedByPool = Reading<Map<string, string[]>>;

async function readCordoned(
  pools: PoolConfig[],
  services: Map<string, ServiceReading>,
  ports: Ports,
): Promise<CordonedByPool> {
  const ids = new Map<PoolConfig, string[]>();
  for (const pool of pools) {
    const ofPool = services.get(pool.pool)?.tasks;
    if (ofPool !== undefined && known(ofPool)) ids.set(pool, [...ofPool.running, ...ofPool.pending]);
  }
  try {
    return await ports.state.cordoned(ids);
  } catch (error) {
    return { unknown: String(error) };
  }
}

/** Tasks whose cordons could not be read are unknown as a whole, because it is not known which of them take work. */
function withCordoned(
  tasks: Reading<UncordonedTasks>,
  cordoned: CordonedByPool,
  { pool, protection }: PoolConfig,
): TickRecord['tasks'] {
  if (!known(tasks)) return tasks;
  if (!known(cordoned)) return { unknown: `cordons: ${cordoned.unknown}` };
  const ofPool = cordoned.get(pool) ?? [];
  // Beside a sidecar the worker has received SIGTERM, and cannot continue.
  const isFinal = protection === 'sidecar' && ofPool.length > 0;
  return { ...tasks, cordoned: ofPool, ...(isFinal && { final: ofPool }) };
}
