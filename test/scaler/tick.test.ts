import type { PoolConfig } from '../../contract/pool-config.ts';
import type { Outcome, Reading } from '../../scaler/policy.ts';
import { tickUntilRelieved } from '../../scaler/loop.ts';
import type { Overrides } from '../../scaler/read/overrides.ts';
import type { UncordonedTasks } from '../../scaler/read/ecs.ts';
import type { TemporalSignals } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { OtherScalerError, type PoolState } from '../../scaler/act/state.ts';
import type { Ports, Session } from '../../scaler/ports.ts';
import { tick } from '../../scaler/tick.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import { Turn, type TurnTable } from '../../scaler/turn.ts';

/** Temporal, ECS and the state table as plain values, with a journal of everything that was done, in order. */
class FakePorts implements Ports {
  readonly pools: PoolConfig[];
  readonly journal: string[] = [];
  /** The pools that the workers were told are being deployed. */
  deploying: string[] = [];
  readonly reports = new Map<string, { record: TickRecord; outcome: Outcome; errors: string[] }>();
  readonly queued = new Map<string, number>();
  readonly tasks = new Map<string, Reading<UncordonedTasks>>();
  readonly addresses = new Map<string, string>();
  readonly workers: ReportedWorker[] = [];
  overrides: Overrides = { policy: {}, problems: [] };
  readonly cordons = new Set<string>();
  readonly stored = new Map<string, PoolState>();
  readonly broken = new Set<string>();
  /** Pools that are read when this settles. */
  readonly slow = new Map<string, Promise<void>>();
  /** Of the newest tick. */
  atRest: string[] = [];
  /** Where an earlier reading of the queues stands. */
  readSecondsAgo: number | undefined;

  constructor(...names: string[]) {
    this.pools = names.map((name) => ({
      pool: name,
      taskQueue: `${name}-queue`,
      cluster: 'cluster',
      service: name,
      taskRoleId: 'AROA',
      protection: 'worker',
      policy: { maxTasks: 10, slotsPerTask: 1, scaleInAfterSeconds: 30 },
    }));
    for (const name of names) this.hasTasks(name);
  }

  hasTasks(pool: string, ...running: string[]): void {
    this.tasks.set(pool, { desired: running.length, running, pending: [], outdated: [] });
  }

  temporal: Ports['temporal'] = {
    readEach: (pools) => {
      this.atRest = pools.filter(({ atRest }) => atRest).map(({ pool }) => pool);
      return new Map(pools.map(({ pool, taskQueue }) => [pool, this.#read(pool, taskQueue)]));
    },
  };

  ecs: Ports['ecs'] = {
    read: async () =>
      new Map(
        [...this.tasks].map(([pool, tasks]) => [pool, { tasks, addresses: this.addresses, overrides: this.overrides }]),
      ),
  };

  setDesired: Ports['setDesired'] = async (pool, desired) => this.#do('ecs', `${pool.pool}: desired ${desired}`);

  state: Ports['state'] = {
    load: async (pools) => {
      await this.#do('load', `load ${pools.join(' ')}`);
      const none: PoolState = { version: 0, memory: undefined, decision: undefined };
      return new Map(pools.map((pool) => [pool, this.stored.get(pool) ?? none]));
    },
    save: async (pool, state) => {
      await this.#do('save', `${pool}: remember`);
      const stored = this.stored.get(pool)?.version ?? 0;
      if (stored !== state.version) throw new OtherScalerError('another one');
      this.stored.set(pool, { ...state, version: stored + 1 });
      return stored + 1;
    },
    markTick: async (_now, mode, pools, due) => {
      if (due) await this.#do('mark', mode === 'act' ? 'mark' : 'mark as observing');
      this.deploying = [...pools].filter(([, tasks]) => tasks).map(([pool]) => pool);
    },
    cordoned: async (tasks) => {
      if (this.broken.has('cordons')) throw new Error('table down');
      return new Map([...tasks].map(([pool, ids]) => [pool.pool, ids.filter((id) => this.cordons.has(id))]));
    },
    cordon: async (pool, ids) => this.#do('cordon', `${pool.pool}: cordon ${ids.join(' ')}`),
    takeBack: async (pool, ids) => this.#do('cordon', `${pool.pool}: take back ${ids.join(' ')}`),
  };

  telemetry: Ports['telemetry'] = {
    report: (record, outcome, errors) => void this.reports.set(record.pool, { record, outcome, errors }),
  };

  async #do(part: string, entry: string): Promise<void> {
    if (this.broken.has(part)) throw new Error(`${part} is down`);
    this.journal.push(entry);
  }

  async #read(pool: string, taskQueue: string): Promise<TemporalSignals> {
    await this.slow.get(pool);
    return this.#signalsOf(taskQueue);
  }

  #signalsOf(taskQueue: string): TemporalSignals {
    if (this.broken.has(taskQueue)) {
      const unknown = { unknown: 'Temporal is down' };
      return { activityQueue: unknown, workflowQueue: unknown, workers: unknown };
    }
    const { readSecondsAgo } = this;
    const carried = readSecondsAgo === undefined ? {} : { readSecondsAgo };
    const queue = { ageSeconds: 1, addRate: 0, dispatchRate: 0, rateLimited: false, ...carried };
    return {
      activityQueue: { ...queue, backlog: this.queued.get(taskQueue) ?? 0 },
      workflowQueue: { ...queue, backlog: 0 },
      workers: this.workers,
    };
  }
}

