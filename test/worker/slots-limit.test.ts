/** The number of slots, based on what a process is seen to use: narrated, and then for any work. */
import fc from 'fast-check';
import { formatSlots, parseSlots, type SlotRange } from '../../contract/slots.ts';
import { firstSlots, nextSlots, sharesOf, type SlotsSeen, type SlotsState } from '../../worker/slots/slots-limit.ts';

/** What a piece of work uses of the process, and what the idle process uses. */
interface Work {
  cpu: number;
  memory: number;
  baseMemory: number;
}

const WAITING: Work = { cpu: 0.005, memory: 0.002, baseMemory: 0.15 };
const COMPUTING: Work = { cpu: 1, memory: 0.001, baseMemory: 0.15 };
const LARGE: Work = { cpu: 0.001, memory: 0.02, baseMemory: 0.2 };

function seenWith(used: number, { cpu, memory, baseMemory }: Work): SlotsSeen {
  const load = used * cpu;
  const delayMs = load > 1 ? 100 * (load - 1) : 0;
  return { used, cpu: Math.min(1, load), memory: baseMemory + used * memory, delayMs };
}

/** Second by second, with this many pieces of work at a time; the limits, and what was seen. */
function play(
  range: SlotRange,
  seconds: number,
  work: Work,
  demand = Infinity,
  from = firstSlots(range, work.baseMemory),
) {
  const states: SlotsState[] = [from];
  const seen: SlotsSeen[] = [];
  for (let second = 0; second < seconds; second += 1) {
    const state = states.at(-1)!;
    seen.push(seenWith(Math.min(state.limit, demand), work));
    states.push(nextSlots(state, seen.at(-1)!, range));
  }
  return { limits: states.map(({ limit }) => limit), seen, last: states.at(-1)! };
}

const RANGE = { min: 5, max: 200 };

describe('slots that follow the load', () => {
  test('start at the minimum, and within ten seconds reach what waiting work can fill', () => {
    const { limits } = play(RANGE, 10, WAITING);
    expect(limits.slice(0, 5)).toEqual([5, 7, 10, 15, 22]);
    expect(limits.at(-1)).toBeGreaterThan(150);
  });

  test('stay above the slots in use, by as much as there is room for', () => {
    expect(play(RANGE, 30, WAITING, 40).limits.at(-1)).toBeGreaterThan(60);
    expect(play(RANGE, 30, { ...WAITING, cpu: 0.0125 }, 60).limits.at(-1)).toBeLessThan(75);
  });

  test('are not raised for work that fills less than half of them', () => {
    expect(play({ min: 20, max: 200 }, 60, WAITING, 9).limits.at(-1)).toBe(20);
  });

  test('stop rising when the CPU is nearly full', () => {
    const { seen } = play({ min: 1, max: 1000 }, 60, { ...WAITING, memory: 0 });
    expect(seen.at(-1)!.cpu).toBeGreaterThan(0.75);
    expect(seen.at(-1)!.cpu).toBeLessThan(0.97);
  });

  test('stay at the minimum for CPU-bound work', () => {
    expect(new Set(play({ min: 4, max: 200 }, 120, COMPUTING).limits)).toEqual(new Set([4]));
  });

  test('go down to two when the work becomes CPU-bound: with one, the CPU would idle between pieces of work', () => {
    const range = { min: 1, max: 200 };
    const { last } = play(range, 20, WAITING, 60);
    expect(last.limit).toBeGreaterThan(60);
    expect(play(range, 120, COMPUTING, Infinity, last).limits.at(-1)).toBe(2);
  });

  test('never fill the memory, even if each piece of work takes a fiftieth of it', () => {
    const { seen } = play({ min: 1, max: 500 }, 200, LARGE);
    expect(Math.max(...seen.map(({ memory }) => memory))).toBeLessThanOrEqual(0.75);
    expect(seen.at(-1)!.used).toBeGreaterThan(15);
  });

  test('are lowered in steps when the work needs more memory: each step waits until slots in use have drained', () => {
    const { last } = play({ min: 1, max: 100 }, 60, WAITING, 50);
    const pressed = { used: last.limit, cpu: 0.2, memory: 0.9, delayMs: 0 };
    const lowered = nextSlots(last, pressed, { min: 1, max: 100 });
    expect(lowered.limit).toBe(Math.floor(0.8 * last.limit));
    let draining = lowered;
    for (let second = 0; second < 60; second += 1) draining = nextSlots(draining, pressed, { min: 1, max: 100 });
    expect(draining.limit).toBe(lowered.limit);
    for (let second = 0; second < 60; second += 1)
      draining = nextSlots(draining, { ...pressed, used: draining.limit }, { min: 1, max: 100 });
    expect(draining.limit).toBeLessThan(10);
  });

  test('are not raised while more slots are in use, nor while the event loop is late', () => {
    const after = (seen: Partial<SlotsSeen>) => {
      let state = firstSlots(RANGE, 0.1);
      for (let second = 0; second < 20; second += 1)
        state = nextSlots(state, { used: 5, cpu: 0.2, memory: 0.2, delayMs: 0, ...seen }, RANGE);
      return state.limit;
    };
    expect(after({})).toBeGreaterThan(5);
    expect(after({ used: 50 })).toBe(5);
    expect(after({ delayMs: 100 })).toBe(5);
  });

  test('are lowered when the event loop is very late, even if the CPU is not full', () => {
    let { last: state } = play(RANGE, 30, WAITING, 60);
    const before = state.limit;
    for (let second = 0; second < 5; second += 1)
      state = nextSlots(state, { used: 60, cpu: 0.5, memory: 0.3, delayMs: 900 }, RANGE);
    expect(state.limit).toBeLessThan(Math.min(before, 60));
  });

  test('are based on the current memory of the idle process', () => {
    const late = nextSlots(firstSlots(RANGE, 0.1), { used: 0, cpu: 0, memory: 0.7, delayMs: 0 }, RANGE);
    const { limits } = play(RANGE, 30, { ...WAITING, memory: 0.001, baseMemory: 0.7 }, 20, late);
    expect(limits.at(-1)).toBeGreaterThanOrEqual(30);
  });

  test('are retried less and less often after they were raised by mistake', () => {
    // All signs say that it fits, and then the memory is full.
    let state = firstSlots(RANGE, 0.1);
    const raisedAt: number[] = [];
    for (let second = 0; second < 600; second += 1) {
      const next = nextSlots(
        state,
        { used: state.limit, cpu: 0.1, memory: state.limit > 10 ? 0.9 : 0.2, delayMs: 0 },
        RANGE,
      );
      if (next.limit > 10 && state.limit <= 10) raisedAt.push(second);
      state = next;
    }
    const pauses = raisedAt.slice(1).map((at, index) => at - raisedAt[index]!);
    expect(raisedAt.length).toBeLessThan(20);
    expect(pauses.at(-1)).toBeGreaterThan(3 * pauses[0]!);
  });
});

