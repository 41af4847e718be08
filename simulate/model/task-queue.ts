/**
 * One of Temporal's task queues: work waits first in first out, but what a limit holds does not hold the rest; and what is
 * told of it is some seconds old, and counts what is not there.
 */
import type { QueueReading } from '../../scaler/policy.ts';
import type { Random } from '../random.ts';
import { RateCounter, RATE_SECONDS } from './rate-counter.ts';

const FALSE_FIRST_RATES = [78, 212];
/** Work that is counted and not there is found out by the server itself after so long. */
const DEAD_WORK_SECONDS = 600;
const BURST_SECONDS = 1;

/** Work of one fairness key, or all other work. */
interface Lane {
  items: { work: number; since: number }[];
  head: number;
  /** The limit: dispatches so far apart, of which a second's worth may go at once. When the next is due by that. */
  secondsApart: number;
  dueAt: number;
}

export class TaskQueue {
  readonly #all: Lane;
  readonly #key: Lane;
  readonly #limit: number;
  readonly #random: Random;
  #dead = { count: 0, since: 0 };
  #limitedAt = -Infinity;
  readonly #adds = new RateCounter();
  readonly #dispatches = new RateCounter();
  #isFresh = true;
  #snapshot: QueueReading & { headSince: number };

  /** Dispatches a second: of the whole queue, and of the key that has a limit. */
  constructor(limit: number, keyLimit: number, random: Random) {
    this.#limit = limit;
    this.#all = newLane(limit);
    this.#key = newLane(keyLimit);
    this.#random = random;
    this.#snapshot = this.#look(0);
  }

  get length(): number {
    return waitingIn(this.#all) + waitingIn(this.#key);
  }

  add(work: number, hasLimitedKey: boolean, now: number): void {
    this.#adds.count(now);
    (hasLimitedKey ? this.#key : this.#all).items.push({ work, since: now });
  }

  /** What may be dispatched now; undefined when nothing waits, or a limit holds all of it. */
  take(now: number): number | undefined {
    if (this.length === 0) return undefined;
    const lane = this.#nextLane(now);
    if (lane === undefined) {
      this.#limitedAt = now;
      return undefined;
    }
    if (waitingIn(this.#key) > 0 && now < nextOf(this.#key)) this.#limitedAt = now;
    // The queue's own limit is one for all of its work.
    for (const limit of new Set([this.#all, lane])) limit.dueAt = Math.max(now, limit.dueAt) + limit.secondsApart;
    this.#dispatches.count(now);
    return takeFrom(lane);
  }

  /** When a limit lets the next piece through. */
  get nextAt(): number {
    const lanes = [this.#all, this.#key].filter((lane) => waitingIn(lane) > 0);
    return Math.min(...lanes.map((lane) => Math.max(nextOf(lane), nextOf(this.#all))));
  }

  /** Work that is counted and cannot be done, as if it had come at that moment. */
  addDead(count: number, since: number): void {
    this.#dead = { count: this.#dead.count + count, since };
  }

  /** Somebody has polled. */
  dropDead(): void {
    this.#dead.count = 0;
  }

  /** The server starts again: its rates begin anew, with what it queues once more. */
  restart(again: number, since: number, now: number): void {
    this.#adds.restart(now);
    this.#dispatches.restart(now);
    for (let count = 0; count < again; count++) this.#adds.count(now);
    this.addDead(again, since);
  }

  takeSnapshot(now: number): void {
    this.#snapshot = this.#look(now);
  }

  reading(now: number): QueueReading {
    const { headSince, ...rest } = this.#snapshot;
    return { ...rest, ageSeconds: headSince === Infinity ? 0 : now - headSince };
  }

  #nextLane(now: number): Lane | undefined {
    if (now < nextOf(this.#all)) return undefined;
    const free = [this.#all, this.#key].filter((lane) => waitingIn(lane) > 0 && now >= nextOf(lane));
    return free.sort((a, b) => headOf(a) - headOf(b))[0];
  }

  #look(now: number): QueueReading & { headSince: number } {
    if (now - this.#dead.since > DEAD_WORK_SECONDS) this.#dead.count = 0;
    const [addRate, dispatchRate] = [this.#adds.rate(now), this.#dispatches.rate(now)];
    const factor = this.#isFresh && addRate > 0 ? this.#falseFirstRate(addRate) : 1;
    return {
      backlog: this.length + this.#dead.count,
      ageSeconds: 0,
      headSince: Math.min(headOf(this.#all), headOf(this.#key), this.#dead.count > 0 ? this.#dead.since : Infinity),
      addRate: addRate * factor,
      dispatchRate: dispatchRate * factor,
      rateLimited: now - this.#limitedAt < RATE_SECONDS,
      ...(this.#limit < Infinity && { rateLimit: this.#limit }),
    };
  }

  /** The first rate of a fresh queue is divided by milliseconds: one task has read as 78 and as 212 a second. */
  #falseFirstRate(addRate: number): number {
    this.#isFresh = false;
    const tasks = addRate * RATE_SECONDS;
    return (FALSE_FIRST_RATES[Math.floor(this.#random() * FALSE_FIRST_RATES.length)]! * tasks) / addRate;
  }
}

function newLane(perSecond: number): Lane {
  return { items: [], head: 0, secondsApart: 1 / perSecond, dueAt: perSecond === 0 ? Infinity : 0 };
}

function nextOf({ dueAt, secondsApart }: Lane): number {
  return dueAt - Math.max(0, BURST_SECONDS - secondsApart);
}

function waitingIn({ items, head }: Lane): number {
  return items.length - head;
}

function headOf({ items, head }: Lane): number {
  return items[head]?.since ?? Infinity;
}

function takeFrom(lane: Lane): number {
  const { work } = lane.items[lane.head++]!;
  if (lane.head > 1024 && lane.head * 2 > lane.items.length) {
    lane.items = lane.items.slice(lane.head);
    lane.head = 0;
  }
  return work;
}
