import type { Session } from '../../scaler/ports.ts';
import { tick } from '../../scaler/tick.ts';
import { at, FakePorts, worker } from './fake-ports.ts';

describe('a tick', () => {
  test('remembers before it acts', async () => {
    const world = new FakePorts('fast');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal).toEqual(['load fast', 'fast: remember', 'fast: desired 10']);
  });

  test('cordons the tasks to remove before it lowers the count', async () => {
    const world = new FakePorts('fast');
    world.hasTasks('fast', 'a', 'b');
    world.workers.push(worker('a'), worker('b'));
    const session: Session = new Map();
    await tick(world.pools, session, world, at(0));
    world.journal.length = 0;
    await tick(world.pools, session, world, at(31));
    expect(world.journal).toEqual(['fast: remember', 'fast: cordon a b', 'fast: desired 0']);
  });

  test('lifts cordons before it raises the count', async () => {
    const world = new FakePorts('fast');
    world.tasks.set('fast', { desired: 0, running: ['a'], pending: [], outdated: [] });
    world.cordons.add('a');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal.slice(2)).toEqual(['fast: take back a', 'fast: desired 10']);
  });

  test('changes nothing when nothing changed, but writes memory if it is told to keep it', async () => {
    const world = new FakePorts('fast');
    const session: Session = new Map();
    await tick(world.pools, session, world, at(0));
    world.journal.length = 0;
    await tick(world.pools, session, world, at(10));
    expect(world.journal).toEqual([]);
    await tick(world.pools, session, world, { ...at(20), keeps: true });
    expect(world.journal.toSorted()).toEqual(['fast: remember', 'mark']);
  });

  test('in observe mode decides and reports, but neither cordons nor sets a count', async () => {
    const world = new FakePorts('fast');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(0, 'observe'));
    await tick(world.pools, new Map(), world, { ...at(1, 'observe'), keeps: true });
    expect(new Set(world.journal)).toEqual(new Set(['load fast', 'fast: remember', 'mark as observing']));
    expect(world.reports.get('fast')?.outcome.decision.desired).toBe(10);
  });

  test('of two scalers, the one whose memory is outdated does nothing, and goes on from the newer', async () => {
    const world = new FakePorts('fast');
    const ours: Session = new Map();
    const theirs: Session = new Map();
    await tick(world.pools, ours, world, at(0));
    await tick(world.pools, theirs, world, at(1));
    world.queued.set('fast-queue', 500);
    await tick(world.pools, theirs, world, at(2));
    world.journal.length = 0;
    await tick(world.pools, ours, world, at(3));
    expect(world.journal).toEqual(['fast: remember']);
    expect(world.reports.get('fast')?.errors[0]).toContain('OtherScalerError');
    await tick(world.pools, ours, world, at(4));
    expect(world.journal).toContain('load fast');
  });
});

describe('of many pools', () => {
  test('each is decided on as soon as it is read: none waits for the slowest', async () => {
    const world = new FakePorts('slow', 'fast');
    world.queued.set('fast-queue', 500);
    const slow = Promise.withResolvers<void>();
    world.slow.set('slow', slow.promise);
    const reported = Promise.withResolvers<void>();
    const { report } = world.telemetry;
    world.telemetry.report = (...told) => {
      report(...told);
      reported.resolve();
    };
    const ticked = tick(world.pools, new Map(), world, at(0));
    await reported.promise;
    expect(world.journal).toContain('fast: desired 10');
    expect([...world.reports.keys()]).toEqual(['fast']);
    slow.resolve();
    await ticked;
    expect([...world.reports.keys()]).toEqual(['fast', 'slow']);
  });

  test('only some are remembered and acted on at a time, or most of the requests would time out', async () => {
    const world = new FakePorts(...Array.from({ length: 100 }, (_, number) => `p${number}`));
    const { save } = world.state;
    let open = 0;
    let most = 0;
    world.state.save = async (...saved) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return save(...saved);
    };
    await tick(world.pools, new Map(), world, at(0));
    expect(world.stored.size).toBe(100);
    expect(most).toBe(25);
  });

  test('those at rest are distinguished from those with work, with tasks, or with an unknown reading', async () => {
    const world = new FakePorts('resting', 'working', 'staffed', 'unread');
    world.queued.set('working-queue', 500);
    world.hasTasks('staffed', 'a');
    world.broken.add('unread-queue');
    const session: Session = new Map();
    await tick(world.pools, session, world, at(0));
    expect(world.atRest).toEqual([]);
    await tick(world.pools, session, world, { ...at(10), keeps: true });
    expect(world.atRest).toEqual(['resting']);

    await tick(world.pools, new Map(), world, at(20));
    expect(world.atRest).toEqual(['resting']);
  });

  test('an earlier reading of the queues is used only for a pool without tasks: it removes none', async () => {
    const world = new FakePorts('resting', 'staffed');
    world.readSecondsAgo = 12;
    world.hasTasks('staffed', 'a');
    const session: Session = new Map();
    for (const seconds of [0, 100, 200]) await tick(world.pools, session, world, at(seconds));
    const reasonOf = (pool: string) => world.reports.get(pool)?.outcome.decision.reason;
    expect(reasonOf('resting')).toBe('idle');
    expect(reasonOf('staffed')).toBe('unknown');
    expect(world.journal.filter((entry) => /cordon|desired/.test(entry))).toEqual([]);
  });
});

