/**
 * Our container beside a worker of any SDK, in the same ECS task and process namespace. Two commands:
 *
 *   protect   protects the task from scale-in, and exits; only then does ECS start the worker's container
 *   follow    keeps the task protected; on a cordon sends the worker SIGTERM, and exits when the worker has ended
 *
 * `follow` never ends before the worker, whoever stops the task, and never kills it.
 */
import { writeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { CordonReader } from '../worker/scale-in/cordon-reading.ts';
import { ScaleInProtocol, type PollingWorker } from '../worker/scale-in/protocol.ts';
import { taskProtection, type PutJson } from '../worker/scale-in/protection.ts';
import { readConfig, SidecarConfigError, type SidecarConfig } from './config.ts';
import { finalCordons, ForeignWorker, WorkerToStart } from './foreign-worker.ts';
import { createLog } from './log.ts';
import { send } from './http.ts';
import { containersOf, taskIdOf } from './metadata.ts';
import { findMainProcess, isAlive, type MainProcess } from './processes.ts';
import { cordonReader } from './state-table.ts';

const WATCH_MS = 500;
/** Short, because the worker's container waits for it. */
const PROTECT_ROUND_MS = 500;
const ATTEMPTS_A_LINE = 20;
/** The worker has ended, so the task ends even without it. */
const LIFT_WITHIN_MS = 5000;

const log = createLog((line) => void writeSync(1, line));
const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());

try {
  const config = readConfig(process.env);
  const [command] = process.argv.slice(2);
  if (command === 'protect') await protect(config);
  else if (command === 'follow') await follow(config);
  else throw new SidecarConfigError(`unknown command ${JSON.stringify(command)}: use protect or follow`);
} catch (error) {
  const { message, stack } = error as Error;
  log.error(error instanceof SidecarConfigError ? {} : { stack }, `The sidecar cannot continue: ${message}`);
  process.exitCode = 1;
}

/** A task that is cordoned before its worker has started waits here, unprotected, until ECS stops it. */
async function protect(config: SidecarConfig): Promise<void> {
  const worker = new WorkerToStart();
  const protocol = protocolOf(config, worker, await readerOf(config));
  while (!worker.mayStart && !stopping.signal.aborted) {
    await protocol.round();
    if (!worker.mayStart) await pause(PROTECT_ROUND_MS);
  }
  if (worker.mayStart) log.info({}, 'The worker may start');
  else process.exitCode = 1;
}

async function follow(config: SidecarConfig): Promise<void> {
  const readCordon = await readerOf(config);
  const main = await mainProcess(config);
  if (main === undefined) return log.info({}, 'Stopped before there was a worker');
  log.info({ ...main, container: config.container }, 'Found the worker');
  const worker = new ForeignWorker({
    terminate: () => void process.kill(main.pid, 'SIGTERM'),
    isAlive: () => isAlive(config.proc, main),
    now: Date.now,
    remindSeconds: config.remindSeconds,
    log,
  });
  const protocol = protocolOf(config, worker, finalCordons(readCordon, worker));
  stopping.signal.addEventListener('abort', () => {
    if (worker.watch()) return;
    protocol.stop();
    log.info({}, 'The task is being stopped, and ECS also stops the worker: waiting for it to end');
  });
  await Promise.all([untilEnded(worker), rounds(protocol, worker, config.pollSeconds * 1000)]);
  if (!worker.told) return log.info({}, 'The worker has ended without a cordon, so the task ends');
  await Promise.race([protocol.settle(), wait(LIFT_WITHIN_MS, undefined, { ref: false })]);
  log.info({}, 'The worker has ended after its cordon, so the task ends');
}

/** Undefined if the task is stopped first. */
async function mainProcess(config: SidecarConfig): Promise<MainProcess | undefined> {
  const { proc, metadataUri, container, remindSeconds } = config;
  let toldAt = Date.now();
  while (!stopping.signal.aborted) {
    const containers = await containersOf(metadataUri).catch(() => []);
    const found = findMainProcess(proc, process.pid, containers, container);
    if (found !== undefined) return found;
    const runs = containers.some(({ name, isRunning }) => name === container && isRunning);
    if (runs && Date.now() - toldAt >= remindSeconds * 1000) {
      toldAt = Date.now();
      log.error(
        { containers },
        'The worker is running, but its main process is not found, so it cannot be told to end',
      );
    }
    await pause(WATCH_MS);
  }
  return undefined;
}

async function untilEnded(worker: ForeignWorker): Promise<void> {
  while (!worker.watch()) await wait(WATCH_MS);
}

async function rounds(protocol: ScaleInProtocol, worker: ForeignWorker, pollMs: number): Promise<void> {
  while (!worker.drained && !stopping.signal.aborted) {
    await protocol.round();
    for (let waited = 0; waited < pollMs && !worker.drained; waited += WATCH_MS)
      await pause(Math.min(WATCH_MS, pollMs));
  }
}

async function readerOf({ stateTable, taskRoleId, pool, metadataUri }: SidecarConfig): Promise<CordonReader> {
  const taskId = await untilAnswered(() => taskIdOf(metadataUri));
  return cordonReader(stateTable, { taskRoleId, taskId, pool }, process.env);
}

/** ECS's endpoints on the task's machine answer eventually, and nothing can be done without them. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt % ATTEMPTS_A_LINE === 0) log.warn({ attempt }, (error as Error).message);
      stopping.signal.throwIfAborted();
      await pause(WATCH_MS);
    }
  }
}

function putJson(url: string, body: string, timeoutMs: number): ReturnType<PutJson> {
  return send(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body, timeoutMs });
}

function protocolOf(
  config: SidecarConfig,
  worker: PollingWorker & { ended: boolean },
  readCordon: CordonReader,
): ScaleInProtocol {
  const { agentUri, scalerGoneSeconds } = config;
  return new ScaleInProtocol({
    worker,
    protection: taskProtection(agentUri, putJson),
    readCordon,
    now: Date.now,
    random: Math.random,
    scalerGoneSeconds,
    // The task ends with its worker, and ECS may already be stopping it.
    log: { info: log.info, warn: (fields, message) => (worker.ended ? log.info : log.warn)(fields, message) },
  });
}

async function pause(milliseconds: number): Promise<void> {
  await wait(milliseconds, undefined, { signal: stopping.signal }).catch(() => undefined);
}
