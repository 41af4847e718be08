import fc from 'fast-check';
import { pastLoad } from '../../console/page/arrivals.ts';
import { attemptsByMinute, columnsOf } from '../../console/page/timeline.ts';
import type { TickView } from '../../console/view.ts';
import { QUIET } from './ticks.ts';

const tick = (seconds: number, figures: Partial<TickView>): TickView => ({ ...QUIET, now: seconds * 1000, ...figures });

test('what came is what was finished and what more is queued and busy, spread over the tick it came in', () => {
  const { work, serviceSeconds } = pastLoad([
    tick(100, { busySlots: 0 }),
    tick(110, { queued: 3, busySlots: 4, processed: 1 }),
    tick(120, { queued: 0, busySlots: 2, processed: 5 }),
  ]);
  expect(work.map(({ arrivalSeconds }) => arrivalSeconds)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((index) => (index + 0.5) * 1.25),
  );
  expect(serviceSeconds).toBe((20 + 30) / 6);
});

test('whatever the ticks say, as much work comes as was finished, or is still there', () => {
  const figures = fc.record({ queued: fc.nat(50), busySlots: fc.nat(50), processed: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(figures, { minLength: 2, maxLength: 40 }), (all) => {
      const ticks = [...all, { queued: 0, busySlots: 0, processed: 200 }].map((each, index) => tick(index * 10, each));
      const { work } = pastLoad(ticks);
      const finished = ticks.slice(1).reduce((sum, { processed }) => sum + processed!, 0);
      expect(work).toHaveLength(Math.max(0, finished - ticks[0]!.queued! - ticks[0]!.busySlots!));
      expect(work).toEqual(work.toSorted((a, b) => a.arrivalSeconds - b.arrivalSeconds));
    }),
  );
});

test('a time without ticks is unknown, and neither quiet nor full of work', () => {
  const { work, unknownSeconds } = pastLoad([
    tick(0, {}),
    tick(10, { processed: 2 }),
    tick(20, { busySlots: null, processed: null }),
    tick(1010, { processed: 90 }),
    tick(1020, { processed: 1 }),
  ]);
  expect({ count: work.length, unknownSeconds }).toEqual({ count: 3, unknownSeconds: 1000 });
});

test('how long tasks take to start is how many were starting over how many were started', () => {
  const starting = [0, 2, 2, 2, 0, 0].map((count, index) =>
    tick(index * 10, { starting: count, running: index < 4 ? 0 : 2, processed: 1 }),
  );
  expect(pastLoad(starting).startUpSeconds).toBe(30);
  const running = [1, null, 3, 3].map((count, index) => tick(index * 10, { running: count, processed: 1 }));
  expect(pastLoad(running).startUpSeconds).toBe(1);
  expect(pastLoad(running.slice(2)).startUpSeconds).toBe(42);
});

test.each([
  ['no tick', []],
  ['nothing finished', [tick(0, {}), tick(10, {})]],
])('of %s no load is made, and it is said', (_, ticks) => {
  expect(() => pastLoad(ticks)).toThrow(/choose a longer one/);
});

test('charts break where nothing is known, and count attempts by whole minutes', () => {
  const ticks = [tick(60, { processed: 1 }), tick(70, { processed: 2, failed: 1 }), tick(600, { processed: 4 })];
  expect(columnsOf(ticks, [({ processed }) => processed])).toEqual({ x: [60, 70, 70.001, 600], y: [[1, 2, null, 4]] });
  expect(attemptsByMinute(ticks)).toEqual([{ now: 60_000, processed: 3, failed: 1 }]);
});
