/** The policy on what real queues show: short work, workflow tasks, limits, foreign workers, tasks counted twice. */
import {
  decide,
  DEFAULT_POLICY,
  type Decision,
  type Policy,
  type QueueReading,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from '../../scaler/policy.ts';

const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100 };
const TICK_SECONDS = 10;

const queue = (changes: Partial<QueueReading> = {}): QueueReading => ({
  backlog: 0,
  ageSeconds: 0,
  addRate: 0,
  dispatchRate: 0,
  rateLimited: false,
  ...changes,
});
const worker = (task: string | null, changes: Partial<WorkerReading> = {}): WorkerReading => ({
  key: `${task}-worker`,
  task,
  ageSeconds: 3,
  usedSlots: 0,
  slots: 20,
  processed: 0,
  failed: 0,
  ...changes,
});
const names = (count: number, first = 't') => Array.from({ length: count }, (_, index) => `${first}${index}`);
const running = (ids: string[], changes: Partial<TasksReading> = {}): TasksReading => ({
  desired: ids.length,
  running: ids,
  pending: [],
  cordoned: [],
  ...changes,
});

/** `read` gets the number of the tick and the tasks that are there: as many as were ordered a minute before, all of them up. */
function play(
  ticks: number,
  read: (tick: number, ids: string[]) => Partial<Signals>,
  { tasks = 1, follows = false, with_ = policy }: { tasks?: number; follows?: boolean; with_?: Policy } = {},
): Decision[] {
  const decisions: Decision[] = [];
  let memory: unknown;
  for (let tick = 0; tick < ticks; tick += 1) {
    const ordered = follows ? (decisions[Math.max(0, tick - 6)]?.desired ?? tasks) : tasks;
    const desired = follows ? (decisions.at(-1)?.desired ?? tasks) : tasks;
    const present = tick < 6 ? tasks : ordered;
    const ids = names(follows ? Math.min(present, desired) : tasks);
    const starting = names(Math.max(0, desired - ids.length), 'starting');
    const signals: Signals = {
      activityQueue: queue(),
      workflowQueue: queue(),
      workers: ids.map((id) => worker(id)),
      tasks: running(ids, { desired, pending: starting }),
      ...read(tick, ids),
    };
    const outcome = decide(signals, memory, with_, tick * TICK_SECONDS * 1000);
    memory = JSON.parse(JSON.stringify(outcome.memory));
    decisions.push(outcome.decision);
  }
  return decisions;
}

