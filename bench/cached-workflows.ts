/**
 * `npm run bench:cache`: what a workflow costs that is kept in memory between its tasks, by which the worker chooses how many
 * it keeps (worker/temporal/workflow-memory.ts). One kind holds nothing but its own functions, the other has a hundred schemas of zod at
 * the top level of its file, which are made for each workflow anew.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { startTemporal } from '../local/temporal.ts';
import { createLogger } from '../worker/observability/logging.ts';
import { TemporalWorkerManager } from '../worker/temporal/manager.ts';

/** With how many are opened. */
const KINDS = { plain: 3000, schemas: 200 };
const MEBIBYTE = 2 ** 20;
/** The first make Node's heap as large as it will be in any case. */
const FIRST = 50;

const [kind, address] = process.argv.slice(2);
if (kind === undefined) await measureAll();
else process.send!(await measure(kind as keyof typeof KINDS, address!));

async function measureAll(): Promise<void> {
  const temporal = await startTemporal();
  try {
    for (const each of Object.keys(KINDS)) {
      const child = fork(import.meta.filename, [each, temporal.address]);
      const [mebibytes] = (await once(child, 'message')) as [number];
      child.kill();
      console.log(`${each.padEnd(8)} ${mebibytes.toFixed(2)} MiB a workflow`);
    }
  } finally {
    await temporal.stop();
  }
}

async function measure(name: keyof typeof KINDS, server: string): Promise<number> {
  const { log } = createLogger('error');
  const manager = new TemporalWorkerManager({
    address: server,
    namespace: 'default',
    tls: undefined,
    taskQueue: name,
    identity: name,
    maxConcurrentActivities: 1,
    maxCachedWorkflows: 100_000,
    heartbeatSeconds: 60,
    shutdownGraceSeconds: 1,
    shutdownForceSeconds: 2,
    workflows: { workflowsPath: join(import.meta.dirname, `cached-${name}.ts`) },
    worker: {},
    log,
  });
  await manager.startWorker();
  void manager.runWorker();
  const client = new Client({ connection: await Connection.connect({ address: server }) });
  const open = async (count: number) => {
    // A query is answered when the workflow is in memory.
    for (let index = 0; index < count; index += 1) {
      const handle = await client.workflow.start('parked', { taskQueue: name, workflowId: `${name}-${Math.random()}` });
      await handle.query('isThere');
    }
    return process.memoryUsage.rss();
  };
  const before = await open(FIRST);
  return ((await open(KINDS[name])) - before) / KINDS[name] / MEBIBYTE;
}
