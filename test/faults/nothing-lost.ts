/**
 * Scale-in steps over mixed work, with Spot interruptions, crashes, deployments of a new revision and of the same one, tasks
 * that ECS moves between availability zones, calls that Temporal refuses and event loops that stand still, all chosen by a
 * seed. Beside the pools whose workers follow the protocol of scale-in runs one whose workers do not: what it loses is what
 * the protocol saves. And one that nothing is done to: what it loses is lost between server and worker, scaled or not.
 *
 * Time is compressed: work of 50 ms to 20 s stands for work of up to 5 minutes, a stop timeout of 3 s for Fargate's.
 * The seed repeats all choices; what they meet, real processes decide.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { seeded, type Random } from '../../simulate/random.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/strategies/types.ts';
import type { TaskSummary } from '../../local/fargate/index.ts';
import type { Refusal } from '../worker/temporal-proxies.ts';
import { BLOCKED_SECONDS } from './faulty-pool.ts';
import { FaultyStack } from './faulty-stack.ts';
import { Losses, type Job, type Lost } from './losses.ts';

interface LossOptions {
  seed: number;
  /**
   * Scale-ins of the protected pools, all together; up to five times as many until the unprotected one has lost something and
   * each kind of event has occurred.
   */
  steps: number;
  /** How many of these pools there are, side by side: with more of them the steps come faster. */
  pools: number;
  /** Of one piece of work; 20 unless given. */
  longestSeconds?: number;
  /** After this the run goes on for no kind of event that has not occurred yet. */
  patienceSeconds?: number;
  onProgress?: (line: string) => void;
}

/** `rebalanced`: tasks that ECS started to move others between availability zones. */
interface LossEvents {
  spot: number;
  crashes: number;
  deployments: number;
  forcedDeployments: number;
  rebalanced: number;
  refusals: number;
  blockedLoops: number;
}

interface LossResult {
  scaleIns: number;
  events: LossEvents;
  activities: number;
  workflows: number;
  /** Attempts that ended with a task which ECS stopped for a scale-in or a deployment, and such that nothing explains. */
  lostByUs: string[];
  /** Attempts that ended with a task which was reclaimed, or killed. */
  lostOtherwise: number;
  /**
   * Attempts begun before their task was told to leave, whose worker ended in order with nothing cancelled, and of whose end
   * nobody reported more than a timeout: lost between server and worker, whoever leaves or stays. Told, since it is not proved.
   */
  neverArrived: string[];
  /**
   * Attempts whose very result was in a call that Temporal refused, seen on its way, within the moments before the worker has
   * to notice a refusal: the SDK's core drops it, and the attempt times out. Later ones the worker has to keep: they are ours.
   */
  resultRefused: string[];
  failedWorkflows: string[];
  /** Without protection and cordon. */
  lostByUsUnprotected: number;
  /** In the pool that nobody touches, of so many activities. */
  untouched: { activities: number; lost: string[] };
}

const POLICY = { slotsPerTask: 2, maxTasks: 4 };
/** With two seconds a busy server loses attempts of its own: it has begun one when the poll that it was for runs out. */
const LONG_POLL_SECONDS = 10;
const UNPROTECTED = 'unprotected';
const UNTOUCHED = 'untouched';

const SECONDS = [0.05, 0.05, 0.3, 0.3, 1, 1, 2, 4, 8, 20];
const OPEN_AT_MOST = 10;
/** Of one pool in one round. */
const SPOT_SHARE = 0.04;
const CRASH_SHARE = 0.03;
/** After one the scaler removes no task for two minutes: with more of them there would be no scale-in to speak of. */
const DEPLOYMENT_SHARE = 0.008;
/** A refusal waits until no loop is blocked: with more of them there would be none. */
const BLOCK_SHARE = 0.015;
/** Of all pools in one round. */
const REFUSAL_SHARE = 0.08;
const CLOSED_ZONES_SHARE = 0.3;

const REFUSALS: readonly Refusal[] = [7, 16, 'http 504'];
/** With the worker's pauses before it asks again it must stay below the heartbeat timeout. */
const REFUSED_SECONDS = [2, 3.5] as const;
const HEARTBEAT_TIMEOUT_SECONDS = 10;
/** After a refusal or a blocked loop no other comes for so long: two of them together could outlast the heartbeat timeout. */
const QUIET_SECONDS = 6;

