/** A pool as it truly is, whatever the scaler has read of it. */
import { live, type Service } from './ecs-services.ts';
import type { PoolPlan } from './scenario.ts';
import type { TaskQueue } from './temporal.ts';

export interface PoolTruth {
  plan: PoolPlan;
  service: Service;
  queue: TaskQueue;
  /** Pieces of work: started, and what became of them. */
  work: { started: number; done: number; failed: number; lost: number };
  arrivals: { at: number; count: number }[];
}

export function isDeploying(service: Service): boolean {
  return live(service).some(({ deployment }) => deployment !== service.deployment);
}

export function maxOf({ config }: PoolPlan): number {
  return config.policy.maxTasks ?? 10;
}
