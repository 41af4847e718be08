import { DEFAULT_SETTINGS, simulate, type Controller, type Truth, type Work } from '../../simulate/model.ts';
import { PEERS } from '../../simulate/peers.ts';
import { TRACES } from '../../simulate/traces.ts';

const limits = { slots: 20, minTasks: 0, maxTasks: 100 };
const peer = (name: string) => PEERS[name]!(limits);
const nothing: Truth = {
  queued: 0,
  busy: 0,
  running: 0,
  starting: 0,
  cordoned: 0,
  desired: 0,
  unmatched: 0,
  dispatched: 0,
};

/** Gives a controller the same readings for some time, and returns what it ordered at each one. */
function orders(
  controller: Controller,
  truthAt: (now: number) => Partial<Truth>,
  seconds: number,
): Map<number, number> {
  const given = new Map<number, number>();
  const unread = (): never => {
    throw new Error('peers get exact counts');
  };
  for (let now = 0; now <= seconds; now += controller.tickSeconds) {
    given.set(now, controller.look(unread, { ...nothing, ...truthAt(now) }, now).desired);
  }
  return given;
}

test.each(Object.keys(PEERS))('%s completes a real hour, within its limits', (name) => {
  const work = TRACES['real-hour']!.draw(1).slice(0, 2000);
  const result = simulate(work, peer(name), DEFAULT_SETTINGS);
  expect(result.undone).toBe(0);
  expect(result.peakTasks).toBeLessThanOrEqual(limits.maxTasks + 5);
});

test('the formula kills work that the scale-in protocol does not', () => {
  const work = TRACES['on-off']!.draw(1);
  expect(simulate(work, peer('formula'), DEFAULT_SETTINGS).killed).toBeGreaterThan(100);
});

test('the formula orders a slot for all work, queued or running, at once', () => {
  expect(orders(peer('formula'), () => ({ queued: 41, busy: 40 }), 0).get(0)).toBe(5);
  expect(orders(peer('formula'), () => ({ queued: 9999 }), 0).get(0)).toBe(100);
});

describe("Temporal's Serverless Workers", () => {
  test('order one more task for work without a slot, every 2 s', () => {
    const given = orders(peer('serverless-workers'), (now) => ({ unmatched: now < 10 ? 100 : 0, queued: 500 }), 20);
    expect([...given.values()]).toEqual([1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5]);
  });

  test('size by arrivals every minute, assuming 2 per second and task', () => {
    const given = orders(peer('serverless-workers'), (now) => ({ dispatched: 8 * now, running: 9 }), 120);
    expect(given.get(58)).toBe(0);
    // 8 per second at 2 per task is a load of 4: 5 tasks at 80 %; at most 4 more per minute.
    expect(given.get(60)).toBe(4);
    expect(given.get(120)).toBe(5);
  });

  test('remove one task a minute, and none within 90 s of work that found no slot', () => {
    const given = orders(peer('serverless-workers'), (now) => ({ unmatched: now < 12 ? 1 : 0 }), 400);
    expect([60, 120, 180, 240].map((now) => given.get(now))).toEqual([6, 5, 4, 3]);
  });
});

describe('KEDA', () => {
  test('leaves zero at its 30 s poll, and then adds 4 tasks or 100 % every 15 s', () => {
    const given = orders(peer('keda'), (now) => ({ queued: now < 10 ? 0 : 400 }), 105);
    expect([0, 15, 30, 45, 60, 75, 90, 105].map((now) => given.get(now))).toEqual([0, 0, 1, 5, 10, 20, 40, 80]);
  });

  test('scales in 5 minutes after the backlog, however busy its tasks are', () => {
    const given = orders(peer('keda'), (now) => ({ queued: now < 60 ? 50 : 0, busy: 200 }), 600);
    expect(given.get(300)).toBe(10);
    expect(given.get(600)).toBe(0);
  });
});

describe('the HPA on depth and CPU', () => {
  test('scales out on CPU above 70 %, and ignores deviations within a tenth', () => {
    const busy = (share: number) => () => ({ running: 10, busy: share * 200 });
    expect(orders(peer('hpa'), busy(1), 60).get(60)).toBe(15);
    const given = orders(peer('hpa'), (now) => (now < 60 ? busy(1)() : busy(0.73)()), 700);
    expect(given.get(690)).toBe(15);
  });

  test('never goes below one', () => {
    expect([...orders(peer('hpa'), () => ({}), 600).values()].every((desired) => desired === 1)).toBe(true);
  });
});

test('AWS target tracking scales out 3 minutes late and in 15 minutes late', () => {
  const given = orders(
    peer('target-tracking'),
    (now) => ({ running: 1, queued: now > 60 && now <= 600 ? 100 : 0 }),
    2400,
  );
  const changes = [...given].filter(([now, desired]) => now > 0 && desired !== given.get(now - 10));
  expect(changes[0]).toEqual([240, 5]);
  const shrinks = changes.find(([now, desired]) => desired < given.get(now - 10)!)!;
  expect(shrinks[0]).toBeGreaterThanOrEqual(600 + 15 * 60);
});

test('step scaling adds tasks by backlog steps, and removes a quarter after five quiet minutes', () => {
  const given = orders(peer('step-scaling'), (now) => (now <= 60 ? { queued: 500 } : { running: 20, busy: 1 }), 720);
  expect(given.get(60)).toBe(20);
  expect(given.get(350)).toBe(20);
  expect(given.get(360)).toBe(15);
});

test('every peer completes one task’s worth of work from zero', () => {
  const work: Work[] = Array.from({ length: 40 }, (_, index) => ({ arrivalSeconds: index, serviceSeconds: 10 }));
  for (const make of Object.values(PEERS)) {
    expect(simulate(work, make(limits), DEFAULT_SETTINGS).undone).toBe(0);
  }
});

describe('with tuned settings', () => {
  test('KEDA polls every 5 s, targets full slots, and is at zero a minute after the backlog', () => {
    const given = orders(peer('keda-tuned'), (now) => ({ queued: now >= 5 && now < 60 ? 80 : 0 }), 200);
    expect([0, 5, 15, 30].map((now) => given.get(now))).toEqual([0, 1, 4, 4]);
    expect(given.get(115)).toBe(0);
  });

  test('Serverless Workers scale out every 10 s, and in every 30 s once all work has a slot', () => {
    const given = orders(peer('serverless-workers-tuned'), (now) => ({ unmatched: now < 26 ? 1 : 0 }), 150);
    expect([24, 30, 60, 90].map((now) => given.get(now))).toEqual([3, 2, 1, 0]);
  });

  test('workers finish work shorter than their grace period', () => {
    const work: Work[] = Array.from({ length: 60 }, (_, index) => ({ arrivalSeconds: index / 10, serviceSeconds: 90 }));
    const killed = (name: string) => simulate(work, PEERS[name]!(limits), DEFAULT_SETTINGS).killed;
    expect(killed('keda-tuned')).toBe(0);
  });
});
