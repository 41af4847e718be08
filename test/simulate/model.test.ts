import fc from 'fast-check';
import { elastic } from '../../simulate/elastic.ts';
import {
  DEFAULT_SETTINGS,
  simulate,
  type Controller,
  type Order,
  type Settings,
  type Truth,
  type Work,
} from '../../simulate/model.ts';
import type { QueueReading, Signals, TasksReading, WorkerReading } from '../../scaler/policy.ts';
import { PEERS } from '../../simulate/peers.ts';
import { exponential, seeded } from '../../simulate/random.ts';
import { TRACES } from '../../simulate/traces.ts';
import { flow, most, runTicks } from './ticks.ts';

interface Look {
  now: number;
  queue: QueueReading;
  workers: WorkerReading[];
  tasks: TasksReading;
  truth: Truth;
}

/** A controller that decides as scripted, and records what it read. */
function scripted(orderAt: (look: Look) => Order, options: Partial<Controller> = {}): Controller & { looks: Look[] } {
  const looks: Look[] = [];
  return {
    name: 'scripted',
    tickSeconds: 10,
    protects: true,
    ...options,
    looks,
    look(signals: () => Signals, truth: Truth, now: number) {
      const { activityQueue, workers, tasks } = signals();
      const look = { now, truth, queue: activityQueue, workers, tasks } as Look;
      looks.push(look);
      return orderAt(look);
    },
  };
}

const fixed = (desired: number) => scripted(() => ({ desired }));
const at = (arrivalSeconds: number, serviceSeconds: number): Work => ({ arrivalSeconds, serviceSeconds });
const settings = (overrides: Partial<Settings>): Partial<Settings> => ({
  slots: 2,
  startUpSeconds: [30, 30],
  tailSeconds: 600,
  ...overrides,
});

describe('a run', () => {
  test('is the same for the same seed, and different for another', () => {
    const work = TRACES['heavy-tail']!.draw(1);
    const run = (seed: number) => simulate(work, elastic(DEFAULT_SETTINGS), { seed });
    expect(run(1)).toEqual(run(1));
    expect(run(2).waits).not.toEqual(run(1).waits);
  });

  test('without work costs nothing and changes nothing', () => {
    const result = simulate([], elastic(DEFAULT_SETTINGS));
    expect(result).toMatchObject({ billedSeconds: 0, launched: 0, undone: 0, tasksLeft: 0 });
    expect(result.waits).toHaveLength(0);
  });

  test('does all work once under any controller, and pays at least for the busy time', () => {
    const anyWork = fc
      .array(fc.tuple(fc.double({ min: 0, max: 600, noNaN: true }), fc.double({ min: 0, max: 90, noNaN: true })), {
        minLength: 1,
        maxLength: 200,
      })
      .map((rows) => rows.sort((a, b) => a[0] - b[0]).map(([arrival, service]) => at(arrival, service)));
    const anyController = fc.constantFrom('elastic', 'formula', 'hpa', 'serverless-workers');
    fc.assert(
      fc.property(anyWork, anyController, fc.integer({ min: 1, max: 8 }), fc.nat(1000), (work, name, slots, seed) => {
        const all = { ...DEFAULT_SETTINGS, slots, seed, maxTasks: 30, tailSeconds: 7200 };
        const result = simulate(work, name === 'elastic' ? elastic(all) : PEERS[name]!(all), all);
        const service = work.reduce((sum, { serviceSeconds }) => sum + serviceSeconds, 0);
        expect(result.undone).toBe(0);
        expect(result.waits.every((wait) => wait >= 0)).toBe(true);
        expect(result.busySeconds).toBeGreaterThanOrEqual(service - 1e-6);
        expect(result.killed > 0 || result.busySeconds - service < 1e-6).toBe(true);
        expect(result.billedSeconds * slots).toBeGreaterThanOrEqual(result.busySeconds - 1e-6);
        expect(result.billedSeconds).toBeGreaterThanOrEqual(60 * result.launched - 1e-6);
      }),
      { numRuns: 60 },
    );
  });

  test('waits as queueing theory says: Erlang C for Poisson work on a fixed fleet', () => {
    const [servers, perSecond, service] = [10, 0.8, 10];
    const random = seeded(7);
    const work: Work[] = [];
    for (let now = 0; work.length < 60_000; now += exponential(random, 1 / perSecond)) {
      work.push(at(now, exponential(random, service)));
    }
    const fleet = { minTasks: servers, maxTasks: servers, slots: 1, tailSeconds: 600 };
    const result = simulate(work, fixed(servers), fleet);
    const meanWait = result.waits.reduce((sum, wait) => sum + wait, 0) / work.length;
    const waited = result.waits.filter((wait) => wait > 0).length / work.length;
    const load = perSecond * service;
    const mustWait = erlangC(servers, load);
    expect(waited).toBeGreaterThan(mustWait * 0.93);
    expect(waited).toBeLessThan(mustWait * 1.07);
    expect(meanWait).toBeGreaterThan(0.9 * mustWait * (service / (servers - load)));
    expect(meanWait).toBeLessThan(1.1 * mustWait * (service / (servers - load)));
  });
});

