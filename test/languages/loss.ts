/**
 * Scale-in steps of a pool whose workers are in another language, with a sidecar. And, at the same pace and with the same work,
 * of workers that only get SIGTERM: an attempt that an SDK loses at shutdown is lost there, too. An attempt that the pool loses
 * while the worker did not exit cleanly after the sidecar's SIGTERM is our fault.
 *
 * The pool scales out and in by turns, with work of 50 ms to 5 s. The seed repeats the choices; the real processes decide
 * what they meet.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TaskSummary } from '../../local/fargate/index.ts';
import { seeded, type Random } from '../../simulate/random.ts';
import { FaultyStack } from '../faults/faulty-stack.ts';
import { DirectFleet } from './direct-fleet.ts';
import type { ForeignWorkerProgram } from './workers.ts';

interface LanguageLossOptions {
  language: string;
  program: ForeignWorkerProgram;
  steps: number;
  /** The number of pools in parallel: with more of them the steps are faster. */
  pools: number;
  seed: number;
  onProgress?: (line: string) => void;
}

interface LanguageLoss {
  language: string;
  /** Decisions that cordoned tasks. */
  scaleIns: number;
  /** Those of them whose worker was running and got SIGTERM. */
  tasksRemoved: number;
  /** Cordoned tasks that were still there when all work was done. */
  stuck: string[];
  /** How the pool's tasks ended. */
  ends: Record<string, number>;
  /** How often workers with a sidecar exited with which code. */
  exitCodes: Record<string, number>;
  activities: number;
  /** Attempts lost while their worker did not exit cleanly, with what is known about each. */
  lostByUs: string[];
  /** Attempts lost by workers that exited cleanly: what their SDK loses. */
  lostBySdk: string[];
  /** For workers without a sidecar: how often one got SIGTERM, and what was lost. */
  direct: { stops: number; activities: number; lost: string[]; exitCodes: Record<string, number> };
}

const POLICY = { slotsPerTask: 2, maxTasks: 3 };
const SECONDS = [0.05, 0.05, 0.3, 0.3, 1, 1, 2, 5];
const OPEN_AT_MOST = 8;
/** How long a round waits for its tasks to be up before it continues: some rounds do not wait at all. */
const SETTLES = 0.9;
const SETTLES_WITHIN_MS = 15_000;
const LONG_POLL_SECONDS = 10;
const LEAVES_WITHIN_MS = 60_000;
const TOLD_EVERY = 20;
const KILLED = 137;

