/** Nexus endpoints that lead to a pool's task queue: an operation waits in no queue, so nothing shows the scaler that it is asked for. */
import { DEFAULT_POLICY } from '../../scaler/policy.ts';
import { policyAt } from '../../scaler/schedules.ts';
import type { TemporalConnection } from '../../scaler/signals/temporal-connection.ts';
import type { PlacedPool } from '../temporal-places.ts';
import { ok, wrong, type Check } from './check.ts';

const ENDPOINTS_LOOKED_AT = 1000;

/** Nothing of pools that no endpoint leads to, or where the server does not list them: Temporal Cloud has them elsewhere. */
export async function checkNexus(connection: TemporalConnection, pools: PlacedPool[], now: number): Promise<Check[]> {
  const endpoints = await endpointsOf(connection, now);
  return pools.flatMap((pool) => {
    const names = endpoints.filter(({ taskQueue }) => taskQueue === pool.taskQueue).map(({ name }) => `'${name}'`);
    return names.length === 0 ? [] : [judge(pool, names.join(', '), now)];
  });
}

async function endpointsOf(
  connection: TemporalConnection,
  now: number,
): Promise<{ name: string; taskQueue: string }[]> {
  try {
    const listed = await connection.call(now, (_, operator) =>
      operator.listNexusEndpoints({ pageSize: ENDPOINTS_LOOKED_AT }),
    );
    return (listed.endpoints ?? []).flatMap(({ spec }) => {
      const worker = spec?.target?.worker;
      return worker?.namespace === connection.namespace
        ? [{ name: spec?.name ?? '', taskQueue: worker.taskQueue ?? '' }]
        : [];
    });
  } catch {
    return [];
  }
}

function judge(pool: PlacedPool, names: string, now: number): Check {
  const { minTasks = DEFAULT_POLICY.minTasks } = policyAt(pool, now);
  const leads = `Nexus operations come to '${pool.taskQueue}' by ${names}`;
  if (minTasks > 0) return ok('nexus', `${leads}, and minTasks is ${minTasks}`, pool.pool);
  return wrong(
    'nexus',
    `${leads}, and minTasks is 0`,
    {
      matters:
        'an operation waits in no queue: while the pool has no task, nothing shows the scaler that one is asked for, and it is tried again until it times out',
      mend: 'give the pool minTasks: 1, and deploy (docs/troubleshooting.md)',
    },
    pool.pool,
  );
}
