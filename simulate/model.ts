/**
 * A Temporal task queue and a Fargate service as a model: work arrives, waits first in first out, and runs in the free
 * slots of the tasks that poll; a controller looks at it every few seconds, with signals as late and as wrong as the
 * real ones, and says how many tasks there shall be.
 *
 * The promise: equal work, settings, seed and controller give an equal result, to the last digit; every piece of work
 * is done once; and nothing here reads a clock or needs Node, so that the same model runs in a browser.
 */
import type { Reading, Signals, WorkerReading } from '../scaler/policy.ts';
import { EventQueue } from './event-queue.ts';
import { DEFAULT_SETTINGS, KINDS, type Kind, type Settings, type Spell, type Work } from './model/settings.ts';
import { Available, beat, holdsNothing, newTask, readingOf, type Slots, type ModelTask } from './model/task.ts';
import { TaskQueue } from './model/task-queue.ts';
import { seeded, uniform, type Random } from './random.ts';

export { DEFAULT_SETTINGS, type Settings, type Work };

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
  /** What its tasks have left when they are stopped, where that is not the settings'. */
  stopGraceSeconds?: number;
  look(signals: () => Signals, truth: Truth, nowSeconds: number): Order;
}

interface Sample extends Truth {
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
const GHOST_SECONDS = 310;
const MOST_RETRY_SECONDS = 100;
/** What was dispatched so shortly before a restart of the server is queued again. */
const QUEUED_AGAIN_SECONDS = 30;
/** A workflow task waits for the worker that has its workflow cached. */
const STICKY_SECONDS = 10;
/** Ours: how often a worker reads its cordon; and how long ECS takes to stop a task that may go. */
const CORDON_POLL_SECONDS = 3;
const STOP_SECONDS: [number, number] = [1, 2];
export const LEAST_BILLED_SECONDS = 60;
const DONE = -1;
/** Epoch of the model's zero, on a whole minute. */
export const EPOCH_MS = 1_763_860_020_000;

type Event =
  | { at: number; kind: 'ends'; work: number; attempt: number; slots: Slots }
  | { at: number; kind: 'returns'; work: number }
  | { at: number; kind: 'starts' | 'heartbeat' | 'cordonSeen' | 'pollEnds' | 'leaves' | 'graceEnds'; task: ModelTask }
  | { at: number; kind: 'snapshot' | 'tick' | 'sample' | 'deployment' }
  | { at: number; kind: 'dispatch'; of: Kind }
  | { at: number; kind: 'dead'; count: number }
  | { at: number; kind: 'restart'; age: 'fresh' | 'old' };

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
  readonly #polls: Random;
  readonly #keys: Random;

  #now = 0;
  #arrived = 0;
  readonly #queues: Record<Kind, TaskQueue>;
  readonly #available: Record<Kind, Available> = { activity: new Available(), workflowTask: new Available() };
  /** When a limit is to be looked at again. */
  readonly #wakeAt: Record<Kind, number> = { activity: -Infinity, workflowTask: -Infinity };

  #tasks: ModelTask[] = [];
  #foreign: ModelTask[] = [];
  #ghosts: ModelTask[] = [];
  #desired: number;
  #revision = 0;
  #reason = '';
  #busy = 0;
  #unmatched = 0;
  #dispatched = 0;

  readonly #attempts: Uint16Array;
  readonly #startedAt: Float64Array;
  readonly #failures: Uint16Array;
  readonly #hasLimitedKey: Uint8Array;
  #done = 0;
  readonly #result: Result;

