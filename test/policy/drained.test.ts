import fc from 'fast-check';
import { decide, DEFAULT_POLICY, type Policy, type TasksReading, type WorkerReading } from '../../scaler/policy.ts';

const policy: Policy = { ...DEFAULT_POLICY, minTasks: 3, slotsPerTask: 10 };
const queue = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };
const worker = (task: string): WorkerReading => ({
  key: `${task}-worker`,
  task,
  ageSeconds: 3,
  usedSlots: 1,
  slots: 10,
  processed: 0,
  failed: 0,
});

/** Ticks of one pool, with its memory. */
class Pool {
  #memory: unknown;
  #now = 0;
  readonly #policy: Policy;

  constructor(changes: Partial<Policy> = {}) {
    this.#policy = { ...policy, ...changes };
  }

  /** All running tasks report by default. */
  decide(tasks: Partial<TasksReading>, reporting = tasks.running ?? [], changes: Partial<Policy> = {}) {
    const all = { desired: 3, running: [], pending: [], cordoned: [], ...tasks };
    const signals = { activityQueue: queue, workflowQueue: queue, workers: reporting.map(worker), tasks: all };
    const { decision, memory } = decide(signals, this.#memory, { ...this.#policy, ...changes }, (this.#now += 10_000));
    this.#memory = memory;
    return decision;
  }
}

test('a drained task gets a successor first, and the count returns to normal once the successor has reported', () => {
  const pool = new Pool();
  const drained = ['b'];
  expect(pool.decide({ running: ['a', 'b', 'c'] })).toMatchObject({ desired: 3, cordon: [] });
  expect(pool.decide({ running: ['a', 'b', 'c'], drained })).toMatchObject({ desired: 4, cordon: ['b'] });
  const cordoned = ['b'];
  const starting = { desired: 4, running: ['a', 'b', 'c'], pending: ['d'], cordoned, drained };
  expect(pool.decide(starting)).toMatchObject({ desired: 4, cordon: ['b'] });
  const up = { desired: 4, running: ['a', 'b', 'c', 'd'], cordoned, drained };
  expect(pool.decide(up, ['a', 'b', 'c'])).toMatchObject({ desired: 4, cordon: ['b'] });
  expect(pool.decide(up)).toMatchObject({ desired: 3, cordon: ['b'] });
  // It may work on for any time, and nothing changes meanwhile.
  const leaving = { running: ['a', 'b', 'c', 'd'], cordoned, drained };
  expect(pool.decide(leaving)).toMatchObject({ desired: 3, cordon: ['b'] });
  expect(pool.decide({ running: ['a', 'c', 'd'] })).toMatchObject({ desired: 3, cordon: [] });
});

test('in a pool that needs no replacement, a drained task gets no successor', () => {
  const pool = new Pool({ minTasks: 0 });
  expect(pool.decide({ desired: 0, running: ['a'], cordoned: ['a'], drained: ['a'] })).toMatchObject({
    desired: 0,
    cordon: ['a'],
  });
});

test('in a paused pool a drained task is replaced, and the fleet stays the same size', () => {
  const pool = new Pool({ minTasks: 0, paused: true });
  expect(pool.decide({ running: ['a', 'b', 'c'] })).toMatchObject({ desired: 3, reason: 'paused' });
  expect(pool.decide({ running: ['a', 'b', 'c'], drained: ['b'] })).toMatchObject({ desired: 4, reason: 'paused' });
  const up = { desired: 4, running: ['a', 'b', 'c', 'd'], cordoned: ['b'], drained: ['b'] };
  expect(pool.decide(up)).toMatchObject({ desired: 3, cordon: ['b'], reason: 'paused' });
});

test('during a deployment, the new revision’s task is the successor', () => {
  const pool = new Pool();
  pool.decide({ running: ['a', 'b', 'c'] });
  const outdated = ['a', 'b', 'c'];
  expect(pool.decide({ running: outdated, pending: ['d'], outdated, drained: ['b'] })).toMatchObject({ desired: 3 });
});

describe('a task with a final cordon', () => {
  const policyOfWork = { minTasks: 0, maxTasks: 10, slotsPerTask: 10, scaleInAfterSeconds: 0 };

  test('stays cordoned until it stops, and is not capacity: new tasks take the work that arrives', () => {
    const pool = new Pool({ minTasks: 1 });
    const leaving = { desired: 1, running: ['a', 'b', 'c'], cordoned: ['b', 'c'], final: ['b', 'c'] };
    pool.decide({ desired: 3, running: ['a', 'b', 'c'] });
    expect(pool.decide(leaving)).toMatchObject({ desired: 1, cordon: ['b', 'c'] });
    // Three are needed, and ECS counts the two cordoned ones: the count is five, and ECS starts two.
    expect(pool.decide(leaving, ['a'], { minTasks: 3 })).toMatchObject({ desired: 5, cordon: ['b', 'c'] });
    const up = { desired: 5, running: ['a', 'b', 'c', 'd', 'e'], cordoned: ['b', 'c'], final: ['b', 'c'] };
    expect(pool.decide(up, ['a', 'd', 'e'], { minTasks: 3 })).toMatchObject({ desired: 3, cordon: ['b', 'c'] });
  });

  test('has a worker whose free slots do not count', () => {
    const signals = (final: string[]) => ({
      activityQueue: { ...queue, backlog: 30, ageSeconds: 5 },
      workflowQueue: queue,
      workers: [worker('a'), worker('b')],
      tasks: { desired: 2, running: ['a', 'b'], pending: [], cordoned: final, ...(final.length > 0 && { final }) },
    });
    const desired = (final: string[]) =>
      decide(signals(final), undefined, { ...policy, ...policyOfWork }, 10_000).decision;
    expect(desired(['b']).desired).toBeGreaterThan(desired([]).desired);
    expect(desired(['b']).cordon).toEqual(['b']);
    expect(desired(['b']).detail).toContain('leaving for good: 1');
  });

  test('stays cordoned while other readings are unknown', () => {
    const tasks = { desired: 1, running: ['a', 'b'], pending: [], cordoned: ['b'], final: ['b'] };
    const unknown = { unknown: 'timeout' };
    const signals = { activityQueue: unknown, workflowQueue: unknown, workers: unknown, tasks };
    expect(decide(signals, undefined, policy, 10_000).decision.cordon).toEqual(['b']);
  });
});

test('however tasks start and stop, drained tasks stay cordoned, and only their successors are ordered', () => {
  const step = fc.record({ drains: fc.nat(4), starts: fc.boolean(), reports: fc.boolean(), leaves: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const pool = new Pool({ maxTasks: 3 });
      let desired = 3;
      let next = 0;
      let running = ['t1', 't2', 't3'];
      let pending: string[] = [];
      const silent = new Set<string>();
      const drained = new Set<string>();
      for (const { drains, starts, reports, leaves } of steps) {
        if (running[drains]) drained.add(running[drains]);
        if (reports) silent.clear();
        if (starts) {
          for (const task of pending) silent.add(task);
          running = [...running, ...pending];
          pending = [];
        }
        // ECS stops only surplus tasks, and only those without protection.
        const first = running.find((task) => drained.has(task));
        if (leaves && first && running.length + pending.length > desired) running = running.filter((t) => t !== first);
        while (running.length + pending.length < desired) pending.push(`n${(next += 1)}`);
        const all = new Set([...running, ...pending]);
        const present = [...drained].filter((task) => all.has(task));
        const reporting = running.filter((task) => !silent.has(task));
        const tasks = { desired, running, pending, cordoned: present, drained: present };
        const decision = pool.decide(tasks, reporting);
        expect(decision.cordon).toEqual(expect.arrayContaining(present));
        expect(decision.desired).toBeGreaterThanOrEqual(3);
        expect(decision.desired).toBeLessThanOrEqual(3 + present.length);
        ({ desired } = decision);
      }
    }),
  );
});
