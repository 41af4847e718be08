/**
 * One of the workers that are compared, as a process of its own: `ours` is the manager, `bare` the SDK's Worker with the same
 * activity, workflows and slots, `polls` the same again with as many open polls as ours may have. Answers each message: `seen` and
 * `reset` with what its activities showed, any other with the processor time it used so far, in seconds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { parseSlots } from '../contract/slots.ts';
import { MAX_OPEN_POLLS } from '../worker/slots/activity-slots.ts';
import { createLogger } from '../worker/observability/logging.ts';
import { TemporalWorkerManager } from '../worker/temporal/manager.ts';

const [kind, address = '', taskQueue = '', codePath = '', slots = '', memoryMiB = '2048'] = process.argv.slice(2);
const maxConcurrentActivities = parseSlots(slots)!;
let waitsMs: number[] = [];
let atOnce = 0;
let mostAtOnce = 0;
const activities = {
  nap: (milliseconds: number) => seen(() => (milliseconds === 0 ? Promise.resolve() : wait(milliseconds))),
  compute: (milliseconds: number) =>
    seen(async () => {
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
    }),
  hold: (milliseconds: number, mebibytes: number) =>
    seen(async () => {
      const held = Buffer.alloc(mebibytes * 2 ** 20, 1);
      await wait(milliseconds);
      return held.length;
    }),
};

async function seen<T>(run: () => Promise<T>): Promise<T> {
  waitsMs.push(Date.now() - Context.current().info.currentAttemptScheduledTimestampMs);
  mostAtOnce = Math.max(mostAtOnce, (atOnce += 1));
  try {
    return await run();
  } finally {
    atOnce -= 1;
  }
}

process.on('message', (message) => {
  if (message === 'cpu') return process.send!(process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6);
  if (message === 'reset') [waitsMs, mostAtOnce] = [[], atOnce];
  process.send!({ waitsMs, mostAtOnce, residentMiB: process.resourceUsage().maxRSS / 1024 });
});
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
    share: { vcpus: 1, gibibytes: Number(memoryMiB) / 1024 },
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
    maxConcurrentActivityTaskExecutions: Number(slots),
    ...(kind === 'polls' && { maxConcurrentActivityTaskPolls: MAX_OPEN_POLLS }),
  });
  void worker.run();
}
process.send!('ready');
