/** How the policy handles loads and faults that hide the need: its decisions on the model. */
import { known, type QueueReading } from '../../scaler/policy.ts';
import type { Settings, Work } from '../../simulate/model.ts';
import { burst, changes, flow, least, most, runTicks, type Run, type Tick } from './ticks.ts';

const HOUR = 3600;
const HEARTBEATS = [5, 10, 60];

const between = ({ ticks }: Run, from: number, to: number) => ticks.filter(({ now }) => now >= from && now < to);
const mean = (ticks: Tick[]) => ticks.reduce((sum, { desired }) => sum + desired, 0) / ticks.length;
const meanOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const backlog = ({ signals }: Tick) =>
  known(signals.activityQueue) ? (signals.activityQueue as QueueReading).backlog : NaN;

/** The pool is at its minimum, and its surplus tasks have stopped, this soon after its last work. */
function expectAtMinimumWithin(seconds: number, { ticks, result }: Run, workEnds: number, minTasks = 0): void {
  const late = ticks.filter(({ now }) => now >= workEnds + seconds);
  expect(late.length).toBeGreaterThan(0);
  expect(late.every(({ desired, running }) => desired === minTasks && running === minTasks)).toBe(true);
  expect(result).toMatchObject({ undone: 0, killed: 0 });
}

describe('work that no heartbeat shows', () => {
  const loads: [perSecond: number, serviceSeconds: number][] = [
    [0.3, 0.05],
    [2, 0.3],
    [10, 0.02],
    [30, 0.1],
    [5, 1],
  ];

  test.each(loads)('keeps its task as long as it arrives: %d per second of %d s', (perSecond, serviceSeconds) => {
    for (const heartbeatSeconds of HEARTBEATS) {
      const run = runTicks(flow({ perSecond, serviceSeconds, to: HOUR }), { heartbeatSeconds });
      const steady = between(run, 300, HOUR);
      expect([least(steady), most(steady), changes(steady)]).toEqual([1, 1, 0]);
      expect(new Set(steady.map(({ reason }) => reason))).toEqual(new Set(['steady']));
      expectAtMinimumWithin(300, run, HOUR);
    }
  });

  test('still counts while its workers are not listed', () => {
    for (const perSecond of [0.3, 2]) {
      const unlisted = [{ fromSeconds: 900, toSeconds: 2700, share: 1 }];
      const run = runTicks(flow({ perSecond, serviceSeconds: 0.1, to: HOUR }), { unlisted, heartbeatSeconds: 5 });
      const steady = between(run, 300, HOUR);
      expect([least(steady), most(steady), changes(steady)]).toEqual([1, 1, 0]);
      expect(new Set(steady.map(({ reason }) => reason))).toEqual(new Set(['steady']));
    }
  });

  test('changes the count by at most one if it needs a few tasks', () => {
    for (const seed of [1, 2, 3]) {
      const run = runTicks(flow({ perSecond: 40, serviceSeconds: 0.4, to: HOUR, seed }), { slots: 5, seed });
      const steady = between(run, 600, HOUR);
      // Sixteen at once on average, and half a square root to spare: four tasks of five slots.
      expect(least(steady)).toBeGreaterThanOrEqual(3);
      expect(most(steady)).toBeLessThanOrEqual(5);
      expect(most(steady) - least(steady)).toBeLessThanOrEqual(1);
      expect(meanOf(run.result.waits.slice(run.result.waits.length / 4))).toBeLessThan(0.5);
      expectAtMinimumWithin(300, run, HOUR);
    }
  });
});

describe('workflow tasks', () => {
  test.each([0.5, 5, 60])('keep a task at %d per second, whether their queue shows them or not', (perSecond) => {
    for (const stickyShare of [0, 0.9]) {
      const load = flow({ perSecond, serviceSeconds: 0.002, to: HOUR, kind: 'workflowTask' });
      const run = runTicks(load, { stickyShare, heartbeatSeconds: 5 });
      const steady = between(run, 300, HOUR);
      expect([least(steady), most(steady), changes(steady)]).toEqual([1, 1, 0]);
      expect(new Set(steady.map(({ reason }) => reason))).toEqual(new Set(['steady']));
      expectAtMinimumWithin(300, run, HOUR);
    }
  });

  test.each([
    [30, 0.06],
    [60, 0.06],
    [100, 0.1],
  ])('get tasks until their queue is empty, and no more: %d per second of %d s', (...of) => {
    const [perSecond, serviceSeconds] = of;
    for (const stickyShare of [0, 0.7]) {
      const load = flow({ perSecond, serviceSeconds, to: HOUR, kind: 'workflowTask' });
      const run = runTicks(load, { stickyShare, heartbeatSeconds: 5 });
      const steady = between(run, 900, HOUR);
      expect(least(steady)).toBeGreaterThanOrEqual(perSecond * serviceSeconds);
      expect(most(steady)).toBeLessThan(1.5 * perSecond * serviceSeconds + 1.5);
      expect(changes(steady)).toBeLessThanOrEqual(4);
      expect(meanOf(run.result.waits.slice(run.result.waits.length / 4))).toBeLessThan(5);
      expectAtMinimumWithin(300, run, HOUR);
    }
  });
});