/** The probability that an arrival finds all servers busy. */
function erlangC(servers: number, load: number): number {
  let blocking = 1;
  for (let count = 1; count <= servers; count++) blocking = (load * blocking) / (count + load * blocking);
  return (servers * blocking) / (servers - load * (1 - blocking));
}

describe('tasks', () => {
  test('are billed from their order to their stop, and take work only once they are up', () => {
    // Ordered at 10, up at 40, done at 140; cordoned at 150, seen within 3 s, polls over within 11, stopped within 2 more.
    const controller = scripted(({ now, tasks }) =>
      now < 10 || now >= 150 ? { desired: 0, cordon: tasks.running } : { desired: 1 },
    );
    const result = simulate([at(5, 100)], controller, settings({}));
    expect([...result.waits]).toEqual([35]);
    expect(result.billedSeconds).toBeGreaterThan(141);
    expect(result.billedSeconds).toBeLessThan(156.1);
  });

  test('that are cordoned stop when their polls have ended, and finish what such a poll still brings', () => {
    const controller = scripted(({ now, tasks }) =>
      now < 150 ? { desired: 40 } : { desired: 0, cordon: [...tasks.running, ...tasks.pending] },
    );
    const result = simulate([at(154, 100)], controller, settings({ pollSeconds: 11 }));
    expect(result).toMatchObject({ undone: 0, killed: 0 });
    const running = (now: number) => controller.looks.find((look) => look.now === now)!.tasks.running.length;
    expect([running(160) > 5, running(160) < 35, running(170)]).toEqual([true, true, 1]);
    expect(result.waits[0]).toBe(0);
  });

  test('that are canceled before they are up cost their minute', () => {
    const controller = scripted(({ now, tasks }) =>
      now < 10 ? { desired: 3 } : { desired: 0, cordon: [...tasks.running, ...tasks.pending] },
    );
    expect(simulate([at(0, 1)], controller, settings({}))).toMatchObject({ billedSeconds: 180, launched: 3 });
  });

  test('that are cordoned finish what they hold, however long, and nothing is killed', () => {
    const work = [at(0, 400), at(0, 5), at(60, 5), at(200, 5)];
    const controller = scripted(({ now, tasks }) =>
      now >= 50 && now < 190 ? { desired: 0, cordon: tasks.running } : { desired: 1 },
    );
    const result = simulate(work, controller, settings({ slots: 2 }));
    expect(result.killed).toBe(0);
    expect(result.undone).toBe(0);
    // The work from 60 s waits until the cordon is lifted at 190: the task is still up, holding the long one.
    expect(result.launched).toBe(1);
    expect(result.waits[2]).toBeGreaterThanOrEqual(130);
    expect(result.waits[2]).toBeLessThan(133.1);
  });

  test('of an old revision are removed as the new ones start, and only when they hold nothing', () => {
    const controller = scripted(({ tasks }) => {
      const [outdated, more] = [tasks.outdated ?? [], tasks.running.length - 2];
      return {
        desired: 2,
        cordon: outdated.filter((task) => tasks.running.includes(task)).slice(0, Math.max(0, more)),
      };
    });
    const result = simulate([at(50, 100), at(50, 5)], controller, settings({ slots: 1, deployments: [62] }));
    const counts = controller.looks.map(({ now, tasks }) => [now, tasks.running.length, tasks.outdated!.length]);
    // Ordered at 62, up at 92; the busy one stays until 150.
    expect(counts).toContainEqual([90, 2, 2]);
    expect(counts).toContainEqual([120, 3, 1]);
    expect(counts).toContainEqual([170, 2, 0]);
    expect(result).toMatchObject({ killed: 0, undone: 0, launched: 4 });
  });

  test('of a fleet without protection lose their work when the count is lowered, and it is repeated', () => {
    const controller = scripted(({ now }) => ({ desired: now === 60 ? 0 : 1 }), { protects: false });
    const result = simulate([at(0, 50)], controller, settings({}));
    expect(result.killed).toBe(1);
    expect(result.undone).toBe(0);
    // Started at 30, lost at 60, back after 11 s; a new task, ordered at 70, is up at 100.
    expect([...result.waits]).toEqual([100]);
  });

  test('with a grace period finish what is shorter', () => {
    const controller = scripted(({ now }) => ({ desired: now === 60 ? 0 : 1 }), { protects: false });
    const result = simulate([at(0, 50), at(0, 80)], controller, settings({ stopGraceSeconds: 30 }));
    expect(result.killed).toBe(1);
    expect(result.waits[0]).toBe(30);
  });

  test('share the work at random, as Temporal distributes it', () => {
    const controller = fixed(2);
    const work = Array.from({ length: 100 }, () => at(100, 60));
    simulate(work, controller, settings({ slots: 100, heartbeatSeconds: 10 }));
    const used = controller.looks.find(({ now }) => now === 130)!.workers.map(({ usedSlots }) => usedSlots);
    expect(used[0]! + used[1]!).toBe(100);
    expect(Math.min(...used)).toBeGreaterThan(30);
  });

  test('that are never stopped are billed to the end, and are reported as left', () => {
    const result = simulate([at(0, 10)], fixed(2), settings({ tailSeconds: 590 }));
    expect(result).toMatchObject({ tasksLeft: 2, billedSeconds: 1200, horizonSeconds: 600 });
  });

  test('of the minimum run from the start', () => {
    const result = simulate([at(0, 10)], fixed(2), settings({ minTasks: 2, tailSeconds: 590 }));
    expect(result).toMatchObject({ tasksLeft: 0, billedSeconds: 1200 });
    expect([...result.waits]).toEqual([0]);
  });
});

