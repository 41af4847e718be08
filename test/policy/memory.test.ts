/** The policy's memory, and memories that it cannot read. */
import { decide } from '../../scaler/policy.ts';
import { policy, queue, second, worker, running, signals } from './fixtures.ts';

describe('memory', () => {
  const read = signals({ activityQueue: queue(5), workers: [worker('a', 4)], tasks: running('a') });

  test.each([[null], ['text'], [{ version: 99 }]])('starts empty instead of failing if it is %j', (memory) => {
    expect(decide(read, memory, policy, 0)).toEqual(decide(read, undefined, policy, 0));
  });

  test('starts empty if any part is missing, has another type, or is not a usable number', () => {
    // Quiet, so that decisions differ from those with an empty memory; and with an interval and a jump in it.
    let memory: unknown;
    for (let at = -600; at < 0; at += 10)
      ({ memory } = decide(at < -300 ? signals() : read, memory, policy, at * second));
    const afresh = decide(read, undefined, policy, 0);
    expect(decide(read, memory, policy, 0)).not.toEqual(afresh);
    const paths = pathsOf(memory);
    expect(paths.length).toBeGreaterThan(100);
    for (const path of paths) {
      for (const value of [undefined, true, 1e300, NaN, [[]]]) {
        expect([path, decide(read, withPart(memory, path, value), policy, 0)]).toEqual([path, afresh]);
      }
    }
  });

  test('ghost workers of tasks that ECS no longer lists hold no work', () => {
    const read = signals({ workers: [worker('gone', 10)], tasks: running() });
    expect(decide(read, undefined, policy, 0).decision).toMatchObject({ desired: 0, reason: 'idle' });
  });

  test('attempts are counted from tick to tick, and for a restarted worker from zero', () => {
    const at = (processed: number, failed: number) =>
      signals({ workers: [{ ...worker('a', 1), processed, failed }], tasks: running('a') });
    const first = decide(at(100, 10), undefined, policy, 0);
    expect(first.figures).toMatchObject({ processed: 0, failed: 0 });
    expect(decide(at(120, 15), first.memory, policy, second).figures).toMatchObject({ processed: 20, failed: 5 });
  });
});

/** The paths of all its parts, leaves and branches. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, part]) => {
    const below = pathsOf(part, [...path, name]);
    return below.length > 0 ? below : [[...path, name]];
  });
}

function withPart(whole: unknown, [name, ...rest]: string[], part: unknown): unknown {
  if (name === undefined) return part;
  const copy = structuredClone(whole) as Record<string, unknown>;
  copy[name] = withPart(copy[name], rest, part);
  return copy;
}
