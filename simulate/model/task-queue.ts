/**
 * One of Temporal's task queues: work waits first in first out, but work that a limit holds back does not hold back the rest. Its
 * figures are some seconds old, and count work that no longer exists.
 */
import type { QueueReading } from '../../scaler/policy.ts';
import type { Random } from '../random.ts';
import { RateCounter, RATE_SECONDS } from './rate-counter.ts';

const FALSE_FIRST_RATES = [78, 212];
/** The server itself drops work that no longer exists after this time. */
const DEAD_WORK_SECONDS = 600;
const BURST_SECONDS = 1;

/** Work of one fairness key, or all other work. */
interface Lane {
  items: { work: number; since: number }[];
  head: number;
  /** The limit, as time between dispatches; a second's worth may go at once. `dueAt` is when the next may go. */
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

  /** Dispatches per second, for the whole queue and for the key that has a limit. */
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

  /** The next work to dispatch; undefined when nothing waits or a limit holds all of it back. */
  take(now: number): number | undefined {
    if (this.length === 0) return undefined;
    const lane = this.#nextLane(now);
    if (lane === undefined) {
      this.#limitedAt = now;
      return undefined;
    }
    if (waitingIn(this.#key) > 0 && now < nextOf(this.#key)) this.#limitedAt = now;
    // The queue's own limit applies to all of its work.
    for (const limit of new Set([this.#all, lane])) limit.dueAt = Math.max(now, limit.dueAt) + limit.secondsApart;
    this.#dispatches.count(now);
    return takeFrom(lane);
  }

  /** When a limit allows the next dispatch. */
  get nextAt(): number {
    const lanes = [this.#all, this.#key].filter((lane) => waitingIn(lane) > 0);
    return Math.min(...lanes.map((lane) => Math.max(nextOf(lane), nextOf(this.#all))));
  }

  /** Adds work that is counted and cannot be done, as if it arrived now. */
  addDead(count: number, since: number): void {
    this.#dead = { count: this.#dead.count + count, since };
  }

  /** A worker has polled. */
  dropDead(): void {
    this.#dead.count = 0;
  }

  /** The server restarts: its rates start at zero, plus what it queues again. */
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

  /** The first rate of a fresh queue is divided by milliseconds: one task has been reported as 78 and as 212 per second. */
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
