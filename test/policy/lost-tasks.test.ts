/** Tasks that are gone unasked. */
import { decide, type Outcome, type Signals } from '../../scaler/policy.ts';
import { policy, second, queue, worker, running, signals, experienced } from './fixtures.ts';

describe('tasks that are gone unasked', () => {
  /** Ticks of ten seconds; `step` gives what each reads. */
  function runs(ticks: number, step: (tickNumber: number, desired: number) => Signals, memory?: unknown) {
    const outcomes: Outcome[] = [];
    for (let number = 0; number < ticks; number += 1) {
      const { decision, memory: last } = outcomes.at(-1) ?? { memory };
      outcomes.push(decide(step(number, decision?.desired ?? 0), last, policy, number * 10 * second));
    }
    return outcomes;
  }
  const reasons = (outcomes: Outcome[]) => outcomes.map(({ decision }) => decision.reason);

  /** One of two tasks goes at the third tick; ECS has another one ready, for which there is no work yet. */
  function oneGoes(slots: number, back: (tickNumber: number) => number = () => 0) {
    return runs(90, (number) => {
      const other = number < 3 ? worker('gone', slots) : worker('new', 0);
      const [workers, tasks] = [[worker('x', 4), other], running('x', other.task!)];
      return signals({ activityQueue: queue(back(number)), workers, tasks });
    });
  }

  test('are followed by others for what they held, for which nobody asks until it has timed out', () => {
    const needlessFrom = (slots: number) => reasons(oneGoes(slots)).findIndex((reason) => reason !== 'steady');
    expect(needlessFrom(0)).toBeLessThanOrEqual(3);
    expect(needlessFrom(8)).toBeGreaterThanOrEqual(3 + 12);
    expect(needlessFrom(8)).toBeLessThanOrEqual(3 + 60);
  });

  test('keep no room for work that is back in the queue', () => {
    const outcomes = oneGoes(8, (number) => (number === 6 ? 8 : 0));
    const awaited = outcomes.map(({ memory }) => memory.slotsAwaitingRetry);
    expect(awaited.slice(3, 7)).toEqual([8, 8, 8, 0]);
  });

  test('keep no room when they were cordoned: they had finished, whatever they last reported', () => {
    const read = signals({ workers: [worker('x', 4), worker('gone', 3)], tasks: running('x', 'gone') });
    const first = decide(read, undefined, { ...policy, maxTasks: 1 }, 0);
    expect(first.decision.cordon).toEqual(['gone']);
    const next = decide({ ...read, tasks: running('x') }, first.memory, policy, 10 * second);
    expect(next.memory.slotsAwaitingRetry).toBe(0);
  });

  test('keep no room when a person has drained them', () => {
    const workers = [worker('x', 4), worker('gone', 3)];
    const tasks = running('x', 'gone');
    const first = decide(signals({ workers, tasks }), undefined, policy, 0);
    const drained = decide(
      signals({ workers, tasks: { ...tasks, drained: ['gone'] } }),
      first.memory,
      policy,
      10 * second,
    );
    const next = decide(signals({ workers, tasks: running('x') }), drained.memory, policy, 20 * second);
    expect([drained.memory.slotsAwaitingRetry, next.memory.slotsAwaitingRetry]).toEqual([0, 0]);
  });

  test('never make the fleet scale out by what they held', () => {
    const read = signals({ workers: [worker('x', 10)], tasks: running('x') });
    const [first] = runs(1, () => read);
    const { decision } = decide({ ...read, tasks: running('y') }, first!.memory, policy, 10 * second);
    expect(decision.desired).toBe(1);
  });

  test('before they have come up, again and again, are not joined by more; one that comes up ends that', () => {
    const failing = (number: number) =>
      signals({
        activityQueue: { ...queue(30 + 40 * number), ageSeconds: 10 * number },
        tasks:
          number === 0 ? running() : { ...running(), desired: 3, pending: [1, 2, 3].map((n) => `p${number}-${n}`) },
      });
    const outcomes = runs(12, failing, experienced(60, -700 * second));
    expect(reasons(outcomes).slice(3)).toEqual(Array.from({ length: 9 }, () => 'not-starting'));
    expect(outcomes.at(-1)!.decision.desired).toBe(3);
    const up = {
      ...failing(12),
      workers: [worker('up', 0)],
      tasks: { ...running('up'), desired: 3, pending: ['p', 'q'] },
    };
    expect(decide(up, outcomes.at(-1)!.memory, policy, 120 * second).decision).toMatchObject({ reason: 'backlog' });
    const none = decide(signals(), outcomes.at(-1)!.memory, policy, 120 * second);
    expect(decide(failing(0), none.memory, policy, 130 * second).decision.desired).toBeGreaterThan(0);
  });

  test('that are never placed are no capacity and cost nothing, and the reason says so until one comes up', () => {
    const cap = { ...policy, spendCapDollarsPerHour: 0.1, taskDollarsPerHour: 1 };
    const waiting = (seconds: number, pending: string[]) =>
      signals({
        activityQueue: { ...queue(400), ageSeconds: seconds },
        tasks: { ...running(), desired: 4, pending },
      });
    const { startUpSeconds } = decide(signals(), undefined, cap, 0).memory;
    const needs: (string | undefined)[] = [];
    for (const pending of [['a', 'b'], []]) {
      let outcome = decide(waiting(0, pending), undefined, cap, 0);
      let mostSpent = 0;
      const told: [number, string][] = [];
      for (let seconds = 10; seconds <= 3600; seconds += 10) {
        outcome = decide(waiting(seconds, pending), outcome.memory, cap, seconds * second);
        told.push([seconds, outcome.decision.reason]);
        mostSpent = Math.max(mostSpent, outcome.memory.spent);
      }
      const [since] = told.find(([, reason]) => reason === 'not-starting') ?? [Infinity];
      expect(since).toBeLessThan(300);
      expect(new Set(told.filter(([seconds]) => seconds >= since).map(([, reason]) => reason)).size).toBe(1);
      expect(outcome.decision).toMatchObject({ desired: 4, reason: 'not-starting' });
      expect(outcome.decision.detail).toContain('4 of the tasks that were ordered do not come up');
      // As long as they may still come up, two tasks are paid for; an hour of them would be two dollars.
      expect(mostSpent).toBeLessThanOrEqual((2 * since) / 3600);
      expect(outcome.memory.taskSeconds).toBeLessThanOrEqual(2 * since);
      needs.push(/need \d+/.exec(outcome.decision.detail)?.[0]);
      const up = { ...waiting(3610, ['b']), workers: [worker('a', 0)], tasks: { ...running('a'), desired: 4 } };
      const placed = decide(up, outcome.memory, cap, 3610 * second);
      expect(placed.decision.reason).not.toBe('not-starting');
      expect(placed.memory.startUpSeconds).toBeLessThan(2 * startUpSeconds);
    }
    expect(needs[0]).toBe(needs[1]);
  });

  test('because somebody has lowered the count, say nothing of those to come', () => {
    const outcomes = runs(2, (number) =>
      signals({
        activityQueue: queue(100),
        tasks: { ...running(), desired: 6 - 5 * number, pending: number === 0 ? [...'abcdef'] : ['a'] },
      }),
    );
    expect(outcomes[1]!.decision.reason).toBe('backlog');
  });

  test('in mid-work, one after another, are not joined by more', () => {
    const outcomes = runs(12, (number) => {
      const task = `t${Math.floor(number / 2)}`;
      return signals({ activityQueue: queue(300), workers: [worker(task, 10)], tasks: running(task) });
    });
    expect(reasons(outcomes).at(-1)).toBe('crashing');
    expect(outcomes.at(-1)!.decision.desired).toBe(1);
    // At zero the first one is ordered all the same.
    const none = decide(signals({ activityQueue: queue(300) }), outcomes.at(-1)!.memory, policy, 120 * second);
    expect(none.decision.desired).toBeGreaterThan(0);
  });

  test('that took work from the queue and stopped in mid-work before they reported it', () => {
    // Each comes up, takes the one piece of work and dies of it; and the work comes back.
    const outcomes = runs(20, (number) => {
      const [phase, task] = [number % 4, `t${Math.floor(number / 4)}`];
      return signals({
        activityQueue: queue(phase === 2 ? 0 : 1),
        tasks: phase === 0 ? { ...running(), desired: 1, pending: [task] } : running(task),
      });
    });
    expect(reasons(outcomes)).toContain('crashing');
    expect(reasons(outcomes)).not.toContain('not-starting');
  });

  test('whose work is seen to have left the queue only after their end, keep room for it, too', () => {
    // The queue's reading is old: it shows the work for some seconds after it was taken.
    const outcomes = runs(5, (number) => {
      const gone = { ...running(), desired: 1 };
      const tasks = [running(), running('dies'), running('dies'), gone, running('next')][number]!;
      return signals({ activityQueue: queue(number < 4 ? 1 : 0), tasks });
    });
    expect(outcomes.at(-1)).toMatchObject({
      decision: { desired: 1, reason: 'steady' },
      memory: { slotsAwaitingRetry: 1, failedStarts: 0, crashes: 1 },
    });
  });

  test('a few of many are what happens on Spot, and growth goes on', () => {
    const fleet = Array.from({ length: 30 }, (_, index) => `t${index}`);
    const outcomes = runs(6, (number) => {
      const tasks = [...fleet.slice(number), ...Array.from({ length: number }, (_, index) => `n${index}`)];
      return signals({
        activityQueue: { ...queue(300), ageSeconds: 10 },
        workers: tasks.map((task) => worker(task, 10)),
        tasks: running(...tasks),
      });
    });
    expect(reasons(outcomes)).not.toContain('crashing');
  });
});
