/** The workers of a world, each in its task: what they work on, and what ECS's agent and the state table answer them. */
import { cordonKey, SCALER_KEY, type ScalerItem } from '../../contract/state-table.ts';
import type { CordonReading } from '../../worker/scale-in/cordon-reading.ts';
import type { ProtectionAnswer } from '../../worker/scale-in/protection.ts';
import type { ProtectionOutcome } from './ecs.ts';
import { addressOf, type SimulatedTask } from './ecs-services.ts';
import { latencyMs } from './faults.ts';
import { SECOND } from './time.ts';
import { ModelledWorker } from './worker.ts';
import type { World } from './world-parts.ts';

export class Workers {
  readonly #world: World;
  readonly #workers = new Map<string, ModelledWorker>();

  constructor(world: World) {
    this.#world = world;
  }

  start(task: SimulatedTask): ModelledWorker {
    const { options, time, faults, pools, ecs, checks, luck, note } = this.#world;
    const { pool } = task.service;
    const { queue, plan } = pools.get(pool)!;
    const sidecar = plan.config.protection === 'sidecar';
    const host = `ip-${addressOf(task).replaceAll('.', '-')}.eu-west-1.compute.internal`;
    const worker = new ModelledWorker({
      sidecar,
      identity: sidecar
        ? { task: `1@${host}`, names: ['1', host], heartbeatMs: plan.heartbeatMs }
        : { task: task.id, names: [task.id, host], heartbeatMs: 5 * SECOND },
      time,
      random: luck,
      queue,
      taskId: task.id,
      slots: plan.config.policy.slotsPerTask ?? 20,
      agent: {
        protect: (minutes) => this.#askAgent(() => ecs.protect(task, minutes)),
        lift: () => this.#askAgent(() => ecs.lift(task)),
      },
      readCordon: () => this.#readCordon(cordonKey(plan.config.taskRoleId, task.id), pool),
      fails: () => faults.active('work.failing', pool),
      onKilled: (attempts, cause) => {
        if (attempts.length > 0) note(`${task.id} is killed (${cause}) with ${attempts.length} attempts`);
        checks.killed(pool, task.id, attempts, cause);
        this.#workers.delete(task.id);
      },
      onExit: () => ecs.exited(task),
      onPoison: () => ecs.crash(task),
      knowsItsWork: options.mutant !== 'a worker lifts its protection without looking at its work',
    });
    this.#workers.set(task.id, worker);
    return worker;
  }

  /** An item of the state table was written. */
  itemWritten(key: string): void {
    this.#workers.get(key.split(':')[1] ?? '')?.cordonChanged();
  }

  #askAgent(act: () => ProtectionOutcome): Promise<ProtectionAnswer> {
    const { time, faults, luck } = this.#world;
    const lost = faults.active('ecs.answersLost') && luck() < 0.3;
    return time.later(latencyMs(luck) + 50, () => {
      if (faults.active('ecs.agentDown') || faults.active('ecs.down')) return { outcome: 'failed', why: 'HTTP 500' };
      if (faults.active('ecs.throttled') && luck() < 0.5) return { outcome: 'failed', why: 'throttled' };
      const outcome = act();
      if (outcome === 'TASK_NOT_VALID') return { outcome: 'refused', why: outcome };
      if (outcome === 'DEPLOYMENT_BLOCKED') return { outcome: 'blocked', why: outcome };
      return lost ? { outcome: 'failed', why: 'timed out' } : { outcome: 'done' };
    });
  }

  /** As worker/scale-in/cordon.ts reads it. */
  #readCordon(key: string, pool: string): Promise<CordonReading> {
    const { time, faults, table, luck } = this.#world;
    return time.later(latencyMs(luck), () => {
      const throttled = faults.active('table.throttled') && luck() < 0.5;
      if (throttled || faults.active('table.down')) return { known: false, why: 'the table does not answer' };
      const scaler = table.get(SCALER_KEY) as ScalerItem | undefined;
      const deployingTasks = scaler?.deploying?.[pool] ?? 0;
      return { known: true, cordoned: table.has(key), scalerTickAt: scaler?.tickAt, deployingTasks };
    });
  }
}
