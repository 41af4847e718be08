/** How the fleet scales in. */
import { decide } from '../../scaler/policy.ts';
import { policy, second, worker, running, signals } from './fixtures.ts';

describe('scaling in', () => {
  const idle = signals({ workers: [worker('a', 0), worker('b', 0)], tasks: running('a', 'b') });
  const patient = { ...policy, scaleInAfterSeconds: 60 };

  test('waits at least as long as the owner says, then goes to the minimum', () => {
    const first = decide(idle, undefined, patient, 0);
    expect(first.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const later = decide(idle, first.memory, patient, 59 * second);
    expect(later.decision).toMatchObject({ desired: 2, reason: 'cooling' });
    const last = decide(idle, later.memory, patient, 61 * second);
    expect(last.decision).toMatchObject({ desired: 0, reason: 'scale-in' });
    expect(last.decision.cordon.toSorted()).toEqual(['a', 'b']);
  });

  test('does not count a period of unknown readings as quiet time', () => {
    const first = decide(idle, undefined, patient, 0);
    const blind = decide({ ...idle, workers: { unknown: 'down' } }, first.memory, patient, 50 * second);
    expect(blind.decision).toMatchObject({ desired: 2, reason: 'unknown' });
    const after = decide(idle, blind.memory, patient, 61 * second);
    expect(after.decision.desired).toBe(2);
    expect(decide(idle, after.memory, patient, 111 * second).decision.desired).toBe(0);
  });

  /** One task, busy for half a minute at a time. */
  class Habit {
    #memory: unknown;
    #at = 0;

    #decide(usedSlots: number, seconds: number): number {
      const now = (this.#at += seconds) * second;
      const seen = signals({ workers: [worker('a', usedSlots)], tasks: running('a') });
      const { decision, memory } = decide(seen, this.#memory, policy, now);
      this.#memory = memory;
      return decision.desired;
    }

    work(rounds: number, gapSeconds: number, tickSeconds = 10): this {
      for (let round = 0; round < rounds; round += 1) {
        for (let tick = 0; tick < 3; tick += 1) this.#decide(8, 10);
        for (let gap = 0; gap < gapSeconds; gap += tickSeconds) this.#decide(0, tickSeconds);
      }
      return this;
    }

    /** For how long the task is kept after work. */
    keptSeconds(): number {
      this.#decide(8, 10);
      let seconds = 10;
      while (this.#decide(0, 10) > 0) seconds += 10;
      return seconds;
    }
  }

  test('keeps tasks if work has always returned soon, and removes them at once if it never has', () => {
    expect(new Habit().work(20, 20).keptSeconds()).toBeGreaterThanOrEqual(20);
    expect(new Habit().work(20, 600).keptSeconds()).toBeLessThanOrEqual(20);
  });

  test('forgets a habit within days: last week’s does not outweigh today’s', () => {
    const habit = new Habit().work(1500, 30);
    expect(habit.keptSeconds()).toBeGreaterThanOrEqual(30);
    expect(habit.work(5 * 24, 3600, 450).keptSeconds()).toBeLessThanOrEqual(20);
  });

  test('keeps all tasks if a namespace’s workers report nothing: no report does not mean idle', () => {
    const tasks = running(...'abcdefghijkl');
    let memory: unknown;
    for (let at = 0; at <= 3600; at += 10) {
      const outcome = decide(signals({ tasks }), memory, policy, at * second);
      memory = outcome.memory;
      if (at <= 80) continue;
      expect(outcome.decision).toMatchObject({ desired: 12, cordon: [], reason: 'unknown' });
      expect(outcome.figures.unreportedTasks).toBe(12);
    }
  });

  test('keeps tasks that no longer report, and removes those that report to be idle', () => {
    const ids = [...'abcdefghij'];
    const all = ids.map((id) => worker(id, 5));
    let { memory } = decide(signals({ workers: all, tasks: running(...ids) }), undefined, policy, 0);
    const forgotten = ids.slice(0, 5);
    const idle = ids.slice(5).map((id) => worker(id, 0));
    let tasks = running(...ids);
    for (let at = 10; at <= 3600; at += 10) {
      const outcome = decide(signals({ workers: idle, tasks }), memory, policy, at * second);
      memory = outcome.memory;
      expect(forgotten.filter((task) => outcome.decision.cordon.includes(task))).toEqual([]);
      const left = tasks.running.filter((task) => !outcome.decision.cordon.includes(task));
      tasks = { ...running(...left), desired: outcome.decision.desired };
    }
    expect(tasks.running.toSorted()).toEqual(forgotten);
  });

  test('never orders tasks because others report nothing', () => {
    const tasks = running(...'abcdef');
    let memory: unknown;
    for (let at = 0; at <= 600; at += 10) {
      const { decision, memory: next } = decide(
        signals({ workers: [worker('a', 2)], tasks }),
        memory,
        policy,
        at * second,
      );
      memory = next;
      expect(decision.desired).toBeLessThanOrEqual(6);
    }
  });

  test('treats workers with an unknown task as those of tasks without a report', () => {
    const tasks = running('a', 'b');
    const workers = ['a', 'b'].map((task) => ({ ...worker(task, 0), task: null }));
    let memory: unknown;
    let desired = 2;
    for (let at = 0; at <= 600; at += 10) {
      const outcome = decide(signals({ workers, tasks: { ...tasks, desired } }), memory, policy, at * second);
      ({ memory } = outcome);
      ({ desired } = outcome.decision);
    }
    expect(desired).toBe(0);
  });

  test('removes tasks not yet running first, then those already cordoned, then the least busy', () => {
    const tasks = { desired: 5, running: ['a', 'b', 'c', 'd'], pending: ['e'], cordoned: ['d'] };
    const workers = [worker('a', 9), worker('b', 2), worker('c', 5), worker('d', 7)];
    const { decision } = decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks: 3 }, 0);
    expect(decision).toMatchObject({ desired: 3, cordon: ['e', 'd'] });
  });

  test('removes Spot tasks before others, so that the on-demand base stays unchanged', () => {
    const tasks = { ...running('base', 'spot1', 'spot2', 'spot3'), spot: ['spot1', 'spot2', 'spot3'] };
    const workers = [worker('base', 0), worker('spot1', 4), worker('spot2', 2), worker('spot3', 6)];
    const most = (maxTasks: number) => decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks }, 0);
    expect(most(2).decision.cordon).toEqual(['spot2', 'spot1']);
    expect(most(1).decision.cordon).toEqual(['spot2', 'spot1', 'spot3']);
  });

  test('removes an idle on-demand task before a Spot task whose report is missing', () => {
    const tasks = { ...running('base', 'spot1', 'spot2'), spot: ['spot1', 'spot2'] };
    const workers = [worker('base', 0), worker('spot1', 0)];
    const most = (maxTasks: number) => decide(signals({ workers, tasks }), undefined, { ...policy, maxTasks }, 0);
    expect(most(1).decision.cordon).toEqual(['spot1', 'base']);
  });

  test('removes tasks of the fullest availability zone among equals', () => {
    const ids = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'];
    const zones = [ids.slice(0, 4), ids.slice(4, 6), ids.slice(6)];
    const left = (maxTasks: number, busy: Record<string, number> = {}) => {
      const workers = ids.map((id) => worker(id, busy[id] ?? 1));
      const read = signals({ workers, tasks: { ...running(...ids), zones } });
      const { cordon } = decide(read, undefined, { ...policy, maxTasks }, 0).decision;
      return zones.map((zone) => zone.filter((id) => !cordon.includes(id)).length);
    };
    expect(left(5)).toEqual([2, 2, 1]);
    expect(left(3)).toEqual([1, 1, 1]);
    // What they hold counts before their zone.
    expect(left(6, { a1: 5, a2: 5, a3: 5, a4: 5, b1: 5, b2: 5, c1: 0 })).toEqual([4, 2, 0]);
  });

  test('removes a task that has not reported last: what it holds is unknown', () => {
    const read = signals({ workers: [worker('a', 9)], tasks: running('a', 'silent') });
    expect(decide(read, undefined, { ...policy, maxTasks: 1 }, 0).decision).toMatchObject({
      desired: 1,
      cordon: ['a'],
    });
  });

  test('removes only the old revision’s tasks during a deployment, and only as the new ones start', () => {
    const workers = [worker('old1', 10), worker('old2', 8), worker('new1', 0)];
    const tasks = {
      desired: 2,
      running: ['old1', 'old2', 'new1'],
      pending: ['new2'],
      cordoned: [],
      outdated: ['old1', 'old2'],
    };
    const paused = { ...policy, paused: true };
    expect(decide(signals({ workers, tasks }), undefined, paused, 0).decision.cordon).toEqual(['old2']);
    const none = { ...tasks, running: ['old1', 'old2'], pending: ['new1', 'new2'] };
    expect(decide(signals({ workers, tasks: none }), undefined, paused, 0).decision.cordon).toEqual([]);
  });

  test('keeps the new revision’s tasks during a deployment: they may be unprotected until the old ones stop', () => {
    const workers = [worker('old', 5), worker('new1', 1), worker('new2', 1)];
    const tasks = { desired: 2, running: ['old', 'new1', 'new2'], pending: [], cordoned: ['old'], outdated: ['old'] };
    const early = decide(signals({ workers, tasks }), undefined, policy, 0);
    const idle = signals({ workers: [worker('old', 1), worker('new1', 0), worker('new2', 0)], tasks });
    let memory: unknown = early.memory;
    let held = early.decision;
    for (let tick = 1; tick <= 200; tick++) ({ decision: held, memory } = decide(idle, memory, policy, tick * 10_000));
    expect(held).toMatchObject({ desired: 2, cordon: ['old'], reason: 'deploying' });
    const over = signals({ workers: idle.workers, tasks: { ...tasks, running: ['new1', 'new2'], outdated: [] } });
    const lower = { ...policy, maxTasks: 1 };
    expect(decide(over, memory, lower, 2_010_000).decision).toMatchObject({ desired: 2, reason: 'deploying' });
    expect(decide(over, memory, policy, 2_160_000).decision).toMatchObject({ desired: 0, reason: 'scale-in' });
  });

  test('waits shortly after a deployment when a task exits by itself: ECS may have replaced it unseen', () => {
    const workers = [worker('new1', 1), worker('new2', 1)];
    const tasks = { desired: 2, running: ['old', 'new1', 'new2'], pending: [], cordoned: ['old'], outdated: ['old'] };
    const { memory } = decide(signals({ workers: [...workers, worker('old', 1)], tasks }), undefined, policy, 0);
    const one = { desired: 2, running: ['new1'], pending: [], cordoned: [] };
    const lower = { ...policy, maxTasks: 1 };
    const after = decide(signals({ workers: workers.slice(0, 1), tasks: one }), memory, lower, 10_000);
    expect(after.decision).toMatchObject({ desired: 2, cordon: [], reason: 'deploying' });
  });
});
