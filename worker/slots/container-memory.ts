/** The container's memory as its control group counts it, including processes started by activities, and files in memory. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

interface ControlGroup {
  used: string;
  limit: string;
  stat: string;
  /** File pages that the kernel reclaims before it kills anything. */
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

/** The used part of its limit; undefined if it has no limit of its own. */
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

/** The used part of the process's memory, of its heap, or of the container with everything in it, whichever is closest to its limit. */
export function memoryOfProcess(gibibytes: number): number {
  const heap = getHeapStatistics();
  const bytes = Math.min(gibibytes * 2 ** 30, totalmem());
  return Math.max(
    process.memoryUsage.rss() / bytes,
    heap.used_heap_size / heap.heap_size_limit,
    memoryOfContainer() ?? 0,
  );
}
