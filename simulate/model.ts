/**
 * A Temporal task queue and a Fargate service as a model: work arrives, waits first in first out, and runs in the free slots of the
 * tasks that poll. A controller reads signals every few seconds, as late and as wrong as the real ones, and orders a number of tasks.
 *
 * Equal work, settings, seed and controller give an equal result, to the last digit; every piece of work is done once; and nothing here
 * reads a clock or needs Node, so that the same model runs in a browser.
 */
import type { Signals } from '../scaler/policy.ts';
import type { Controller, Result, Sample, Truth } from './model/controller.ts';
import { Server } from './model/server.ts';
import { DEFAULT_SETTINGS, KINDS, type Settings, type Work } from './model/settings.ts';
import { GHOST_SECONDS, signalsOf } from './model/signals.ts';
import { beat, holdsNothing, type ModelTask } from './model/task.ts';
import { newWorld, type Event, type World } from './model/world.ts';
import { uniform } from './random.ts';

export type { Controller, Order, Result, Truth } from './model/controller.ts';
export { LEAST_BILLED_SECONDS } from './model/fleet.ts';
export { DEFAULT_SETTINGS, type Settings, type Work };

/** Temporal's own figures. */
const QUEUE_CACHE_SECONDS = 5;
/** Ours: how often a worker reads its cordon; and how long ECS takes to stop a task that may go. */
const CORDON_POLL_SECONDS = 3;
const STOP_SECONDS: [number, number] = [1, 2];
/** Epoch of the model's zero, on a whole minute. */
export const EPOCH_MS = 1_763_860_020_000;

export function simulate(work: readonly Work[], controller: Controller, settings: Partial<Settings> = {}): Result {
  return new Model(work, controller, { ...DEFAULT_SETTINGS, ...settings }).run();
}

/** The same for every controller: what a fleet costs that does not shrink is part of its bill. */
export function horizonOf(work: readonly Work[], tailSeconds: number): number {
  return work.reduce((end, each) => Math.max(end, each.arrivalSeconds + each.serviceSeconds), 0) + tailSeconds;
}

class Model {
  readonly #controller: Controller;
  readonly #world: World;
  readonly #server: Server;
  readonly #horizonSeconds: number;
  #arrived = 0;
  #reason = '';
  #decisions = 0;
  readonly #reasons: Record<string, number> = {};
  readonly #samples: Sample[] = [];

  constructor(work: readonly Work[], controller: Controller, settings: Settings) {
    this.#controller = controller;
    this.#world = newWorld(work, settings);
    this.#server = new Server(this.#world);
    this.#horizonSeconds = horizonOf(work, settings.tailSeconds);
  }

