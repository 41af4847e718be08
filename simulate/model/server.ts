/** The Temporal server: work waits in its task queues, is dispatched to free slots, and is tried again. */
import { Attempts } from './attempts.ts';
import { isWithin, KINDS, type Kind } from './settings.ts';
import type { ModelTask, Slots } from './task.ts';
import { TaskQueue } from './task-queue.ts';
import type { World } from './world.ts';

/** Of retries, by default. */
const MOST_RETRY_SECONDS = 100;
/** What was dispatched within this time before a restart of the server is queued again. */
const QUEUED_AGAIN_SECONDS = 30;
/** A workflow task waits for the worker that has its workflow cached. */
const STICKY_SECONDS = 10;

export class Server {
  readonly #world: World;
  readonly queues: Record<Kind, TaskQueue>;
  readonly attempts: Attempts;
  /** When a limit allows the next dispatch. */
  readonly #wakeAt: Record<Kind, number> = { activity: -Infinity, workflowTask: -Infinity };
  readonly #hasLimitedKey: Uint8Array;
  busy = 0;
  unmatched = 0;
  dispatched = 0;
  failed = 0;
  killed = 0;
  /** Slot-seconds of all attempts, including lost ones. */
  busySeconds = 0;

  constructor(world: World) {
    const { work, settings, random } = world;
    const { dispatchLimit, limitedKey } = settings;
    this.#world = world;
    this.queues = {
      activity: new TaskQueue(dispatchLimit, limitedKey.perSecond, random.noise),
      workflowTask: new TaskQueue(Infinity, Infinity, random.noise),
    };
    this.attempts = new Attempts(work);
    this.#hasLimitedKey = Uint8Array.from(work, () => Number(random.keys() < limitedKey.share));
  }

