/**
 * `npm run bench:slots`, and a part of `npm run bench:worker`: slots that follow the load (5..200) beside 20 that are fixed, both
 * on one server and in the same run.
 *
 *   waiting    calls of 6 s that come at random, 12 a second: 72 of them at a time, for which no less than four tasks of 20 slots
 *              will do. How many tasks of ours wait no longer, both served at once by tasks of their own
 *   computing  activities that compute for 25 ms, as many as get done, in turns
 *   memory     a task of 512 MiB, and activities that hold 8 MiB for 2 s each, more of them than it could ever hold
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { startTemporal } from '../local/temporal.ts';
import { quantile } from './scaler-figures.ts';
import type { fanOut } from './workflows.ts';

const FIXED = '20';
const ELASTIC = '5..200';

const CALL_MS = 6000;
const CALLS_A_SECOND = 12;
const FIXED_TASKS = Math.ceil((CALLS_A_SECOND * CALL_MS) / 1000 / Number(FIXED));
/** Until the slots have followed the load, and then as long as is measured. */
const WARM_UP_SECONDS = 25;
const MEASURED_SECONDS = 30;

const COMPUTE_MS = 25;
const COMPUTE_COUNT = 200;

const MEMORY_MIB = 512;
const HELD_MIB = 8;
const HOLD_MS = 2000;
const HOLD_COUNT = 300;

const WANTED_SLOTS = { waiting: 0.5, computing: 0.97, memory: 1 };

export interface SlotsFigures {
  waiting: { fixed: Waits; elastic: Waits; ratio: number };
  computing: { fixedPerSecond: number; elasticPerSecond: number; ratio: number };
  memory: { limitMiB: number; peakMiB: number; mostAtOnce: number; ratio: number };
}

interface Waits {
  tasks: number;
  p50Ms: number;
  p95Ms: number;
  mostSlots: number;
}

interface Task {
  process: ChildProcess;
  taskQueue: string;
}

interface Stage {
  client: Client;
  start: (taskQueue: string, slots: string, memoryMiB?: number) => Promise<Task>;
}

