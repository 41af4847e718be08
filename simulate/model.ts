/**
 * A Temporal task queue and a Fargate service as a model: work arrives, waits first in first out, and runs in the free
 * slots of the tasks that poll; a controller looks at it every few seconds, with signals as late and as wrong as the
 * real ones, and says how many tasks there shall be.
 *
 * The promise: equal work, settings, seed and controller give an equal result, to the last digit; every piece of work
 * is done once; and nothing here reads a clock or needs Node, so that the same model runs in a browser.
 */
import type { QueueReading, Reading, Signals, WorkerReading } from '../scaler/policy.ts';
import { EventQueue } from './event-queue.ts';
import { seeded, uniform, type Random } from './random.ts';

/** A piece of work: an activity, that arrives and then runs for so long. Sorted by arrival. */
export interface Work {
  arrivalSeconds: number;
  serviceSeconds: number;
}

export interface Settings {
  seed: number;
  /** Slots of a task. */
  slots: number;
  minTasks: number;
  maxTasks: number;
  /** From the order of a task until it polls; drawn for each. Paid for, as Fargate bills from the image pull. */
  startUpSeconds: [least: number, most: number];
  heartbeatSeconds: number;
  /** Images that are not ours: their workers take work, and are in no list. */
  neverReports: boolean;
  /** Part of the work that is dispatched past the queue, and not counted there, whenever a slot is free. */
  eagerShare: number;
  /** Work of terminated workflows, counted in the backlog until a worker polls it away, or for ten minutes. */
  deadWork: { atSeconds: number; count: number }[];
  /** Spells in which an attempt fails with this probability, at its end, and is retried after a back-off. */
  outages: { fromSeconds: number; toSeconds: number; probability: number }[];
  /** Spells in which signals cannot be read. */
  blindSpells: { fromSeconds: number; toSeconds: number; signals: (keyof Signals)[] }[];
  /** When a new revision is deployed: each task of the old one is replaced, and goes when it may. */
  deployments: number[];
  /** What all attempts share, such as a database: more of them at once than this, and each takes longer. */
  sharedSlots: number;
  /** The queue's own limit of dispatches a second. */
  dispatchLimit: number;
  /** What a task that is stopped while it works has left, in a fleet without the scale-in protocol. The SDK's own default is 0. */
  stopGraceSeconds: number;
  /** How long lost work stays lost: the activity's heartbeat timeout and the retry's back-off. */
  redeliverySeconds: number;
  /** The fleet is watched, and paid for, so long after the last work could have been done. */
  tailSeconds: number;
  /** How often a sample is kept for charts; 0 keeps none. */
  sampleSeconds: number;
}

export const DEFAULT_SETTINGS: Settings = {
  seed: 1,
  slots: 20,
  minTasks: 0,
  maxTasks: 100,
  startUpSeconds: [25, 60],
  heartbeatSeconds: 10,
  neverReports: false,
  eagerShare: 0,
  deadWork: [],
  outages: [],
  blindSpells: [],
  deployments: [],
  sharedSlots: Infinity,
  dispatchLimit: Infinity,
  stopGraceSeconds: 0,
  redeliverySeconds: 11,
  tailSeconds: 1800,
  sampleSeconds: 0,
};

/** What there truly is; for controllers that are given exact counts, and for the charts. */
export interface Truth {
  queued: number;
  busy: number;
  running: number;
  starting: number;
  cordoned: number;
  desired: number;
  /** Since the look before: work that found no free slot when it came. */
  unmatched: number;
  /** Since the start. */
  dispatched: number;
}

export interface Order {
  desired: number;
  cordon?: string[];
  reason?: string;
}

/** Looks every `tickSeconds` and says what there shall be. A new one for every run: it may remember. */
export interface Controller {
  name: string;
  tickSeconds: number;
  /** Its workers protect themselves, and leave only when cordoned and done. Without it ECS stops what it likes. */
  protects: boolean;
  look(signals: () => Signals, truth: Truth, nowSeconds: number): Order;
}

