/** The policy on each kind of work: short work, workflow tasks, Nexus tasks, local activities, and work that fails. */
import { TICK_SECONDS, counts, names, play, queue, running, worker } from './play.ts';

describe('work that is shorter than a heartbeat can see', () => {
  test.each([
    ['10 a second of 20 ms', 10, true],
    ['the same, started eagerly past the queue', 10, false],
    ['one every five seconds', 0.2, true],
  ])('keeps a task while it flows: %s', (_, perSecond, queued) => {
    const decisions = play(60, (tick, ids) => ({
      activityQueue: queue(queued ? { addRate: perSecond, dispatchRate: perSecond } : {}),
      workers: ids.map((id) => worker(id, { processed: Math.round(tick * TICK_SECONDS * perSecond) })),
    }));
    expect(new Set(counts(decisions).slice(2))).toEqual(new Set([1]));
  });

  test('does not keep a fleet: 500 a second of 5 ms fit into one of five tasks', () => {
    const decisions = play(
      60,
      (tick, ids) => ({
        activityQueue: queue({ addRate: 500, dispatchRate: 500 }),
        workers: ids.map((id) => worker(id, { processed: (tick * TICK_SECONDS * 500) / ids.length })),
      }),
      { tasks: 5 },
    );
    expect(decisions.at(-1)).toMatchObject({ desired: 1 });
  });

  test('lets the pool go to zero when it ends', () => {
    const decisions = play(60, (tick, ids) => ({
      activityQueue: queue({ addRate: tick < 20 ? 10 : 0 }),
      workers: ids.map((id) => worker(id, { processed: 100 * Math.min(tick, 20) })),
    }));
    expect(decisions.at(-1)).toMatchObject({ desired: 0, reason: 'scale-in' });
  });
});

describe('workflow tasks', () => {
  const workflowTasks = (usedSlots: number, processed: number, slots = 40) => ({
    workflowTasks: { usedSlots, slots, processed },
  });

  test.each([
    ['as the queue shows them', 10, undefined],
    ['that go to workers with the workflow in their cache, past the queue', 0, 2000],
  ])('keep a task while they flow: %s', (_, addRate, perTick) => {
    const decisions = play(60, (tick, ids) => ({
      workflowQueue: queue({ addRate }),
      workers: ids.map((id) => worker(id, perTick === undefined ? {} : workflowTasks(0, perTick * tick))),
    }));
    expect(new Set(counts(decisions).slice(2))).toEqual(new Set([1]));
  });

  test('get more tasks when their slots are full although activity slots are free', () => {
    const decisions = play(
      12,
      (tick, ids) => ({
        workflowQueue: queue({ backlog: 100 + 20 * tick, ageSeconds: 9 + tick, addRate: 50, dispatchRate: 48 }),
        workers: ids.map((id) => worker(id, workflowTasks(2, 240 * tick, 2))),
      }),
      { tasks: 2 },
    );
    expect(decisions.at(-1)).toMatchObject({ reason: 'backlog' });
    expect(decisions.at(-1)!.desired).toBeGreaterThan(2);
    expect(decisions.at(-1)!.detail).toMatch(/^workflow tasks: /);
  });

  test('of a worker that does not report them get more tasks as well', () => {
    const decisions = play(
      30,
      (tick) => ({
        workflowQueue: queue({ backlog: 200 + 20 * tick, ageSeconds: 9, addRate: 50, dispatchRate: 48 }),
      }),
      { tasks: 2 },
    );
    expect(Math.min(...counts(decisions).slice(5))).toBeGreaterThan(2);
  });

  test('that are limited by CPU get as many tasks as they need, and keep them', () => {
    // Each task gets 12 a second done, whatever its 40 slots say; 50 a second come.
    let [backlog, done] = [0, [] as number[]];
    const decisions = play(
      120,
      (_, ids) => {
        const capacity = 12 * TICK_SECONDS * ids.length;
        const served = Math.min(capacity, backlog + 50 * TICK_SECONDS);
        backlog = Math.max(0, backlog + 50 * TICK_SECONDS - served);
        done = ids.map((__, index) => (done[index] ?? 0) + served / ids.length);
        const usedSlots = backlog > 0 ? 40 : 4;
        const age = backlog / (12 * ids.length);
        return {
          workflowQueue: queue({ backlog: Math.round(backlog), ageSeconds: age, addRate: 50, dispatchRate: 50 }),
          workers: ids.map((id, index) => worker(id, workflowTasks(usedSlots, Math.round(done[index]!)))),
        };
      },
      { follows: true },
    );
    expect(backlog).toBe(0);
    const later = counts(decisions).slice(60);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...later)).toBeLessThanOrEqual(8);
  });

  test('do not announce activities if workers have shown that they schedule none', () => {
    const read = (processed: number) => ({
      workflowQueue: queue({ backlog: 400, ageSeconds: 1 }),
      workers: [worker('t0', { slots: 0, ...workflowTasks(3, processed) })],
    });
    expect(play(3, (tick) => read(5000 * (tick + 1))).at(-1)!.desired).toBeLessThanOrEqual(2);
  });
});

test('Nexus tasks are work: they keep a task while they flow', () => {
  const nexusTasks = (tick: number) => ({ nexusTasks: { usedSlots: 0, slots: 100, processed: 20 * tick } });
  const decisions = play(40, (tick, ids) => ({ workers: ids.map((id) => worker(id, nexusTasks(tick))) }));
  expect(decisions.at(-1)).toMatchObject({ desired: 1 });
});

test('a task with local activities is kept: others are removed before it', () => {
  const read = (tick: number) => ({
    workers: [worker('t0', { localActivities: 3 }), worker('t1'), worker('t2')],
    tasks: running(names(3)),
    activityQueue: queue({ addRate: tick === 0 ? 0 : 0 }),
  });
  const last = play(30, read).at(-1)!;
  expect(last).toMatchObject({ desired: 1 });
  expect(last.cordon.toSorted()).toEqual(['t1', 't2']);
});

describe('failures', () => {
  test('that are no failures do not keep idle tasks: polling by retry', () => {
    const decisions = play(
      60,
      (tick, ids) => ({ workers: ids.map((id) => worker(id, { processed: 10 * tick, failed: 10 * tick })) }),
      { tasks: 10 },
    );
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(1);
  });

  test('keep the tasks for ten minutes, for the work that will come back', () => {
    const decisions = play(
      120,
      (tick, ids) => ({
        workers: ids.map((id) =>
          worker(
            id,
            tick < 20 ? { usedSlots: 15, processed: 15 * tick } : { processed: 300 + 2 * tick, failed: 2 * tick },
          ),
        ),
      }),
      { tasks: 4 },
    );
    expect(Math.min(...counts(decisions).slice(20, 80))).toBeGreaterThanOrEqual(3);
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(1);
  });
});
