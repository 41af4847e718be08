/**
 * Policies of which only the rules are public, applied to real fleets: AWS's target tracking and step scaling. The rules are those
 * of simulate/peers.ts; what they see is read from the server and from ECS.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { EcsServices } from '../../scaler/read/ecs.ts';
import { TemporalReader } from '../../scaler/read/temporal.ts';
import { poolConfigSchema, type PoolConfig } from '../../contract/pool-config.ts';
import type { Truth } from '../../simulate/model.ts';
import { PEERS } from '../../simulate/peers.ts';
import { SHORT_GRACE_SECONDS, type PeerPolicy } from './policy.ts';
import { CLUSTER, ROLE_ID, setDesired, type Fleet, type Stage } from './stage.ts';

export const targetTracking = byRules('ECS target tracking, by its rules', 'target-tracking', 1);
export const stepScaling = byRules('ECS step scaling, by its rules', 'step-scaling', 0);

function byRules(title: string, model: string, minTasks: number): PeerPolicy {
  return {
    title,
    model,
    fleet: () => ({ minTasks, graceSeconds: SHORT_GRACE_SECONDS }),
    start: async (stage, fleet) => {
      const stopping = new AbortController();
      const done = follow(stage, fleet, model, stopping.signal);
      return async () => {
        stopping.abort();
        await done;
      };
    },
  };
}

async function follow(stage: Stage, fleet: Fleet, model: string, signal: AbortSignal): Promise<void> {
  const controller = PEERS[model]!(fleet);
  const read = reader(stage, fleet);
  const unread = (): never => {
    throw new Error('rules see counts alone');
  };
  const start = Date.now();
  for (let tick = 0; !signal.aborted; tick += 1) {
    const truth = await read.truth();
    if (truth !== undefined) {
      const { desired } = controller.look(unread, truth, tick * controller.tickSeconds);
      if (desired !== truth.desired) await setDesired(stage, fleet.name, desired);
    }
    const next = start + (tick + 1) * controller.tickSeconds * 1000;
    await wait(Math.max(0, next - Date.now()), undefined, { signal }).catch(() => undefined);
  }
  await read.close();
}

/** Undefined where something could not be read: nothing is done then. */
function reader({ address, namespace, ecs }: Stage, { name, slots }: Fleet) {
  const temporal = new TemporalReader({ address, namespace });
  const services = new EcsServices(ecs);
  const pool: PoolConfig = poolConfigSchema.parse({
    pool: name,
    taskQueue: name,
    cluster: CLUSTER,
    service: name,
    taskRoleId: ROLE_ID,
    policy: { slotsPerTask: slots },
  });
  const truth = async (): Promise<Truth | undefined> => {
    const [signals, read] = await Promise.all([temporal.read([pool], Date.now()), services.read([pool])]);
    const { activityQueue, workers } = signals.get(name)!;
    const { tasks } = read.get(name)!;
    if ('unknown' in activityQueue || 'unknown' in workers || 'unknown' in tasks) return undefined;
    const running = new Set(tasks.running);
    const present = workers.filter(({ names }) => names.some((one) => running.has(one)));
    const busy = present.reduce((sum, { usedSlots }) => sum + usedSlots, 0);
    return {
      queued: activityQueue.backlog,
      busy,
      running: running.size,
      starting: tasks.pending.length,
      cordoned: 0,
      desired: tasks.desired,
      unmatched: 0,
      dispatched: 0,
    };
  };
  return { truth, close: () => temporal.close() };
}
