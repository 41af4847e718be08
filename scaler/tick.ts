/**
 * One tick: reads every pool's signals, decides, remembers, acts and reports, for all pools side by side.
 * It never throws; what fails for one pool is that pool's, and is counted.
 */
import type { PoolConfig } from '../contract/pool-config.ts';
import { decide, DEFAULT_POLICY, known, type Decision, type Outcome, type Policy, type Reading } from './policy.ts';
import { policyAt } from './schedules.ts';
import type { EcsServices, UncordonedTasks } from './signals/ecs.ts';
import type { TemporalReader } from './signals/temporal.ts';
import { OtherScalerError, type PoolState, type StateTable } from './state.ts';
import type { Telemetry } from './telemetry.ts';
import type { TickRecord } from './tick-record.ts';

export interface Ports {
  temporal: Pick<TemporalReader, 'read'>;
  ecs: Pick<EcsServices, 'read' | 'setDesired'>;
  state: Pick<StateTable, 'load' | 'save' | 'markTick' | 'cordoned' | 'cordon' | 'takeBack'>;
  telemetry: Pick<Telemetry, 'report'>;
}

/** `observe` decides and reports, but changes nothing in ECS and cordons nobody. */
export type Mode = 'act' | 'observe';

export interface TickOptions {
  mode: Mode;
  /** Epoch milliseconds. */
  now: number;
  /** The invocation's last tick: what the pools remember is written although nothing changed. */
  last: boolean;
}

/** What one invocation carries from tick to tick: the pools' states as last read or written. */
export type Session = Map<string, PoolState>;

export async function tick(pools: PoolConfig[], session: Session, ports: Ports, options: TickOptions): Promise<void> {
  const unloaded = pools.filter(({ pool }) => !session.has(pool));
  const [records, stateError, markError] = await Promise.all([
    readAll(pools, ports, options.now),
    unloaded.length > 0 ? failureOf(loadInto(session, unloaded, ports)) : undefined,
    options.last ? failureOf(ports.state.markTick(options.now)) : undefined,
  ]);
  const shared = [stateError, markError].filter((error) => error !== undefined);
  await Promise.all(
    pools.map(async (pool, index) => {
      const record = records[index] as TickRecord;
      const outcome = decideOn(record, session.get(pool.pool)?.memory);
      const errors = [...shared, ...(await carryOut(pool, record, outcome, session, ports, options))];
      ports.telemetry.report(record, outcome, errors);
    }),
  );
}

async function loadInto(session: Session, pools: PoolConfig[], ports: Ports): Promise<void> {
  for (const [pool, state] of await ports.state.load(pools.map(({ pool }) => pool))) session.set(pool, state);
}

async function readAll(pools: PoolConfig[], ports: Ports, now: number): Promise<TickRecord[]> {
  const [temporal, tasks] = await Promise.all([
    ports.temporal.read([...new Set(pools.map(({ taskQueue }) => taskQueue))], now),
    ports.ecs.read(pools),
  ]);
  const cordoned = await readCordoned(pools, tasks, ports);
  return pools.map((config) => {
    const { pool, taskQueue } = config;
    const unread = { unknown: 'not read' };
    const ofQueue = temporal.get(taskQueue) ?? { activityQueue: unread, workflowQueue: unread, workers: unread };
    const policy = policyAt(config, now);
    return { v: 1, pool, now, policy, ...ofQueue, tasks: withCordoned(tasks.get(pool) ?? unread, cordoned, pool) };
  });
}

type CordonedByPool = Reading<Map<string, string[]>>;

async function readCordoned(
  pools: PoolConfig[],
  tasks: Map<string, Reading<UncordonedTasks>>,
  ports: Ports,
): Promise<CordonedByPool> {
  const ids = new Map<PoolConfig, string[]>();
  for (const pool of pools) {
    const ofPool = tasks.get(pool.pool);
    if (ofPool !== undefined && known(ofPool)) ids.set(pool, [...ofPool.running, ...ofPool.pending]);
  }
  try {
    return await ports.state.cordoned(ids);
  } catch (error) {
    return { unknown: String(error) };
  }
}

/** Tasks whose cordons could not be read are unknown as a whole: who takes work and who does not is then not known. */
function withCordoned(tasks: Reading<UncordonedTasks>, cordoned: CordonedByPool, pool: string): TickRecord['tasks'] {
  if (!known(tasks)) return tasks;
  if (!known(cordoned)) return { unknown: `cordons: ${cordoned.unknown}` };
  return { ...tasks, cordoned: cordoned.get(pool) ?? [] };
}

function decideOn(record: TickRecord, memory: unknown): Outcome {
  return decide(record, memory, { ...DEFAULT_POLICY, ...(record.policy as Partial<Policy>) }, record.now);
}

/** Remembers, then acts; returns what went wrong. Without its memory written, a pool may grow but nobody leaves. */
async function carryOut(
  pool: PoolConfig,
  record: TickRecord,
  { decision, memory }: Outcome,
  session: Session,
  ports: Ports,
  options: TickOptions,
): Promise<string[]> {
  const before = session.get(pool.pool);
  const errors: string[] = [];
  try {
    await remember(pool, record, { version: before?.version ?? 0, memory, decision }, session, ports, options.last);
  } catch (error) {
    errors.push(String(error));
    if (error instanceof OtherScalerError) session.delete(pool.pool);
    if (error instanceof OtherScalerError || !grows(record, decision)) return errors;
  }
  if (options.mode === 'act') {
    const failure = await failureOf(act(pool, record, decision, ports));
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
  last: boolean,
): Promise<void> {
  const before = session.get(pool.pool)?.decision;
  const version = last || !same(before, next.decision) ? await ports.state.save(pool.pool, next, record) : next.version;
  session.set(pool.pool, { ...next, version });
}

function same(a: Decision | undefined, b: Decision | undefined): boolean {
  return (
    a?.desired === b?.desired && a?.reason === b?.reason && a?.cordon.toSorted().join() === b?.cordon.toSorted().join()
  );
}

function grows({ tasks }: TickRecord, { desired }: Decision): boolean {
  return known(tasks) && desired > tasks.desired;
}

/** Cordons before the count is lowered, and taken back before it is raised: so ECS never has to choose who leaves. */
async function act(pool: PoolConfig, { tasks, now }: TickRecord, decision: Decision, ports: Ports): Promise<void> {
  if (!known(tasks)) return;
  const leaving = new Set(decision.cordon);
  const cordoned = new Set(tasks.cordoned);
  const comingBack = tasks.cordoned.filter((task) => !leaving.has(task));
  const newlyLeaving = decision.cordon.filter((task) => !cordoned.has(task));

  if (comingBack.length > 0) await ports.state.takeBack(pool, comingBack);
  if (newlyLeaving.length > 0) await ports.state.cordon(pool, newlyLeaving, now);
  if (decision.desired !== tasks.desired) await ports.ecs.setDesired(pool, decision.desired);
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return String(error);
  }
}