describe('a server restart', () => {
  const ages = ['fresh', 'old'] as const;
  const unread = (at: number): Partial<Settings> => ({
    blindSpells: [{ fromSeconds: at - 4, toSeconds: at + 4, signals: ['activityQueue', 'workflowQueue', 'workers'] }],
  });

  test.each(ages)('that queues all running work again, with %s ages, orders at most one task', (age) => {
    for (const atSeconds of [115, 118, 123]) {
      for (const also of [{}, unread(atSeconds)]) {
        const restarts = [{ atSeconds, age }];
        const run = runTicks(burst(40, 100, 1500), { minTasks: 4, slots: 10, restarts, heartbeatSeconds: 5, ...also });
        const after = between(run, atSeconds, 1500);
        expect(most(after)).toBeLessThanOrEqual(5);
        expect(after.at(-1)!.desired).toBe(4);
        expect(run.result.killed).toBe(0);
      }
    }
  });

  test.each(ages)('in a steady flow, with %s ages, orders at most one more task', (age) => {
    for (const seed of [1, 2, 3]) {
      const load = flow({ perSecond: 1, serviceSeconds: 60, to: HOUR, seed });
      const settings = { slots: 10, heartbeatSeconds: 5, seed };
      const [without, withIt] = [[], [{ atSeconds: 1803, age }]].map((restarts) =>
        between(runTicks(load, { ...settings, restarts }), 1800, 1900),
      );
      expect(most(withIt!)).toBeLessThanOrEqual(most(without!) + 1);
    }
  });
});

describe('a queue with a limit', () => {
  test.each([
    [2, 0.1],
    [5, 10],
    [20, 10],
    [0.5, 60],
  ])(
    'of %d per second, for work of %d s, gets the tasks that it can fill, and one more',
    (dispatchLimit, serviceSeconds) => {
      for (const heartbeatSeconds of HEARTBEATS) {
        const run = runTicks(burst(900, 30, serviceSeconds), { dispatchLimit, heartbeatSeconds });
        const steady = between(run, 30, 30 + 900 / dispatchLimit);
        // Heartbeats of a minute make the work look longer than it is.
        const more = heartbeatSeconds < 60 ? 1 : 2;
        expect(most(steady)).toBeLessThanOrEqual(Math.ceil((dispatchLimit * serviceSeconds) / 20) + more);
        expect(least(steady.filter(({ now }) => now > 60))).toBeGreaterThanOrEqual(1);
        expect(Math.max(...run.result.waits)).toBeLessThan((900 / dispatchLimit) * 1.2 + 240);
      }
    },
  );

  test('of zero keeps at most one task', () => {
    expect(most(runTicks(burst(100, 30, 1), { dispatchLimit: 0 }).ticks)).toBeLessThanOrEqual(1);
  });

  test.each([
    [0.5, 0.4, 4],
    [1, 0.5, 4],
    [0.2, 0.6, 10],
  ])(
    'of %d per second for a key with a share of %d, work of %d s, serves other keys and does not scale out for it',
    (...of) => {
      const [perSecond, share, serviceSeconds] = of;
      for (const heartbeatSeconds of HEARTBEATS) {
        const load = flow({ perSecond: 5, serviceSeconds, to: HOUR });
        const limitedKey = { share, perSecond };
        const run = runTicks(load, { slots: 5, heartbeatSeconds, limitedKey, tailSeconds: HOUR });
        const fits = Math.ceil((5 * (1 - share) * serviceSeconds + perSecond * serviceSeconds) / 5);
        expect(most(between(run, 600, HOUR))).toBeLessThanOrEqual(3 * fits);
        expect(most(between(run, HOUR + 600, 2 * HOUR))).toBeLessThanOrEqual(
          Math.ceil((2 * perSecond * serviceSeconds) / 5) + 1,
        );
        // The work of other keys all starts at once.
        const sorted = run.result.waits.toSorted();
        expect(sorted[Math.floor(0.9 * (1 - share) * sorted.length)]).toBeLessThan(30);
      }
    },
  );
});

describe('workers of other services', () => {
  test.each([
    [2, 10],
    [4, 10],
    [10, 4],
    [8, 10],
  ])('are counted: with %d of them with %d slots each, the pool is sized for the rest', (workers, slots) => {
    const load = flow({ perSecond: 4, serviceSeconds: 20, to: HOUR });
    for (const heartbeatSeconds of HEARTBEATS) {
      const alone = runTicks(load, { slots: 10, heartbeatSeconds });
      const run = runTicks(load, { slots: 10, heartbeatSeconds, foreign: { workers, slots } });
      const rest = mean(between(alone, 900, HOUR)) - (workers * slots) / 10;
      expect(mean(between(run, 900, HOUR))).toBeLessThanOrEqual(Math.max(0, rest) + 1);
      expect(mean(between(run, 900, HOUR))).toBeGreaterThanOrEqual(Math.max(0, rest) - 1);
      expect(meanOf(run.result.waits.slice(run.result.waits.length / 4))).toBeLessThan(10);
      expect(run.result).toMatchObject({ undone: 0, killed: 0 });
    }
  });
});

