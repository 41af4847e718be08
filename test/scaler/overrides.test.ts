import { overrule, readOverrides } from '../../scaler/read/overrides.ts';

const tag = (name: string, value: string) => ({ key: `elastic-workers:${name}`, value });

test('tags pause a pool and set its limits, and other tags are ignored', () => {
  const tags = [tag('paused', 'true'), tag('min-tasks', '0'), tag('max-tasks', '7'), { key: 'team', value: 'x' }, {}];
  expect(readOverrides(tags)).toEqual({ policy: { paused: true, minTasks: 0, maxTasks: 7 }, problems: [] });
  expect(readOverrides([])).toEqual({ policy: {}, problems: [] });
});

test.each([
  ['paused', 'yes'],
  ['paused', ''],
  ['min-tasks', '-1'],
  ['min-tasks', '2.5'],
  ['min-tasks', ''],
  ['min-tasks', 'Infinity'],
  ['max-tasks', '0'],
  ['max-tasks', '5001'],
  ['max-tasks', ' 5'],
])('a tag %s with the value %j is reported and ignored', (name, value) => {
  const { policy, problems } = readOverrides([tag(name, value)]);
  expect(policy).toEqual({});
  expect(problems).toEqual([
    expect.stringMatching(`elastic-workers:${name} is ignored: it must be .* got ${JSON.stringify(value)}`),
  ]);
});

test('a hostile value is shortened, and stays on one line', () => {
  const { problems } = readOverrides([tag('paused', `no\n${'x'.repeat(300)}`)]);
  expect(problems[0]).not.toContain('\n');
  expect(problems[0]!.length).toBeLessThan(200);
});

test('limits that contradict each other are both ignored', () => {
  const { policy, problems } = readOverrides([tag('min-tasks', '9'), tag('max-tasks', '3')]);
  expect(policy).toEqual({});
  expect(problems).toHaveLength(1);
});

test('a limit set manually overrides the policy, and adjusts its other limit', () => {
  const policy = { minTasks: 2, maxTasks: 10, slotsPerTask: 4 };
  const byHand = (name: string, value: string) => overrule(policy, readOverrides([tag(name, value)]));
  expect(byHand('min-tasks', '5')).toEqual({ ...policy, minTasks: 5 });
  expect(byHand('min-tasks', '50')).toEqual({ ...policy, minTasks: 50, maxTasks: 50 });
  expect(byHand('max-tasks', '1')).toEqual({ ...policy, minTasks: 1, maxTasks: 1 });
  expect(byHand('paused', 'true')).toEqual({ ...policy, paused: true });
});