export async function loseNothing(options: LossOptions): Promise<LossResult> {
  const kept = Array.from({ length: options.pools }, (_, index) => `kept-${index + 1}`);
  const pools = [
    ...kept.map((name, index) => ({ name, policy: POLICY, spot: true, disturbed: true, rebalanced: index === 0 })),
    { name: UNPROTECTED, policy: POLICY, protocol: false },
    { name: UNTOUCHED, policy: POLICY },
  ];
  const faulty = new FaultyStack(pools, LONG_POLL_SECONDS);
  try {
    await faulty.start();
    return await new Run(faulty, kept, options).run();
  } finally {
    await faulty.stop();
  }
}

class Run {
  readonly #faulty: FaultyStack;
  readonly #kept: string[];
  readonly #scaled: string[];
  readonly #options: LossOptions;
  readonly #random: Random;
  readonly #losses: Losses;
  readonly #jobs: Job[] = [];
  readonly #startedAt = Date.now();
  #high = false;
  readonly #events: LossEvents = {
    spot: 0,
    crashes: 0,
    deployments: 0,
    forcedDeployments: 0,
    rebalanced: 0,
    refusals: 0,
    blockedLoops: 0,
  };
  /** Pools that are to be deployed once they are settled, and whether with the same revision. */
  readonly #toDeploy = new Map<string, boolean>();
  /** Of each kept pool: until when its heartbeats are to come through. */
  readonly #quietUntil = new Map<string, number>();

  constructor(faulty: FaultyStack, kept: string[], options: LossOptions) {
    this.#faulty = faulty;
    this.#kept = kept;
    this.#scaled = [...kept, UNPROTECTED];
    this.#options = options;
    this.#random = seeded(options.seed);
    this.#losses = new Losses(faulty);
  }

  async run(): Promise<LossResult> {
    const over = new AbortController();
    const watching = this.#watch(over.signal);
    let told = 0;
    await this.#faulty.hold(UNTOUCHED, 2);
    while (this.#goesOn()) {
      await this.#setCounts();
      for (const pool of [...this.#scaled, UNTOUCHED]) await this.#addWork(pool);
      for (const pool of this.#kept) await this.#disturb(pool);
      await this.#disturbAll();
      await this.#ticks(this.#random() < 0.2 ? 4 : 1);
      if (this.#scaleIns() - told >= 50) this.#tell((told = this.#scaleIns()));
    }
    await Promise.all(this.#scaled.map((pool) => this.#faulty.hold(pool, POLICY.maxTasks)));
    await Promise.all(this.#jobs.map(({ result }) => result));
    over.abort();
    await watching;
    return this.#result();
  }

  /**
   * Chance may spare the unprotected pool for a while; but what it loses is what shows that the run can lose anything. And no
   * event shows anything that never came.
   */
  #goesOn(): boolean {
    const { steps, patienceSeconds = Infinity } = this.#options;
    const isPatient = Date.now() < this.#startedAt + patienceSeconds * 1000;
    const done = this.#scaleIns();
    const lacksEvents = isPatient && Object.values(this.#events).includes(0);
    return done < steps || (done < 5 * steps && (lacksEvents || this.#lostUnprotected() === 0));
  }

  /** High and low by turns, so that every other step is a scale-in. */
  async #setCounts(): Promise<void> {
    this.#high = !this.#high;
    const counts = this.#scaled.map(() => (this.#high ? 2 + Math.floor(this.#random() * 2) : 1));
    await Promise.all(this.#scaled.map((pool, index) => this.#faulty.hold(pool, counts[index]!)));
  }

  #tell(scaleIns: number): void {
    const ended = this.#jobs.filter(({ ended }) => ended !== undefined).length;
    this.#options.onProgress?.(`${scaleIns} scale-ins, ${ended} of ${this.#jobs.length} pieces of work done`);
  }

  #scaleIns(): number {
    return this.#faulty.lines.filter(
      ({ pool, tasks, desired }) => this.#kept.includes(pool) && 'desired' in tasks && desired < tasks.desired,
    ).length;
  }

  async #addWork(pool: string): Promise<void> {
    const open = this.#jobs.filter((job) => job.pool === pool && job.ended === undefined).length;
    const count = Math.floor(this.#random() * 5);
    for (let added = 0; added < count; added += 1) {
      const seconds = Math.min(this.#pick(SECONDS), this.#options.longestSeconds ?? Infinity);
      const [once, workflow] = [this.#random() < 0.6, this.#random() < 0.15];
      // The draws come first: how much is open depends on the machine, and what is chosen next must not.
      if (open + added < OPEN_AT_MOST) this.#jobs.push(await this.#start(pool, seconds, once, workflow));
    }
  }

  async #start(pool: string, seconds: number, once: boolean, workflow: boolean): Promise<Job> {
    const id = `${pool}-${this.#jobs.length}${once ? '-once' : ''}`;
    const input = { task: id, steps: ['Answer'] };
    const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
    const handle = workflow
      ? await this.#faulty.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
          taskQueue: pool,
          workflowId: id,
          args: ['sequential', input, config],
        })
      : await this.#faulty.client.activity.start('executeStrategyDirectly', {
          id,
          taskQueue: pool,
          args: ['sequential', input, config],
          startToCloseTimeout: '1 minute',
          heartbeatTimeout: `${HEARTBEAT_TIMEOUT_SECONDS} seconds`,
          // The pause is long enough for an attempt that was lost to be seen with the task that had it.
          retry: { maximumAttempts: once ? 1 : 10, initialInterval: '3 seconds', backoffCoefficient: 1 },
        });
    const job: Job = {
      id,
      pool,
      kind: workflow ? 'workflow' : 'activity',
      attempts: new Map(),
      failures: new Map(),
      result: Promise.resolve(),
    };
    job.result = handle.result().then(
      () => void (job.ended = 'completed'),
      () => void (job.ended = 'failed'),
    );
    return job;
  }

  async #disturb(pool: string): Promise<void> {
    const [spot, crash, deployment, blocked] = [this.#random(), this.#random(), this.#random(), this.#random()];
    const [forced, chosen] = [this.#random() < 0.5, this.#random()];
    if (spot < SPOT_SHARE) this.#events.spot += this.#faulty.fargate.reclaimSpot(1).length;
    const running = this.#faulty.running(pool);
    const victim = running[0];
    if (crash < CRASH_SHARE && victim) this.#events.crashes += Number(await this.#faulty.kill(victim.taskId));
    if (deployment < DEPLOYMENT_SHARE) this.#toDeploy.set(pool, forced);
    if (this.#toDeploy.has(pool) && (await this.#isSettled(pool))) await this.#deploy(pool);
    if (blocked < BLOCK_SHARE) await this.#block(pool, running[Math.floor(chosen * running.length)]);
  }

  async #deploy(pool: string): Promise<void> {
    const forced = this.#toDeploy.get(pool);
    this.#toDeploy.delete(pool);
    if (forced) this.#events.forcedDeployments += Number(await this.#faulty.forceDeployment(pool));
    else this.#events.deployments += Number(await this.#faulty.deploy(pool));
  }

  async #block(pool: string, task: TaskSummary | undefined): Promise<void> {
    if (task === undefined || !this.#isQuiet(pool)) return;
    if (!(await this.#faulty.block(task.taskId))) return;
    this.#events.blockedLoops += 1;
    this.#quietUntil.set(pool, Date.now() + (BLOCKED_SECONDS + QUIET_SECONDS) * 1000);
  }

  #isQuiet(pool: string): boolean {
    return Date.now() >= (this.#quietUntil.get(pool) ?? 0);
  }

  async #disturbAll(): Promise<void> {
    const [refusal, closed] = [this.#random(), this.#random()];
    const [kind, length] = [this.#pick(REFUSALS), this.#random()];
    this.#faulty.closeZones(closed < CLOSED_ZONES_SHARE);
    this.#events.rebalanced = await this.#faulty.rebalances(this.#kept[0]!);
    if (refusal >= REFUSAL_SHARE || !this.#kept.every((pool) => this.#isQuiet(pool))) return;
    const [least, most] = REFUSED_SECONDS;
    const seconds = least + (most - least) * length;
    this.#faulty.refuse(kind, seconds);
    this.#events.refusals += 1;
    for (const pool of this.#kept) this.#quietUntil.set(pool, Date.now() + (seconds + QUIET_SECONDS) * 1000);
  }

  /** While a deployment is blocked ECS protects no task of the new revision, and the next deployment stops these. */
  async #isSettled(pool: string): Promise<boolean> {
    const { deployments = [] } = await this.#faulty.service(pool);
    return deployments.length === 1 && this.#faulty.running(pool).every(({ protectedUntil }) => protectedUntil);
  }

  async #ticks(count: number): Promise<void> {
    const goal = this.#faulty.linesOf(UNPROTECTED).length + count;
    await this.#faulty.until('the scaler ticks', () => this.#faulty.linesOf(UNPROTECTED).length >= goal);
  }

  /** Which task had which attempt is only known while an activity is open, and of the last one afterwards. */
  async #watch(over: AbortSignal): Promise<void> {
    const closed = new Set<Job>();
    for (let last = false; !last;) {
      last = over.aborted;
      const due = this.#jobs.filter((job) => job.kind === 'activity' && !closed.has(job));
      for (const job of due) if (job.ended !== undefined) closed.add(job);
      await Promise.all(
        due.map(async (job) => {
          const about = await this.#faulty.client.activity.getHandle(job.id).describe();
          const { attempt, lastWorkerIdentity: task, lastStartedTime } = about;
          if (task) job.attempts.set(attempt, { task, startedAt: lastStartedTime?.getTime() ?? 0 });
          const failure = await about.getLastFailure();
          if (failure) job.failures.set(job.ended === 'failed' ? attempt : attempt - 1, failure.message);
        }),
      );
      await delay(last ? 0 : 500);
    }
  }

  #result(): LossResult {
    const activities = this.#jobs.filter(({ kind }) => kind === 'activity');
    const workflows = this.#jobs.filter(({ kind }) => kind === 'workflow');
    const lost = activities.flatMap((job) => this.#losses.of(job));
    const isOurs = ({ why, arrived, refused }: Lost) =>
      why !== 'SpotInterruption' && why !== 'EssentialContainerExited' && arrived && !refused;
    const tell = ({ id, attempt, task, why, how }: Lost) => `${id} attempt ${attempt} on ${task}: ${why}; ${how}`;
    const kept = lost.filter(({ pool }) => this.#kept.includes(pool));
    const story = this.#options.onProgress ?? (() => undefined);
    for (const task of new Set(kept.filter(isOurs).map(({ task }) => task))) this.#losses.tellStoryOf(task, story);
    return {
      scaleIns: this.#scaleIns(),
      events: this.#events,
      activities: activities.filter(({ pool }) => this.#kept.includes(pool)).length,
      workflows: workflows.length,
      lostByUs: kept.filter(isOurs).map(tell),
      lostOtherwise: kept.filter((each) => each.arrived && !each.refused && !isOurs(each)).length,
      neverArrived: kept.filter(({ arrived, refused }) => !arrived && !refused).map(tell),
      resultRefused: kept.filter(({ refused }) => refused).map(tell),
      failedWorkflows: workflows
        .filter(({ ended, pool }) => ended !== 'completed' && pool !== UNPROTECTED)
        .map(({ id }) => id),
      lostByUsUnprotected: this.#lostUnprotected(),
      untouched: {
        activities: activities.filter(({ pool }) => pool === UNTOUCHED).length,
        lost: lost.filter(({ pool }) => pool === UNTOUCHED).map(tell),
      },
    };
  }

  /** Of what has ended by now. */
  #lostUnprotected(): number {
    return this.#jobs
      .filter(({ kind, pool, ended }) => kind === 'activity' && pool === UNPROTECTED && ended !== undefined)
      .flatMap((job) => this.#losses.of(job))
      .filter(({ why }) => why === 'ServiceSchedulerInitiated').length;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }
}
