import { Turn, type TurnTable } from '../../scaler/turn.ts';

describe('the turn', () => {
  /** The table that invocations share, and a clock that goes on only while somebody sleeps. */
  function shared() {
    const items: { newest?: string; ticking?: string; since: number } = { since: 0 };
    const events: [at: number, happen: () => void][] = [];
    const clock = {
      time: 1_000_000,
      now: () => clock.time,
      sleep: async (milliseconds: number) => {
        clock.time += milliseconds;
        for (const [at_, happen] of events) if (at_ <= clock.time - 1_000_000) happen();
      },
    };
    const table: TurnTable = {
      announce: async (newest) => void Object.assign(items, { newest }),
      readTurn: async () => items,
      beginTurn: async (ticking, since) => void Object.assign(items, { ticking, since }),
      endTurn: async (ended) => void (items.ticking === ended && delete items.ticking),
    };
    const turn = (name: string, of = table) => new Turn(of, clock, name);
    return { items, clock, events, table, turn };
  }

  test('of the next invocation begins when the previous one has written its memory', async () => {
    const { items, clock, events, turn } = shared();
    const [older, newer] = [turn('older'), turn('newer')];
    expect(await older.begin(20_000)).toBe(true);
    expect(await older.isAwaited()).toBe(false);
    events.push([7000, () => void older.end()]);
    const begun = newer.begin(20_000);
    expect(await older.isAwaited()).toBe(true);
    expect(await begun).toBe(true);
    expect(clock.now() - 1_000_000).toBe(7000);
    expect(items.ticking).toBe('newer');
  });

  test('goes to the newest invocation: one that waited is no longer needed', async () => {
    const { events, table, turn } = shared();
    await turn('older').begin(20_000);
    events.push([3000, () => void table.announce('newest')]);
    expect(await turn('newer').begin(20_000)).toBe(false);
  });

  test('comes after a while if the previous one never ends it, and at once if that began long ago', async () => {
    const { items, clock, turn } = shared();
    await turn('dead').begin(20_000);
    expect(await turn('next').begin(20_000)).toBe(true);
    expect(clock.now() - 1_000_000).toBe(20_000);
    items.since = clock.now() - 151_000;
    expect(await turn('later').begin(20_000)).toBe(true);
    expect(clock.now() - 1_000_000).toBe(20_000);
  });

  test('comes at once without the table', async () => {
    const { table, turn } = shared();
    const down = async () => Promise.reject(new Error('down'));
    const alone = turn('alone', { ...table, announce: down, readTurn: down, endTurn: down });
    expect(await alone.begin(20_000)).toBe(true);
    expect(await alone.isAwaited()).toBe(false);
    await alone.end();
  });
});
