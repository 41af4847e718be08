/**
 * One tick: reads every pool's signals, decides, remembers, acts and reports, for all pools concurrently.
 * It never throws; a failure concerns only its own pool, and is counted.
 */
import type { PoolConfig } from '../contract/pool-config.ts';
import {
  decide,
  DEFAULT_POLICY,
  known,
  type Decision,
  type Outcome,
  type Policy,
  type Reading,
  type WorkerReading,
} from './policy.ts';
import { AtOnce } from './at-once.ts';
import { overrule } from './overrides.ts';
import { policyAt } from '../contract/schedules.ts';
import { unread, type EcsServices, type ServiceReading, type UncordonedTasks } from './signals/ecs.ts';
import { NOT_READ, type ReadQueue, type TemporalReader, type TemporalSignals } from './signals/temporal.ts';
import { taskOf, type ReportedWorker } from './signals/workers.ts';
import { OtherScalerError, type PoolState, type StateTable } from './state.ts';
import type { Telemetry } from './telemetry.ts';
import type { TickRecord } from './tick-record.ts';
import { trail, type Trailing } from './trailing.ts';

export interface Ports {
  temporal: Pick<TemporalReader, 'readEach'>;
  ecs: Pick<EcsServices, 'read' | 'setDesired'>;
  state: Pick<StateTable, 'load' | 'save' | 'markTick' | 'cordoned' | 'cordon' | 'takeBack'>;
  telemetry: Pick<Telemetry, 'report'>;
}

/** `observe` decides and reports, but changes nothing in ECS and cordons no task. */
export type Mode = 'act' | 'observe';

export interface TickOptions {
  mode: Mode;
  /** Epoch milliseconds. */
  now: number;
  /** Writes the pools' memory even if nothing changed. */
  keeps: boolean;
}

/** If a thousand requests began at once, most would time out before they are sent. */
const CARRIED_OUT_AT_ONCE = 25;

/** The state that an invocation carries from tick to tick: the pools' states as last read or written. */
export type Session = Map<string, PoolState>;

export async function tick(pools: PoolConfig[], session: Session, ports: Ports, options: TickOptions): Promise<void> {
  const unloaded = pools.filter(({ pool }) => !session.has(pool));
  const stateError = unloaded.length > 0 ? await failureOf(loadInto(session, unloaded, ports)) : undefined;
  const around = readAround(pools, ports);
  const markError = failureOf(around.then(({ services }) => mark(services, ports, options)));
  const signals = ports.temporal.readEach(
    pools.map((pool) => ({ ...pool, atRest: isAtRest(session.get(pool.pool)) })),
    options.now,
  );
  const carryingOut = new AtOnce(CARRIED_OUT_AT_ONCE);
  // Each pool continues as soon as it is read, without waiting for the slowest.
  const ticked = pools.map(async (config) => {
    const read = await Promise.all([signals.get(config.pool), around, markError]);
    const pool = see(config, read[0] ?? NOT_READ, read[1], options.now);
    const before = session.get(config.pool);
    const outcome = decideOn(pool.record, before?.memory);
    const trailing = trail(before?.trailing, pool.record, outcome);
    const shared = [stateError, read[2]].filter((error) => error !== undefined);
    const failures = await carryingOut.run(() => carryOut(pool, { ...outcome, trailing }, session, ports, options));
    const errors = [...shared, ...pool.problems, ...failures];
    ports.telemetry.report(pool.record, outcome, errors, config, trailing);
  });
  await Promise.all(ticked);
}

function mark(
  services: Map<string, ServiceReading>,
  { state }: Ports,
  { now, mode, keeps }: TickOptions,
): Promise<void> {
  const deploying = new Map(
    [...services].map(([pool, { tasks }]) => [pool, known(tasks) ? tasksIfDeploying(tasks) : undefined] as const),
  );
  return state.markTick(now, mode, deploying, keeps);
}

function tasksIfDeploying({ outdated, running, pending }: UncordonedTasks): number {
  return outdated.length > 0 ? running.length + pending.length : 0;
}

/** At the last decision nothing was queued or busy, there were no tasks, and all of that was known. */
function isAtRest(state: PoolState | undefined): boolean {
  const { desired, cordon, reason } = state?.decision ?? {};
  return desired === 0 && reason === 'idle' && cordon?.length === 0;
}

