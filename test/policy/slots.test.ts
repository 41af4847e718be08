/** The policy on slots: those that a task really has, and those of workers that are not the pool’s. */
import { TICK_SECONDS, play, policy, queue, running, worker } from './play.ts';

describe('the slots that a task really has', () => {
  test.each([
    ['its owner', null],
    ['its worker', 20],
  ])('are learned within three ticks where %s says 20 and it takes 5, and the mistake is named', (_, slots) => {
    const decisions = play(
      6,
      (tick, ids) => ({
        activityQueue: queue({ backlog: 200, ageSeconds: 60, addRate: 2, dispatchRate: 2 }),
        workers: ids.map((id) => worker(id, { usedSlots: 5, slots, processed: 5 * tick })),
      }),
      { tasks: 4 },
    );
    // 200 wait, of 10 s each: with 5 slots a task it takes four times the tasks that it took with 20.
    const right = play(
      6,
      (tick, ids) => ({
        activityQueue: queue({ backlog: 200, ageSeconds: 60, addRate: 2, dispatchRate: 2 }),
        workers: ids.map((id) => worker(id, { usedSlots: 5, slots: 5, processed: 5 * tick })),
      }),
      { tasks: 4, with_: { ...policy, slotsPerTask: 5 } },
    );
    expect(Math.abs(decisions[3]!.desired - right[3]!.desired)).toBeLessThanOrEqual(1);
    expect(decisions[3]!.detail).toContain('of 5 (not 20) a task');
  });
});

describe('workers that are not the pool’s', () => {
  test.each([
    ['of another cluster', null],
    ['with an identity of their own', 'elsewhere'],
  ])('have their slots subtracted: %s', (_, task) => {
    // 80 slots are at work, spread over all: two foreign workers have 40 of them.
    const decisions = play(
      40,
      (tick, ids) => {
        const of = 80 / (ids.length + 2);
        const use = { usedSlots: Math.round(Math.min(20, of)), processed: Math.round(of * tick) };
        const foreign = [0, 1].map((index) => ({ ...worker(task, use), key: `foreign${index}` }));
        return {
          activityQueue: queue({ addRate: 8, dispatchRate: 8 }),
          workers: [...ids.map((id) => worker(id, use)), ...foreign],
        };
      },
      { tasks: 4, follows: true },
    );
    expect(decisions.at(-1)!.desired).toBeGreaterThanOrEqual(2);
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(3);
    expect(decisions.at(-1)!.detail).toContain('40 slots are other workers');
  });

  test('are not what a stopped task of the pool leaves behind in the list', () => {
    const decisions = play(20, (tick) => {
      const gone = worker('gone', { usedSlots: 0, ageSeconds: tick * TICK_SECONDS });
      const ids = tick === 0 ? ['t0', 'gone'] : ['t0'];
      const busy = worker('t0', { usedSlots: 20, processed: tick });
      return {
        activityQueue: queue({ backlog: 20, ageSeconds: 30, addRate: 0.1 }),
        workers: [busy, gone],
        tasks: running(ids),
      };
    });
    expect(decisions.at(-1)!.detail).not.toContain('other workers');
  });
});
