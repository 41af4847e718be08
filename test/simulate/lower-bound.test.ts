import fc from 'fast-check';
import { clairvoyant } from '../../simulate/clairvoyant.ts';
import { compare } from '../../simulate/comparison.ts';
import { scoreBound } from '../../simulate/lower-bound.ts';
import { DEFAULT_SETTINGS, simulate, type Controller, type Settings, type Work } from '../../simulate/model.ts';
import { summarize } from '../../simulate/score.ts';
import { TRACES } from '../../simulate/traces.ts';

/** Not among the benchmark's seeds. */
const UNSEEN_SEED = 31;
const START_UPS: Settings['startUpSeconds'][] = [
  [5, 15],
  [180, 300],
];

const at = (arrivalSeconds: number, serviceSeconds: number): Work => ({ arrivalSeconds, serviceSeconds });

function boundOf(work: Work[], overrides: Partial<Settings> = {}): number {
  const settings = { ...DEFAULT_SETTINGS, ...overrides };
  return scoreBound(work, settings, clairvoyant(work, settings).billedSeconds);
}

/** Enough for each trace's shape, and few enough to run every policy on. */
const MOST_WORK = 4000;

describe.each(Object.keys(TRACES))('on %s', (name) => {
  const { draw, slots } = TRACES[name]!;
  const work = draw(UNSEEN_SEED).slice(0, MOST_WORK);
  const optionsWith = (startUpSeconds: Settings['startUpSeconds']) => ({
    settings: { slots, seed: UNSEEN_SEED, startUpSeconds },
  });

  test('no policy is below the bound', () => {
    const options = optionsWith(DEFAULT_SETTINGS.startUpSeconds);
    const bound = boundOf(work, options.settings);
    const { runs, referenceSeconds } = compare(work, options);
    expect(runs.filter(({ summary }) => summary.score < bound).map(({ summary }) => summary.controller)).toEqual([]);
    // A bound of 0 would be valid, too: this one is at least about the work's own time.
    const seconds = work.reduce((sum, { serviceSeconds }) => sum + serviceSeconds, 0);
    expect(bound).toBeGreaterThan((0.9 * seconds) / slots / referenceSeconds);
  });

  test.each(START_UPS)('ours is not below the bound with start-up times of %d to %d s', (...startUpSeconds) => {
    const options = optionsWith(startUpSeconds);
    const [ours] = compare(work, { ...options, peers: [] }).runs;
    expect(ours!.summary.score).toBeGreaterThanOrEqual(boundOf(work, options.settings));
  });
});

/** Keeps a fixed number of tasks in each period, whatever arrives. */
function scheduled(stretches: { from: number; to: number; tasks: number }[]): Controller {
  return {
    name: 'scheduled',
    tickSeconds: 1,
    protects: false,
    stopGraceSeconds: 1000,
    look: (_signals, _truth, now) => ({
      desired: stretches.reduce((sum, { from, to, tasks }) => sum + (from <= now && now < to ? tasks : 0), 0),
    }),
  };
}

const anyWork = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 120 })), { minLength: 1, maxLength: 60 })
  .map((rows) => rows.map(([arrival, service]) => at(100 + arrival, service)))
  .map((work) => work.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds));

test('no fleet that knows the future is below the bound, for any work', () => {
  const stretch = fc.record({
    from: fc.integer({ min: 0, max: 600 }),
    seconds: fc.integer({ min: 1, max: 400 }),
    tasks: fc.integer({ min: 1, max: 4 }),
  });
  const fleet = fc.record({
    slots: fc.integer({ min: 1, max: 8 }),
    startUpSeconds: fc.constantFrom(...[5, 25, 180].map((seconds): [number, number] => [seconds, seconds])),
    minTasks: fc.integer({ min: 0, max: 2 }),
  });
  fc.assert(
    fc.property(anyWork, fleet, fc.array(stretch, { minLength: 1, maxLength: 5 }), (work, limits, parts) => {
      const settings = { ...DEFAULT_SETTINGS, ...limits, tailSeconds: 600 };
      const stretches = parts.map(({ from, seconds, tasks }) => ({ from, to: from + seconds, tasks }));
      const always = { from: 0, to: Infinity, tasks: limits.minTasks };
      const reference = clairvoyant(work, settings);
      const result = simulate(work, scheduled([...stretches, always]), settings);
      const { score } = summarize(result, reference, limits.slots);
      expect(scoreBound(work, settings, reference.billedSeconds)).toBeLessThanOrEqual(score + 1e-9);
    }),
    { numRuns: 60 },
  );
});

test('a single piece pays its task, including the start-up time, or waits for the same cost', () => {
  const settings = { slots: 10, startUpSeconds: [25, 25] as [number, number] };
  // 100 s of work and 25 s of start-up, over 100 s; a wait of 30 s is worth as much as its cost.
  expect(boundOf([at(500, 100)], settings)).toBeGreaterThan(1.1);
  expect(boundOf([at(500, 100)], settings)).toBeLessThanOrEqual(1.25);
});

test.each([5, 25, 180])(
  'the bound is close to a fleet ordered just in time for a batch: start-up time %d s',
  (startUp) => {
    const settings = { ...DEFAULT_SETTINGS, slots: 10, startUpSeconds: [startUp, startUp] as [number, number] };
    const work = Array.from({ length: 40 }, () => at(500, 100));
    const controller = scheduled([{ from: 500 - startUp, to: 601, tasks: 4 }]);
    const reference = clairvoyant(work, settings);
    const { score } = summarize(simulate(work, controller, settings), reference, settings.slots);
    const bound = scoreBound(work, settings, reference.billedSeconds);
    expect(bound).toBeLessThanOrEqual(score);
    expect(bound).toBeGreaterThan(0.85 * score);
  },
);

test('the bound is zero if others do the work, or there is none', () => {
  expect(boundOf([at(0, 10)], { foreign: { workers: 1, slots: 1 } })).toBe(0);
  expect(scoreBound([], DEFAULT_SETTINGS, 0)).toBe(0);
});
