/** A folder that looks like procfs, as far as the sidecar reads it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface FakeProcess {
  parent?: number;
  startedAt?: number;
  state?: string;
  name?: string;
}

export function fakeProc(directory: string) {
  mkdirSync(directory, { recursive: true });
  let clock = 100;
  return {
    directory,
    add(
      pid: number,
      container: string,
      { parent = 0, startedAt = (clock += 1), state = 'S', name = 'it' }: FakeProcess = {},
    ) {
      const rest = Array.from({ length: 17 }, () => 0);
      mkdirSync(join(directory, `${pid}`), { recursive: true });
      writeFileSync(join(directory, `${pid}`, 'cgroup'), `0::/ecs/task/${container}\n`);
      writeFileSync(
        join(directory, `${pid}`, 'stat'),
        `${pid} (${name}) ${state} ${parent} ${rest.join(' ')} ${startedAt} 0 0\n`,
      );
    },
    remove: (pid: number) => rmSync(join(directory, `${pid}`), { recursive: true, force: true }),
  };
}
