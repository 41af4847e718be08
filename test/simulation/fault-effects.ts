/** What faults do when they begin and end, beside being on. */
import { poolKey } from '../../contract/state-table.ts';
import type { Arrivals } from './arrivals.ts';
import { live } from './ecs-services.ts';
import type { Fault, FaultKind } from './faults.ts';
import { ForeignWorker } from './foreign-worker.ts';
import type { Invocations } from './invocations.ts';
import type { PoolTruth } from './pool-truth.ts';
import { HOUR, MINUTE, SECOND } from './time.ts';
import type { World } from './world-parts.ts';

export const LONGEST_WORK_MS = 9 * HOUR;

export class FaultEffects {
  readonly #world: World;
  readonly #arrivals: Arrivals;
  readonly #invocations: Invocations;
  readonly #foreign: { pool: string; worker: ForeignWorker }[] = [];
  /** How many faults of each kind have begun. */
  readonly counts: Record<string, number> = {};

  constructor(world: World, arrivals: Arrivals, invocations: Invocations) {
    this.#world = world;
    this.#arrivals = arrivals;
    this.#invocations = invocations;
  }

  begin(fault: Fault): void {
    const { faults, pools, checks, note } = this.#world;
    const { kind, pool, from, to } = fault;
    note(`fault ${kind} ${pool ?? ''}${to > from ? ` for ${Math.round((to - from) / SECOND)} s` : ''}`);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (to > from) faults.begin(fault);
    checks.disturbed(kind, pool);
    this.#happens(fault, pool === undefined ? undefined : pools.get(pool)!);
  }

  end(fault: Fault): void {
    const { faults, pools, ecs, checks, note } = this.#world;
    note(`fault ${fault.kind} ${fault.pool ?? ''} is over`);
    faults.end(fault);
    checks.disturbed(fault.kind, fault.pool);
    if (fault.kind === 'scaler.clockJumps') this.#invocations.clockErrorMs = 0;
    if (fault.kind === 'temporal.down') for (const { queue } of pools.values()) queue.resume();
    if (fault.kind === 'temporal.foreignWorkers') this.#foreignWorkersLeave(fault.pool!);
    if (fault.kind === 'ecs.serviceDeleted') ecs.recreate(pools.get(fault.pool!)!.service);
  }

  /** What a fault does at its beginning, beside being on. */
  #happens({ kind, luck, to }: Fault, truth: PoolTruth | undefined): void {
    const { time, pools, ecs } = this.#world;
    if (kind === 'scaler.clockJumps') this.#invocations.clockErrorMs = clockError(luck);
    if (kind === 'scaler.twice') this.#invocations.twiceUntil = Math.max(this.#invocations.twiceUntil, to);
    if (kind === 'temporal.restarts') for (const { queue } of pools.values()) queue.restart(luck < 0.5);
    if (kind === 'temporal.restartsEmpty') for (const { queue } of pools.values()) queue.restartEmpty();
    if (truth === undefined) return;
    const { service, queue, plan } = truth;
    const running = live(service).filter(({ state }) => state === 'running');
    const one = running[Math.floor(luck * running.length)];
    const happens: Partial<Record<FaultKind, () => void>> = {
      'temporal.foreignWorkers': () => this.#foreignWorkersCome(truth),
      'temporal.deadWork': () => queue.addDeadWork(10 + Math.floor(luck * 500)),
      'ecs.deployment': () => ecs.deploy(service),
      'ecs.forcedDeployment': () => ecs.forceDeployment(service),
      'ecs.fiveDeployments': () =>
        [0, 1, 2, 3, 4].forEach((n) => time.after(n * 2 * MINUTE, () => ecs.deploy(service))),
      'ecs.badDeployment': () => ecs.deploy(service, { bad: true }),
      'ecs.deploymentResetsCount': () => {
        ecs.deploy(service);
        ecs.setDesired(service, 1);
      },
      'ecs.countByHand': () => ecs.setDesired(service, Math.floor(luck * 1.5 * (plan.config.policy.maxTasks ?? 10))),
      'ecs.taskStoppedByHand': () => one && ecs.stop(one, 'hand'),
      'ecs.serviceDeleted': () => ecs.delete(service),
      'ecs.spot': () => (luck > 0.8 ? running : running.slice(0, 1)).forEach((task) => ecs.stop(task, 'spot')),
      'ecs.crash': () => one && ecs.crash(one),
      'table.itemDamaged': () => this.#damage(poolKey(plan.config.pool), luck),
      'work.nineHours': () =>
        this.#arrivals.startWorkflow(truth, [{ serviceMs: LONGEST_WORK_MS, maximumAttempts: 1, poisoned: false }]),
      'work.poisoned': () =>
        this.#arrivals.startWorkflow(truth, [{ serviceMs: SECOND, maximumAttempts: 4, poisoned: true }]),
    };
    happens[kind]?.();
  }

  #foreignWorkersCome({ plan, queue }: PoolTruth): void {
    const { time, faults } = this.#world;
    const { pool } = plan.config;
    for (const name of ['a', 'b']) {
      const fails = () => faults.active('work.failing', pool);
      const worker = new ForeignWorker(`${name}${time.events}-of-${pool}`, time, queue, fails);
      this.#foreign.push({ pool, worker });
    }
  }

  #foreignWorkersLeave(pool: string): void {
    for (const _ of ['a', 'b']) {
      const index = this.#foreign.findIndex((each) => each.pool === pool);
      if (index !== -1) this.#foreign.splice(index, 1)[0]!.worker.leave();
    }
  }

  #damage(key: string, luck: number): void {
    const { table } = this.#world;
    const item = table.get(key);
    if (item === undefined) return;
    const memory = item.memory as Record<string, unknown> | undefined;
    const damages: (() => Record<string, unknown>)[] = [
      () => ({ ...item, memory: { ...memory, version: 99 } }),
      () => ({ ...item, memory: 'damaged' }),
      () => ({ ...item, memory: { ...memory, levels: null } }),
      () => ({ ...item, decision: {} }),
      () => ({ ...item, decision: 'none' }),
      () => ({ ...item, version: undefined }),
      () => ({ ...item, version: 'newest' }),
      () => ({ ...item, version: Number(item.version) + 5 }),
      () => ({ id: key }),
    ];
    table.put(damages[Math.floor(luck * damages.length)]!());
  }
}

/** Half of the jumps are of seconds to an hour, half of up to a day, into the past and the future. */
function clockError(luck: number): number {
  const size = luck < 0.5 ? luck * 2 * HOUR : (luck - 0.5) * 48 * HOUR;
  return Math.floor(luck * 1000) % 2 === 0 ? size : -size;
}
