/** The pools of a world, and the work that comes to them. */
import type { Random } from '../../simulate/random.ts';
import type { PoolTruth } from './pool-truth.ts';
import type { PoolPlan } from './scenario.ts';
import { TaskQueue, type Work } from './temporal.ts';
import { MINUTE } from './time.ts';
import type { World } from './world-parts.ts';

export class Arrivals {
  readonly #world: World;
  /** No work comes after it. */
  end = Infinity;

  constructor(world: World) {
    this.#world = world;
  }

  addPool(plan: PoolPlan): void {
    const { time, faults, pools, ecs, checks, random } = this.#world;
    const { pool } = plan.config;
    const service = ecs.create(pool, pool, 1, plan.strategy);
    const work = { started: 0, done: 0, failed: 0, lost: 0 };
    const queue = new TaskQueue({
      time,
      random: random(`queue ${pool}`),
      faults,
      pool,
      onEnd: (_work, how) => (work[how] += 1),
      onWorkflowTask: (how) => (work[how] += 1),
    });
    const truth: PoolTruth = { plan, service, queue, work, arrivals: [] };
    pools.set(pool, truth);
    checks.watch(truth);
    this.#arrive(truth, random(`load ${pool}`));
  }

  #arrive(truth: PoolTruth, random: Random): void {
    const { time } = this.#world;
    const { load, maximumAttempts } = truth.plan;
    const { inMs, activities } = load.next(random);
    time.after(inMs, () => {
      if (time.now > this.end) return;
      if (load.workflowTaskMs !== undefined) {
        this.#startWorkflowTask(truth, load.serviceMs(random));
        return this.#arrive(truth, random);
      }
      const works = Array.from({ length: activities }, () => ({
        serviceMs: Math.min(load.serviceMs(random), 30 * MINUTE),
        maximumAttempts,
        poisoned: false,
      }));
      this.startWorkflow(truth, works);
      this.#arrive(truth, random);
    });
  }

  startWorkflow(truth: PoolTruth, works: Pick<Work, 'serviceMs' | 'maximumAttempts' | 'poisoned'>[]): void {
    const { time, counts } = this.#world;
    truth.work.started += works.length;
    truth.arrivals.push({ at: time.now, count: works.length });
    const { pool } = truth.plan.config;
    truth.queue.startWorkflow(works.map((work) => ({ ...work, id: (counts.works += 1), pool, attempts: 0 })));
  }

  #startWorkflowTask(truth: PoolTruth, ms: number): void {
    const { time, counts } = this.#world;
    truth.work.started += 1;
    truth.arrivals.push({ at: time.now, count: 1 });
    counts.works += 1;
    truth.queue.startWorkflowTask(ms);
  }
}