const at = (seconds: number, mode: 'act' | 'observe' = 'act') => ({ mode, now: seconds * 1000, keeps: false });

/** A worker that has just reported. */
const worker = (name: string, state: { busy?: boolean; ageSeconds?: number } = {}): ReportedWorker => ({
  key: name,
  task: `1@${name}`,
  names: ['1', name],
  ageSeconds: state.ageSeconds ?? 2,
  usedSlots: Number(state.busy ?? false),
  slots: 1,
  processed: 0,
  failed: 0,
});

describe('a tick', () => {
  test('remembers before it acts', async () => {
    const world = new FakePorts('fast');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal).toEqual(['load fast', 'fast: remember', 'fast: desired 10']);
  });

  test('cordons who leaves before it lowers the count', async () => {
    const world = new FakePorts('fast');
    world.hasTasks('fast', 'a', 'b');
    world.workers.push(worker('a'), worker('b'));
    const session: Session = new Map();
    await tick(world.pools, session, world, at(0));
    world.journal.length = 0;
    await tick(world.pools, session, world, at(31));
    expect(world.journal).toEqual(['fast: remember', 'fast: cordon a b', 'fast: desired 0']);
  });

  test('takes cordoned tasks back before it raises the count', async () => {
    const world = new FakePorts('fast');
    world.tasks.set('fast', { desired: 0, running: ['a'], pending: [], outdated: [] });
    world.cordons.add('a');
    world.queued.set('fast-queue', 500);
    await tick(world.pools, new Map(), world, at(0));
    expect(world.journal.slice(2)).toEqual(['fast: take back a', 'fast: desired 10']);
  });

  test('changes nothing when nothing changed, and writes memory all the same when it is to be kept', async () => {
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
  test('each is decided on as soon as it is read: nobody waits for the slowest', async () => {
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

  test('only some are remembered and carried out at once, or most of the requests would run out of time', async () => {
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

  test('those at rest are told from those with work, with tasks, or of which something was unknown', async () => {
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

  test('an earlier reading of the queues stands for a pool without tasks only: nobody leaves by it', async () => {
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
  test('stands above the policy, and what could not be understood is an error of the pool', async () => {
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
  test('is cordoned and not taken back, whatever waits, and more is ordered as if it were not there', async () => {
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
  test('is final: whatever waits, it is not taken back, and more is ordered as if the task were not there', async () => {
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

test('workers are told which pools are being deployed', async () => {
  const world = new FakePorts('fast', 'slow');
  world.tasks.set('slow', { desired: 1, running: ['old', 'new'], pending: [], outdated: ['old'] });
  await tick(world.pools, new Map(), world, at(0));
  expect(world.deploying).toEqual(['slow']);
});

test('workers of other services are in the record, and told from those of a task that has stopped', async () => {
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

  test('to write memory lets a pool grow, but cordons nobody', async () => {
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

  test('to cordon leaves the count as it is: ECS must not choose who leaves', async () => {
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

  test('to read the cordons makes the tasks unknown, and the fleet stays', async () => {
    const world = new FakePorts('fast');
    world.hasTasks('fast', 'a');
    world.broken.add('cordons');
    const session: Session = new Map();
    for (const seconds of [0, 60, 120]) await tick(world.pools, session, world, at(seconds));
    expect(world.journal.filter((entry) => entry.includes('desired'))).toEqual([]);
    expect(world.reports.get('fast')?.outcome.decision.reason).toBe('unknown');
  });
});

describe('the loop', () => {
  /** A clock that stands still but for what sleeps and ticks take; the next invocation comes when `relievedMs` have passed. */
  async function run(tickSeconds: number, remainingMs: number, tickTakesMs: (n: number) => number, relievedMs = 1e9) {
    const start = 1_000_000;
    let now = start;
    const started: [number, boolean][] = [];
    const ticks = await tickUntilRelieved(
      async (at_, keeps) => {
        started.push([at_ - start, keeps]);
        now += tickTakesMs(started.length);
      },
      {
        tickSeconds,
        clock: { now: () => now, sleep: async (milliseconds) => void (now += milliseconds) },
        remainingMs,
        isRelieved: async () => now - start >= relievedMs,
      },
    );
    return { ticks, started, ended: now - start };
  }

  test('ticks at its pace until the next invocation waits, and keeps what is remembered in its last tick', async () => {
    const { started, ended } = await run(10, 150_000, () => 200, 33_000);
    expect(started.map(([at_]) => at_)).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
    expect(started.map(([, keeps]) => keeps)).toEqual([false, false, false, false, true]);
    expect(ended).toBe(40_200);
  });

  test('without a next invocation it ends in time for the platform, and keeps what is remembered meanwhile', async () => {
    const { started, ended } = await run(10, 150_000, () => 200);
    expect(started.at(-1)).toEqual([130_000, true]);
    expect(started.filter(([, keeps]) => keeps).map(([at_]) => at_)).toEqual([80_000, 130_000]);
    expect(ended).toBeLessThan(150_000);
  });

  test('a slow tick is followed at the next whole step, never by two at once', async () => {
    const { started } = await run(10, 65_000, (n) => (n === 2 ? 13_000 : 200));
    expect(started.map(([at_]) => at_)).toEqual([0, 10_000, 30_000, 40_000, 50_000]);
  });

  test('an invocation that starts with little time left still ticks once', async () => {
    expect((await run(10, 3000, () => 200)).started).toEqual([[0, true]]);
  });
});

describe('the turn', () => {
  /** The table that invocations share, and a clock that goes on only while somebody sleeps. */
  function shared() {
    const items: { newest?: string; ticking?: string; since: number } = { since: 0 };
    const events: [at: number, happen: () => void][] = [];
    const clock = {
      time: 1_000_000,
      now: () => clock.time,
      sleep: async (milliseconds: number) => {
        clock.time += milliseconds;
        for (const [at_, happen] of events) if (at_ <= clock.time - 1_000_000) happen();
      },
    };
    const table: TurnTable = {
      announce: async (newest) => void Object.assign(items, { newest }),
      readTurn: async () => items,
      beginTurn: async (ticking, since) => void Object.assign(items, { ticking, since }),
      endTurn: async (ended) => void (items.ticking === ended && delete items.ticking),
    };
    const turn = (name: string, of = table) => new Turn(of, clock, name);
    return { items, clock, events, table, turn };
  }

  test('of the next invocation begins when the one before has written what it remembers', async () => {
    const { items, clock, events, turn } = shared();
    const [older, newer] = [turn('older'), turn('newer')];
    expect(await older.begin(20_000)).toBe(true);
    expect(await older.isAwaited()).toBe(false);
    events.push([7000, () => void older.end()]);
    const begun = newer.begin(20_000);
    expect(await older.isAwaited()).toBe(true);
    expect(await begun).toBe(true);
    expect(clock.now() - 1_000_000).toBe(7000);
    expect(items.ticking).toBe('newer');
  });

  test('is the newest’s: one that waited is not needed any more', async () => {
    const { events, table, turn } = shared();
    await turn('older').begin(20_000);
    events.push([3000, () => void table.announce('newest')]);
    expect(await turn('newer').begin(20_000)).toBe(false);
  });

  test('comes after a while although the one before says nothing, and at once where that has ended long ago', async () => {
    const { items, clock, turn } = shared();
    await turn('dead').begin(20_000);
    expect(await turn('next').begin(20_000)).toBe(true);
    expect(clock.now() - 1_000_000).toBe(20_000);
    items.since = clock.now() - 151_000;
    expect(await turn('later').begin(20_000)).toBe(true);
    expect(clock.now() - 1_000_000).toBe(20_000);
  });

  test('waits for nobody without the table', async () => {
    const { table, turn } = shared();
    const down = async () => Promise.reject(new Error('down'));
    const alone = turn('alone', { ...table, announce: down, readTurn: down, endTurn: down });
    expect(await alone.begin(20_000)).toBe(true);
    expect(await alone.isAwaited()).toBe(false);
    await alone.end();
  });
});