  run(): Result {
    this.#begin();
    for (;;) {
      const arrivesAt = this.#world.work[this.#arrived]?.arrivalSeconds ?? Infinity;
      const at = Math.min(arrivesAt, this.#world.events.nextAt);
      if (at > this.#horizonSeconds) break;
      this.#world.now = at;
      if (arrivesAt <= this.#world.events.nextAt) this.#server.arrive(this.#arrived++);
      else this.#happen(this.#world.events.take()!);
    }
    return this.#end();
  }

  /** The fleet begins at its minimum, and has been running. */
  #begin(): void {
    const { minTasks, foreign, deadWork, restarts, deployments, sampleSeconds } = this.#world.settings;
    for (let count = 0; count < minTasks; count++) this.#isUp(this.#world.fleet.add(0));
    for (let count = 0; count < foreign.workers; count++) this.#isUp(this.#world.fleet.addForeign());
    for (const { atSeconds, count } of deadWork) this.#world.events.add({ at: atSeconds, kind: 'dead', count });
    for (const { atSeconds, age } of restarts) this.#world.events.add({ at: atSeconds, kind: 'restart', age });
    for (const at of deployments) this.#world.events.add({ at, kind: 'deployment' });
    if (sampleSeconds > 0) this.#world.events.add({ at: 0, kind: 'sample' });
    this.#world.events.add({ at: 0, kind: 'tick' });
  }

  #isUp(task: ModelTask): void {
    task.state = 'running';
    this.#world.fleet.setPolling(task, true);
    this.#world.events.add({
      at: this.#world.random.noise() * this.#world.settings.heartbeatSeconds,
      kind: 'heartbeat',
      task,
    });
  }

  #end(): Result {
    const { fleet, work, settings } = this.#world;
    const { attempts, busySeconds, killed, failed } = this.#server;
    for (const task of fleet.tasks) fleet.bill(task, this.#horizonSeconds);
    attempts.end(this.#horizonSeconds);
    return {
      controller: this.#controller.name,
      waits: attempts.waits,
      billedSeconds: fleet.billedSeconds,
      busySeconds,
      killed,
      failed,
      undone: work.length - attempts.done,
      tasksLeft: fleet.tasks.length - settings.minTasks,
      peakTasks: fleet.peakTasks,
      launched: fleet.launched,
      decisions: this.#decisions,
      reasons: this.#reasons,
      horizonSeconds: this.#horizonSeconds,
      samples: this.#samples,
    };
  }

  #happen(event: Event): void {
    switch (event.kind) {
      case 'ends':
        this.#server.attemptEnds(event.work, event.attempt, event.slots);
        return this.#leaveIfDone(event.slots.task);
      case 'returns':
        return this.#server.returns(event.work);
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
        return this.#server.dispatch(event.of);
      case 'dead':
        return this.#server.queues.activity.addDead(event.count, this.#world.now);
      case 'restart':
        return this.#server.restart(event.age);
      case 'snapshot':
        return KINDS.forEach((kind) => this.#server.queues[kind].takeSnapshot(this.#world.now));
      case 'tick':
        return this.#tick();
      case 'deployment':
        this.#world.fleet.revision++;
        return this.#reconcile();
      case 'sample':
        return this.#sample();
    }
  }

  // Tasks

  #launch(): void {
    const task = this.#world.fleet.add(this.#world.now);
    this.#world.events.add({
      at: this.#world.now + uniform(this.#world.random.startUps, this.#world.settings.startUpSeconds),
      kind: 'starts',
      task,
    });
  }

  #taskStarts(task: ModelTask): void {
    if (task.state !== 'pending') return;
    task.state = 'running';
    this.#world.events.add({ at: this.#world.now + this.#world.settings.heartbeatSeconds, kind: 'heartbeat', task });
    this.#world.fleet.setPolling(task, !(task.cordoned && this.#controller.protects));
    this.#takeWork(task);
  }

  #takeWork(task: ModelTask): void {
    KINDS.forEach((kind) => this.#server.dispatch(kind));
    this.#leaveIfDone(task);
  }

  #heartbeat(task: ModelTask): void {
    if (task.state === 'stopped') return;
    beat(task, this.#world.now);
    this.#world.events.add({ at: this.#world.now + this.#world.settings.heartbeatSeconds, kind: 'heartbeat', task });
  }

  /** The worker reads the state table, as it is now and not as it was when this was ordered. */
  #cordonSeen(task: ModelTask): void {
    if (task.state !== 'running' || task.polling !== task.cordoned) return;
    task.leaving = false;
    const { held, size } = task.slots.activity;
    const hasOpenPoll = task.cordoned && held.size < size && this.#world.settings.pollSeconds > 0;
    task.pollEndsAt = hasOpenPoll
      ? this.#world.now + this.#world.random.polls() * this.#world.settings.pollSeconds
      : Infinity;
    if (hasOpenPoll) this.#world.events.add({ at: task.pollEndsAt, kind: 'pollEnds', task });
    this.#world.fleet.setPolling(task, !task.cordoned);
    this.#takeWork(task);
  }

  #pollEnds(task: ModelTask): void {
    if (task.pollEndsAt !== this.#world.now) return;
    task.pollEndsAt = Infinity;
    this.#world.fleet.updateAvailable(task.slots.activity);
    this.#leaveIfDone(task);
  }

  #leaveIfDone(task: ModelTask): void {
    if (task.state === 'stopping' && holdsNothing(task)) return this.#world.fleet.remove(task, this.#world.now);
    if (task.slots.activity.held.size > 0 || task.polling || task.pollEndsAt < Infinity) return;
    if (task.state !== 'running' || !task.cordoned || task.leaving) return;
    task.leaving = true;
    this.#world.events.add({
      at: this.#world.now + uniform(this.#world.random.noise, STOP_SECONDS),
      kind: 'leaves',
      task,
    });
  }

  /** It finishes the workflow tasks that it has at that moment. */
  #leaves(task: ModelTask): void {
    if (task.state !== 'running' || !task.leaving || !this.#world.fleet.hasMoreThanDesired(task)) return;
    task.state = 'stopping';
    this.#world.fleet.setPolling(task, false);
    this.#leaveIfDone(task);
  }

  #kill(task: ModelTask): void {
    if (task.state !== 'stopping') return;
    this.#server.loseWorkOf(task);
    this.#world.fleet.remove(task, this.#world.now);
  }

  // Control

  #tick(): void {
    const { tickSeconds } = this.#controller;
    const {
      cordon,
      desired,
      reason = '',
    } = this.#controller.look(() => this.#signals(), this.#truth(), this.#world.now);
    this.#server.unmatched = 0;
    this.#decisions++;
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
    this.#reason = reason;
    if (this.#controller.protects) this.#cordon(new Set(cordon));
    this.#world.fleet.desired = desired;
    this.#reconcile();
    const lag = this.#world.random.noise() * Math.min(QUEUE_CACHE_SECONDS, tickSeconds);
    this.#world.events.add({ at: this.#world.now + tickSeconds - lag, kind: 'snapshot' });
    this.#world.events.add({ at: this.#world.now + tickSeconds, kind: 'tick' });
  }

  #cordon(cordon: Set<string>): void {
    for (const task of this.#world.fleet.tasks) {
      if (task.cordoned === cordon.has(task.id)) continue;
      task.cordoned = !task.cordoned;
      if (task.state !== 'running') continue;
      this.#world.events.add({
        at: this.#world.now + this.#world.random.noise() * CORDON_POLL_SECONDS,
        kind: 'cordonSeen',
        task,
      });
    }
  }

  /**
   * Like ECS: it stops tasks that are still starting first, and then any running task that is not protected. In a deployment it starts
   * tasks of the new revision beside the old ones, and stops an old one for each that is up.
   */
  #reconcile(): void {
    const fleet = this.#world.fleet;
    const alive = fleet.tasks.filter(({ state }) => state !== 'stopping');
    const current = alive.filter((task) => !fleet.isOutdated(task));
    for (let count = current.length; count < fleet.desired; count++) this.#launch();
    const outdated = alive.filter((task) => fleet.isOutdated(task));
    const up = current.filter(({ state }) => state === 'running');
    this.#stopExcess(outdated, outdated.length - Math.max(0, fleet.desired - up.length));
    this.#stopExcess(current, current.length - fleet.desired);
  }

  #stopExcess(alive: ModelTask[], count: number): void {
    const { protects } = this.#controller;
    for (const task of this.#world.fleet.excess({ alive, count, protects, random: this.#world.random.spread }))
      this.#stop(task);
  }

  #stop(task: ModelTask): void {
    task.state = 'stopping';
    this.#world.fleet.setPolling(task, false);
    if (holdsNothing(task)) return this.#world.fleet.remove(task, this.#world.now);
    // A worker that protects itself holds only workflow tasks by now, and finishes them.
    if (this.#controller.protects) return;
    const { stopGraceSeconds = this.#world.settings.stopGraceSeconds } = this.#controller;
    if (stopGraceSeconds === 0) return this.#kill(task);
    this.#world.events.add({ at: this.#world.now + stopGraceSeconds, kind: 'graceEnds', task });
  }

  #signals(): Signals {
    const fleet = this.#world.fleet;
    fleet.ghosts = fleet.ghosts.filter(({ heartbeat }) => this.#world.now - heartbeat!.at <= GHOST_SECONDS);
    return signalsOf(fleet, this.#server.queues, this.#world.settings, this.#world.now);
  }

  #truth(): Truth {
    return {
      queued: this.#server.queues.activity.length + this.#server.queues.workflowTask.length,
      busy: this.#server.busy,
      ...this.#world.fleet.counts(),
      unmatched: this.#server.unmatched,
      dispatched: this.#server.dispatched,
    };
  }

  #sample(): void {
    this.#samples.push({ ...this.#truth(), atSeconds: this.#world.now, arrived: this.#arrived, reason: this.#reason });
    this.#world.events.add({ at: this.#world.now + this.#world.settings.sampleSeconds, kind: 'sample' });
  }
}
