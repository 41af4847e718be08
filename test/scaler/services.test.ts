/** What the scaler reads from ECS if one service makes the request for all fail. */
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { EcsServices } from '../../scaler/read/ecs.ts';

const pools = ['kept', 'removed', 'another'].map((pool) => ({ pool, cluster: 'c', service: pool }) as PoolConfig);

test.each(['AccessDeniedException', 'InvalidParameterException', 'ClusterNotFoundException'])(
  'a service that returns %s leaves the others known',
  async (name) => {
    const send = async ({ input: { services } }: { input: { services: string[] } }) => {
      if (services.includes('removed')) throw Object.assign(new Error('no'), { name });
      return {
        services: services.map((serviceName) => ({ serviceName, status: 'ACTIVE', desiredCount: 0, ...EMPTY })),
      };
    };
    const read = await new EcsServices({ send } as unknown as ECSClient).read(pools);
    expect([...read].filter(([, { tasks }]) => 'unknown' in tasks).map(([pool]) => pool)).toEqual(['removed']);
  },
);

const EMPTY = { runningCount: 0, pendingCount: 0 };
