/** The memory of the container as its control group counts it: with processes that activities have started, and files in memory. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

interface ControlGroup {
  used: string;
  limit: string;
  stat: string;
  /** Pages of files that the kernel gives back before it kills anything. */
  reclaimable: string;
}

const GROUPS: ControlGroup[] = [
  {
    used: '/sys/fs/cgroup/memory.current',
    limit: '/sys/fs/cgroup/memory.max',
    stat: '/sys/fs/cgroup/memory.stat',
    reclaimable: 'inactive_file',
  },
  {
    used: '/sys/fs/cgroup/memory/memory.usage_in_bytes',
    limit: '/sys/fs/cgroup/memory/memory.limit_in_bytes',
    stat: '/sys/fs/cgroup/memory/memory.stat',
    reclaimable: 'total_inactive_file',
  },
];

/** The part of its limit that is used; undefined where it has none of its own, and so says nothing. */
export function memoryOfContainer(
  read: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): number | undefined {
  for (const group of GROUPS) {
    try {
      const limit = Number(read(group.limit));
      if (!(limit > 0 && limit < totalmem())) continue;
      const reclaimable = new RegExp(`^${group.reclaimable} (\\d+)$`, 'm').exec(read(group.stat))?.[1] ?? 0;
      return (Number(read(group.used)) - Number(reclaimable)) / limit;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** Of what the process may have, of its heap, or of the container with all that runs in it, whichever is nearest to its end. */
export function memoryOfProcess(gibibytes: number): number {
  const heap = getHeapStatistics();
  const bytes = Math.min(gibibytes * 2 ** 30, totalmem());
  return Math.max(
    process.memoryUsage.rss() / bytes,
    heap.used_heap_size / heap.heap_size_limit,
    memoryOfContainer() ?? 0,
  );
}
