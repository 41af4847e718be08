import { tickUntilRelieved } from '../../scaler/loop.ts';

describe('the loop', () => {
  /** A clock that stands still but for what sleeps and ticks take; the next invocation comes when `relievedMs` have passed. */
  async function run(tickSeconds: number, remainingMs: number, tickTakesMs: (n: number) => number, relievedMs = 1e9) {
    const start = 1_000_000;
    let now = start;
    const started: [number, boolean][] = [];
    const ticks = await tickUntilRelieved(
      async (at_, keeps) => {
        started.push([at_ - start, keeps]);
        now += tickTakesMs(started.length);
      },
      {
        tickSeconds,
        clock: { now: () => now, sleep: async (milliseconds) => void (now += milliseconds) },
        remainingMs,
        isRelieved: async () => now - start >= relievedMs,
      },
    );
    return { ticks, started, ended: now - start };
  }

  test('ticks at its pace until the next invocation waits, and keeps its memory in the last tick', async () => {
    const { started, ended } = await run(10, 150_000, () => 200, 33_000);
    expect(started.map(([at_]) => at_)).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
    expect(started.map(([, keeps]) => keeps)).toEqual([false, false, false, false, true]);
    expect(ended).toBe(40_200);
  });

  test('ends in time without a next invocation, and saves its memory occasionally', async () => {
    const { started, ended } = await run(10, 150_000, () => 200);
    expect(started.at(-1)).toEqual([130_000, true]);
    expect(started.filter(([, keeps]) => keeps).map(([at_]) => at_)).toEqual([80_000, 130_000]);
    expect(ended).toBeLessThan(150_000);
  });

  test('a slow tick is followed at the next whole step, never by two at once', async () => {
    const { started } = await run(10, 65_000, (n) => (n === 2 ? 13_000 : 200));
    expect(started.map(([at_]) => at_)).toEqual([0, 10_000, 30_000, 40_000, 50_000]);
  });

  test('an invocation that starts with little time left still ticks once', async () => {
    expect((await run(10, 3000, () => 200)).started).toEqual([[0, true]]);
  });
});
