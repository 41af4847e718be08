/** What the service scheduler may and must do, for arbitrary fleets. */
import fc from 'fast-check';
import { MAXIMUM_PERCENT, MINIMUM_HEALTHY_PERCENT } from '../../contract/deployment.ts';
import { nextZone, planTasks } from '../../local/fargate/plan.ts';
import type { PlannedTask, WantedTasks } from '../../local/fargate/plan.ts';

const wantedTasks: fc.Arbitrary<WantedTasks> = fc.record({
  desiredCount: fc.nat(12),
  maximumPercent: fc.integer({ min: 100, max: 250 }),
  minimumHealthyPercent: fc.integer({ min: 0, max: 100 }),
  deploymentId: fc.constant('new'),
  rebalanced: fc.constantFrom<string[]>([], ['a', 'b', 'c']),
});
const fleets: fc.Arbitrary<PlannedTask[]> = fc.uniqueArray(
  fc.record({
    id: fc.nat(1000).map(String),
    deploymentId: fc.constantFrom('new', 'old', 'older'),
    zone: fc.constantFrom('a', 'b', 'c'),
    isRunning: fc.boolean(),
    isProtected: fc.boolean(),
  }),
  { selector: ({ id }) => id, maxLength: 30 },
);
const random = () => 0.5;

test('A protected task is never stopped.', () => {
  fc.assert(
    fc.property(wantedTasks, fleets, (wanted, tasks) => {
      const { stop } = planTasks(wanted, tasks, random);
      expect(tasks.filter(({ id, isProtected }) => isProtected && stop.includes(id))).toEqual([]);
    }),
  );
});

test('A deployment launches no task beyond maximumPercent.', () => {
  fc.assert(
    fc.property(wantedTasks, fleets, (wanted, tasks) => {
      const { launch } = planTasks(wanted, tasks, random);
      fc.pre(wanted.rebalanced.length === 0);
      const limit = Math.floor((wanted.desiredCount * wanted.maximumPercent) / 100);
      expect(launch === 0 || tasks.length + launch <= limit).toBe(true);
    }),
  );
});

test('With the template’s maximumPercent, all new tasks start at once, however many old ones finish their work.', () => {
  fc.assert(
    fc.property(wantedTasks, fleets, (wanted, tasks) => {
      const old = tasks.map((task) => ({ ...task, deploymentId: 'old', isProtected: true }));
      const many = Array.from({ length: 100 }, (_, copy) => old.map((task) => ({ ...task, id: `${task.id}-${copy}` })));
      fc.pre(old.length > 0);
      const template = { ...wanted, maximumPercent: MAXIMUM_PERCENT, minimumHealthyPercent: MINIMUM_HEALTHY_PERCENT };
      expect(planTasks(template, many.flat(), random)).toMatchObject({ launch: wanted.desiredCount, stop: [] });
    }),
  );
});

test('A deployment keeps minimumHealthyPercent running, if that many ran before.', () => {
  fc.assert(
    fc.property(wantedTasks, fleets, (wanted, tasks) => {
      fc.pre(tasks.filter(({ deploymentId }) => deploymentId === 'new').length <= wanted.desiredCount);
      const { stop } = planTasks(wanted, tasks, random);
      const healthy = Math.ceil((wanted.desiredCount * wanted.minimumHealthyPercent) / 100);
      const running = tasks.filter(({ isRunning }) => isRunning);
      const left = running.filter(({ id }) => !stop.includes(id));
      expect(left.length).toBeGreaterThanOrEqual(Math.min(healthy, running.length));
    }),
  );
});

test('Every fleet ends up with the desired count of new tasks plus the protected ones.', () => {
  const movable = wantedTasks.filter(
    ({ desiredCount, maximumPercent, minimumHealthyPercent }) =>
      desiredCount === 0 ||
      Math.floor((desiredCount * maximumPercent) / 100) > Math.ceil((desiredCount * minimumHealthyPercent) / 100),
  );
  fc.assert(
    fc.property(movable, fleets, (wanted, start) => {
      const unprotectedStart = start.map((task) => ({ ...task, isProtected: false }));
      const end = settle(wanted, unprotectedStart);
      expect(end.map(({ deploymentId }) => deploymentId)).toEqual(Array(wanted.desiredCount).fill('new'));
    }),
  );
});

const TWO = { desiredCount: 2, maximumPercent: 200, minimumHealthyPercent: 100, deploymentId: 'new' };

test('With availability zone rebalancing, a task is started, and then one in the fullest zone is stopped.', () => {
  const wanted = { ...TWO, desiredCount: 4, rebalanced: ['a', 'b'] };
  const task = (id: string, zone: string, changes: Partial<PlannedTask> = {}): PlannedTask => ({
    id,
    zone,
    deploymentId: 'new',
    isRunning: true,
    isProtected: false,
    ...changes,
  });
  const uneven = [task('1', 'a'), task('2', 'a'), task('3', 'a'), task('4', 'b')];
  expect(planTasks({ ...wanted, rebalanced: [] }, uneven, random)).toEqual({
    launch: 0,
    stop: [],
    rebalances: false,
  });
  expect(planTasks(wanted, uneven, random)).toEqual({ launch: 1, stop: [], rebalances: true });
  expect(planTasks(wanted, [...uneven, task('5', 'b', { isRunning: false })], random).stop).toEqual([]);
  expect(planTasks(wanted, [...uneven, task('5', 'b', { isRunning: true })], random).stop).toEqual(['1']);
  const [first, ...others] = uneven;
  const held = [{ ...first!, isProtected: true }, ...others, task('5', 'b')];
  expect(planTasks(wanted, held, random).stop).toEqual(['2']);
});

test('Scale-in stops tasks first that are not running yet.', () => {
  const tasks = ['a', 'b', 'c', 'd'].map((id) => ({
    id,
    deploymentId: 'new',
    zone: 'a',
    isRunning: id < 'c',
    isProtected: false,
  }));
  const wanted = { ...TWO, rebalanced: [] };
  expect(planTasks(wanted, tasks, random).stop.sort()).toEqual(['c', 'd']);
});

/** Executes plans, with tasks that start at once, until a plan has nothing to do. */
function settle(wanted: WantedTasks, start: PlannedTask[]): PlannedTask[] {
  let tasks = start;
  for (let round = 0; round < 200; round += 1) {
    const { launch, stop } = planTasks(wanted, tasks, random);
    if (launch === 0 && stop.length === 0 && tasks.every(({ isRunning }) => isRunning)) return tasks;
    const launched = Array.from({ length: launch }, (_, index) => ({
      id: `new-${round}-${index}`,
      deploymentId: 'new',
      zone: nextZone(
        ['a', 'b', 'c'],
        tasks.map(({ zone }) => zone),
      ),
      isRunning: false,
      isProtected: false,
    }));
    const kept = tasks.filter(({ id }) => !stop.includes(id)).map((task) => ({ ...task, isRunning: true }));
    tasks = [...kept, ...launched];
  }
  throw new Error('the fleet never settles');
}
