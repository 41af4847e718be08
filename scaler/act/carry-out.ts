/** Carries out a pool's decision: remembers it, then sets cordons and the count. */
import type { PoolConfig } from '../../contract/pool-config.ts';
import { known, type Decision, type Outcome } from '../policy.ts';
import type { Ports, Session, TickOptions } from '../ports.ts';
import type { PoolReading } from '../read/pools.ts';
import type { TickRecord } from '../report/tick-record.ts';
import type { Trailing } from '../report/trailing.ts';
import { OtherScalerError, type PoolState } from './state.ts';

/** Remembers, then acts; returns what went wrong. If its memory cannot be written, a pool may grow but no task is removed. */
export async function carryOut(
  reading: PoolReading,
  { decision, figures, memory, trailing }: Outcome & { trailing: Trailing },
  session: Session,
  ports: Ports,
  options: TickOptions,
): Promise<string[]> {
  const { config, record } = reading;
  const before = session.get(config.pool);
  const errors: string[] = [];
  let allowed = decision;
  try {
    const next = { version: before?.version ?? 0, memory, trailing, decision, figures };
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
    const failure = await failureOf(act(reading, allowed, ports));
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
async function act({ config, record }: PoolReading, decision: Decision, ports: Ports): Promise<void> {
  const { tasks } = record;
  if (!known(tasks)) return;
  const leaving = new Set(decision.cordon);
  const cordoned = new Set(tasks.cordoned);
  const comingBack = tasks.cordoned.filter((task) => !leaving.has(task));
  const newlyLeaving = decision.cordon.filter((task) => !cordoned.has(task));

  if (comingBack.length > 0) await ports.state.takeBack(config, comingBack);
  if (newlyLeaving.length > 0) await ports.state.cordon(config, newlyLeaving, record.now);
  if (decision.desired !== tasks.desired) await ports.setDesired(config, decision.desired);
}

/** The error's text, if the work fails. */
export async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return String(error);
  }
}
