/**
 * Temporal as the fleet and the scaler see it: task queues, first in first out; workers that hold polls open; attempts
 * that end, fail, are lost with their worker and come back after a timeout; and what the server tells of all that, in
 * an answer cached for five seconds. What it tells of the workers is in heartbeats.ts.
 */
import type { QueueReading } from '../../scaler/policy.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { uniform, type Random } from '../../simulate/random.ts';
import type { Faults } from './faults.ts';
import { Heartbeats, type Reporting } from './heartbeats.ts';
import { MINUTE, SECOND, type VirtualTime } from './time.ts';
import { WorkflowTasks } from './workflow-tasks.ts';

const STATS_CACHED_MS = 5 * SECOND;
const DEAD_WORK_MS = 10 * MINUTE;
const RATE_OVER_MS = 30 * SECOND;
/** A worker of ours gives its polls this deadline. */
const LONG_POLL_MS = 11 * SECOND;
/** What was dispatched so shortly before a restart of the server is queued again, and the rates begin anew. */
const QUEUED_AGAIN_MS = 30 * SECOND;
const LEAST_RATE_MS = 300;
/** While they are on: a queue's own limit, and that of a fairness key which half of the work has. */
const LIMITED_EVERY_MS = 2 * SECOND;
const KEY_EVERY_MS = 5 * SECOND;
/** From the loss of an attempt until the server knows: the activity's heartbeat timeout. */
const LOST_FOR_MS = [10 * SECOND, 60 * SECOND] as const;
const MOST_RETRY_MS = 100 * SECOND;

export interface Work {
  id: number;
  pool: string;
  serviceMs: number;
  /** 0 for no limit. */
  maximumAttempts: number;
  attempts: number;
  /** Its attempts kill the worker that runs them. */
  poisoned: boolean;
}

/**
 * What ended an attempt that was at work: the scaler's wish, through ECS's scheduler; another deployment while ECS lets the
 * tasks of the one before it not be protected (a limit, see docs/reliability.md); or what cannot be helped.
 */
export type Cause = 'scheduler' | 'deployment' | 'spot' | 'crash' | 'hand' | 'deleted';

/** A poll that is open. `take` is called at most once, with work or, when the long poll is over, without. */
export interface Poll {
  take(work: Work | undefined): void;
}

export class TaskQueue {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #pool: string;
  readonly #onEnd: (work: Work, how: 'done' | 'failed' | 'lost') => void;
  readonly #onWorkflowTask: (how: 'done' | 'lost') => void;
  #waiting: { work: Work; since: number }[] = [];
  #head = 0;
  /** Workflows whose first workflow task waits for any worker at all. */
  #workflows: { activities: Work[]; since: number }[] = [];
  #polls: Poll[] = [];
  readonly #heartbeats: Heartbeats;
  #dead = { count: 0, since: 0 };
  #adds: number[] = [];
  #dispatches: number[] = [];
  #workflowAdds: number[] = [];
  #workflowDispatches: number[] = [];
  #restartedAt = -Infinity;
  #inFlight = 0;
  #nextDispatchAt = 0;
  #nextOfKeyAt = 0;
  #wakesAt = -Infinity;
  readonly #workflowTasks: WorkflowTasks;
  #epoch = 0;
  #stats: { at: number; activity: QueueReading; workflow: QueueReading } | undefined;