describe('what a person has tagged', () => {
  test('overrides the policy, and an invalid tag is an error of the pool', async () => {
    const world = new FakePorts('fast');
    world.queued.set('fast-queue', 500);
    world.overrides = { policy: { maxTasks: 3 }, problems: ['a tag is odd'] };
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal).toContain('fast: desired 3');
    expect(world.reports.get('fast')?.errors).toEqual(['a tag is odd']);

    world.overrides = { policy: { paused: true }, problems: [] };
    world.journal.length = 0;
    await tick(world.pools, new Map(), world, at(10));
    expect(world.journal.filter((entry) => entry.includes('desired'))).toEqual([]);
    expect(world.reports.get('fast')?.outcome.decision.reason).toBe('paused');
  });
});

describe('a task that a person drains', () => {
  test('stays cordoned, whatever waits, and more tasks are ordered as if it were not there', async () => {
    const world = new FakePorts('fast');
    world.tasks.set('fast', { desired: 2, running: ['a', 'b'], pending: [], outdated: [], drained: ['a'] });
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal).toContain('fast: cordon a');
    expect(world.reports.get('fast')?.record.tasks).toMatchObject({ drained: ['a'] });

    world.cordons.add('a');
    world.queued.set('fast-queue', 500);
    world.journal.length = 0;
    await tick(world.pools, new Map(), world, at(10));
    expect(world.journal.filter((entry) => /cordon|take back/.test(entry))).toEqual([]);
    expect(world.journal).toContain('fast: desired 11');
  });
});

describe('a cordon beside a sidecar', () => {
  test('is final: whatever waits, it stays, and more tasks are ordered as if the cordoned one were not there', async () => {
    const world = new FakePorts('fast');
    world.pools[0]!.protection = 'sidecar';
    world.tasks.set('fast', { desired: 1, running: ['a', 'b'], pending: [], outdated: [] });
    world.cordons.add('a');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(10));
    expect(world.journal.filter((entry) => /cordon|take back/.test(entry))).toEqual([]);
    expect(world.journal).toContain('fast: desired 11');
    expect(world.reports.get('fast')?.record.tasks).toMatchObject({ cordoned: ['a'], final: ['a'] });
  });
});

test('workers learn which pools are being deployed', async () => {
  const world = new FakePorts('fast', 'slow');
  world.tasks.set('slow', { desired: 1, running: ['old', 'new'], pending: [], outdated: ['old'] });
  await tick(world.pools, new Map(), world, at(0));
  expect(world.deploying).toEqual(['slow']);
});

test('workers of other services are in the record, distinguished from those of a stopped task', async () => {
  const world = new FakePorts('fast');
  const stopped = 'f'.repeat(32);
  world.hasTasks('fast', 'a');
  world.workers.push(worker('a'), { ...worker('b'), task: stopped, names: [stopped] }, worker('somebody'));
  await tick(world.pools, new Map(), world, at(0));
  const { workers } = world.reports.get('fast')!.record;
  expect(workers).toMatchObject([{ task: 'a' }, { task: stopped }, { task: null }]);
});