describe('a worker that is configured with 20 slots and takes 5', () => {
  test.each([true, false])(
    'gets as many tasks as one with five slots; it reports 20 itself: %p',
    (reportsFreeSlots) => {
      for (const [perSecond, serviceSeconds] of [
        [1, 20],
        [0.5, 60],
        [3, 10],
      ] as const) {
        const load = flow({ perSecond, serviceSeconds, to: HOUR });
        const [honest, told] = [{ slots: 5 }, { usableSlots: 5, reportsFreeSlots }].map((settings) =>
          between(runTicks(load, { ...settings, heartbeatSeconds: 5 }), 900, HOUR),
        );
        expect(Math.abs(mean(told!) - mean(honest!))).toBeLessThan(1);
        expect(most(told!)).toBeLessThanOrEqual(most(honest!) + 1);
      }
    },
  );

  test('is recognized within three ticks of a standing backlog with full slots', () => {
    const run = runTicks(burst(100, 30, 300), { usableSlots: 5, heartbeatSeconds: 5 });
    const full = run.ticks.find(
      (tick) => tick.running > 0 && tick.truth.busy === 5 * tick.running && backlog(tick) > 0,
    )!;
    const known = run.ticks.find(({ detail }) => detail.includes('of 5 (not 20) a task'))!;
    expect(known.now - full.now).toBeLessThanOrEqual(30);
    // Three times the order for 20 slots, and no more than there is work for.
    expect(known.desired).toBeGreaterThanOrEqual(10);
    expect(most(run.ticks)).toBeLessThanOrEqual(25);
  });
});

describe('activities that poll by failing', () => {
  const polling = (count: number, everySeconds: number): Work[] =>
    Array.from({ length: count }, (_, index) => ({
      arrivalSeconds: 60 + index,
      serviceSeconds: 0.2,
      retries: { times: Math.floor(HOUR / everySeconds), everySeconds },
    }));

  test.each([
    [20, 10],
    [20, 60],
    [10, 30],
  ])('keep ten idle tasks for at most 15 minutes: %d of them every %d s', (...of) => {
    const load = [...burst(190, 60, 200), ...polling(...of)];
    const run = runTicks(load, { heartbeatSeconds: 5 });
    const idleFrom = run.ticks.findLast(({ truth }) => truth.busy > 100)!.now;
    expect(most(between(run, 60, idleFrom))).toBeGreaterThanOrEqual(8);
    expect(most(between(run, idleFrom + 900, HOUR))).toBeLessThanOrEqual(2);
    expect(most(between(run, idleFrom + 1200, HOUR))).toBe(1);
    expect(least(between(run, idleFrom + 900, HOUR))).toBe(1);
  });
});

test.each([
  [100, 2],
  [500, 5],
  [1500, 8],
  [30, 30],
  [300, 0.5],
])(
  'after a burst of %d of %d s, nothing is ordered once all have started, and no task is left after five minutes',
  (...of) => {
    const [count, serviceSeconds] = of;
    for (const seed of [1, 2, 3]) {
      const run = runTicks(burst(count, 65, serviceSeconds), { seed, heartbeatSeconds: 5 });
      const begun = 65 + Math.max(...run.result.waits);
      const raised = run.ticks.filter(({ desired, present }) => desired > present);
      expect(raised.at(-1)!.now).toBeLessThanOrEqual(begun + 10);
      expectAtMinimumWithin(300, run, begun + serviceSeconds);
    }
  },
);

test.each([1, 0.5, 0.2])(
  'while a share of %d of the workers is not listed, the fleet is neither emptied nor doubled',
  (share) => {
    const load = flow({ perSecond: 4, serviceSeconds: 20, to: HOUR });
    const unlisted = [{ fromSeconds: 1200, toSeconds: 2400, share }];
    const run = runTicks(load, { slots: 10, heartbeatSeconds: 5, unlisted });
    const [before, during, after] = [between(run, 800, 1200), between(run, 1200, 2400), between(run, 2400, HOUR)];
    expect(least(during)).toBeGreaterThanOrEqual(least(before) - 1);
    expect(most(during)).toBeLessThanOrEqual(most(before) + 1);
    expect(most(after)).toBeLessThanOrEqual(most(before) + 1);
    expect(run.result).toMatchObject({ undone: 0, killed: 0 });
  },
);

test('workers that are listed again do not count as having done all their work in one tick', () => {
  const load = [
    ...flow({ perSecond: 8, serviceSeconds: 5, to: 1500 }),
    ...flow({ perSecond: 0.15, serviceSeconds: 20, from: 1500, to: HOUR }),
  ];
  const unlisted = [{ fromSeconds: 800, toSeconds: 1810, share: 1 }];
  const run = runTicks(load, { slots: 10, heartbeatSeconds: 5, unlisted });
  const back = between(run, 1810, 2100);
  expect(most(back)).toBeLessThanOrEqual(back[0]!.present);
  expect(run.result).toMatchObject({ undone: 0, killed: 0 });
});
