/**
 * The ECS task that this worker runs in: its id and its size. Outside ECS a worker is identified by its host and process, and its size is that of the container or machine.
 */
import { availableParallelism, cpus, hostname, totalmem } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { AGENT_TIMEOUT_MS, reason } from './scale-in/protection.ts';
import type { ProcessShare } from './slots/elastic-slots.ts';

export interface OwnTask {
  /** The last part of its ARN. It is the worker's Temporal identity, so heartbeats and tasks match exactly. */
  id: string;
  size: TaskSize;
}

export interface TaskSize {
  vcpus: number;
  gibibytes: number;
  /** False if it is a whole machine's size, which does not show how much of it is meant for the worker. */
  limited: boolean;
}

export async function describeTask(metadataUri: string | undefined, signal?: AbortSignal): Promise<OwnTask> {
  if (metadataUri === undefined) return { id: `${process.pid}@${hostname()}`, size: sizeOfContainer() };
  const { arn, limits } = await withRetries(() => readTask(metadataUri), signal);
  return { id: arn.slice(arn.lastIndexOf('/') + 1), size: limits ?? sizeOfContainer() };
}

/** The default number of activities for a task of this size: enough for work that waits, not too many for work that computes. */
export function slotsFor({ vcpus, gibibytes }: TaskSize): number {
  return Math.max(1, Math.floor(Math.min(2 * vcpus, 5 * gibibytes)));
}

/** Each process's share of a task. */
export function shareOf({ vcpus, gibibytes }: TaskSize, processes: number): ProcessShare {
  return { vcpus: vcpus / processes, gibibytes: gibibytes / processes };
}

/** One process uses one vCPU; each has at least one slot, and room for Node and the Temporal SDK. */
export function processesFor({ vcpus, gibibytes, limited }: TaskSize, slots: number): number {
  if (!limited) return 1;
  return Math.max(1, Math.floor(Math.min(vcpus, gibibytes / GIBIBYTES_PER_PROCESS, slots)));
}

const GIBIBYTES_PER_PROCESS = 0.5;

interface TaskMetadata {
  TaskARN?: string;
  /** CPU in vCPUs, memory in MiB; always set on Fargate, on EC2 only if the task definition sets them. */
  Limits?: { CPU?: number; Memory?: number };
}

async function readTask(metadataUri: string): Promise<{ arn: string; limits: TaskSize | undefined }> {
  const response = await fetch(`${metadataUri}/task`, { signal: AbortSignal.timeout(AGENT_TIMEOUT_MS) });
  const { TaskARN: arn, Limits: { CPU: vcpus, Memory: mebibytes } = {} } = (await response.json()) as TaskMetadata;
  if (!response.ok || typeof arn !== 'string' || arn === '') {
    throw new Error(`HTTP ${response.status} without a TaskARN`);
  }
  const limited = Boolean(vcpus && mebibytes);
  return { arn, limits: limited ? { vcpus: vcpus!, gibibytes: mebibytes! / 1024, limited } : undefined };
}

/** Node and libuv read the control group; without a limit there, this is the machine's size. */
function sizeOfContainer(): TaskSize {
  const memory = process.constrainedMemory();
  const bytes = memory > 0 ? Math.min(memory, totalmem()) : totalmem();
  const vcpus = availableParallelism();
  return { vcpus, gibibytes: bytes / 2 ** 30, limited: vcpus < cpus().length || bytes < totalmem() };
}

async function withRetries<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const pauseMs of [200, 400, 800, 1600, undefined]) {
    try {
      return await attempt();
    } catch (error) {
      if (pauseMs === undefined) {
        throw new Error(
          `The ECS metadata endpoint (ECS_CONTAINER_METADATA_URI_V4) does not identify this task: ${reason(error)}.`,
          { cause: error },
        );
      }
      await wait(pauseMs, undefined, { ...(signal && { signal }) });
    }
  }
  throw new Error('unreachable');
}
