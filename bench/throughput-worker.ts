/**
 * One of the workers that are compared, as a process of its own: `ours` is the manager, `bare` the SDK's Worker with the same
 * activity, workflows and slots, `polls` the same again with as many open polls as ours may have. Answers each message with the
 * processor time it used so far, in seconds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { MAX_OPEN_POLLS } from '../worker/activity-slots.ts';
import { createLogger } from '../worker/logging.ts';
import { TemporalWorkerManager } from '../worker/manager.ts';

const [kind, address = '', taskQueue = '', codePath = '', slots = ''] = process.argv.slice(2);
const activities = { nap: (milliseconds: number) => (milliseconds === 0 ? Promise.resolve() : wait(milliseconds)) };
const maxConcurrentActivities = Number(slots);

process.on('message', () => process.send!(process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6));
process.on('disconnect', () => process.exit());

if (kind === 'ours') {
  // As main.ts says.
  process.env.TOKIO_WORKER_THREADS = '1';
  const { log, setLevel } = createLogger();
  setLevel('error');
  const manager = new TemporalWorkerManager({
    address,
    namespace: 'default',
    taskQueue,
    identity: taskQueue,
    maxConcurrentActivities,
    heartbeatSeconds: 60,
    shutdownGraceSeconds: 1,
    shutdownForceSeconds: 2,
    workflows: { codePath },
    worker: { activities },
    log,
  });
  await manager.startWorker();
  void manager.runWorker();
} else {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    activities,
    workflowBundle: { codePath },
    maxConcurrentActivityTaskExecutions: maxConcurrentActivities,
    ...(kind === 'polls' && { maxConcurrentActivityTaskPolls: MAX_OPEN_POLLS }),
  });
  void worker.run();
}
process.send!('ready');
