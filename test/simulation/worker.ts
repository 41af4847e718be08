/**
 * A worker in its task: the shipped slots and the shipped side of the scale-in protocol, over a modeled SDK that holds polls
 * open and a modeled agent that protects the task. Only the process around them is rewritten here. The protocol runs in the
 * worker itself, or in the shipped sidecar next to a worker that knows nothing of it.
 */
import { finalCordons, ForeignWorker, WorkerToStart } from '../../sidecar/foreign-worker.ts';
import { ActivitySlots, MAX_OPEN_POLLS } from '../../worker/slots/activity-slots.ts';
import type { CordonReader, CordonReading } from '../../worker/scale-in/cordon-reading.ts';
import { ScaleInProtocol, type PollingWorker } from '../../worker/scale-in/protocol.ts';
import type { ProtectionAnswer } from '../../worker/scale-in/protection.ts';
import { uniform, type Random } from '../../simulate/random.ts';
import type { Container } from './ecs-services.ts';
import type { Cause, Poll, TaskQueue, Work } from './temporal.ts';
import type { Reporting } from './heartbeats.ts';
import { MINUTE, SECOND, type VirtualTime } from './time.ts';

/** The defaults of docs/worker.md. */
const CORDON_POLL_MS = 3 * SECOND;
const PROTECT_ROUND_MS = SECOND / 2;
const SCALER_GONE_SECONDS = 300;
const DRAIN_GRACE_MS = 90 * SECOND;
/**
 * A worker that polls under a live scaler does nothing new in its rounds: those are skipped, except for one a
 * minute and the one that follows a change of its cordon.
 */
const CALM_ROUND_MS = MINUTE;
const CALM_WHILE_HEARD_MS = 150 * SECOND;

type Permit = Parameters<ActivitySlots['markSlotUsed']>[0]['permit'];

export interface WorkerParts {
  time: VirtualTime;
  random: Random;
  queue: TaskQueue;
  /** Its name on the server. */
  identity: Pick<Reporting, 'task' | 'names' | 'heartbeatMs'>;
  taskId: string;
  slots: number;
  /** With a plain SDK worker that finishes its work after SIGTERM. */
  sidecar: boolean;
  agent: { protect(minutes: number): Promise<ProtectionAnswer>; lift(): Promise<ProtectionAnswer> };
  readCordon: () => Promise<CordonReading>;
  /** Whether an attempt of this work fails at its end. */
  fails: (work: Work) => boolean;
  onKilled: (attempts: Attempt[], cause: Cause) => void;
  onExit: () => void;
  onPoison: () => void;
  /** Whether it checks its own work before it reports to be done. False: a broken guard. */
  knowsItsWork: boolean;
}

export interface Attempt {
  work: Work;
  startedAt: number;
}

interface Running extends Attempt {
  permit: Permit;
  epoch: number;
}

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const NEVER_ABORTED = { addEventListener: () => undefined } as unknown as AbortSignal;

export class ModelledWorker implements Container, PollingWorker, Reporting {
  readonly key: string;
  readonly task: string;
  readonly names: string[];
  readonly heartbeatMs: number;
  processed = 0;
  failed = 0;
  readonly #parts: WorkerParts;
  readonly #slots: ActivitySlots;
  #protocol: ScaleInProtocol;
  #toStart: WorkerToStart | undefined;
  readonly #running = new Set<Running>();
  readonly #polls = new Set<Poll>();
  readonly #phase: number;
  #reading: CordonReading = { known: false, why: 'not read yet' };
  #heardAt = 0;
  #roundAt = Infinity;
  #cause: Cause | undefined;
  #gone = false;

  constructor(parts: WorkerParts) {
    const { time, random, taskId, sidecar } = parts;
    this.#parts = parts;
    this.key = `w-${taskId}`;
    ({ task: this.task, names: this.names, heartbeatMs: this.heartbeatMs } = parts.identity);
    this.#phase = time.now + uniform(random, [0, CORDON_POLL_MS]);
    this.#slots = new ActivitySlots(parts.slots, () => this.#changed());
    this.#toStart = sidecar ? new WorkerToStart() : undefined;
    this.#protocol = this.#follow(this.#toStart ?? this);
    this.pause();
    if (!sidecar) this.#serve();
    time.stir();
    void this.#round();
  }

  get usedSlots(): number {
    return this.#slots.used;
  }

  get runningActivities(): number {
    return this.#parts.knowsItsWork ? this.#slots.used : 0;
  }

  get drained(): boolean {
    return this.#slots.closed && (!this.#parts.knowsItsWork || this.#slots.idle);
  }

