/** Groups consecutive ticks that decided the same. */
import type { Reason } from '../scaler/policy.ts';

/** What distinguishes one decision from the next. */
interface DecidedTick {
  /** Epoch milliseconds. */
  now: number;
  reason: Reason;
  desired: number;
  cordon: string[];
  errors: string[];
}

export interface Spell<T extends DecidedTick> {
  ticks: number;
  /** Its last tick. */
  tick: T;
  /** Epoch milliseconds of its first. */
  from: number;
  errors: string[];
}

export function spellsOf<T extends DecidedTick>(ticks: T[]): Spell<T>[] {
  const spells: Spell<T>[] = [];
  for (const tick of ticks) {
    const before = spells.at(-1);
    if (before && isSame(before.tick, tick)) {
      before.ticks += 1;
      before.tick = tick;
      before.errors = [...new Set([...before.errors, ...tick.errors])];
    } else spells.push({ ticks: 1, tick, from: tick.now, errors: tick.errors });
  }
  return spells;
}

function isSame(a: DecidedTick, b: DecidedTick): boolean {
  return a.reason === b.reason && a.desired === b.desired && a.cordon.join() === b.cordon.join();
}