  constructor(parts: {
    time: VirtualTime;
    random: Random;
    faults: Faults;
    pool: string;
    onEnd: (work: Work, how: 'done' | 'failed' | 'lost') => void;
    onWorkflowTask: (how: 'done' | 'lost') => void;
  }) {
    this.#time = parts.time;
    this.#random = parts.random;
    this.#faults = parts.faults;
    this.#pool = parts.pool;
    this.#onEnd = parts.onEnd;
    this.#heartbeats = new Heartbeats(parts, () => this.reachable);
    this.#workflowTasks = new WorkflowTasks({
      time: parts.time,
      random: parts.random,
      threads: () => (this.reachable ? this.#heartbeats.threads() : []),
      onChange: (thread) => this.#heartbeats.reportThread(thread),
      onAdd: () => this.#count(this.#workflowAdds),
      onDispatch: () => this.#count(this.#workflowDispatches),
      onDone: () => parts.onWorkflowTask('done'),
    });
    this.#onWorkflowTask = parts.onWorkflowTask;
  }

  get queued(): number {
    return this.#waiting.length - this.#head + this.#dead.count + this.#workflows.length;
  }

  /** Running activities, on any worker. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Workflow tasks that wait, and those in a slot. */
  get workflowTasks(): { queued: number; inUse: number } {
    return this.#workflowTasks;
  }

  startWorkflowTask(ms: number): void {
    this.#workflowTasks.add(ms);
  }

  /** Whether the server answers its workers. */
  get reachable(): boolean {
    return !this.#faults.active('temporal.down');
  }

  /** A workflow that schedules its activities as soon as some worker has run its first workflow task. */
  startWorkflow(activities: Work[]): void {
    this.#workflows.push({ activities, since: this.#time.now });
    this.#runWorkflows();
  }

  /** Tasks of workflows that were terminated: counted until a worker polls them away, or for ten minutes. */
  addDeadWork(count: number): void {
    if (this.#polls.length > 0) return;
    this.#dead = { count: this.#dead.count + count, since: this.#time.now };
  }

  /** All state is lost, as a development server's without a file is. What ran is not known any more. */
  restartEmpty(): void {
    const lost = [
      ...this.#waiting.slice(this.#head).map(({ work }) => work),
      ...this.#workflows.flatMap((each) => each.activities),
    ];
    [this.#waiting, this.#head, this.#workflows, this.#stats] = [[], 0, [], undefined];
    this.#dead.count = 0;
    this.#heartbeats.forget();
    this.#epoch += 1;
    this.#inFlight = 0;
    for (const work of lost) this.#onEnd(work, 'lost');
    for (let lostTasks = this.#workflowTasks.empty(); lostTasks > 0; lostTasks -= 1) this.#onWorkflowTask('lost');
  }

  /**
   * The server starts again with its state: what it dispatched shortly before is queued once more, although it runs, and is
   * found out by the next poll; its age is that of before, or counts from now.
   */
  restart(keepsAge: boolean): void {
    const { now } = this.#time;
    const recent = this.#dispatches.filter((at) => at > now - QUEUED_AGAIN_MS);
    const again = this.#polls.length > 0 ? 0 : Math.min(recent.length, this.#inFlight);
    this.#dead = { count: this.#dead.count + again, since: keepsAge ? (recent[0] ?? now) : now };
    this.#adds = Array.from({ length: again }, () => now);
    [this.#dispatches, this.#workflowAdds, this.#workflowDispatches] = [[], [], []];
    this.#restartedAt = now;
    this.#stats = undefined;
  }

  /** Stamps an attempt: what began before a restart of the server is unknown to it afterwards. */
  get epoch(): number {
    return this.#epoch;
  }

  open(poll: Poll): void {
    this.#polls.push(poll);
    this.#dead.count = 0;
    this.dispatch();
  }

  /** Ends open polls within the long poll's time, each by itself; a task may still come to them. */
  endSoon(polls: Iterable<Poll>): void {
    for (const poll of polls) {
      this.#time.after(uniform(this.#random, [0, LONG_POLL_MS]), () => {
        if (this.drop(poll)) poll.take(undefined);
      });
    }
  }

  /** False when the poll is not open any more. */
  drop(poll: Poll): boolean {
    const index = this.#polls.indexOf(poll);
    if (index !== -1) this.#polls.splice(index, 1);
    return index !== -1;
  }

  dispatch(): void {
    if (!this.reachable) return;
    while (this.#head < this.#waiting.length && this.#polls.length > 0) {
      const index = this.#nextIndex();
      if (index === -1) return this.#wakeUp();
      const { work } = this.#waiting[index]!;
      if (index === this.#head) this.#head += 1;
      else this.#waiting.splice(index, 1);
      this.#nextDispatchAt = this.#time.now + LIMITED_EVERY_MS;
      if (hasLimitedKey(work)) this.#nextOfKeyAt = this.#time.now + KEY_EVERY_MS;
      this.#count(this.#dispatches);
      const [poll] = this.#polls.splice(Math.floor(this.#random() * this.#polls.length), 1);
      work.attempts += 1;
      this.#inFlight += 1;
      poll!.take(work);
    }
    if (this.#head > 500 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The first that no limit holds; -1 when all are held. */
  #nextIndex(): number {
    const { now } = this.#time;
    if (this.#faults.active('temporal.rateLimited', this.#pool) && now < this.#nextDispatchAt) return -1;
    if (!this.#faults.active('temporal.limitedKey', this.#pool) || now >= this.#nextOfKeyAt) return this.#head;
    for (let index = this.#head; index < this.#waiting.length; index += 1)
      if (!hasLimitedKey(this.#waiting[index]!.work)) return index;
    return -1;
  }

  #wakeUp(): void {
    const { now } = this.#time;
    const at = [this.#nextDispatchAt, this.#nextOfKeyAt].filter((each) => each > now).toSorted((a, b) => a - b)[0];
    if (at === undefined || this.#wakesAt >= at) return;
    this.#wakesAt = at;
    this.#time.at(at, () => this.dispatch());
  }

  /** An attempt is over. One that is retried comes back after its back-off. */
  ended(work: Work, epoch: number, how: 'done' | 'failed'): void {
    if (epoch !== this.#epoch) return this.#onEnd(work, 'lost');
    this.#inFlight -= 1;
    if (how === 'done') return this.#onEnd(work, 'done');
    this.#retry(work, 0);
  }

  /** An attempt was lost with its worker: known only when it has timed out. */
  lost(work: Work, epoch: number): void {
    if (epoch !== this.#epoch) return this.#onEnd(work, 'lost');
    this.#inFlight -= 1;
    this.#retry(work, uniform(this.#random, LOST_FOR_MS));
  }

  register(worker: Reporting): void {
    this.#heartbeats.register(worker);
    this.#runWorkflows();
    this.#workflowTasks.dispatch();
  }

  /** To be called before a worker's figures change: a heartbeat that is due shows those from before. */
  report(worker: Reporting): void {
    this.#heartbeats.report(worker);
  }

  /** The server lists a worker that is gone for some more minutes. */
  unregister(worker: Reporting): void {
    this.#heartbeats.unregister(worker);
  }

  /** DescribeTaskQueue with its statistics, both types. */
  describe(): { activity: QueueReading; workflow: QueueReading } {
    const { now } = this.#time;
    if (this.#stats === undefined || now - this.#stats.at >= STATS_CACHED_MS)
      this.#stats = { at: now, ...this.#readStats() };
    return this.#stats;
  }

  /** ListWorkers, those of this queue that the server takes to be running. */
  workers(): ReportedWorker[] {
    return this.#heartbeats.list();
  }

  #runWorkflows(): void {
    if (!this.#heartbeats.anyWorker || !this.reachable) return;
    const begun = this.#workflows;
    this.#workflows = [];
    for (const { activities } of begun) for (const work of activities) this.#enqueue(work);
  }

  /** After an outage of the server for all. */
  resume(): void {
    this.#runWorkflows();
    this.#workflowTasks.dispatch();
    this.dispatch();
  }

  #enqueue(work: Work): void {
    this.#count(this.#adds);
    this.#waiting.push({ work, since: this.#time.now });
    this.dispatch();
  }

  #retry(work: Work, afterMs: number): void {
    if (work.maximumAttempts > 0 && work.attempts >= work.maximumAttempts) return this.#onEnd(work, 'failed');
    const backOffMs = Math.min(SECOND * 2 ** Math.min(work.attempts - 1, 10), MOST_RETRY_MS);
    const epoch = this.#epoch;
    this.#time.after(afterMs + backOffMs, () => {
      if (epoch === this.#epoch) this.#enqueue(work);
      else this.#onEnd(work, 'lost');
    });
  }

  #readStats(): { activity: QueueReading; workflow: QueueReading } {
    const { now } = this.#time;
    if (now - this.#dead.since > DEAD_WORK_MS) this.#dead.count = 0;
    const head = Math.min(this.#waiting[this.#head]?.since ?? now, this.#dead.count > 0 ? this.#dead.since : now);
    const isOn = (kind: 'temporal.rateLimited') => this.#faults.active(kind, this.#pool);
    const activity = {
      backlog: this.#waiting.length - this.#head + this.#dead.count,
      ageSeconds: (now - head) / 1000,
      addRate: this.#rate(this.#adds),
      dispatchRate: this.#rate(this.#dispatches),
      rateLimited: now - this.#wakesAt < RATE_OVER_MS,
      ...(isOn('temporal.rateLimited') && { rateLimit: SECOND / LIMITED_EVERY_MS }),
    };
    const workflowHead = Math.min(this.#workflows[0]?.since ?? now, this.#workflowTasks.headSince);
    const workflow = {
      backlog: this.#workflows.length + this.#workflowTasks.queued,
      ageSeconds: (now - Math.min(now, workflowHead)) / 1000,
      addRate: this.#rate(this.#workflowAdds),
      dispatchRate: this.#rate(this.#workflowDispatches),
      rateLimited: false,
    };
    return { activity, workflow };
  }

  #count(times: number[]): void {
    times.push(this.#time.now);
    if (times.length > 2000) times.splice(0, 1000);
  }

  #rate(times: number[]): number {
    const from = this.#time.now - RATE_OVER_MS;
    const first = times.findIndex((at) => at > from);
    times.splice(0, first === -1 ? times.length : first);
    const ms = Math.min(RATE_OVER_MS, Math.max(LEAST_RATE_MS, this.#time.now - this.#restartedAt));
    return times.length / (ms / 1000);
  }
}

/** By chance, half of the work. */
function hasLimitedKey({ id }: Work): boolean {
  return id % 2 === 0;
}