  constructor(work: readonly Work[], controller: Controller, settings: Settings) {
    const { seed, minTasks, dispatchLimit, limitedKey, tailSeconds } = settings;
    this.#work = work;
    this.#controller = controller;
    this.#settings = settings;
    this.#startUps = seeded(seed);
    this.#spread = seeded(seed + 0x1000_0000);
    this.#noise = seeded(seed + 0x2000_0000);
    this.#polls = seeded(seed + 0x3000_0000);
    this.#keys = seeded(seed + 0x4000_0000);
    this.#queues = {
      activity: new TaskQueue(dispatchLimit, limitedKey.perSecond, this.#noise),
      workflowTask: new TaskQueue(Infinity, Infinity, this.#noise),
    };
    this.#desired = minTasks;
    this.#attempts = new Uint16Array(work.length);
    this.#failures = new Uint16Array(work.length);
    this.#startedAt = new Float64Array(work.length);
    this.#hasLimitedKey = Uint8Array.from(work, () => Number(this.#keys() < limitedKey.share));
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
      horizonSeconds: horizonOf(work, tailSeconds),
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
    const { minTasks, foreign, deadWork, restarts, deployments, sampleSeconds } = this.#settings;
    for (let count = 0; count < minTasks; count++) this.#isUp(this.#newTask());
    for (let count = 0; count < foreign.workers; count++) this.#isUp(this.#newForeign());
    for (const { atSeconds, count } of deadWork) this.#events.add({ at: atSeconds, kind: 'dead', count });
    for (const { atSeconds, age } of restarts) this.#events.add({ at: atSeconds, kind: 'restart', age });
    for (const at of deployments) this.#events.add({ at, kind: 'deployment' });
    if (sampleSeconds > 0) this.#events.add({ at: 0, kind: 'sample' });
    this.#events.add({ at: 0, kind: 'tick' });
  }

  #isUp(task: ModelTask): void {
    task.state = 'running';
    this.#setPolling(task, true);
    this.#events.add({ at: this.#noise() * this.#settings.heartbeatSeconds, kind: 'heartbeat', task });
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
        return this.#attemptEnds(event.work, event.attempt, event.slots);
      case 'returns':
        return this.#return(event.work);
      case 'starts':
        return this.#taskStarts(event.task);
      case 'heartbeat':
        return this.#heartbeat(event.task);
      case 'cordonSeen':
        return this.#cordonSeen(event.task);
      case 'pollEnds':
        return this.#pollEnds(event.task);
      case 'leaves':
        return this.#leaves(event.task);
      case 'graceEnds':
        return this.#kill(event.task);
      case 'dispatch':
        return this.#dispatch(event.of);
      case 'dead':
        return this.#queues.activity.addDead(event.count, this.#now);
      case 'restart':
        return this.#restart(event.age);
      case 'snapshot':
        return KINDS.forEach((kind) => this.#queues[kind].takeSnapshot(this.#now));
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
    const kind = this.#kindOf(work);
    const isFree = this.#findsFree(kind);
    const { eagerShare, stickyShare } = this.#settings;
    if (kind === 'workflowTask' && stickyShare > 0 && this.#noise() < stickyShare) return this.#arriveSticky(work);
    if (kind === 'activity' && eagerShare > 0 && this.#noise() < eagerShare && isFree) return this.#start(work);
    this.#enqueue(work);
  }

  /** What is tried again finds a free slot, or none, as what comes anew. */
  #return(work: number): void {
    this.#findsFree(this.#kindOf(work));
    this.#enqueue(work);
  }

  #findsFree(kind: Kind): boolean {
    const isFree = this.#available[kind].count > 0 && this.#queues[kind].length === 0;
    if (!isFree) this.#unmatched++;
    return isFree;
  }

  /** Of a workflow that one of the workers has cached. If that has no slot free for long, any may take it. */
  #arriveSticky(work: number): void {
    const running = this.#tasks.filter(({ state }) => state === 'running');
    const slots = running[Math.floor(this.#spread() * running.length)]?.slots.workflowTask;
    if (slots === undefined) this.#enqueue(work);
    else if (slots.held.size < slots.size) this.#startIn(slots, work);
    else this.#events.add({ at: this.#now + STICKY_SECONDS, kind: 'returns', work });
  }

  #enqueue(work: number): void {
    const kind = this.#kindOf(work);
    this.#queues[kind].add(work, this.#hasLimitedKey[work] === 1 && kind === 'activity', this.#now);
    this.#dispatch(kind);
  }

  #kindOf(work: number): Kind {
    return this.#work[work]!.kind ?? 'activity';
  }