/** A pool in this tick. */
interface SeenPool {
  config: PoolConfig;
  record: TickRecord;
  problems: string[];
}

async function loadInto(session: Session, pools: PoolConfig[], ports: Ports): Promise<void> {
  for (const [pool, state] of await ports.state.load(pools.map(({ pool }) => pool))) session.set(pool, state);
}

interface Around {
  services: Map<string, ServiceReading>;
  cordoned: CordonedByPool;
}

async function readAround(pools: PoolConfig[], ports: Ports): Promise<Around> {
  const services = await ports.ecs.read(pools);
  return { services, cordoned: await readCordoned(pools, services, ports) };
}

function see(config: PoolConfig, signals: TemporalSignals, { services, cordoned }: Around, now: number): SeenPool {
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

function decideOn(record: TickRecord, memory: unknown): Outcome {
  return decide(record, memory, { ...DEFAULT_POLICY, ...(record.policy as Partial<Policy>) }, record.now);
}

/** Remembers, then acts; returns what went wrong. If its memory cannot be written, a pool may grow but no task is removed. */
async function carryOut(
  seen: SeenPool,
  { decision, memory, trailing }: Outcome & { trailing: Trailing },
  session: Session,
  ports: Ports,
  options: TickOptions,
): Promise<string[]> {
  const { config, record } = seen;
  const before = session.get(config.pool);
  const errors: string[] = [];
  let allowed = decision;
  try {
    const next = { version: before?.version ?? 0, memory, trailing, decision };
    await remember(config, record, next, session, ports, options);
  } catch (error) {
    errors.push(String(error));
    if (error instanceof OtherScalerError) {
      session.delete(config.pool);
      return errors;
    }
    if (!grows(record, decision)) allowed = asItIs(record, decision);
  }
  if (options.mode === 'act') {
    const failure = await failureOf(act(seen, allowed, ports));
    if (failure !== undefined) errors.push(failure);
  }
  return errors;
}

async function remember(
  pool: PoolConfig,
  record: TickRecord,
  next: PoolState,
  session: Session,
  ports: Ports,
  { keeps, mode }: TickOptions,
): Promise<void> {
  const before = session.get(pool.pool)?.decision;
  const writes = keeps || !same(before, next.decision) || (mode === 'act' && acts(record, next.decision));
  const version = writes ? await ports.state.save(pool.pool, next, record) : next.version;
  session.set(pool.pool, { ...next, version });
}

function same(a: Decision | undefined, b: Decision | undefined): boolean {
  return (
    a?.desired === b?.desired && a?.reason === b?.reason && a?.cordon.toSorted().join() === b?.cordon.toSorted().join()
  );
}

/** Whether the decision changes anything: only a scaler that has just written the pool's memory knows that no other has. */
function acts({ tasks }: TickRecord, decision: Decision | undefined): boolean {
  if (!known(tasks) || decision === undefined) return false;
  return decision.desired !== tasks.desired || decision.cordon.toSorted().join() !== tasks.cordoned.toSorted().join();
}

/** The count and the cordons stay as they are. */
function asItIs({ tasks }: TickRecord, decision: Decision): Decision {
  return known(tasks) ? { ...decision, desired: tasks.desired, cordon: tasks.cordoned } : decision;
}

function grows({ tasks }: TickRecord, { desired }: Decision): boolean {
  return known(tasks) && desired > tasks.desired;
}

/** Cordons come before the count is lowered, and are taken back before it is raised, so that ECS never chooses which tasks to stop. */
async function act({ config, record }: SeenPool, decision: Decision, ports: Ports): Promise<void> {
  const { tasks } = record;
  if (!known(tasks)) return;
  const leaving = new Set(decision.cordon);
  const cordoned = new Set(tasks.cordoned);
  const comingBack = tasks.cordoned.filter((task) => !leaving.has(task));
  const newlyLeaving = decision.cordon.filter((task) => !cordoned.has(task));

  if (comingBack.length > 0) await ports.state.takeBack(config, comingBack);
  if (newlyLeaving.length > 0) await ports.state.cordon(config, newlyLeaving, record.now);
  if (decision.desired !== tasks.desired) await ports.ecs.setDesired(config, decision.desired);
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return String(error);
  }
}
