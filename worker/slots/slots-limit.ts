/**
 * How many slots a process offers, second by second: more while it uses them and has CPU, memory and event-loop time to spare,
 * fewer before one of these runs out. A pure function of measurements: no clock, no readings, no timer.
 *
 * It raises by projection: twice the slots in use are assumed to need twice the CPU and twice the memory above that of the idle
 * process. So the limit can be above what is in use (the scaler sizes the pool by it) and still hold when all slots are taken at
 * once.
 */
import type { SlotRange, Slots } from '../../contract/slots.ts';

export function mostOf(slots: Slots): number {
  return typeof slots === 'number' ? slots : slots.max;
}

/** As evenly as possible, at least one each. */
export function sharesOf(slots: Slots, processes: number): Slots[] {
  if (typeof slots === 'number') return evenly(slots, Math.min(slots, processes));
  const most = evenly(slots.max, Math.min(slots.max, processes));
  const least = evenly(slots.min, most.length);
  return most.map((max, index) => ({ min: Math.max(1, least[index]!), max }));
}

function evenly(slots: number, processes: number): number[] {
  return Array.from(
    { length: processes },
    (_, index) => Math.floor(slots / processes) + (index < slots % processes ? 1 : 0),
  );
}

/** Measured over the last second. */
export interface SlotsSeen {
  /** Slots in use, on average. */
  used: number;
  /** As a part of the process's share of the task; 1 is all of it. */
  cpu: number;
  memory: number;
  /** How late the event loop is, on average. */
  delayMs: number;
}

export interface SlotsState {
  limit: number;
  /** Smoothed. */
  cpu: number;
  delayMs: number;
  /** Memory while nothing runs, as last measured. */
  restMemory: number;
  /** Seconds since the limit was lowered. */
  calmFor: number;
  /** Seconds of calm before it is raised: longer after each raise that was a mistake. */
  patience: number;
  /** Whether it was raised since it was last lowered. */
  raised: boolean;
}

/** The limit is raised below the first value and lowered above the second; between the two it stays. */
const ROOM = { cpu: 0.85, memory: 0.75, delayMs: 50 };
const PRESSURE = { cpu: 0.97, memory: 0.85, delayMs: 250 };
const SMOOTHING = 0.5;
const NEXT_TO_NOTHING = 1e-6;
/** The limit is raised when this part of it is in use: the rest is for sudden work. */
const DEMAND = 0.5;
const RAISE = 1.5;
const LOWER = 0.8;
/** By then the effect of lowering shows. */
const SETTLES_SECONDS = 5;
const MOST_PATIENCE_SECONDS = 120;
/** How much of its patience is regained per second of calm. */
const PATIENCE_REGAINED = 0.05;
/** Fewer would leave the CPU idle between two activities. */
const KEEPS_PROCESSOR_BUSY = 2;

/** Before anything runs. */
export function firstSlots({ min }: SlotRange, restMemory: number): SlotsState {
  const [calmFor, patience] = [SETTLES_SECONDS, SETTLES_SECONDS];
  return { limit: min, cpu: 0, delayMs: 0, restMemory, calmFor, patience, raised: false };
}

export function nextSlots(before: SlotsState, seen: SlotsSeen, range: SlotRange): SlotsState {
  const state: SlotsState = {
    ...before,
    cpu: smoothed(before.cpu, seen.cpu),
    delayMs: smoothed(before.delayMs, seen.delayMs),
    restMemory: seen.used === 0 ? seen.memory : before.restMemory,
    calmFor: before.calmFor + 1,
    patience: Math.max(SETTLES_SECONDS, before.patience - PATIENCE_REGAINED),
  };
  const limit = lowered(state, seen, range) ?? raised(state, seen, range) ?? state.limit;
  if (limit > state.limit) return { ...state, limit, raised: true };
  if (limit === state.limit) return state;
  const wasMistaken = state.raised && before.calmFor < before.patience + SETTLES_SECONDS;
  const patience = wasMistaken ? Math.min(MOST_PATIENCE_SECONDS, 2 * state.patience) : state.patience;
  return { ...state, limit, calmFor: 0, raised: false, patience };
}

/** Slots in use are never taken away: they drain first, and until then the limit is not lowered further. */
function lowered({ limit, cpu, delayMs, calmFor }: SlotsState, { used, memory }: SlotsSeen, { min }: SlotRange) {
  const memoryShort = memory >= PRESSURE.memory;
  const isPressed = memoryShort || cpu >= PRESSURE.cpu || delayMs >= PRESSURE.delayMs;
  if (!isPressed || calmFor < SETTLES_SECONDS || used > limit) return undefined;
  const least = memoryShort ? min : Math.max(min, KEEPS_PROCESSOR_BUSY);
  const next = Math.max(least, Math.floor(LOWER * Math.min(limit, Math.ceil(used))));
  return next < limit ? next : undefined;
}

function raised(state: SlotsState, seen: SlotsSeen, { max }: SlotRange) {
  const { limit, cpu, delayMs, restMemory, calmFor, patience } = state;
  const { used, memory } = seen;
  const isUsed = used >= DEMAND * limit && used <= limit;
  if (!isUsed || calmFor < patience || delayMs >= ROOM.delayMs) return undefined;
  const ofCpu = ROOM.cpu / Math.max(cpu, seen.cpu, NEXT_TO_NOTHING);
  const ofMemory = (ROOM.memory - restMemory) / Math.max(memory - restMemory, NEXT_TO_NOTHING);
  const fits = used * Math.min(ofCpu, ofMemory);
  const next = Math.min(max, Math.floor(Math.min(fits, Math.max(limit + 1, RAISE * limit))));
  return next > limit ? next : undefined;
}

function smoothed(before: number, now: number): number {
  return before + SMOOTHING * (now - before);
}
