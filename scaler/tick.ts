/**
 * One tick: reads every pool's signals, decides, remembers, acts and reports, for all pools concurrently.
 * It never throws; a failure concerns only its own pool, and is counted.
 */
import type { PoolConfig } from '../contract/pool-config.ts';
import { failureOf, carryOut } from './act/carry-out.ts';
import type { PoolState } from './act/state.ts';
import { AtOnce } from './at-once.ts';
import { decide, DEFAULT_POLICY, known, type Outcome, type Policy } from './policy.ts';
import type { Ports, Session, TickOptions } from './ports.ts';
import type { ServiceReading, UncordonedTasks } from './read/ecs.ts';
import { poolReading, readFleets } from './read/pools.ts';
import { NOT_READ } from './read/temporal.ts';
import type { TickRecord } from './report/tick-record.ts';
import { trail } from './report/trailing.ts';

/** If a thousand requests began at once, most would time out before they are sent. */
const CARRIED_OUT_AT_ONCE = 25;

export async function tick(pools: PoolConfig[], session: Session, ports: Ports, options: TickOptions): Promise<void> {
  const unloaded = pools.filter(({ pool }) => !session.has(pool));
  const stateError = unloaded.length > 0 ? await failureOf(loadInto(session, unloaded, ports)) : undefined;
  const fleets = readFleets(pools, ports);
  const markError = failureOf(fleets.then(({ services }) => mark(services, ports, options)));
  const signals = ports.temporal.readEach(
    pools.map((pool) => ({ ...pool, atRest: isAtRest(session.get(pool.pool)) })),
    options.now,
  );
  const carryingOut = new AtOnce(CARRIED_OUT_AT_ONCE);
  // Each pool continues as soon as it is read, without waiting for the slowest.
  const ticked = pools.map(async (config) => {
    const read = await Promise.all([signals.get(config.pool), fleets, markError]);
    const pool = poolReading(config, read[0] ?? NOT_READ, read[1], options.now);
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

/** At the last decision nothing was queued or busy, there were no tasks, and all of that was known. */
function isAtRest(state: PoolState | undefined): boolean {
  const { desired, cordon, reason } = state?.decision ?? {};
  return desired === 0 && reason === 'idle' && cordon?.length === 0;
}

async function loadInto(session: Session, pools: PoolConfig[], ports: Ports): Promise<void> {
  for (const [pool, state] of await ports.state.load(pools.map(({ pool }) => pool))) session.set(pool, state);
}

function decideOn(record: TickRecord, memory: unknown): Outcome {
  return decide(record, memory, { ...DEFAULT_POLICY, ...(record.policy as Partial<Policy>) }, record.now);
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
