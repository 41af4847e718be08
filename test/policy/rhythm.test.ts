/** Work that recurs, at regular intervals or in similar jumps. */
import { decide } from '../../scaler/policy.ts';
import { policy, second, queue, worker, running, signals, experienced } from './fixtures.ts';

describe('recurring work', () => {
  /** Ten busy seconds of 80 slots every `minutes(round)` minutes; returns the tick's decisions between the last two. */
  function between(rounds: number, minutes: (round: number) => number) {
    let memory: unknown = experienced(10, -1000 * second);
    let at = 0;
    const decisions: { at: number; reason: string; desired: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const start = at;
      for (; at < start + minutes(round) * 60; at += 10) {
        const tasks = running(...(at - start < 20 ? 'abcdefghij' : ''));
        const workers = tasks.running.map((task) => worker(task, 8));
        const { decision, memory: next } = decide(signals({ workers, tasks }), memory, policy, at * second);
        if (round === rounds - 1) decisions.push({ at: at - start, ...decision });
        memory = next;
      }
    }
    return decisions;
  }

  test('finds its tasks running, once it has arrived at equal intervals often enough', () => {
    const expected = between(6, () => 10).filter(({ reason }) => reason === 'expected');
    expect(expected.length).toBeGreaterThan(0);
    for (const { at, desired } of expected) {
      expect(at).toBeGreaterThan(600 - 90);
      expect(desired).toBeGreaterThan(5);
    }
  });

  test('gets its whole fleet at the first sign, if earlier jumps went that far', () => {
    const sizeOfLast = (rounds: number) => {
      let memory: unknown = experienced(10, -1000 * second);
      let at = 0;
      for (let round = 0; round < rounds; round += 1) {
        for (const slots of [10, 80, 80]) {
          const tasks = running(...'abcdefghij'.slice(0, slots / 8));
          const workers = tasks.running.map((task) => worker(task, 8));
          ({ memory } = decide(signals({ workers, tasks }), memory, policy, (at += 10) * second));
        }
        const minutes = [4, 11, 7, 15][round % 4]!;
        for (let quiet = 0; quiet < minutes; quiet += 1)
          for (let tick = 0; tick < 6; tick += 1) ({ memory } = decide(signals(), memory, policy, (at += 10) * second));
      }
      return decide(signals({ activityQueue: queue(5) }), memory, policy, (at + 10) * second).decision;
    };
    expect(sizeOfLast(1).desired).toBeLessThan(4);
    expect(sizeOfLast(5)).toMatchObject({ reason: 'expected' });
    expect(sizeOfLast(5).desired).toBeGreaterThan(7);
  });

  test('is not expected if the intervals differ, nor before they were seen', () => {
    expect(between(8, (round) => [4, 11, 7, 15][round % 4] ?? 4).map(({ reason }) => reason)).not.toContain('expected');
    expect(between(3, () => 10).map(({ reason }) => reason)).not.toContain('expected');
  });
});