const counts = (decisions: Decision[]) => decisions.map(({ desired }) => desired);

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

  test('get more tasks when their slots are full, although slots for activities are free', () => {
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

  test('of a worker that says nothing of them get more tasks as well', () => {
    const decisions = play(
      30,
      (tick) => ({
        workflowQueue: queue({ backlog: 200 + 20 * tick, ageSeconds: 9, addRate: 50, dispatchRate: 48 }),
      }),
      { tasks: 2 },
    );
    expect(Math.min(...counts(decisions).slice(5))).toBeGreaterThan(2);
  });

  test('that only computing holds up are served by as many tasks as it takes, and then by no fewer', () => {
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

  test('are no activities to come, where workers have shown that they schedule none', () => {
    const read = (processed: number) => ({
      workflowQueue: queue({ backlog: 400, ageSeconds: 1 }),
      workers: [worker('t0', { slots: 0, ...workflowTasks(3, processed) })],
    });
    expect(play(3, (tick) => read(5000 * (tick + 1))).at(-1)!.desired).toBeLessThanOrEqual(2);
  });
});

describe('what waits and is not taken', () => {
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

  test('gets one more task when the one at hand takes nothing, and no further ones when that brings nothing', () => {
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

  test('says that the work is not served, once a little growth has been tried', () => {
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

  test('hold what waits for them while slots are free: the fleet fits the rest', () => {
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

describe('failures', () => {
  test('that are no failures do not keep idle tasks: polling by retry', () => {
    const decisions = play(
      60,
      (tick, ids) => ({ workers: ids.map((id) => worker(id, { processed: 10 * tick, failed: 10 * tick })) }),
      { tasks: 10 },
    );
    expect(decisions.at(-1)!.desired).toBeLessThanOrEqual(1);
  });

  test('keep the tasks for what will come back, for ten minutes', () => {
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

describe('an order', () => {
  test('is not made where nothing comes: slots nearly full, queue empty', () => {
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

test('a deployment is no new need: the tasks of both revisions at work count once', () => {
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

test('local activities hold their task: others leave before it', () => {
  const read = (tick: number) => ({
    workers: [worker('t0', { localActivities: 3 }), worker('t1'), worker('t2')],
    tasks: running(names(3)),
    activityQueue: queue({ addRate: tick === 0 ? 0 : 0 }),
  });
  const last = play(30, read).at(-1)!;
  expect(last).toMatchObject({ desired: 1 });
  expect(last.cordon.toSorted()).toEqual(['t1', 't2']);
});

test('Nexus tasks are work: they keep a task while they flow', () => {
  const nexusTasks = (tick: number) => ({ nexusTasks: { usedSlots: 0, slots: 100, processed: 20 * tick } });
  const decisions = play(40, (tick, ids) => ({ workers: ids.map((id) => worker(id, nexusTasks(tick))) }));
  expect(decisions.at(-1)).toMatchObject({ desired: 1 });
});

describe('queries and Nexus operations to a pool at zero, which wait in no queue', () => {
  const undispatched = { addRate: 0.03, dispatchRate: 0 };
  const seenInTicks = (from: number, to: number, signals: Partial<Signals>) => (tick: number) =>
    tick >= from && tick < to ? signals : {};

  test.each([
    ['a query', { workflowQueue: queue(undispatched) }],
    ['a Nexus operation', { nexusQueue: queue(undispatched) }],
  ])('%s brings one task, which stays until it can have been sent again, and no longer', (_, signals) => {
    const decisions = play(40, seenInTicks(3, 6, signals), { tasks: 0, follows: true });
    expect(decisions[2]).toMatchObject({ desired: 0, reason: 'idle' });
    expect(decisions[3]).toMatchObject({ desired: 1, reason: 'backlog' });
    expect(decisions[3]!.detail).toContain('a query or a Nexus operation found no worker');
    const ordered = counts(decisions);
    expect(Math.max(...ordered)).toBe(1);
    expect(ordered.slice(3, 12)).toEqual(Array.from({ length: 9 }, () => 1));
    expect(ordered.at(-1)).toBe(0);
  });

  test('rates that fade after work that was done bring none', () => {
    const fading = (tick: number) => ({
      workflowQueue: queue({ addRate: 20 / (tick + 1), dispatchRate: 19 / (tick + 1) }),
    });
    expect(Math.max(...counts(play(20, fading, { tasks: 0, follows: true })))).toBe(0);
  });

  test('with a task at hand they keep none', () => {
    const whileServed = (_: number, ids: string[]) => (ids.length > 0 ? { workflowQueue: queue(undispatched) } : {});
    const decisions = play(40, whileServed, { follows: true });
    expect(counts(decisions).at(-1)).toBe(0);
  });

  test('rates that are not known bring none', () => {
    const unread = { nexusQueue: { unknown: 'not allowed' }, workflowQueue: { unknown: 'no answer' } };
    expect(Math.max(...counts(play(20, () => unread, { tasks: 0, follows: true })))).toBe(0);
  });
});

test('a record without the newer fields is decided on as before', () => {
  const decisions = play(3, (_, ids) => ({ workers: ids.map((id) => worker(id, { usedSlots: 19, processed: 5 })) }));
  expect(decisions.at(-1)!.desired).toBeGreaterThanOrEqual(1);
});