  #dispatch(kind: Kind): void {
    const queue = this.#queues[kind];
    while (queue.length > 0 && this.#available[kind].count > 0) {
      const work = queue.take(this.#now);
      if (work === undefined) {
        this.#wakeUp(kind, queue.nextAt);
        return;
      }
      this.#start(work);
    }
    if (this.#available[kind].count > 0) queue.dropDead();
  }

  #wakeUp(kind: Kind, at: number): void {
    if (at === Infinity || this.#wakeAt[kind] >= at) return;
    this.#wakeAt[kind] = at;
    this.#events.add({ at, kind: 'dispatch', of: kind });
  }

  #start(work: number): void {
    this.#startIn(this.#available[this.#kindOf(work)].at(this.#spread()), work);
  }

  #startIn(slots: Slots, work: number): void {
    const attempt = ++this.#attempts[work]!;
    slots.held.add(work);
    this.#busy++;
    this.#dispatched++;
    this.#startedAt[work] = this.#now;
    // What a poll brings that was open at the cordon ends that poll.
    slots.task.pollEndsAt = Infinity;
    this.#setAvailable(slots);
    this.#events.add({ at: this.#endOf(work, slots), kind: 'ends', work, attempt, slots });
  }

  /** All workflow tasks of a worker share a thread: one takes its slot, and waits its turn. */
  #endOf(work: number, { task }: Slots): number {
    const { serviceSeconds, kind } = this.#work[work]!;
    if (kind === 'workflowTask') return (task.threadFreeAt = Math.max(this.#now, task.threadFreeAt) + serviceSeconds);
    return this.#now + serviceSeconds * Math.max(1, this.#busy / this.#settings.sharedSlots);
  }

  #attemptEnds(work: number, attempt: number, slots: Slots): void {
    if (this.#attempts[work] !== attempt || !slots.held.has(work)) return;
    this.#release(work, slots);
    slots.processed++;
    const retrySeconds = this.#retrySeconds(work);
    if (retrySeconds === undefined) {
      this.#result.waits[work] = this.#startedAt[work]! - this.#work[work]!.arrivalSeconds;
      this.#startedAt[work] = DONE;
      this.#done++;
    } else {
      slots.task.failed++;
      this.#result.failed++;
      this.#events.add({ at: this.#now + retrySeconds, kind: 'returns', work });
    }
    this.#setAvailable(slots);
    this.#dispatch(this.#kindOf(work));
    this.#leaveIfDone(slots.task);
  }

  #release(work: number, slots: Slots): void {
    slots.held.delete(work);
    this.#busy--;
    this.#result.busySeconds += this.#now - this.#startedAt[work]!;
  }

  /** The pause before the next attempt, if this one has failed. */
  #retrySeconds(work: number): number | undefined {
    const { retries } = this.#work[work]!;
    if (retries !== undefined && this.#failures[work]! < retries.times) {
      this.#failures[work]!++;
      return retries.everySeconds;
    }
    const outage = this.#settings.outages.find((spell) => isWithin(spell, this.#now));
    if (outage === undefined || this.#noise() >= outage.probability) return undefined;
    return Math.min(2 ** this.#failures[work]!++, MOST_RETRY_SECONDS);
  }

  #restart(age: 'fresh' | 'old'): void {
    const tasks = [...this.#tasks, ...this.#foreign];
    const again = tasks
      .flatMap(({ slots }) => [...slots.activity.held])
      .filter((work) => this.#now - this.#startedAt[work]! < QUEUED_AGAIN_SECONDS);
    const arrivals = again.map((work) => this.#work[work]!.arrivalSeconds);
    this.#queues.activity.restart(again.length, age === 'fresh' ? this.#now : Math.min(...arrivals), this.#now);
    this.#queues.workflowTask.restart(0, this.#now, this.#now);
    KINDS.forEach((kind) => this.#dispatch(kind));
  }

  // Tasks

  #newTask(): ModelTask {
    const { slots, usableSlots, workflowSlots } = this.#settings;
    const number = ++this.#result.launched;
    const sizes = { activity: Math.min(slots, usableSlots), workflowTask: workflowSlots };
    const task = newTask({ number, isOwn: true, now: this.#now, revision: this.#revision, sizes });
    this.#tasks.push(task);
    this.#result.peakTasks = Math.max(this.#result.peakTasks, this.#tasks.length);
    return task;
  }

  #newForeign(): ModelTask {
    const number = this.#foreign.length + 1;
    const sizes = { activity: this.#settings.foreign.slots, workflowTask: 0 };
    const worker = newTask({ number, isOwn: false, now: 0, revision: 0, sizes });
    this.#foreign.push(worker);
    return worker;
  }

  #launch(): void {
    const task = this.#newTask();
    this.#events.add({ at: this.#now + uniform(this.#startUps, this.#settings.startUpSeconds), kind: 'starts', task });
  }

  #taskStarts(task: ModelTask): void {
    if (task.state !== 'pending') return;
    task.state = 'running';
    this.#events.add({ at: this.#now + this.#settings.heartbeatSeconds, kind: 'heartbeat', task });
    this.#setPolling(task, !(task.cordoned && this.#controller.protects));
    this.#takeWork(task);
  }

  #takeWork(task: ModelTask): void {
    KINDS.forEach((kind) => this.#dispatch(kind));
    this.#leaveIfDone(task);
  }

  #setPolling(task: ModelTask, polling: boolean): void {
    task.polling = polling;
    KINDS.forEach((kind) => this.#setAvailable(task.slots[kind]));
  }

  /** Whether it has room for more: for activities only while it polls, or has a poll open. */
  #setAvailable(slots: Slots): void {
    const { task, held, size } = slots;
    const kind = slots === task.slots.activity ? 'activity' : 'workflowTask';
    const isPolling = kind === 'workflowTask' || task.polling || task.pollEndsAt < Infinity;
    this.#available[kind].set(slots, task.state === 'running' && isPolling && held.size < size);
  }

  #heartbeat(task: ModelTask): void {
    if (task.state === 'stopped') return;
    beat(task, this.#now);
    this.#events.add({ at: this.#now + this.#settings.heartbeatSeconds, kind: 'heartbeat', task });
  }

  /** The worker has read the state table: what it says there now, not what it said when this was ordered. */
  #cordonSeen(task: ModelTask): void {
    if (task.state !== 'running' || task.polling !== task.cordoned) return;
    task.leaving = false;
    const { held, size } = task.slots.activity;
    const hasOpenPoll = task.cordoned && held.size < size && this.#settings.pollSeconds > 0;
    task.pollEndsAt = hasOpenPoll ? this.#now + this.#polls() * this.#settings.pollSeconds : Infinity;
    if (hasOpenPoll) this.#events.add({ at: task.pollEndsAt, kind: 'pollEnds', task });
    this.#setPolling(task, !task.cordoned);
    this.#takeWork(task);
  }

  #pollEnds(task: ModelTask): void {
    if (task.pollEndsAt !== this.#now) return;
    task.pollEndsAt = Infinity;
    this.#setAvailable(task.slots.activity);
    this.#leaveIfDone(task);
  }

  #leaveIfDone(task: ModelTask): void {
    if (task.state === 'stopping' && holdsNothing(task)) return this.#stopped(task);
    if (task.slots.activity.held.size > 0 || task.polling || task.pollEndsAt < Infinity) return;
    if (task.state !== 'running' || !task.cordoned || task.leaving) return;
    task.leaving = true;
    this.#events.add({ at: this.#now + uniform(this.#noise, STOP_SECONDS), kind: 'leaves', task });
  }

  /** What workflow tasks it has at that moment it finishes. */
  #leaves(task: ModelTask): void {
    const kept = this.#isOutdated(task) ? this.#tasks.filter(({ state }) => state === 'running') : this.#tasks;
    if (task.state !== 'running' || !task.leaving || kept.length <= this.#desired) return;
    task.state = 'stopping';
    this.#setPolling(task, false);
    this.#leaveIfDone(task);
  }

  #isOutdated({ revision }: ModelTask): boolean {
    return revision < this.#revision;
  }

  #stopped(task: ModelTask): void {
    task.state = 'stopped';
    this.#setPolling(task, false);
    task.stoppedAt = this.#now;
    this.#bill(task, this.#now);
    this.#tasks.splice(this.#tasks.indexOf(task), 1);
    if (task.heartbeat !== undefined) this.#ghosts.push(task);
  }

  #bill(task: ModelTask, until: number): void {
    this.#result.billedSeconds += Math.max(until - task.orderedAt, LEAST_BILLED_SECONDS);
  }

  #kill(task: ModelTask): void {
    if (task.state !== 'stopping') return;
    for (const kind of KINDS) {
      for (const work of task.slots[kind].held) {
        this.#release(work, task.slots[kind]);
        this.#result.killed++;
        this.#events.add({ at: this.#now + this.#settings.redeliverySeconds, kind: 'returns', work });
      }
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

  #stopExcess(alive: ModelTask[], most: number): void {
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

  #unprotected(task: ModelTask): boolean {
    return !this.#controller.protects || task.leaving;
  }

  #stop(task: ModelTask): void {
    task.state = 'stopping';
    this.#setPolling(task, false);
    if (holdsNothing(task)) return this.#stopped(task);
    // A worker that protects itself holds but workflow tasks by now, and finishes them.
    if (this.#controller.protects) return;
    const { stopGraceSeconds = this.#settings.stopGraceSeconds } = this.#controller;
    if (stopGraceSeconds === 0) return this.#kill(task);
    this.#events.add({ at: this.#now + stopGraceSeconds, kind: 'graceEnds', task });
  }

  // What a controller is told

  #signals(): Signals {
    const blind = new Set(
      this.#settings.blindSpells.filter((spell) => isWithin(spell, this.#now)).flatMap(({ signals }) => signals),
    );
    const unless = <T>(name: keyof Signals, read: () => T): Reading<T> =>
      blind.has(name) ? { unknown: 'not read in a blind spell' } : read();
    return {
      activityQueue: unless('activityQueue', () => this.#queues.activity.reading(this.#now)),
      workflowQueue: unless('workflowQueue', () => this.#queues.workflowTask.reading(this.#now)),
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

  #idsOf(predicate: (task: ModelTask) => boolean): string[] {
    return this.#tasks.filter(predicate).map(({ id }) => id);
  }

  /** Newest heartbeats, those of stopped workers included for as long as Temporal lists them. */
  #workerReadings(): WorkerReading[] {
    const { neverReports, slots, reportsFreeSlots, workflowSlots, foreign } = this.#settings;
    if (neverReports) return [];
    this.#ghosts = this.#ghosts.filter(({ heartbeat }) => this.#now - heartbeat!.at <= GHOST_SECONDS);
    return [...this.#tasks, ...this.#ghosts, ...this.#foreign].flatMap((task) => {
      if (!this.#isListed(task)) return [];
      const said = task.isOwn
        ? { slots: reportsFreeSlots ? slots : null, workflowSlots }
        : { slots: foreign.slots, workflowSlots: 0 };
      return readingOf(task, said, this.#now) ?? [];
    });
  }

  /** The registry loses every n-th, spread evenly over them. */
  #isListed({ number }: ModelTask): boolean {
    const share = this.#settings.unlisted.find((spell) => isWithin(spell, this.#now))?.share ?? 0;
    return Math.floor(number * share) === Math.floor((number - 1) * share);
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
      queued: this.#queues.activity.length + this.#queues.workflowTask.length,
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

function isWithin({ fromSeconds, toSeconds }: Spell, now: number): boolean {
  return now >= fromSeconds && now < toSeconds;
}
