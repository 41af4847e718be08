/** Ours as it is deployed: the built scaler with its defaults, invoked each minute, and workers that protect themselves. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { plainEnvironment } from '../../local/process.ts';
import { REPOSITORY } from '../../local/tools.ts';
import { createStateTable, putParameter } from '../../test/aws-resources.ts';
import { LONG_GRACE_SECONDS, type PeerPolicy } from './policy.ts';
import { startProgram } from './program.ts';
import { CLUSTER, LOGS, ROLE_ID, type Fleet, type Stage } from './stage.ts';

export const ours: PeerPolicy = {
  title: 'ours',
  model: 'elastic',
  // Each fleet has a scaler of its own, and so a table of its own: scalers of one table take turns.
  fleet: (name) => ({
    graceSeconds: LONG_GRACE_SECONDS,
    environment: { ELASTIC_WORKERS_STATE_TABLE: name, ELASTIC_WORKERS_TASK_ROLE_ID: ROLE_ID },
  }),
  start,
};

async function start(stage: Stage, fleet: Fleet): Promise<() => Promise<void>> {
  await createStateTable(stage.emulatorUrl, fleet.name);
  await putPool(stage, fleet);
  // A copy: beside a package.json of this package, Node would take it for an ECMAScript module.
  const bundle = join(stage.directory, 'scaler');
  cpSync(join(REPOSITORY, 'dist/scaler'), bundle, { recursive: true });
  return startProgram({
    name: `The scaler of ${fleet.name}`,
    command: process.execPath,
    args: [join(import.meta.dirname, 'scaler.ts'), join(bundle, 'index.js')],
    environment: {
      ...plainEnvironment(),
      ...stage.aws,
      TEMPORAL_ADDRESS: stage.address,
      TEMPORAL_NAMESPACE: stage.namespace,
      ELASTIC_WORKERS_STATE_TABLE: fleet.name,
      ELASTIC_WORKERS_POOLS_PATH: poolsPath(fleet),
    },
    logFile: join(LOGS, `${fleet.name}.log`),
  });
}

async function putPool({ emulatorUrl }: Stage, fleet: Fleet): Promise<void> {
  const { name, slots, minTasks, maxTasks } = fleet;
  const config: Omit<PoolConfig, 'protection'> = {
    pool: name,
    taskQueue: name,
    cluster: CLUSTER,
    service: name,
    taskRoleId: ROLE_ID,
    policy: { slotsPerTask: slots, minTasks, maxTasks },
  };
  await putParameter(emulatorUrl, `${poolsPath(fleet)}/${name}`, config);
}

/** Each fleet has a scaler of its own, and a clock of its own. */
function poolsPath({ name }: Fleet): string {
  return `/peers/${name}`;
}
