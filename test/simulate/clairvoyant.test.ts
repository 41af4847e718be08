import fc from 'fast-check';
import { clairvoyant } from '../../simulate/clairvoyant.ts';
import { DEFAULT_SETTINGS, simulate, type Controller, type Work } from '../../simulate/model.ts';
import { TRACES } from '../../simulate/traces.ts';

const fleet = { slots: 2, minTasks: 0, tailSeconds: 600 };
const at = (arrivalSeconds: number, serviceSeconds: number): Work => ({ arrivalSeconds, serviceSeconds });
const cost = (work: Work[], overrides: Partial<typeof fleet> = {}) => clairvoyant(work, { ...fleet, ...overrides });

/** The lowest possible price of slot-seconds, without the minimum of a minute and with fractions of tasks. */
function floor(work: Work[], slots: number): number {
  return work.reduce((sum, { serviceSeconds }) => sum + serviceSeconds, 0) / slots;
}

describe('the clairvoyant fleet', () => {
  test('pays a minute for a second, and no start-up', () => {
    expect(cost([at(100, 1)])).toEqual({ billedSeconds: 60, peakTasks: 1 });
    expect(cost([at(100, 90)])).toEqual({ billedSeconds: 90, peakTasks: 1 });
  });

  test('fills a task before it starts another', () => {
    expect(cost([at(0, 100), at(1, 99)])).toEqual({ billedSeconds: 100, peakTasks: 1 });
    expect(cost([at(0, 100), at(1, 99), at(2, 10)])).toEqual({ billedSeconds: 160, peakTasks: 2 });
  });

  test('stays up during a pause only if that is cheaper than a new minute', () => {
    expect(cost([at(0, 70), at(100, 10)]).billedSeconds).toBe(110);
    expect(cost([at(0, 70), at(140, 10)]).billedSeconds).toBe(130);
  });

  test('puts work that ends together into one task', () => {
    expect(cost([at(0, 300), at(0, 10), at(20, 280), at(20, 40)]).billedSeconds).toBe(360);
  });

  test('always has its minimum, and pays nothing more for work that fits into it', () => {
    expect(cost([at(0, 10), at(0, 10)], { minTasks: 1 })).toEqual({ billedSeconds: 610, peakTasks: 1 });
  });

  test('costs nothing without work', () => {
    expect(cost([])).toEqual({ billedSeconds: 0, peakTasks: 0 });
  });

  test('costs at least the work itself, and at most one task per piece', () => {
    const anyWork = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 200 })), {
        minLength: 1,
        maxLength: 80,
      })
      .map((rows) => rows.sort((a, b) => a[0] - b[0]).map(([arrival, service]) => at(arrival, service)));
    fc.assert(
      fc.property(anyWork, fc.integer({ min: 1, max: 5 }), (work, slots) => {
        const { billedSeconds } = cost(work, { slots });
        expect(billedSeconds).toBeGreaterThanOrEqual(Math.max(60, floor(work, slots)) - 1e-6);
        const alone = work.reduce((sum, { serviceSeconds }) => sum + Math.max(60, serviceSeconds), 0);
        expect(billedSeconds).toBeLessThanOrEqual(alone + 1e-6);
      }),
    );
  });
});

/** Always has, from the start, what the work needs at its peak. */
function always(tasks: number): Controller {
  return { name: 'always', tickSeconds: 600, protects: true, look: () => ({ desired: tasks }) };
}

test.each(Object.keys(TRACES))('on %s the clairvoyant fleet costs less than one that never lets work wait', (name) => {
  const { draw, slots } = TRACES[name]!;
  const work = draw(1).slice(0, 20_000);
  const reference = clairvoyant(work, { ...fleet, slots });
  // Spread at random, work finds a slot as long as there is one anywhere.
  const settings = { ...DEFAULT_SETTINGS, slots, minTasks: reference.peakTasks, tailSeconds: 0 };
  const result = simulate(work, always(reference.peakTasks), settings);
  expect(result.waits.every((wait) => wait === 0)).toBe(true);
  expect(reference.billedSeconds).toBeLessThanOrEqual(result.billedSeconds);
  expect(reference.billedSeconds).toBeGreaterThanOrEqual(floor(work, slots));
});
