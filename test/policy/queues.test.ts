/** The policy on what real queues show: work that is not taken, limits, tasks counted twice, orders, queries to a pool at zero. */
import type { QueueReading, Signals } from '../../scaler/policy.ts';
import { TICK_SECONDS, counts, names, play, policy, queue, running, worker } from './play.ts';

describe('work that waits and is not taken', () => {
  test.each([
    ['alive', () => 0],
    ['dead', (tick: number) => tick * TICK_SECONDS],
  ])('keeps the task that it can use, and not fifty: one that is %s', (_, age) => {
    const decisions = play(60, (tick) => ({ activityQueue: queue({ backlog: 1, ageSeconds: age(tick) }) }), {
      tasks: 50,
    });
    expect(decisions.at(-1)!.desired).toBeGreaterThanOrEqual(1);
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(2);
  });

  test('gets one more task when the present one takes nothing, and no others if that does not help', () => {
    const stuck = play(
      100,
      (tick, ids) => ({
        activityQueue: queue(tick < 30 ? { addRate: 0.1 } : { backlog: 3, ageSeconds: (tick - 29) * TICK_SECONDS }),
        workers: ids.map((id, index) =>
          worker(id, { slots: 4, usedSlots: index === 0 ? 1 : 0, processed: index === 0 ? Math.min(tick, 30) : 0 }),
        ),
      }),
      { follows: true, with_: { ...policy, slotsPerTask: 4 } },
    );
    const grown = counts(stuck).findIndex((desired) => desired > 1);
    expect(grown).toBeGreaterThan(30);
    expect(grown).toBeLessThan(36);
    expect(Math.max(...counts(stuck))).toBeLessThanOrEqual(3);
  });

  test('is reported as not served, once a little growth has been tried', () => {
    const idle = play(30, (tick) => ({ activityQueue: queue({ backlog: 40, ageSeconds: 60 + tick * TICK_SECONDS }) }), {
      follows: true,
    });
    expect(idle.at(-1)).toMatchObject({ desired: 2, reason: 'not-serving' });
  });
});

describe('limits of the queue', () => {
  test('for one key do not hold the others: while all slots are full, tasks are added', () => {
    const decisions = play(
      12,
      (tick, ids) => ({
        activityQueue: queue({
          backlog: 500 + 50 * tick,
          ageSeconds: 60,
          addRate: 30,
          dispatchRate: 25,
          rateLimited: true,
        }),
        workers: ids.map((id) => worker(id, { usedSlots: 20, processed: 100 * tick })),
      }),
      { tasks: 2 },
    );
    expect(decisions.at(-1)).toMatchObject({ reason: 'backlog' });
    expect(decisions.at(-1)!.desired).toBeGreaterThan(2);
  });

  test('hold back what waits for them while slots are free: the fleet is sized for the rest', () => {
    const decisions = play(
      30,
      (tick, ids) => ({
        activityQueue: queue({ backlog: 900, ageSeconds: 300, addRate: 5, dispatchRate: 5, rateLimited: true }),
        workers: ids.map((id) => worker(id, { usedSlots: 1, processed: 5 * tick })),
      }),
      { tasks: 10 },
    );
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(2);
  });

  test.each([
    [5, 2],
    [5, 30],
    [50, 10],
  ])(
    'of %d a second bound the fleet, for work of %d s: limit × service time ÷ slots + 1',
    (rateLimit, serviceSeconds) => {
      const decisions = play(
        80,
        (tick, ids) => {
          const held = Math.min(20 * ids.length, rateLimit * Math.min(serviceSeconds, (tick + 1) * TICK_SECONDS));
          const done = rateLimit * Math.max(0, (tick + 1) * TICK_SECONDS - serviceSeconds);
          return {
            activityQueue: queue({
              backlog: 5000,
              ageSeconds: 600,
              addRate: 20,
              dispatchRate: rateLimit,
              rateLimited: true,
              rateLimit,
            }),
            workers: ids.map((id) =>
              worker(id, { usedSlots: Math.round(held / ids.length), processed: Math.round(done / ids.length) }),
            ),
          };
        },
        { follows: true },
      );
      const most = (rateLimit * serviceSeconds) / 20 + 1;
      expect(Math.max(...counts(decisions).slice(20))).toBeLessThanOrEqual(most);
      expect(decisions.at(-1)!.detail).toContain(`lets through ${rateLimit}/s`);
    },
  );
});

test('what was in flight is not counted twice when a restarted server queues it again', () => {
  const read = (again: Partial<QueueReading>) => (tick: number, ids: string[]) => ({
    activityQueue: tick < 10 ? queue() : queue({ backlog: 200, ...again }),
    workers: ids.map((id) => worker(id, { usedSlots: 20, processed: Math.min(tick, 9) })),
  });
  // As after work that had waited in the queue; as after work that had not; and as after a server that was away.
  const old = play(25, read({ ageSeconds: 300 }), { tasks: 10 });
  const fresh = play(
    25,
    (tick, ids) => read({ ageSeconds: 10 * (tick - 10) + 1, addRate: [300, 17, 9][tick - 10] ?? 0 })(tick, ids),
    { tasks: 10 },
  );
  const away = play(
    25,
    (tick, ids) => ({
      ...read({ ageSeconds: 2 })(tick, ids),
      ...(tick === 9 && { activityQueue: { unknown: 'the server does not answer' } }),
    }),
    { tasks: 10 },
  );
  for (const decisions of [old, fresh, away]) {
    expect(Math.max(...counts(decisions).slice(9))).toBeLessThanOrEqual(11);
    // One free slot shows whether it is work after all.
    expect(decisions.at(-1)).toMatchObject({ desired: 11 });
  }
  const real = play(15, read({ ageSeconds: 5, addRate: 6 }), { tasks: 10 });
  expect(Math.max(...counts(real).slice(9))).toBeGreaterThan(11);
});