describe('signals', () => {
  const burst = Array.from({ length: 40 }, () => at(20, 30));

  test('of the queue are at most 5 s old, and never from the future', () => {
    const controller = fixed(1);
    simulate(
      Array.from({ length: 600 }, (_, index) => at(index, 1000)),
      controller,
      settings({}),
    );
    const looks = controller.looks.filter(({ now }) => now > 60 && now < 600);
    for (const { queue, truth } of looks) {
      expect(queue.backlog).toBeLessThanOrEqual(truth.queued);
      expect(queue.backlog).toBeGreaterThanOrEqual(truth.queued - 6);
    }
    expect(looks.some(({ queue, truth }) => queue.backlog < truth.queued - 1)).toBe(true);
  });

  test('give a fresh queue an absurd rate once, and then half-minute averages', () => {
    const controller = fixed(1);
    simulate(burst, controller, settings({}));
    const rates = controller.looks.map(({ queue }) => queue.addRate);
    expect(rates.filter((rate) => rate > 40 / 30)).toHaveLength(1);
    expect(Math.max(...rates)).toBeGreaterThanOrEqual(78);
    expect(rates.filter((rate) => rate === 40 / 30).length).toBeGreaterThanOrEqual(1);
    expect(rates.at(-1)).toBe(0);
  });

  test('of a worker start with its first heartbeat, one interval after its start, and are as old as that', () => {
    const controller = fixed(1);
    simulate([at(20, 500)], controller, settings({ heartbeatSeconds: 60 }));
    const seen = controller.looks.filter(({ workers }) => workers.length > 0);
    // Ordered at 0, up at 30, first reported at 90.
    expect(seen[0]!.now).toBe(90);
    expect(seen.map(({ workers }) => workers[0]!.ageSeconds).slice(0, 7)).toEqual([0, 10, 20, 30, 40, 50, 0]);
    expect(seen[0]!.workers[0]).toMatchObject({ task: 't1', usedSlots: 1, slots: null, processed: 0 });
    const plain = fixed(1);
    simulate([at(20, 500)], plain, settings({ reportsFreeSlots: true }));
    expect(plain.looks.at(-1)!.workers[0]).toMatchObject({ slots: 2 });
  });

  test('of a stopped worker stay for 310 s, with its last report', () => {
    const controller = scripted(({ now, tasks }) =>
      now < 100 ? { desired: 1 } : { desired: 0, cordon: [...tasks.running, ...tasks.pending] },
    );
    simulate([at(0, 68)], controller, settings({ tailSeconds: 900 }));
    const ghosts = controller.looks.filter(({ workers, tasks }) => workers.length > 0 && tasks.running.length === 0);
    expect(ghosts.at(-1)!.now).toBeGreaterThanOrEqual(400);
    expect(ghosts.at(-1)!.now).toBeLessThanOrEqual(420);
  });

  test('of foreign images list no worker', () => {
    const controller = fixed(2);
    expect(simulate(burst, controller, settings({ neverReports: true })).undone).toBe(0);
    expect(controller.looks.every(({ workers }) => workers.length === 0)).toBe(true);
  });

  test('do not count eager work, which is done anyway', () => {
    const controller = fixed(4);
    const work = Array.from({ length: 300 }, (_, index) => at(60 + index, 2));
    const result = simulate(work, controller, settings({ eagerShare: 1 }));
    expect(controller.looks.every(({ queue }) => queue.addRate === 0 && queue.backlog === 0)).toBe(true);
    expect(result.undone).toBe(0);
  });

  test('count dead work while no worker polls, for ten minutes at most', () => {
    const dead = settings({ deadWork: [{ atSeconds: 5, count: 50 }], tailSeconds: 1200 });
    const nobody = fixed(0);
    simulate([at(0, 1)], nobody, dead);
    const counted = nobody.looks.filter(({ queue }) => queue.backlog > 1).map(({ now }) => now);
    expect(counted[0]).toBe(10);
    expect(counted.at(-1)).toBeGreaterThanOrEqual(600);
    expect(counted.at(-1)).toBeLessThanOrEqual(620);

    const somebody = fixed(1);
    simulate([at(0, 1)], somebody, dead);
    expect(somebody.looks.findLast(({ queue }) => queue.backlog > 1)!.now).toBeLessThanOrEqual(30);
  });

  test('are unknown in a blind spell, independently of each other', () => {
    const seen: string[] = [];
    const controller: Controller = {
      name: 'blind',
      tickSeconds: 10,
      protects: true,
      look(signals, _truth, now) {
        const unknown = Object.entries(signals()).filter(([, reading]) => 'unknown' in reading);
        seen.push(...unknown.map(([name]) => `${name} at ${now}`));
        return { desired: 1 };
      },
    };
    simulate(
      [at(0, 10)],
      controller,
      settings({ blindSpells: [{ fromSeconds: 20, toSeconds: 40, signals: ['workers'] }] }),
    );
    expect(seen).toEqual(['workers at 20', 'workers at 30']);
  });

  test('show failures, which are retried after a growing backoff', () => {
    const controller = fixed(1);
    const outage = { fromSeconds: 0, toSeconds: 100, probability: 1 };
    const result = simulate([at(0, 10)], controller, settings({ outages: [outage] }));
    // Started at 30; fails at 40, 51, 63, 77, 95; back at 111.
    expect(result).toMatchObject({ failed: 5, undone: 0, killed: 0 });
    expect([...result.waits]).toEqual([111]);
    expect(controller.looks.at(-1)!.workers[0]).toMatchObject({ processed: 6, failed: 5 });
  });

  test('say when the queue itself is limited, and then more tasks do not help', () => {
    const controller = fixed(10);
    const work = Array.from({ length: 300 }, () => at(60, 1));
    const result = simulate(work, controller, settings({ dispatchLimit: 1 }));
    expect(controller.looks.filter(({ queue }) => queue.rateLimited).length).toBeGreaterThan(25);
    expect(Math.max(...result.waits)).toBeGreaterThan(290);
  });

  test('show no more throughput for more tasks when a shared resource is full', () => {
    const work = Array.from({ length: 400 }, () => at(60, 1));
    const longest = (tasks: number) => Math.max(...simulate(work, fixed(tasks), settings({ sharedSlots: 10 })).waits);
    expect(longest(20)).toBeGreaterThan(0.8 * longest(5));
  });
});