export interface Sample extends Truth {
  atSeconds: number;
  arrived: number;
  reason: string;
}

export interface Result {
  controller: string;
  /** From arrival to the start of the attempt that got it done, in the order of the work. */
  waits: Float64Array;
  /** Task-seconds as billed: from the order to the stop, a minute at least. */
  billedSeconds: number;
  /** Slot-seconds of all attempts, those that were lost included. */
  busySeconds: number;
  /** Attempts that ended because their task was stopped. */
  killed: number;
  failed: number;
  /** Work that was not done when the watch ended. */
  undone: number;
  /** Tasks above the minimum when the watch ended. */
  tasksLeft: number;
  peakTasks: number;
  launched: number;
  decisions: number;
  /** Ticks by reason. */
  reasons: Record<string, number>;
  horizonSeconds: number;
  samples: Sample[];
}

/** Temporal's own figures: see what the signals are made of. */
const QUEUE_CACHE_SECONDS = 5;
const RATE_BUCKET_SECONDS = 5;
const RATE_BUCKETS = 6;
const FALSE_FIRST_RATES = [78, 212];
const GHOST_SECONDS = 310;
const DEAD_WORK_SECONDS = 600;
const MOST_RETRY_SECONDS = 100;
/** Ours: how often a worker reads its cordon; and how long ECS takes to stop a task that may go. */
const CORDON_POLL_SECONDS = 3;
const STOP_SECONDS: [number, number] = [1, 2];
export const LEAST_BILLED_SECONDS = 60;
const DONE = -1;
/** Epoch of the model's zero, on a whole minute. */
export const EPOCH_MS = 1_763_860_020_000;

interface Task {
  id: string;
  key: string;
  state: 'pending' | 'running' | 'stopping' | 'stopped';
  revision: number;
  orderedAt: number;
  stoppedAt: number;
  /** What the scaler wrote, and what the worker has seen of it. */
  cordoned: boolean;
  polling: boolean;
  /** It has finished what it held and lifted its protection. */
  leaving: boolean;
  held: Set<number>;
  /** Its place in the list of those that can take work; -1 when it is not in it. */
  place: number;
  processed: number;
  failed: number;
  heartbeat: { at: number; usedSlots: number; processed: number; failed: number } | undefined;
}

type Event =
  | { at: number; kind: 'ends'; work: number; attempt: number; task: Task }
  | { at: number; kind: 'returns'; work: number }
  | { at: number; kind: 'starts' | 'heartbeat' | 'cordonSeen' | 'leaves' | 'graceEnds'; task: Task }
  | { at: number; kind: 'snapshot' | 'tick' | 'sample' | 'dispatch' | 'deployment' }
  | { at: number; kind: 'dead'; count: number };

interface QueueSnapshot {
  backlog: number;
  headSince: number;
  addRate: number;
  dispatchRate: number;
  rateLimited: boolean;
}

export function simulate(work: readonly Work[], controller: Controller, settings: Partial<Settings> = {}): Result {
  return new Model(work, controller, { ...DEFAULT_SETTINGS, ...settings }).run();
}

/** The watch's end is the same for every controller: what a fleet that does not shrink costs is part of its bill. */
export function horizonOf(work: readonly Work[], tailSeconds: number): number {
  return work.reduce((end, each) => Math.max(end, each.arrivalSeconds + each.serviceSeconds), 0) + tailSeconds;
}

class Model {
  readonly #work: readonly Work[];
  readonly #controller: Controller;
  readonly #settings: Settings;
  readonly #events = new EventQueue<Event>();
  /** Streams of their own, so that the n-th task ordered starts as slowly under every controller. */
  readonly #startUps: Random;
  readonly #spread: Random;
  readonly #noise: Random;

