import { policyAt } from '../../contract/schedules.ts';
import { poolConfigSchema, scheduleSchema } from '../../contract/pool-config.ts';

const office = { from: '0 8 * * 1-5', to: '0 18 * * 1-5', timeZone: 'Europe/Berlin', minTasks: 3, maxTasks: 40 };
const pool = { policy: { minTasks: 0, maxTasks: 10 }, schedules: [office] };
const at = (iso: string) => policyAt(pool, Date.parse(iso));

test.each([
  ['2026-11-23T06:59:59Z', 0, 'on a Monday, a second before eight'],
  ['2026-11-23T07:00:00Z', 3, 'on a Monday, at eight'],
  ['2026-11-23T16:59:59Z', 3, 'on a Monday, a second before six in the evening'],
  ['2026-11-23T17:00:00Z', 0, 'on a Monday, at six in the evening'],
  ['2026-11-22T11:00:00Z', 0, 'on a Sunday, at noon'],
  ['2026-07-20T06:00:00Z', 3, 'on a Monday in summer, at eight local time'],
  ['2026-03-30T06:00:00Z', 3, 'on the Monday after the clocks went forward, at eight'],
  ['2026-10-26T06:30:00Z', 0, 'on the Monday after the clocks went back, at half past seven'],
])('at %s minTasks is %d: %s', (iso, minTasks) => {
  expect(at(iso)).toMatchObject({ minTasks, maxTasks: minTasks === 0 ? 10 : 40 });
});

test('a window across midnight and a weekend stays open', () => {
  const weekend = { from: '0 20 * * 5', to: '0 6 * * 1', timeZone: 'America/New_York', maxTasks: 2 };
  const limits = policyAt({ policy: { maxTasks: 10 }, schedules: [weekend] }, Date.parse('2026-11-22T03:00:00Z'));
  expect(limits.maxTasks).toBe(2);
});

test('of two open windows, the one later in the list sets the limits that it names', () => {
  const always = { from: '* * * * *', to: '0 0 30 2 *', timeZone: 'UTC' };
  const schedules = [
    { ...always, minTasks: 2, maxTasks: 20 },
    { ...always, minTasks: 5 },
  ];
  expect(policyAt({ policy: {}, schedules }, Date.parse('2026-11-23T12:00:00Z'))).toEqual({
    minTasks: 5,
    maxTasks: 20,
  });
});

test('all problems with a schedule are reported', () => {
  const { error } = scheduleSchema.safeParse({
    from: 'at eight',
    to: '0 18 * * *',
    timeZone: 'Berlin',
    minTasks: 5,
    maxTasks: 2,
  });
  expect(error?.message).toContain('not a cron expression');
  expect(error?.message).toContain('unknown time zone');
  const upside = scheduleSchema.safeParse({ ...office, minTasks: 50 });
  expect(upside.error?.message).toContain('minTasks must be at most maxTasks');
  expect(poolConfigSchema.shape.schedules.safeParse([office]).success).toBe(true);
});