describe('an order', () => {
  test('is not made if no work arrives: slots nearly full, queue empty', () => {
    const decisions = play(
      20,
      (_, ids) => ({
        activityQueue: queue(),
        workers: ids.map((id) => worker(id, { usedSlots: 20 })),
      }),
      { tasks: 3 },
    );
    expect(Math.max(...counts(decisions))).toBe(3);
  });

  test('stands for as long as a task is billed at the least, also where work has never come back soon', () => {
    const bursts = new Set([0, 130, 300, 410, 560, 685]);
    const decisions = play(
      760,
      (tick) => ({ activityQueue: bursts.has(tick) ? queue({ backlog: 60, addRate: 2 }) : queue() }),
      { tasks: 0, follows: true },
    );
    const ordered = decisions[685]!.desired;
    expect(ordered).toBeGreaterThan(1);
    expect(counts(decisions.slice(685, 690))).toEqual(Array.from({ length: 5 }, () => ordered));
    expect(decisions.at(-1)!.desired).toBe(0);
  });

  test('stands for as long as a task is billed at the least', () => {
    const decisions = play(40, (tick) => ({ activityQueue: tick === 0 ? queue({ backlog: 60 }) : queue() }), {
      tasks: 0,
      follows: true,
    });
    const ordered = decisions[0]!.desired;
    expect(ordered).toBeGreaterThan(1);
    expect(counts(decisions.slice(0, 5))).toEqual(Array.from({ length: 5 }, () => ordered));
    expect(decisions.at(-1)!.desired).toBeLessThan(ordered);
  });
});

test('a deployment is no new demand: the work of both revisions’ tasks counts once', () => {
  const [before, after] = [names(4, 'old'), names(4, 'new')];
  const read = (tick: number) => {
    const both = tick >= 20;
    const ids = both ? [...before, ...after] : before;
    return {
      activityQueue: queue({ backlog: 2, ageSeconds: 0.4, addRate: 8, dispatchRate: 8 }),
      workers: ids.map((id) => worker(id, { usedSlots: both ? 7 : 14, processed: both ? 400 + 10 * tick : 20 * tick })),
      tasks: running(ids, { desired: 4, outdated: both ? before : [] }),
    };
  };
  expect(Math.max(...counts(play(40, read)))).toBe(4);
});

describe('queries and Nexus operations to a pool at zero, which wait in no queue', () => {
  const undispatched = { addRate: 0.03, dispatchRate: 0 };
  const seenInTicks = (from: number, to: number, signals: Partial<Signals>) => (tick: number) =>
    tick >= from && tick < to ? signals : {};

  test.each([
    ['a query', { workflowQueue: queue(undispatched) }],
    ['a Nexus operation', { nexusQueue: queue(undispatched) }],
  ])('%s starts one task, which stays only until it can have been sent again', (_, signals) => {
    const decisions = play(40, seenInTicks(3, 6, signals), { tasks: 0, follows: true });
    expect(decisions[2]).toMatchObject({ desired: 0, reason: 'idle' });
    expect(decisions[3]).toMatchObject({ desired: 1, reason: 'backlog' });
    expect(decisions[3]!.detail).toContain('a query or a Nexus operation found no worker');
    const ordered = counts(decisions);
    expect(Math.max(...ordered)).toBe(1);
    expect(ordered.slice(3, 12)).toEqual(Array.from({ length: 9 }, () => 1));
    expect(ordered.at(-1)).toBe(0);
  });

  test('rates that fade after finished work start none', () => {
    const fading = (tick: number) => ({
      workflowQueue: queue({ addRate: 20 / (tick + 1), dispatchRate: 19 / (tick + 1) }),
    });
    expect(Math.max(...counts(play(20, fading, { tasks: 0, follows: true })))).toBe(0);
  });

  test('they keep no task that is already running', () => {
    const whileServed = (_: number, ids: string[]) => (ids.length > 0 ? { workflowQueue: queue(undispatched) } : {});
    const decisions = play(40, whileServed, { follows: true });
    expect(counts(decisions).at(-1)).toBe(0);
  });

  test('unknown rates start none', () => {
    const unread = { nexusQueue: { unknown: 'not allowed' }, workflowQueue: { unknown: 'no answer' } };
    expect(Math.max(...counts(play(20, () => unread, { tasks: 0, follows: true })))).toBe(0);
  });
});

test('a record without the newer fields is decided on as before', () => {
  const decisions = play(3, (_, ids) => ({ workers: ids.map((id) => worker(id, { usedSlots: 19, processed: 5 })) }));
  expect(decisions.at(-1)!.desired).toBeGreaterThanOrEqual(1);
});
