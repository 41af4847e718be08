/** How much of the container's memory is used, according to its control group. */
import { memoryOfContainer } from '../../worker/slots/container-memory.ts';

const GIBIBYTE = 2 ** 30;

/** Only these files exist. */
function files(contents: Record<string, string>) {
  return (path: string) => {
    const text = contents[path];
    if (text === undefined) throw new Error(`ENOENT ${path}`);
    return text;
  };
}

const version2 = (limit: string) =>
  files({
    '/sys/fs/cgroup/memory.max': limit,
    '/sys/fs/cgroup/memory.current': `${0.75 * GIBIBYTE}\n`,
    '/sys/fs/cgroup/memory.stat': `anon ${0.5 * GIBIBYTE}\ninactive_file ${0.25 * GIBIBYTE}\nactive_file 0\n`,
  });
const version1 = (limit: string) =>
  files({
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': limit,
    '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${0.75 * GIBIBYTE}\n`,
    '/sys/fs/cgroup/memory/memory.stat': `inactive_file 0\ntotal_inactive_file ${0.25 * GIBIBYTE}\n`,
  });

test.each([
  ['2', version2(`${GIBIBYTE}\n`)],
  ['1', version1(`${GIBIBYTE}\n`)],
])('the container’s memory use excludes what the kernel can reclaim: control groups version %s', (_, read) => {
  expect(memoryOfContainer(read)).toBe(0.5);
});

test.each([
  ['a version 2 group without a limit', version2('max\n')],
  ['a version 1 group without a limit', version1('9223372036854771712\n')],
  ['no control group', files({})],
])('the container’s memory use is unknown for %s', (_, read) => {
  expect(memoryOfContainer(read)).toBeUndefined();
});