const anyRange = fc
  .tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 950 }))
  .map(([min, more]) => ({ min, max: min + more }));
const part = fc.double({ min: 0, max: 1.5, noNaN: true });
const anySeen = fc.record({
  used: fc.double({ min: 0, max: 1100, noNaN: true }),
  cpu: part,
  memory: part,
  delayMs: fc.double({ min: 0, max: 5000, noNaN: true }),
});
const anyWork = fc.record({
  cpu: fc.double({ min: 0, max: 1, noNaN: true }),
  memory: fc.double({ min: 0, max: 0.1, noNaN: true }),
  baseMemory: fc.double({ min: 0.05, max: 0.5, noNaN: true }),
});

describe('for any work', () => {
  test('slots are whole numbers within their limits, and not lowered while more are in use', () => {
    const holds = (range: SlotRange, readings: SlotsSeen[]) => {
      let state = firstSlots(range, 0.2);
      for (const seen of readings) {
        const next = nextSlots(state, seen, range);
        expect(Number.isInteger(next.limit)).toBe(true);
        expect(next.limit).toBeGreaterThanOrEqual(range.min);
        expect(next.limit).toBeLessThanOrEqual(range.max);
        expect(seen.used > state.limit && next.limit < state.limit).toBe(false);
        state = next;
      }
    };
    fc.assert(fc.property(anyRange, fc.array(anySeen, { maxLength: 200 }), holds));
  });

  test('memory is never filled if the minimum of slots leaves room', () => {
    const holds = (range: SlotRange, work: Work) => {
      fc.pre(work.baseMemory + range.min * work.memory < 0.75);
      const { seen } = play(range, 300, work);
      expect(Math.max(...seen.map(({ memory }) => memory))).toBeLessThanOrEqual(0.76);
    };
    fc.assert(fc.property(anyRange, anyWork, holds));
  });

  test('steady work leads to a steady number of slots', () => {
    const holds = (range: SlotRange, work: Work, demand: number) => {
      const { limits } = play(range, 1200, work, demand);
      const late = limits.slice(600);
      const changes = late.filter((limit, index) => index > 0 && limit !== late[index - 1]);
      expect(changes.length).toBeLessThanOrEqual(20);
    };
    fc.assert(fc.property(anyRange, anyWork, fc.integer({ min: 0, max: 2000 }), holds), { numRuns: 300 });
  });

  test('waiting work gets the slots that it can fill or that there is room for', () => {
    const holds = (range: SlotRange, work: Work, demand: number) => {
      const { seen, last } = play(range, 600, work, demand);
      const { used, memory } = seen.at(-1)!;
      // All of them must fit with one more slot: with one in use and two available, that is three times as much.
      const more = (last.limit + 1) / used;
      const hasRoom = more * last.cpu < 0.8 && more * (memory - work.baseMemory) < 0.2 && last.delayMs < 1;
      const couldBeRaised = hasRoom && used >= 0.5 * last.limit;
      expect(couldBeRaised ? last.limit : range.max).toBe(range.max);
    };
    fc.assert(fc.property(anyRange, anyWork, fc.integer({ min: 0, max: 2000 }), holds), { numRuns: 300 });
  });

  test('lasting pressure lowers the slots to the minimum', () => {
    const holds = (range: SlotRange) => {
      let { last: state } = play(range, 60, WAITING);
      for (let second = 0; second < 400; second += 1)
        state = nextSlots(state, { used: state.limit, cpu: 0.5, memory: 0.95, delayMs: 10 }, range);
      expect(state.limit).toBe(range.min);
    };
    fc.assert(fc.property(anyRange, holds));
  });
});

describe('the slots setting', () => {
  test.each([
    ['20', 20],
    ['5..200', { min: 5, max: 200 }],
  ])('is read and written as %s', (text, slots) => {
    expect(parseSlots(text)).toEqual(slots);
    expect(formatSlots(slots)).toBe(text);
  });

  test.each(['', '5..', '..5', '5...6', '5-6', '1.5', ' 5', '1e3'])('may not be "%s"', (text) => {
    expect(parseSlots(text)).toBeUndefined();
  });

  test('is divided among a task’s processes, each with at least one slot', () => {
    expect(sharesOf(10, 4)).toEqual([3, 3, 2, 2]);
    expect(sharesOf(2, 4)).toEqual([1, 1]);
    expect(sharesOf({ min: 2, max: 10 }, 4)).toEqual([
      { min: 1, max: 3 },
      { min: 1, max: 3 },
      { min: 1, max: 2 },
      { min: 1, max: 2 },
    ]);
  });
});