export async function loseNothingBeside(options: LanguageLossOptions): Promise<LanguageLoss> {
  const { language, program } = options;
  const names = Array.from({ length: options.pools }, (_, index) => `${language}-${index + 1}`);
  const pools = names.map((name) => ({ name, policy: POLICY, beside: program.directory, command: program.command }));
  const faulty = new FaultyStack(pools, LONG_POLL_SECONDS);
  const directory = mkdtempSync(join(tmpdir(), 'direct-'));
  try {
    await faulty.start();
    const fleets = names.map((name) => {
      const environment = {
        TEMPORAL_ADDRESS: faulty.address,
        TEMPORAL_TASK_QUEUE: directQueue(name),
        ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${POLICY.slotsPerTask}`,
      };
      return [name, new DirectFleet(program, environment, join(directory, `${name}.log`))] as const;
    });
    return await new Run(faulty, new Map(fleets), options).run();
  } finally {
    await faulty.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function directQueue(pool: string): string {
  return `${pool}-direct`;
}

interface Job {
  id: string;
  queue: string;
  ended: boolean;
  completed: boolean;
  /** By attempt: its worker, and how it failed if known. */
  workers: Map<number, string>;
  failures: Map<number, string>;
  result: Promise<void>;
}

class Run {
  readonly #faulty: FaultyStack;
  /** By the name of the pool that each is compared with. */
  readonly #direct: Map<string, DirectFleet>;
  readonly #options: LanguageLossOptions;
  readonly #random: Random;
  readonly #jobs: Job[] = [];
  #high = false;

  constructor(faulty: FaultyStack, direct: Map<string, DirectFleet>, options: LanguageLossOptions) {
    this.#faulty = faulty;
    this.#direct = direct;
    this.#options = options;
    this.#random = seeded(options.seed);
  }

  async run(): Promise<LanguageLoss> {
    const { language, steps, onProgress } = this.#options;
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    let told = 0;
    while (this.#scaleIns() < steps) {
      await this.#round();
      if (this.#scaleIns() - told < TOLD_EVERY) continue;
      told = this.#scaleIns();
      onProgress?.(`${language}: ${told} scale-ins, ${this.#jobs.filter(({ ended }) => ended).length} activities`);
    }
    for (const [pool, direct] of this.#direct) {
      await this.#faulty.hold(pool, POLICY.maxTasks);
      direct.hold(POLICY.maxTasks);
    }
    await Promise.all(this.#jobs.map(({ result }) => result));
    await this.#left();
    over.abort();
    await watching;
    await Promise.all([...this.#direct.values()].map((direct) => direct.end()));
    return this.#result();
  }

  /** High and low by turns, so that busy tasks are removed in every other round. */
  async #round(): Promise<void> {
    this.#high = !this.#high;
    const counts = new Map([...this.#direct.keys()].map((pool) => [pool, this.#high ? 2 + this.#upTo(2) : 1]));
    const settles = this.#random() < SETTLES;
    await Promise.all([...counts].map(([pool, count]) => this.#faulty.hold(pool, count)));
    const directHeld = this.#holdDirect(counts);
    if (this.#high && settles) await this.#settled(counts);
    for (const pool of counts.keys()) for (const queue of [pool, directQueue(pool)]) await this.#addWork(queue);
    await this.#ticks(this.#high ? 1 + this.#upTo(2) : 1);
    await directHeld;
  }

  /** When a cordon would have reached them: after the next tick and its reading. What an SDK loses depends on that. */
  async #holdDirect(counts: Map<string, number>): Promise<void> {
    const [tick, read] = [this.#random() * 1000, this.#random() * 1000];
    if (!this.#high) await delay(tick + read);
    for (const [pool, direct] of this.#direct) direct.hold(counts.get(pool)!, this.#random);
  }

  #upTo(count: number): number {
    return Math.floor(this.#random() * count);
  }

  async #settled(counts: Map<string, number>): Promise<void> {
    const giveUpAt = Date.now() + SETTLES_WITHIN_MS;
    await this.#faulty.until('enough tasks work', () => {
      if (Date.now() > giveUpAt) return true;
      return [...counts].every(([pool, count]) => this.#working(pool) >= count);
    });
  }

  /** Tasks that run, have reported, and are not cordoned. */
  #working(pool: string): number {
    const { cordon = [], workers } = this.#faulty.linesOf(pool).at(-1) ?? {};
    const reported = new Set(Array.isArray(workers) ? workers.map(({ task }) => task) : []);
    return this.#faulty.running(pool).filter(({ taskId }) => !cordon.includes(taskId) && reported.has(taskId)).length;
  }

  async #addWork(queue: string): Promise<void> {
    const open = this.#jobs.filter((job) => job.queue === queue && !job.ended).length;
    const count = 1 + this.#upTo(5);
    for (let added = 0; added < count; added += 1) {
      const seconds = SECONDS[this.#upTo(SECONDS.length)]!;
      if (open + added < OPEN_AT_MOST) this.#jobs.push(await this.#start(queue, seconds));
    }
  }

  async #start(queue: string, seconds: number): Promise<Job> {
    const id = `${queue}-${this.#jobs.length}`;
    const handle = await this.#faulty.client.activity.start('work', {
      id,
      taskQueue: queue,
      args: [seconds],
      startToCloseTimeout: '15 seconds',
      retry: { maximumAttempts: 10, initialInterval: '3 seconds', backoffCoefficient: 1 },
    });
    const job: Job = {
      id,
      queue,
      ended: false,
      completed: false,
      workers: new Map(),
      failures: new Map(),
      result: Promise.resolve(),
    };
    job.result = handle.result().then(
      () => void (job.ended = job.completed = true),
      () => void (job.ended = true),
    );
    return job;
  }

  /** Nothing keeps a cordoned task any longer. */
  async #left(): Promise<void> {
    const giveUpAt = Date.now() + LEAVES_WITHIN_MS;
    await this.#faulty.until('cordoned tasks stop', () => this.#cordoned().length === 0 || Date.now() > giveUpAt);
  }

  #cordoned(): string[] {
    return [...this.#direct.keys()].flatMap((pool) => {
      const { cordon = [] } = this.#faulty.linesOf(pool).at(-1) ?? {};
      const running = new Set(this.#faulty.running(pool).map(({ taskId }) => taskId));
      return cordon.filter((task) => running.has(task));
    });
  }

  #scaleIns(): number {
    return this.#faulty.lines.filter(
      ({ tasks, cordon }) => 'desired' in tasks && cordon.some((task) => !tasks.cordoned.includes(task)),
    ).length;
  }

  async #ticks(count: number): Promise<void> {
    const [pool = ''] = this.#direct.keys();
    const goal = this.#faulty.linesOf(pool).length + count;
    await this.#faulty.until('the scaler ticks', () => this.#faulty.linesOf(pool).length >= goal);
  }

  /** An attempt's worker is known only while the activity is open; afterwards only the last one's. */
  async #watch(over: AbortSignal): Promise<void> {
    const closed = new Set<Job>();
    for (let last = false; !last;) {
      last = over.aborted;
      const due = this.#jobs.filter((job) => !closed.has(job));
      for (const job of due) if (job.ended) closed.add(job);
      await Promise.all(
        due.map(async (job) => {
          const about = await this.#faulty.client.activity.getHandle(job.id).describe();
          if (about.lastWorkerIdentity) job.workers.set(about.attempt, about.lastWorkerIdentity);
          const failure = await about.getLastFailure();
          if (failure)
            job.failures.set(job.ended && !job.completed ? about.attempt : about.attempt - 1, failure.message);
        }),
      );
      await delay(last ? 0 : 500);
    }
  }

  #result(): LanguageLoss {
    const [beside, direct] = [this.#jobsOf((pool) => pool), this.#jobsOf(directQueue)];
    const tell = ({ id, attempt, worker, failure }: Lost) => `${id} attempt ${attempt} on ${worker}: ${failure}`;
    const lost = beside.flatMap(lostAttempts).map((each) => ({ each, task: this.#taskOf(each.worker) }));
    const ours = lost.filter(({ task }) => !endedInOrder(task));
    const tasks = [...this.#faulty.tasks.values()];
    const fleets = [...this.#direct.values()];
    return {
      language: this.#options.language,
      scaleIns: this.#scaleIns(),
      tasksRemoved: tasks.filter(wasCordoned).length,
      stuck: this.#cordoned().map((task) => storyOf(this.#faulty.tasks.get(task))),
      ends: counts(tasks.map(endOf)),
      exitCodes: counts(tasks.filter(wasCordoned).map(({ exitCode }) => `${exitCode}`)),
      activities: beside.length,
      lostByUs: ours.map(({ each, task }) => `${tell(each)}\n${storyOf(task)}`),
      lostBySdk: lost.filter(({ task }) => endedInOrder(task)).map(({ each }) => tell(each)),
      direct: {
        stops: fleets.reduce((sum, { stops }) => sum + stops, 0),
        activities: direct.length,
        lost: direct.flatMap(lostAttempts).map(tell),
        exitCodes: counts(fleets.flatMap(({ exitCodes }) => exitCodes)),
      },
    };
  }

  #jobsOf(queueOf: (pool: string) => string): Job[] {
    const queues = new Set([...this.#direct.keys()].map(queueOf));
    return this.#jobs.filter(({ queue }) => queues.has(queue));
  }

  /** The identity ends with the task's host, which is named after its address. */
  #taskOf(worker: string): TaskSummary | undefined {
    return [...this.#faulty.tasks.values()].find(({ privateAddress }) =>
      worker.endsWith(`@ip-${privateAddress.replaceAll('.', '-')}.ec2.internal`),
    );
  }
}

interface Lost {
  id: string;
  attempt: number;
  worker: string;
  failure: string;
}

/** All attempts but the one that completed. */
function lostAttempts({ id, completed, workers, failures }: Job): Lost[] {
  const count = Math.max(0, ...workers.keys()) - Number(completed);
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const attempt = index + 1;
    return { id, attempt, worker: workers.get(attempt) ?? '', failure: failures.get(attempt) ?? 'none reported' };
  });
}

function endOf(task: TaskSummary): string {
  const ran = task.history.some(({ status }) => status === 'RUNNING') ? 'running' : 'starting';
  return `${ran}, ${wasCordoned(task) ? 'sent SIGTERM, ' : ''}${task.stopCode}`;
}

function counts(values: string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(values, (value) => value)].map(([value, all]) => [value, all.length]));
}

function logOf(task: TaskSummary | undefined): string {
  return task !== undefined && existsSync(task.logFile) ? readFileSync(task.logFile, 'utf8') : '';
}

function wasCordoned(task: TaskSummary): boolean {
  return logOf(task).includes('sent SIGTERM to the worker');
}

/**
 * The worker got SIGTERM from the sidecar, and exited by itself: that stopped the task, and nothing else did. Its exit code does
 * not matter, unless it means SIGKILL: SDKs are known to crash once all is done.
 */
function endedInOrder(task: TaskSummary | undefined): boolean {
  return (
    task?.stopCode === 'EssentialContainerExited' &&
    task.exitCode !== KILLED &&
    wasCordoned(task) &&
    logOf(task).includes('The worker has ended after its cordon')
  );
}

function storyOf(task: TaskSummary | undefined): string {
  return `task ${JSON.stringify(task)}\n${logOf(task)}`;
}