test.each(['steady', 'long-tasks', 'fan-out'])(
  'our policy replaces every task of a deployment in %s, and kills none',
  (name) => {
    const { draw, slots } = TRACES[name]!;
    const all = { ...DEFAULT_SETTINGS, slots, deployments: [600, 640, 2000] };
    const controller = elastic(all);
    let outdatedAtLast = Infinity;
    const result = simulate(
      draw(1),
      {
        ...controller,
        look(signals, truth, now) {
          outdatedAtLast = (signals().tasks as TasksReading).outdated!.length;
          return controller.look(signals, truth, now);
        },
      },
      all,
    );
    expect(outdatedAtLast).toBe(0);
    expect(result).toMatchObject({ killed: 0, undone: 0, tasksLeft: 0 });
  },
);

test.each([10, 60])('with a full database our policy stops scaling out, reports every %d s', (heartbeatSeconds) => {
  // The database handles sixty at a time: three tasks' slots. Three tasks complete twelve per second, and so do forty.
  const load = flow({ perSecond: 20, serviceSeconds: 5, to: 900, seed: 3 });
  const { ticks, result } = runTicks(load, { maxTasks: 200, sharedSlots: 60, heartbeatSeconds });
  expect(result.reasons['no-gain']).toBeGreaterThan(30);
  // Ten minutes after it has stopped it tries a quarter more, and again if that seems to have helped.
  expect(most(ticks.filter(({ now }) => now < 700))).toBeLessThanOrEqual(60);
  expect(result.peakTasks).toBeLessThanOrEqual(100);
  expect(result.undone).toBe(0);
});

test('100,000 pieces of work with a decision every 10 s are simulated completely', () => {
  const work = TRACES['slow-sine']!.draw(1);
  expect(work.length).toBeGreaterThan(100_000);
  const result = simulate(work, elastic(DEFAULT_SETTINGS));
  expect(result).toMatchObject({ undone: 0, killed: 0 });
});
