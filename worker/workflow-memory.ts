/**
 * The memory of workflows: the heap of the thread that runs them, and how many are kept there between their tasks. Each costs
 * what its bundle makes when it is loaded, for every workflow anew, and what it has come to hold itself. One that is not
 * kept is replayed from its history when its next task comes: too few cost time, too many the process.
 *
 * A thread's heap may be as large as the process's own unless it is told otherwise, and V8 fills it with what could be collected
 * before it does so: the two together would be more than the container has, however few workflows are kept.
 */
import { totalmem } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { ProcessShare } from './elastic-slots.ts';

export interface WorkflowMemory {
  heapMebibytes: number;
  cachedWorkflows: number;
}

const MEBIBYTE = 2 ** 20;
/** Of the memory; what else is in it is the process, which is at rest with 150 MiB, and its activities. */
const PART_FOR_WORKFLOWS = 0.45;
/** The main thread's heap is that part of the memory in our image; a smaller one says that less of it is meant for the worker. */
const HEAP_OF_MEMORY = 0.75;
/** The workflows' code itself, and the SDK. */
const MEBIBYTES_OF_THREAD = 60;
/** Of the rest; what is left is for payloads, and for V8 to collect in. */
const PART_FOR_CACHE = 0.8;
/** Of a workflow whose file makes a hundred schemas of zod: `npm run bench:cache`. */
const MEBIBYTES_A_WORKFLOW = 2.6;
/** The SDK's own least. */
const FEWEST = 10;
/** Of new objects, which is had three times: V8's own choice takes 190 MiB before it collects any. */
const NEW_SPACE_MEBIBYTES = 16;

/** For a process that has so much of its task, and may have a heap of so many bytes. */
export function workflowMemoryFor(
  { gibibytes }: Pick<ProcessShare, 'gibibytes'>,
  heapBytes = getHeapStatistics().heap_size_limit,
): WorkflowMemory {
  const memory = Math.min(gibibytes * 1024, totalmem() / MEBIBYTE, heapBytes / MEBIBYTE / HEAP_OF_MEMORY);
  const heapMebibytes = Math.floor(PART_FOR_WORKFLOWS * memory);
  const cached = (PART_FOR_CACHE * (heapMebibytes - MEBIBYTES_OF_THREAD)) / MEBIBYTES_A_WORKFLOW;
  return { heapMebibytes, cachedWorkflows: Math.max(FEWEST, Math.floor(cached)) };
}

/** Threads that start while `create` runs have that heap, later ones as large a one as the process again. */
export async function withHeapOfThreads<T>(mebibytes: number, create: () => Promise<T>): Promise<T> {
  // V8 has no other way: the SDK starts its thread without limits of its own.
  limitHeaps(mebibytes, NEW_SPACE_MEBIBYTES);
  try {
    return await create();
  } finally {
    limitHeaps(Math.floor(getHeapStatistics().heap_size_limit / MEBIBYTE), 0);
  }
}

function limitHeaps(oldSpace: number, newSpace: number): void {
  setFlagsFromString(`--max-old-space-size=${oldSpace}`);
  setFlagsFromString(`--max-semi-space-size=${newSpace}`);
}