describe('a failure', () => {
  test('of one pool leaves the others their tick', async () => {
    const world = new FakePorts('sick', 'well');
    world.broken.add('sick-queue');
    world.tasks.set('sick', { unknown: 'AccessDeniedException' });
    world.queued.set('well-queue', 500);
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal).toContain('well: desired 10');
    expect(world.journal.filter((entry) => entry.startsWith('sick: desired'))).toEqual([]);
  });

  const names = Array.from({ length: 100 }, (_, number) => `p${number}`);
  const BAD = 'p42';

  function refuse(pool: string): void {
    if (pool === BAD) throw new Error('AccessDeniedException');
  }

  test.each<[string, (world: FakePorts) => void]>([
    ['whose queue cannot be read', (world) => world.broken.add(`${BAD}-queue`)],
    ['whose service cannot be read', (world) => world.tasks.set(BAD, { unknown: 'ServiceNotFoundException' })],
    ['whose memory cannot be read', (world) => world.stored.set(BAD, { version: 7, memory: 'x', decision: undefined })],
    [
      'whose memory cannot be written',
      ({ state }) => {
        const { save } = state;
        state.save = async (pool, ...rest) => (refuse(pool), save(pool, ...rest));
      },
    ],
    [
      'whose count cannot be set',
      (world) => {
        const { setDesired } = world;
        world.setDesired = async (config, count) => (refuse(config.pool), setDesired(config, count));
      },
    ],
    [
      'whose limits make no sense',
      (world) => (world.pools[42]!.policy = { minTasks: 9, maxTasks: -1, slotsPerTask: 0 }),
    ],
  ])('of one pool of a hundred, %s, leaves the others their tick', async (_title, fail) => {
    const world = new FakePorts(...names);
    for (const name of names) world.queued.set(`${name}-queue`, 500);
    fail(world);
    await tick(world.pools, new Map(), world, at(0));
    const others = names.filter((name) => name !== BAD);
    expect(world.journal.filter((entry) => entry.endsWith('desired 10'))).toEqual(
      expect.arrayContaining(others.map((name) => `${name}: desired 10`)),
    );
    expect([...world.reports.keys()].toSorted()).toEqual(names.toSorted());
    expect(world.journal.filter((entry) => entry.startsWith(`${BAD}: cordon`))).toEqual([]);
  });

  test('to write memory lets a pool scale out, but cordons no task', async () => {
    const growing = new FakePorts('fast');
    growing.broken.add('save');
    growing.queued.set('fast-queue', 500);
    await tick(growing.pools, new Map(), growing, at(0));
    expect(growing.journal).toContain('fast: desired 10');

    const shrinking = new FakePorts('fast');
    shrinking.hasTasks('fast', 'a');
    const session: Session = new Map();
    await tick(shrinking.pools, session, shrinking, at(0));
    shrinking.broken.add('save');
    shrinking.journal.length = 0;
    await tick(shrinking.pools, session, shrinking, at(60));
    expect(shrinking.journal).toEqual([]);
  });

  test('to cordon leaves the count as it is: ECS must not choose which task to remove', async () => {
    const world = new FakePorts('fast');
    world.hasTasks('fast', 'a');
    world.workers.push(worker('a'));
    const session: Session = new Map();
    await tick(world.pools, session, world, at(0));
    world.broken.add('cordon');
    world.journal.length = 0;
    await tick(world.pools, session, world, at(60));
    expect(world.journal).toEqual(['fast: remember']);
    expect(world.reports.get('fast')?.errors).toEqual(['Error: cordon is down']);
  });

  test('to read the cordons makes the tasks unknown, and the fleet stays the same size', async () => {
    const world = new FakePorts('fast');
    world.hasTasks('fast', 'a');
    world.broken.add('cordons');
    const session: Session = new Map();
    for (const seconds of [0, 60, 120]) await tick(world.pools, session, world, at(seconds));
    expect(world.journal.filter((entry) => entry.includes('desired'))).toEqual([]);
    expect(world.reports.get('fast')?.outcome.decision.reason).toBe('unknown');
  });
});
