/** Sets an ECS service's desired count. */
import { UpdateServiceCommand, type ECSClient } from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';

/** Sets the number of tasks that should take work. Rejects with ECS's error. */
export type SetDesired = (pool: PoolConfig, desiredCount: number) => Promise<void>;

export function desiredCountSetter(client: ECSClient): SetDesired {
  return async ({ cluster, service }, desiredCount) => {
    await client.send(new UpdateServiceCommand({ cluster, service, desiredCount }));
  };
}
