/** One invocation: it waits for its turn, and ticks at a steady pace until the next invocation takes over. */
import { randomUUID } from 'node:crypto';
import type { PoolReader, ScalerConfig } from './config.ts';
import type { StateTable } from './act/state.ts';
import type { Telemetry } from './report/telemetry.ts';
import type { Ports, Session } from './ports.ts';
import { tick } from './tick.ts';
import { Turn } from './turn.ts';

/** Time for a tick, and for sending metrics after the last one. */
const MARGIN_MS = 15_000;
/** How often the pools' memory is written at least. */
const KEEP_EVERY_MS = 80_000;
/** How many ticks the next invocation waits for the previous one: its sleep until the last tick, and a slow last tick. */
const TICKS_WAITED_FOR = 2;

export interface Clock {
  now(): number;
  sleep(milliseconds: number): Promise<unknown>;
}

export interface Parts {
  pools: Pick<PoolReader, 'read'>;
  ports: Ports & { state: StateTable };
  telemetry: Telemetry;
  config: Pick<ScalerConfig, 'mode' | 'tickSeconds'>;
  clock: Clock;
  complain: (message: string) => void;
}

/** `remainingMs`: how long the platform lets us run. */
export async function runInvocation(
  { pools: poolReader, ports, telemetry, config, clock, complain }: Parts,
  remainingMs: () => number,
): Promise<{ pools: number; ticks: number }> {
  const { pools, problems } = await poolReader.read();
  problems.forEach(complain);
  const turn = new Turn(ports.state, clock, randomUUID());
  if (!(await turn.begin(TICKS_WAITED_FOR * config.tickSeconds * 1000))) return { pools: pools.length, ticks: 0 };
  const session: Session = new Map();
  const ticks = await tickUntilRelieved(
    async (now, keeps) => {
      await tick(pools, session, ports, { mode: config.mode, now, keeps });
      await telemetry.send(now);
    },
    { tickSeconds: config.tickSeconds, clock, remainingMs: remainingMs(), isRelieved: () => turn.isAwaited() },
  );
  await turn.end();
  await telemetry.send(clock.now(), { force: true });
  return { pools: pools.length, ticks };
}

interface Pacing {
  tickSeconds: number;
  clock: Clock;
  remainingMs: number;
  isRelieved: () => Promise<boolean>;
}

/**
 * Runs `tick` every `tickSeconds`, for the first time at once, until another invocation waits or the time is over. The last one,
 * and one per minute, `keeps` the memory. After a tick that took too long, the next one comes at the next whole step, never two
 * at once.
 */
export async function tickUntilRelieved(
  runTick: (now: number, keeps: boolean) => Promise<void>,
  { tickSeconds, clock, remainingMs, isRelieved }: Pacing,
): Promise<number> {
  const start = clock.now();
  const end = start + remainingMs - MARGIN_MS;
  const paceMs = tickSeconds * 1000;
  let keptAt = start;
  for (let ticks = 1, next = start; ; ticks += 1) {
    if (next > clock.now()) await clock.sleep(next - clock.now());
    const last = (await isRelieved()) || next + paceMs > end;
    const now = clock.now();
    const keeps = last || now - keptAt >= KEEP_EVERY_MS;
    if (keeps) keptAt = now;
    await runTick(now, keeps);
    next = start + Math.ceil((clock.now() - start + 1) / paceMs) * paceMs;
    if (last) return ticks;
  }
}