  pause(): void {
    if (!this.#slots.closed) this.#parts.queue.endSoon(this.#polls);
    this.#slots.close();
  }

  resume(): void {
    if (this.#cause !== undefined) return;
    this.#slots.open();
    this.#parts.time.stir();
  }

  /** The item under its own key was written or deleted. */
  cordonChanged(): void {
    const { now } = this.#parts.time;
    this.#roundSoon(this.#phase + Math.ceil((now - this.#phase) / CORDON_POLL_MS) * CORDON_POLL_MS);
  }

  /** Drains after SIGTERM like the worker's manager: open polls end, work continues until the grace period is over. */
  terminate(cause: Cause): void {
    if (this.#gone) return;
    this.#protocol.stop();
    this.#drain(cause);
    // A worker with a sidecar cannot distinguish ECS's SIGTERM from a cordon's: it works until ECS kills it.
    if (!this.#parts.sidecar) this.#parts.time.after(DRAIN_GRACE_MS, () => this.#leave(cause));
  }

  /** What it runs is lost. */
  kill(cause: Cause): void {
    if (!this.#gone) this.#end(cause);
  }

  #serve(): void {
    const { queue, slots } = this.#parts;
    queue.register(this);
    for (let n = 0; n < Math.min(MAX_OPEN_POLLS, slots); n += 1) this.#reserve();
  }

  #drain(cause: Cause): void {
    this.#cause = cause;
    this.pause();
    this.#leaveIfIdle();
  }

  /** Like `follow`, once `protect` has ended. */
  #startBesideSidecar(): void {
    const { time } = this.#parts;
    this.#toStart = undefined;
    const worker = new ForeignWorker({
      terminate: () => this.#drain('scheduler'),
      isAlive: () => !this.#gone,
      now: () => time.now,
      remindSeconds: Infinity,
      log: SILENT,
    });
    this.#protocol = this.#follow(worker, (read) => finalCordons(read, worker));
    this.#slots.open();
    this.#serve();
    time.stir();
  }

  #follow(worker: PollingWorker, wrap = (read: CordonReader) => read): ScaleInProtocol {
    const { agent, readCordon, time, random } = this.#parts;
    return new ScaleInProtocol({
      worker,
      protection: agent,
      readCordon: wrap(async () => this.#heard(await readCordon())),
      now: () => time.now,
      random,
      scalerGoneSeconds: SCALER_GONE_SECONDS,
      log: SILENT,
    });
  }

  #leave(cause: Cause): void {
    if (this.#gone) return;
    this.#end(cause);
    this.#parts.onExit();
  }

  #end(cause: Cause): void {
    this.#gone = true;
    this.#protocol.stop();
    this.#parts.queue.unregister(this);
    for (const poll of this.#polls) this.#parts.queue.drop(poll);
    this.#parts.onKilled([...this.#running], cause);
    for (const { work, epoch } of this.#running) this.#parts.queue.lost(work, epoch);
    this.#running.clear();
  }

  #reserve(): void {
    void this.#slots.reserveSlot(undefined, NEVER_ABORTED).then((permit) => this.#poll(permit as Permit));
  }

  #poll(permit: Permit): void {
    if (this.#gone) return;
    const poll: Poll = {
      take: (work) => {
        this.#polls.delete(poll);
        if (this.#gone) return;
        this.#parts.time.stir();
        if (work === undefined) this.#slots.releaseSlot({ permit } as never);
        else this.#run(work, permit);
        this.#reserve();
        this.#leaveIfIdle();
      },
    };
    this.#polls.add(poll);
    if (this.#slots.closed) this.#parts.queue.endSoon([poll]);
    this.#parts.queue.open(poll);
  }

  #run(work: Work, permit: Permit): void {
    const { queue, time, onPoison } = this.#parts;
    queue.report(this);
    const running = { work, permit, epoch: queue.epoch, startedAt: time.now };
    this.#running.add(running);
    this.#slots.markSlotUsed({ permit });
    if (work.poisoned) time.after(SECOND, () => this.#gone || onPoison());
    else time.after(work.serviceMs, () => this.#finish(running));
  }

  /** A result that cannot be reported to the server is kept, with its slot, until it can be. */
  #finish(running: Running): void {
    const { queue, time, fails } = this.#parts;
    if (this.#gone || !this.#running.has(running)) return;
    if (!queue.reachable) return time.after(5 * SECOND, () => this.#finish(running));
    queue.report(this);
    this.#running.delete(running);
    this.processed += 1;
    const failed = fails(running.work);
    if (failed) this.failed += 1;
    queue.ended(running.work, running.epoch, failed ? 'failed' : 'done');
    time.stir();
    this.#slots.releaseSlot({ permit: running.permit } as never);
    this.#leaveIfIdle();
  }

  #leaveIfIdle(): void {
    if (this.#cause !== undefined && this.#slots.idle) this.#leave(this.#cause);
  }

  /** Something started or ended: as in the shipped process, the protocol checks it. */
  #changed(): void {
    if (this.#gone || this.#parts.sidecar || this.#isCalm()) return;
    void this.#protocol.settle();
    this.#parts.time.stir();
  }

  #heard(reading: CordonReading): CordonReading {
    this.#reading = reading;
    if (reading.known) this.#heardAt = Math.max(this.#heardAt, reading.scalerTickAt ?? 0);
    return reading;
  }

  #isCalm(): boolean {
    const heard = this.#parts.time.now - this.#heardAt < CALM_WHILE_HEARD_MS;
    return !this.#slots.closed && heard && this.#reading.known && !this.#reading.cordoned;
  }

  #roundSoon(at: number): void {
    if (at >= this.#roundAt) return;
    this.#roundAt = at;
    this.#parts.time.at(at, () => {
      if (this.#roundAt === at) void this.#round();
    });
  }

  async #round(): Promise<void> {
    if (this.#gone || this.#cause !== undefined) return;
    this.#roundAt = Infinity;
    this.#parts.time.stir();
    await this.#protocol.round();
    if (this.#gone) return;
    if (this.#toStart?.mayStart) this.#startBesideSidecar();
    const ms = this.#toStart ? PROTECT_ROUND_MS : this.#isCalm() ? CALM_ROUND_MS : CORDON_POLL_MS;
    this.#roundSoon(this.#parts.time.now + ms);
  }
}