  #now = 0;
  #arrived = 0;
  #queue: { work: number; since: number }[] = [];
  #queueHead = 0;
  #dead: { count: number; since: number } = { count: 0, since: 0 };
  #nextDispatchAt = 0;
  #limitedAt = -Infinity;
  #adds = new RateCounter();
  #dispatches = new RateCounter();
  #firstRate = true;
  #snapshot: QueueSnapshot = { backlog: 0, headSince: 0, addRate: 0, dispatchRate: 0, rateLimited: false };

  #tasks: Task[] = [];
  #ghosts: Task[] = [];
  #available: Task[] = [];
  #desired: number;
  #revision = 0;
  #reason = '';
  #busy = 0;
  #unmatched = 0;
  #dispatched = 0;

  readonly #attempts: Uint16Array;
  readonly #startedAt: Float64Array;
  readonly #failures: Uint16Array;
  #done = 0;
  readonly #result: Result;

  constructor(work: readonly Work[], controller: Controller, settings: Settings) {
    this.#work = work;
    this.#controller = controller;
    this.#settings = settings;
    this.#startUps = seeded(settings.seed);
    this.#spread = seeded(settings.seed + 0x1000_0000);
    this.#noise = seeded(settings.seed + 0x2000_0000);
    this.#desired = settings.minTasks;
    this.#attempts = new Uint16Array(work.length);
    this.#failures = new Uint16Array(work.length);
    this.#startedAt = new Float64Array(work.length);
    this.#result = {
      controller: controller.name,
      waits: new Float64Array(work.length),
      billedSeconds: 0,
      busySeconds: 0,
      killed: 0,
      failed: 0,
      undone: 0,
      tasksLeft: 0,
      peakTasks: 0,
      launched: 0,
      decisions: 0,
      reasons: {},
      horizonSeconds: horizonOf(work, settings.tailSeconds),
      samples: [],
    };
  }

  run(): Result {
    this.#begin();
    const { horizonSeconds } = this.#result;
    for (;;) {
      const arrivesAt = this.#work[this.#arrived]?.arrivalSeconds ?? Infinity;
      const at = Math.min(arrivesAt, this.#events.nextAt);
      if (at > horizonSeconds) break;
      this.#now = at;
      if (arrivesAt <= this.#events.nextAt) this.#arrive(this.#arrived++);
      else this.#happen(this.#events.take()!);
    }
    return this.#end();
  }

  /** The fleet begins at its minimum, and has been running. */
  #begin(): void {
    const { minTasks, deadWork, deployments, sampleSeconds, heartbeatSeconds } = this.#settings;
    for (let count = 0; count < minTasks; count++) {
      const task = this.#newTask();
      task.state = 'running';
      this.#setPolling(task, true);
      this.#events.add({ at: this.#noise() * heartbeatSeconds, kind: 'heartbeat', task });
    }
    for (const { atSeconds, count } of deadWork) this.#events.add({ at: atSeconds, kind: 'dead', count });
    for (const at of deployments) this.#events.add({ at, kind: 'deployment' });
    if (sampleSeconds > 0) this.#events.add({ at: 0, kind: 'sample' });
    this.#events.add({ at: 0, kind: 'tick' });
  }

  #end(): Result {
    const { horizonSeconds, waits } = this.#result;
    this.#now = horizonSeconds;
    for (const task of this.#tasks) this.#bill(task, horizonSeconds);
    this.#result.undone = this.#work.length - this.#done;
    this.#result.tasksLeft = this.#tasks.length - this.#settings.minTasks;
    // Work that was never done has waited to the end.
    this.#work.forEach(({ arrivalSeconds }, index) => {
      if (this.#startedAt[index] !== DONE) waits[index] = horizonSeconds - arrivalSeconds;
    });
    return this.#result;
  }

  #happen(event: Event): void {
    switch (event.kind) {
      case 'ends':
        return this.#attemptEnds(event.work, event.attempt, event.task);
      case 'returns':
        return this.#enqueue(event.work);
      case 'starts':
        return this.#taskStarts(event.task);
      case 'heartbeat':
        return this.#heartbeat(event.task);
      case 'cordonSeen':
        return this.#cordonSeen(event.task);
      case 'leaves':
        return this.#leaves(event.task);
      case 'graceEnds':
        return this.#kill(event.task);
      case 'dispatch':
        return this.#dispatch();
      case 'dead':
        this.#dead = { count: this.#dead.count + event.count, since: this.#now };
        return;
      case 'snapshot':
        this.#takeSnapshot();
        return;
      case 'tick':
        return this.#tick();
      case 'deployment':
        this.#revision++;
        return this.#reconcile();
      case 'sample':
        return this.#sample();
    }
  }

  // Work

  #arrive(work: number): void {
    if (this.#available.length === 0 || this.#queueLength > 0) this.#unmatched++;
    const { eagerShare } = this.#settings;
    if (eagerShare > 0 && this.#noise() < eagerShare && this.#available.length > 0 && this.#queueLength === 0) {
      return this.#start(work);
    }
    this.#enqueue(work);
  }

  #enqueue(work: number): void {
    this.#adds.count(this.#now);
    this.#queue.push({ work, since: this.#now });
    this.#dispatch();
  }

  get #queueLength(): number {
    return this.#queue.length - this.#queueHead;
  }

  #dispatch(): void {
    while (this.#queueLength > 0 && this.#available.length > 0) {
      if (this.#now < this.#nextDispatchAt) {
        if (this.#limitedAt < this.#nextDispatchAt) {
          this.#limitedAt = this.#nextDispatchAt;
          this.#events.add({ at: this.#nextDispatchAt, kind: 'dispatch' });
        }
        return;
      }
      this.#nextDispatchAt = this.#now + 1 / this.#settings.dispatchLimit;
      const { work } = this.#queue[this.#queueHead++]!;
      this.#dispatches.count(this.#now);
      this.#start(work);
    }
    if (this.#available.length > 0) this.#dead.count = 0;
    if (this.#queueHead > 1024 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  /** Temporal spreads work over all that poll. */
  #start(work: number): void {
    const { sharedSlots, slots } = this.#settings;
    const task = this.#available[Math.floor(this.#spread() * this.#available.length)]!;
    const attempt = ++this.#attempts[work]!;
    task.held.add(work);
    this.#busy++;
    this.#dispatched++;
    this.#startedAt[work] = this.#now;
    if (task.held.size >= slots) this.#setAvailable(task, false);
    const slowness = Math.max(1, this.#busy / sharedSlots);
    const at = this.#now + this.#work[work]!.serviceSeconds * slowness;
    this.#events.add({ at, kind: 'ends', work, attempt, task });
  }

  #attemptEnds(work: number, attempt: number, task: Task): void {
    if (this.#attempts[work] !== attempt || !task.held.has(work)) return;
    this.#release(work, task);
    task.processed++;
    if (this.#fails()) {
      task.failed++;
      this.#result.failed++;
      const retrySeconds = Math.min(2 ** this.#failures[work]!++, MOST_RETRY_SECONDS);
      this.#events.add({ at: this.#now + retrySeconds, kind: 'returns', work });
    } else {
      this.#result.waits[work] = this.#startedAt[work]! - this.#work[work]!.arrivalSeconds;
      this.#startedAt[work] = DONE;
      this.#done++;
    }
    if (task.polling && task.held.size < this.#settings.slots) this.#setAvailable(task, true);
    this.#dispatch();
    this.#leaveIfDone(task);
  }

  #release(work: number, task: Task): void {
    task.held.delete(work);
    this.#busy--;
    this.#result.busySeconds += this.#now - this.#startedAt[work]!;
  }

  #fails(): boolean {
    const now = this.#now;
    const outage = this.#settings.outages.find(({ fromSeconds, toSeconds }) => now >= fromSeconds && now < toSeconds);
    return outage !== undefined && this.#noise() < outage.probability;
  }

  // Tasks

  #newTask(): Task {
    const number = ++this.#result.launched;
    const task: Task = {
      id: `t${number}`,
      key: `w${number}`,
      state: 'pending',
      revision: this.#revision,
      orderedAt: this.#now,
      stoppedAt: Infinity,
      cordoned: false,
      polling: false,
      leaving: false,
      held: new Set(),
      place: -1,
      processed: 0,
      failed: 0,
      heartbeat: undefined,
    };
    this.#tasks.push(task);
    this.#result.peakTasks = Math.max(this.#result.peakTasks, this.#tasks.length);
    return task;
  }

  #launch(): void {
    const task = this.#newTask();
    this.#events.add({ at: this.#now + uniform(this.#startUps, this.#settings.startUpSeconds), kind: 'starts', task });
  }

  #taskStarts(task: Task): void {
    if (task.state !== 'pending') return;
    task.state = 'running';
    this.#events.add({ at: this.#now + this.#settings.heartbeatSeconds, kind: 'heartbeat', task });
    this.#setPolling(task, !(task.cordoned && this.#controller.protects));
    this.#dispatch();
    this.#leaveIfDone(task);
  }

  #setPolling(task: Task, polling: boolean): void {
    task.polling = polling;
    this.#setAvailable(task, polling && task.held.size < this.#settings.slots);
  }

  #setAvailable(task: Task, available: boolean): void {
    if (available === task.place >= 0) return;
    if (available) {
      task.place = this.#available.push(task) - 1;
      return;
    }
    const last = this.#available.pop()!;
    if (last !== task) {
      this.#available[task.place] = last;
      last.place = task.place;
    }
    task.place = -1;
  }

  #heartbeat(task: Task): void {
    if (task.state === 'stopped') return;
    const { processed, failed } = task;
    task.heartbeat = { at: this.#now, usedSlots: task.held.size, processed, failed };
    this.#events.add({ at: this.#now + this.#settings.heartbeatSeconds, kind: 'heartbeat', task });
  }

  /** The worker has read the state table: what it says there now, not what it said when this was ordered. */
  #cordonSeen(task: Task): void {
    if (task.state !== 'running' || task.polling !== task.cordoned) return;
    task.leaving = false;
    this.#setPolling(task, !task.cordoned);
    this.#dispatch();
    this.#leaveIfDone(task);
  }

  #leaveIfDone(task: Task): void {
    if (task.held.size > 0 || task.polling) return;
    if (task.state === 'stopping') return this.#stopped(task);
    if (task.state !== 'running' || !task.cordoned || task.leaving) return;
    task.leaving = true;
    this.#events.add({ at: this.#now + uniform(this.#noise, STOP_SECONDS), kind: 'leaves', task });
  }

  #leaves(task: Task): void {
    const kept = this.#isOutdated(task) ? this.#tasks.filter(({ state }) => state === 'running') : this.#tasks;
    if (task.state === 'running' && task.leaving && kept.length > this.#desired) this.#stopped(task);
  }

  #isOutdated({ revision }: Task): boolean {
    return revision < this.#revision;
  }

  #stopped(task: Task): void {
    this.#setAvailable(task, false);
    task.polling = false;
    task.state = 'stopped';
    task.stoppedAt = this.#now;
    this.#bill(task, this.#now);
    this.#tasks.splice(this.#tasks.indexOf(task), 1);
    if (task.heartbeat !== undefined) this.#ghosts.push(task);
  }

  #bill(task: Task, until: number): void {
    this.#result.billedSeconds += Math.max(until - task.orderedAt, LEAST_BILLED_SECONDS);
  }

  #kill(task: Task): void {
    if (task.state !== 'stopping') return;
    for (const work of task.held) {
      this.#release(work, task);
      this.#result.killed++;
      this.#events.add({ at: this.#now + this.#settings.redeliverySeconds, kind: 'returns', work });
    }
    this.#stopped(task);
  }

  // Control

  #tick(): void {
    const { tickSeconds } = this.#controller;
    const { cordon, desired, reason = '' } = this.#controller.look(() => this.#signals(), this.#truth(), this.#now);
    this.#unmatched = 0;
    this.#result.decisions++;
    this.#result.reasons[reason] = (this.#result.reasons[reason] ?? 0) + 1;
    this.#reason = reason;
    if (this.#controller.protects) this.#cordon(new Set(cordon));
    this.#desired = desired;
    this.#reconcile();
    const lag = this.#noise() * Math.min(QUEUE_CACHE_SECONDS, tickSeconds);
    this.#events.add({ at: this.#now + tickSeconds - lag, kind: 'snapshot' });
    this.#events.add({ at: this.#now + tickSeconds, kind: 'tick' });
  }

  #cordon(cordon: Set<string>): void {
    for (const task of this.#tasks) {
      if (task.cordoned === cordon.has(task.id)) continue;
      task.cordoned = !task.cordoned;
      if (task.state !== 'running') continue;
      this.#events.add({ at: this.#now + this.#noise() * CORDON_POLL_SECONDS, kind: 'cordonSeen', task });
    }
  }

  /**
   * As ECS does it: what is still starting goes first; of the others it stops any, except those that are protected. In a
   * deployment the new revision's tasks are launched beside the old one's, which go as the new ones come up.
   */
  #reconcile(): void {
    const alive = this.#tasks.filter(({ state }) => state !== 'stopping');
    const current = alive.filter((task) => !this.#isOutdated(task));
    for (let count = current.length; count < this.#desired; count++) this.#launch();
    const outdated = alive.filter((task) => this.#isOutdated(task));
    const up = current.filter(({ state }) => state === 'running');
    this.#stopExcess(outdated, outdated.length - Math.max(0, this.#desired - up.length));
    this.#stopExcess(current, current.length - this.#desired);
  }

  #stopExcess(alive: Task[], most: number): void {
    let excess = most;
    if (excess <= 0) return;
    const pending = alive.filter(({ state }) => state === 'pending');
    pending.sort((a, b) => Number(b.cordoned) - Number(a.cordoned) || b.orderedAt - a.orderedAt);
    for (const task of pending.slice(0, excess)) this.#stopped(task);
    excess -= pending.length;
    const unprotected = alive.filter((task) => task.state === 'running' && this.#unprotected(task));
    for (; excess > 0 && unprotected.length > 0; excess--) {
      this.#stop(unprotected.splice(Math.floor(this.#spread() * unprotected.length), 1)[0]!);
    }
  }

  #unprotected(task: Task): boolean {
    return !this.#controller.protects || task.leaving;
  }

  #stop(task: Task): void {
    this.#setPolling(task, false);
    task.state = 'stopping';
    if (task.held.size === 0) return this.#stopped(task);
    const { stopGraceSeconds } = this.#settings;
    if (stopGraceSeconds === 0) return this.#kill(task);
    this.#events.add({ at: this.#now + stopGraceSeconds, kind: 'graceEnds', task });
  }

  // What a controller is told

  #takeSnapshot(): void {
    if (this.#now - this.#dead.since > DEAD_WORK_SECONDS) this.#dead.count = 0;
    const backlog = this.#queueLength + this.#dead.count;
    const workSince = this.#queue[this.#queueHead]?.since ?? Infinity;
    const deadSince = this.#dead.count > 0 ? this.#dead.since : Infinity;
    const [addRate, dispatchRate] = [this.#adds.rate(this.#now), this.#dispatches.rate(this.#now)];
    const factor = this.#firstRate && addRate > 0 ? this.#falseFirstRate(addRate) : 1;
    this.#snapshot = {
      backlog,
      headSince: Math.min(workSince, deadSince),
      addRate: addRate * factor,
      dispatchRate: dispatchRate * factor,
      rateLimited: this.#limitedAt > this.#now - RATE_BUCKET_SECONDS,
    };
  }

  /** The first rate of a fresh queue is divided by milliseconds: one task has read as 78 and as 212 a second. */
  #falseFirstRate(addRate: number): number {
    this.#firstRate = false;
    const tasks = addRate * RATE_BUCKET_SECONDS * RATE_BUCKETS;
    return (FALSE_FIRST_RATES[Math.floor(this.#noise() * FALSE_FIRST_RATES.length)]! * tasks) / addRate;
  }

  #signals(): Signals {
    const blind = new Set(
      this.#settings.blindSpells
        .filter(({ fromSeconds, toSeconds }) => this.#now >= fromSeconds && this.#now < toSeconds)
        .flatMap(({ signals }) => signals),
    );
    const unless = <T>(name: keyof Signals, read: () => T): Reading<T> =>
      blind.has(name) ? { unknown: 'not read in a blind spell' } : read();
    return {
      activityQueue: unless('activityQueue', () => this.#queueReading()),
      workflowQueue: unless('workflowQueue', () => ({
        backlog: 0,
        ageSeconds: 0,
        addRate: 0,
        dispatchRate: 0,
        rateLimited: false,
      })),
      workers: unless('workers', () => this.#workerReadings()),
      tasks: unless('tasks', () => ({
        desired: this.#desired,
        running: this.#idsOf(({ state }) => state === 'running'),
        pending: this.#idsOf(({ state }) => state === 'pending'),
        cordoned: this.#idsOf(({ state, cordoned }) => cordoned && state !== 'stopping'),
        outdated: this.#idsOf((task) => this.#isOutdated(task) && task.state !== 'stopping'),
      })),
    };
  }

  #idsOf(predicate: (task: Task) => boolean): string[] {
    return this.#tasks.filter(predicate).map(({ id }) => id);
  }

  #queueReading(): QueueReading {
    const { headSince, ...rates } = this.#snapshot;
    return { ...rates, ageSeconds: headSince === Infinity ? 0 : this.#now - headSince };
  }

  /** Newest heartbeats, those of stopped workers included for as long as Temporal lists them. */
  #workerReadings(): WorkerReading[] {
    if (this.#settings.neverReports) return [];
    this.#ghosts = this.#ghosts.filter(({ heartbeat }) => this.#now - heartbeat!.at <= GHOST_SECONDS);
    return [...this.#tasks, ...this.#ghosts].flatMap(({ heartbeat, id, key }) => {
      if (heartbeat === undefined) return [];
      const { at, ...reading } = heartbeat;
      return [{ key, task: id, ageSeconds: this.#now - at, slots: this.#settings.slots, ...reading }];
    });
  }

  #truth(): Truth {
    let running = 0;
    let starting = 0;
    let cordoned = 0;
    for (const task of this.#tasks) {
      if (task.state === 'pending') starting++;
      else running++;
      if (task.cordoned || task.state === 'stopping') cordoned++;
    }
    return {
      queued: this.#queueLength,
      busy: this.#busy,
      running,
      starting,
      cordoned,
      desired: this.#desired,
      unmatched: this.#unmatched,
      dispatched: this.#dispatched,
    };
  }

  #sample(): void {
    const { samples } = this.#result;
    samples.push({ ...this.#truth(), atSeconds: this.#now, arrived: this.#arrived, reason: this.#reason });
    this.#events.add({ at: this.#now + this.#settings.sampleSeconds, kind: 'sample' });
  }
}

/** A rate over the last half minute, in whole buckets, as Temporal's task queues keep it. */
class RateCounter {
  readonly #counts = new Float64Array(RATE_BUCKETS);
  #bucket = 0;

  count(now: number): void {
    this.#advance(now);
    this.#counts[this.#bucket % RATE_BUCKETS]! += 1;
  }

  rate(now: number): number {
    this.#advance(now);
    return this.#counts.reduce((sum, count) => sum + count, 0) / (RATE_BUCKETS * RATE_BUCKET_SECONDS);
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / RATE_BUCKET_SECONDS);
    if (bucket - this.#bucket > RATE_BUCKETS) this.#bucket = bucket - RATE_BUCKETS;
    while (this.#bucket < bucket) this.#counts[++this.#bucket % RATE_BUCKETS] = 0;
  }
}
