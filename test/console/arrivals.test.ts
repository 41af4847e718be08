import fc from 'fast-check';
import { pastLoad } from '../../console/page/arrivals.ts';
import { attemptsByMinute, columnsOf } from '../../console/page/timeline.ts';
import type { TickView } from '../../console/view.ts';
import { QUIET } from './ticks.ts';

const tick = (seconds: number, figures: Partial<TickView>): TickView => ({ ...QUIET, now: seconds * 1000, ...figures });

test('the work that arrived is the work finished plus the rise in queued and busy, spread over its tick', () => {
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

test('whatever the ticks contain, the work that arrives equals the work finished and still open', () => {
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

test('a period without ticks is unknown, neither quiet nor busy', () => {
  const { work, unknownSeconds } = pastLoad([
    tick(0, {}),
    tick(10, { processed: 2 }),
    tick(20, { busySlots: null, processed: null }),
    tick(1010, { processed: 90 }),
    tick(1020, { processed: 1 }),
  ]);
  expect({ count: work.length, unknownSeconds }).toEqual({ count: 3, unknownSeconds: 1000 });
});

test('the start-up time is the number of tasks starting divided by the number started', () => {
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
])('with %s there is no load to simulate, and an error says so', (_, ticks) => {
  expect(() => pastLoad(ticks)).toThrow(/choose a longer one/);
});

test('charts have a gap where nothing is known, and count attempts per whole minute', () => {
  const ticks = [tick(60, { processed: 1 }), tick(70, { processed: 2, failed: 1 }), tick(600, { processed: 4 })];
  expect(columnsOf(ticks, [({ processed }) => processed])).toEqual({ x: [60, 70, 70.001, 600], y: [[1, 2, null, 4]] });
  expect(attemptsByMinute(ticks)).toEqual([{ now: 60_000, processed: 3, failed: 1 }]);
});