if (import.meta.main) {
  const temporal = await startTemporal();
  const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  const folder = mkdtempSync(join(tmpdir(), 'bench-slots-'));
  try {
    const codePath = await bundleBenchWorkflows(folder);
    console.table(slotsRows(await measureSlots(client, temporal.address, codePath)));
  } finally {
    await client.connection.close();
    await temporal.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The path of the bundle of workflows.ts, in this folder. */
export async function bundleBenchWorkflows(folder: string): Promise<string> {
  const codePath = join(folder, 'workflows.js');
  const workflowsPath = join(import.meta.dirname, 'workflows.ts');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  writeFileSync(codePath, code);
  return codePath;
}

export async function measureSlots(client: Client, address: string, codePath: string): Promise<SlotsFigures> {
  const script = join(import.meta.dirname, 'throughput-worker.ts');
  const start = async (taskQueue: string, slots: string, memoryMiB = 2048) => {
    const process = fork(script, ['ours', address, taskQueue, codePath, slots, `${memoryMiB}`]);
    await once(process, 'message');
    return { process, taskQueue };
  };
  const stage = { client, start };
  return {
    waiting: await measureWaiting(stage),
    computing: await measureComputing(stage),
    memory: await measureMemory(stage),
  };
}

async function measureWaiting(stage: Stage): Promise<SlotsFigures['waiting']> {
  const fleet = (taskQueue: string, count: number, slots: string) =>
    Promise.all(Array.from({ length: count }, () => stage.start(taskQueue, slots)));
  const fixed = await fleet('waiting-fixed', FIXED_TASKS, FIXED);
  const elastic = await fleet('waiting-elastic', 1, ELASTIC);
  const calls = [fixed, elastic].map(([task]) => comeAtRandom(stage.client, task!.taskQueue));
  await wait(WARM_UP_SECONDS * 1000);
  for (const { process } of [...fixed, ...elastic]) await ask(process, 'reset');
  await Promise.all(calls);
  const figures = { fixed: await waitsOf(fixed), elastic: await waitsOf(elastic) };
  return { ...figures, ratio: figures.elastic.tasks / figures.fixed.tasks };
}

/** Until all that came is done. */
async function comeAtRandom(client: Client, taskQueue: string): Promise<void> {
  const results: Promise<unknown>[] = [];
  const end = performance.now() + (WARM_UP_SECONDS + MEASURED_SECONDS) * 1000;
  for (let due = performance.now(), index = 0; due < end; index += 1) {
    const call = client.activity.start('nap', {
      id: `${taskQueue}-${index}`,
      taskQueue,
      args: [CALL_MS],
      // A server that cannot follow loses some on their way to the worker: they come again, and do not end the benchmark.
      startToCloseTimeout: '20 seconds',
      retry: { maximumAttempts: 3 },
    });
    results.push(call.then((handle) => handle.result()));
    due += (-Math.log(1 - Math.random()) * 1000) / CALLS_A_SECOND;
    await wait(Math.max(0, due - performance.now()));
  }
  await Promise.all(results);
}

async function waitsOf(tasks: Task[]): Promise<Waits> {
  const seen = await Promise.all(tasks.map(({ process }) => ask(process, 'seen')));
  for (const { process } of tasks) process.disconnect();
  const waits = seen.flatMap((each) => each.waitsMs);
  const mostSlots = Math.max(...seen.map((each) => each.mostAtOnce));
  return { tasks: tasks.length, p50Ms: quantile(waits, 0.5), p95Ms: quantile(waits, 0.95), mostSlots };
}

async function measureComputing({ client, start }: Stage): Promise<SlotsFigures['computing']> {
  const [fixed, elastic] = [await start('computing-fixed', FIXED), await start('computing-elastic', ELASTIC)];
  const ratios: number[] = [];
  const rates = { fixed: [] as number[], elastic: [] as number[] };
  for (let round = -1; round < 6; round += 1) {
    const rateOf = async ({ taskQueue }: Task) => {
      const began = performance.now();
      await runAll(client, taskQueue, round, COMPUTE_COUNT, 'compute', COMPUTE_MS);
      return (COMPUTE_COUNT * 1000) / (performance.now() - began);
    };
    // Each is first as often as the other; the first round only warms up.
    const [a, b] = round % 2 === 0 ? [fixed, elastic] : [elastic, fixed];
    const [first, second] = [await rateOf(a), await rateOf(b)];
    const [ofFixed, ofElastic] = round % 2 === 0 ? [first, second] : [second, first];
    if (round < 0) continue;
    rates.fixed.push(ofFixed);
    rates.elastic.push(ofElastic);
    ratios.push(ofElastic / ofFixed);
  }
  for (const { process } of [fixed, elastic]) process.disconnect();
  const [fixedPerSecond, elasticPerSecond] = [median(rates.fixed), median(rates.elastic)];
  return { fixedPerSecond, elasticPerSecond, ratio: median(ratios) };
}

async function measureMemory({ client, start }: Stage): Promise<SlotsFigures['memory']> {
  const task = await start('memory', ELASTIC, MEMORY_MIB);
  await runAll(client, task.taskQueue, 0, HOLD_COUNT, 'hold', HOLD_MS, HELD_MIB);
  const { mostAtOnce, residentMiB: peakMiB } = await ask(task.process, 'seen');
  task.process.disconnect();
  return { limitMiB: MEMORY_MIB, peakMiB, mostAtOnce, ratio: peakMiB / MEMORY_MIB };
}

async function runAll(
  client: Client,
  taskQueue: string,
  round: number,
  count: number,
  activity: Parameters<typeof fanOut>[3],
  milliseconds: number,
  mebibytes?: number,
): Promise<void> {
  await client.workflow.execute<typeof fanOut>('fanOut', {
    taskQueue,
    workflowId: `${taskQueue}-${round}`,
    args: [count, milliseconds, false, activity, mebibytes],
  });
}

interface WorkerSeen {
  waitsMs: number[];
  mostAtOnce: number;
  /** Ever. */
  residentMiB: number;
}

async function ask(worker: ChildProcess, what: 'reset' | 'seen'): Promise<WorkerSeen> {
  worker.send(what);
  return ((await once(worker, 'message')) as [WorkerSeen])[0];
}

function median(values: number[]): number {
  return quantile(values, 0.5);
}

export function slotsRows({ waiting, computing, memory }: SlotsFigures) {
  const tasks = ({ tasks: count, p50Ms, p95Ms }: Waits) =>
    `${count} ${count === 1 ? 'task' : 'tasks'}, wait p50 ${p50Ms.toFixed(0)}, p95 ${p95Ms.toFixed(0)} ms`;
  return [
    {
      what: `slots ${ELASTIC}: ${CALLS_A_SECOND}/s that wait ${CALL_MS / 1000} s`,
      ours: `${tasks(waiting.elastic)}, ${waiting.elastic.mostSlots} at once`,
      other: `${tasks(waiting.fixed)} of ${FIXED} slots`,
      ratio: waiting.ratio.toFixed(2),
      wanted: `≤ ${WANTED_SLOTS.waiting}`,
    },
    {
      what: `  that compute ${COMPUTE_MS} ms`,
      ours: `${computing.elasticPerSecond.toFixed(1)}/s`,
      other: `${computing.fixedPerSecond.toFixed(1)}/s of ${FIXED} slots`,
      ratio: computing.ratio.toFixed(2),
      wanted: `≥ ${WANTED_SLOTS.computing}`,
    },
    {
      what: `  that hold ${HELD_MIB} MiB each`,
      ours: `${memory.peakMiB.toFixed(0)} MiB, ${memory.mostAtOnce} at once`,
      other: `${memory.limitMiB} MiB the task has`,
      ratio: memory.ratio.toFixed(2),
      wanted: `< ${WANTED_SLOTS.memory}`,
    },
  ];
}
