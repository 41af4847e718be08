/**
 * Batches that arrive at regular intervals, give or take half a minute: from the third one on they find their tasks running.
 * What has been learned has a price: a missing batch costs one start of its tasks, and a habit that has ended is soon forgotten.
 */
import { lognormal, seeded, uniform } from '../../simulate/random.ts';
import { most, runTicks, type Run } from './ticks.ts';
import type { Work } from '../../simulate/model.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const JITTER_SECONDS = 30;
/** Not among the benchmark's seeds. */
const SEEDS = [311, 312];

interface Batches {
  /** Seconds. */
  times: number[];
  pieces: number;
  seconds: number;
}

/** By batch. */
function drawBatches({ times, pieces, seconds }: Batches, seed: number): Work[][] {
  const random = seeded(seed);
  return times.map((time) => {
    const at = time + uniform(random, [-JITTER_SECONDS, JITTER_SECONDS]);
    return Array.from({ length: pieces }, () => ({
      arrivalSeconds: at + uniform(random, [0, 3]),
      serviceSeconds: lognormal(random, seconds, 0.4),
    })).sort((a, b) => a.arrivalSeconds - b.arrivalSeconds);
  });
}

function runBatches(of: Batches, seed: number, tailSeconds = 900): Run & { meanWaits: number[] } {
  const batches = drawBatches(of, seed);
  const run = runTicks(batches.flat(), { slots: 20, maxTasks: 100, seed, tailSeconds });
  let first = 0;
  const meanWaits = batches.map((batch) => {
    const waits = run.result.waits.slice(first, (first += batch.length));
    return waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
  });
  return { ...run, meanWaits };
}

const every = (seconds: number, count: number, from = 600) =>
  Array.from({ length: count }, (_, index) => from + index * seconds);
/** The first is a Thursday: the weekend follows the second. */
const workdays = [0, 1, 4, 5, 6].map((day) => 8 * HOUR + day * DAY);
const work = [
  { pieces: 300, seconds: 20 },
  { pieces: 300, seconds: 120 },
  { pieces: 60, seconds: 600 },
];
const habits = { hour: every(HOUR, 10), 'half hour': every(HOUR / 2, 10) };

describe.each(Object.entries(habits))('a batch every %s', (_, times) => {
  test.each(work)('of $pieces pieces of $seconds s waits at most 8 s from the third one on', (of) => {
    for (const seed of SEEDS) {
      const { meanWaits, result } = runBatches({ times, ...of }, seed);
      expect(Math.max(...meanWaits.slice(2))).toBeLessThanOrEqual(8);
      expect([result.killed, result.undone]).toEqual([0, 0]);
    }
  });
});

test('a batch each workday, across a weekend, waits at most 8 s from the third one on', () => {
  const { meanWaits } = runBatches({ times: workdays, pieces: 300, seconds: 20 }, 313);
  expect(Math.max(...meanWaits.slice(2))).toBeLessThanOrEqual(8);
});

test('a missing batch costs one start of its tasks', () => {
  const times = every(HOUR, 8);
  const of = { pieces: 300, seconds: 20 };
  for (const seed of SEEDS) {
    const missing = runBatches({ times: times.toSpliced(5, 1), ...of }, seed);
    const around = missing.ticks.filter(({ now }) => Math.abs(now - times[5]!) < HOUR / 2);
    const paid = around.reduce((sum, { present }) => sum + 10 * present, 0);
    // A start-up, the time that the batch may be early or late, and the minimum that a task is billed.
    expect(most(around)).toBeGreaterThan(0);
    expect(paid).toBeLessThanOrEqual(most(around) * (60 + 2 * 40 + 60));
    // And the next one is still expected.
    expect(Math.max(...missing.meanWaits.slice(5))).toBeLessThanOrEqual(8);
  }
});

test('a habit that has ended is forgotten after three missed times', () => {
  const times = every(HOUR / 2, 8);
  for (const seed of SEEDS) {
    const { ticks } = runBatches({ times, pieces: 300, seconds: 20 }, seed, 5 * HOUR);
    const late = ticks.filter(({ now }) => now > times.at(-1)! + HOUR / 4);
    const up = late
      .filter(({ desired }) => desired > 0)
      .map(({ now }) => Math.round((now - times.at(-1)!) / (HOUR / 2)));
    expect([...new Set(up)]).toEqual([1, 2, 3]);
    expect(late.at(-1)!.detail).not.toContain('habit');
  }
});

test('a clock change makes only that one day’s batch wait', () => {
  for (const [seed, shift] of [
    [313, HOUR],
    [314, -HOUR],
  ] as const) {
    const times = every(DAY, 6, 8 * HOUR).map((time, day) => (day < 3 ? time : time + shift));
    const { meanWaits } = runBatches({ times, pieces: 300, seconds: 20 }, seed);
    expect(Math.max(meanWaits[2]!, ...meanWaits.slice(4))).toBeLessThanOrEqual(8);
  }
});

test('each decision’s detail shows the learned habit', () => {
  const { ticks } = runBatches({ times: every(HOUR, 5), pieces: 300, seconds: 20 }, 311);
  expect(ticks.at(-1)!.detail).toMatch(/by its habit, work for \d+ tasks is expected at \d\d:\d\d:\d\d UTC/);
});