  arrive(work: number): void {
    const kind = this.#kindOf(work);
    const isFree = this.#findsFree(kind);
    const { eagerShare, stickyShare } = this.#world.settings;
    if (kind === 'workflowTask' && stickyShare > 0 && this.#world.random.noise() < stickyShare)
      return this.#arriveSticky(work);
    if (kind === 'activity' && eagerShare > 0 && this.#world.random.noise() < eagerShare && isFree)
      return this.#start(work);
    this.#enqueue(work);
  }

  /** A retry counts as unmatched like new work. */
  returns(work: number): void {
    this.#findsFree(this.#kindOf(work));
    this.#enqueue(work);
  }

  #findsFree(kind: Kind): boolean {
    const isFree = this.#world.fleet.available[kind].count > 0 && this.queues[kind].length === 0;
    if (!isFree) this.unmatched++;
    return isFree;
  }

  /** The task of a workflow that one worker has cached. If that worker has no free slot for a while, any worker may take it. */
  #arriveSticky(work: number): void {
    const running = this.#world.fleet.running();
    const slots = running[Math.floor(this.#world.random.spread() * running.length)]?.slots.workflowTask;
    if (slots === undefined) this.#enqueue(work);
    else if (slots.held.size < slots.size) this.#startIn(slots, work);
    else this.#world.events.add({ at: this.#world.now + STICKY_SECONDS, kind: 'returns', work });
  }

  #enqueue(work: number): void {
    const kind = this.#kindOf(work);
    this.queues[kind].add(work, this.#hasLimitedKey[work] === 1 && kind === 'activity', this.#world.now);
    this.dispatch(kind);
  }

  #kindOf(work: number): Kind {
    return this.#world.work[work]!.kind ?? 'activity';
  }

  dispatch(kind: Kind): void {
    const queue = this.queues[kind];
    while (queue.length > 0 && this.#world.fleet.available[kind].count > 0) {
      const work = queue.take(this.#world.now);
      if (work === undefined) {
        this.#wakeUp(kind, queue.nextAt);
        return;
      }
      this.#start(work);
    }
    if (this.#world.fleet.available[kind].count > 0) queue.dropDead();
  }

  #wakeUp(kind: Kind, at: number): void {
    if (at === Infinity || this.#wakeAt[kind] >= at) return;
    this.#wakeAt[kind] = at;
    this.#world.events.add({ at, kind: 'dispatch', of: kind });
  }

  #start(work: number): void {
    this.#startIn(this.#world.fleet.available[this.#kindOf(work)].at(this.#world.random.spread()), work);
  }

  #startIn(slots: Slots, work: number): void {
    const attempt = this.attempts.start(work, this.#world.now);
    slots.held.add(work);
    this.busy++;
    this.dispatched++;
    // Work brought by a poll that was open at the cordon ends that poll.
    slots.task.pollEndsAt = Infinity;
    this.#world.fleet.updateAvailable(slots);
    this.#world.events.add({ at: this.#endOf(work, slots), kind: 'ends', work, attempt, slots });
  }

  /** All workflow tasks of a worker share a thread: each takes a slot and waits its turn. */
  #endOf(work: number, { task }: Slots): number {
    const { serviceSeconds, kind } = this.#world.work[work]!;
    if (kind === 'workflowTask')
      return (task.threadFreeAt = Math.max(this.#world.now, task.threadFreeAt) + serviceSeconds);
    return this.#world.now + serviceSeconds * Math.max(1, this.busy / this.#world.settings.sharedSlots);
  }

  /** One that was lost meanwhile changes nothing. */
  attemptEnds(work: number, attempt: number, slots: Slots): void {
    if (!this.attempts.isNewest(work, attempt) || !slots.held.has(work)) return;
    this.#release(work, slots);
    slots.processed++;
    const retrySeconds = this.#retrySeconds(work);
    if (retrySeconds === undefined) {
      this.attempts.complete(work);
    } else {
      slots.task.failed++;
      this.failed++;
      this.#world.events.add({ at: this.#world.now + retrySeconds, kind: 'returns', work });
    }
    this.#world.fleet.updateAvailable(slots);
    this.dispatch(this.#kindOf(work));
  }

  #release(work: number, slots: Slots): void {
    slots.held.delete(work);
    this.busy--;
    this.busySeconds += this.attempts.secondsOf(work, this.#world.now);
  }

  /** The pause before the next attempt; undefined where this attempt succeeded. */
  #retrySeconds(work: number): number | undefined {
    const { retries } = this.#world.work[work]!;
    const failures = this.attempts.failures(work);
    if (retries !== undefined && failures < retries.times) {
      this.attempts.fail(work);
      return retries.everySeconds;
    }
    const outage = this.#world.settings.outages.find((spell) => isWithin(spell, this.#world.now));
    if (outage === undefined || this.#world.random.noise() >= outage.probability) return undefined;
    this.attempts.fail(work);
    return Math.min(2 ** failures, MOST_RETRY_SECONDS);
  }

  restart(age: 'fresh' | 'old'): void {
    const tasks = [...this.#world.fleet.tasks, ...this.#world.fleet.foreign];
    const again = tasks
      .flatMap(({ slots }) => [...slots.activity.held])
      .filter((work) => this.attempts.secondsOf(work, this.#world.now) < QUEUED_AGAIN_SECONDS);
    const arrivals = again.map((work) => this.#world.work[work]!.arrivalSeconds);
    this.queues.activity.restart(
      again.length,
      age === 'fresh' ? this.#world.now : Math.min(...arrivals),
      this.#world.now,
    );
    this.queues.workflowTask.restart(0, this.#world.now, this.#world.now);
    KINDS.forEach((kind) => this.dispatch(kind));
  }

  /** Of a task that is stopped while it works. */
  loseWorkOf({ slots }: ModelTask): void {
    const at = this.#world.now + this.#world.settings.redeliverySeconds;
    for (const kind of KINDS) {
      for (const work of slots[kind].held) {
        this.#release(work, slots[kind]);
        this.killed++;
        this.#world.events.add({ at, kind: 'returns', work });
      }
    }
  }
}
