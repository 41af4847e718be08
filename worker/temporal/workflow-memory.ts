/**
 * The memory of workflows: the heap of the thread that runs them, and how many are cached there between their tasks. Each costs
 * what its bundle allocates when it is loaded, once per workflow, and its own data. A workflow that is not cached is replayed from
 * its history when its next task comes: too few cost time, too many the process.
 *
 * By default a thread's heap may be as large as the process's own, and V8 fills it with garbage before it collects any: both
 * together would need more than the container has, however few workflows are cached.
 */
import { totalmem } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { ProcessShare } from '../slots/elastic-slots.ts';

interface WorkflowMemory {
  heapMebibytes: number;
  cachedWorkflows: number;
}

const MEBIBYTE = 2 ** 20;
/** Share of the memory; the rest is for the process, which needs 150 MiB at rest, and its activities. */
const PART_FOR_WORKFLOWS = 0.45;
/** The main thread's heap has this share of the memory in our image; a smaller heap means that less memory is meant for the worker. */
const HEAP_OF_MEMORY = 0.75;
/** The workflow code itself, and the SDK. */
const MEBIBYTES_OF_THREAD = 60;
/** Share of the rest; what remains is for payloads and V8's garbage collection. */
const PART_FOR_CACHE = 0.8;
/** For a workflow whose file creates a hundred zod schemas: `npm run bench:cache`. */
const MEBIBYTES_A_WORKFLOW = 2.6;
/** The SDK's minimum. */
const FEWEST = 10;
/** The young generation, which is allocated three times: V8's default uses 190 MiB before it collects any. */
const NEW_SPACE_MEBIBYTES = 16;

/** For a process with this share of its task and this heap limit in bytes. */
export function workflowMemoryFor(
  { gibibytes }: Pick<ProcessShare, 'gibibytes'>,
  heapBytes = getHeapStatistics().heap_size_limit,
): WorkflowMemory {
  const memory = Math.min(gibibytes * 1024, totalmem() / MEBIBYTE, heapBytes / MEBIBYTE / HEAP_OF_MEMORY);
  const heapMebibytes = Math.floor(PART_FOR_WORKFLOWS * memory);
  const cached = (PART_FOR_CACHE * (heapMebibytes - MEBIBYTES_OF_THREAD)) / MEBIBYTES_A_WORKFLOW;
  return { heapMebibytes, cachedWorkflows: Math.max(FEWEST, Math.floor(cached)) };
}

/** Threads that start while `create` runs get this heap; later ones get the process's default again. */
export async function withHeapOfThreads<T>(mebibytes: number, create: () => Promise<T>): Promise<T> {
  // There is no other way: the SDK starts its thread without limits.
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
