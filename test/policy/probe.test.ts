/** A new revision of a pool at zero. */
import { decide, type TasksReading } from '../../scaler/policy.ts';
import { policy, second, worker, running, signals } from './fixtures.ts';

describe('a new revision of a pool at zero', () => {
  const at = (deployment: string, tasks: Partial<TasksReading> = {}): TasksReading => ({
    ...running(),
    deployment,
    ...tasks,
  });
  /** A pool at zero with a known first deployment gets the second. */
  const deployed = () => {
    const { memory } = decide(signals({ tasks: at('first') }), undefined, policy, 0);
    return decide(signals({ tasks: at('second') }), memory, policy, 10 * second);
  };

  test('gets one task at once, which is removed after it has started', () => {
    const order = deployed();
    expect(order.decision).toMatchObject({ desired: 1, reason: 'probing' });
    const starting = at('second', { desired: 1, pending: ['probe'] });
    let { decision, memory } = decide(signals({ tasks: starting }), order.memory, policy, 40 * second);
    expect(decision).toMatchObject({ desired: 1, cordon: [] });
    const up = signals({ workers: [worker('probe', 0)], tasks: at('second', { ...running('probe'), desired: 1 }) });
    for (let seconds = 50; seconds <= 350 && decision.desired > 0; seconds += 10)
      ({ decision, memory } = decide(up, memory, policy, seconds * second));
    expect(decision).toMatchObject({ desired: 0, cordon: ['probe'], reason: 'scale-in' });
    expect(decide(signals({ tasks: at('second') }), memory, policy, 400 * second).decision.desired).toBe(0);
  });

  test('is reported if its task does not start, whether it stops repeatedly or runs without reporting', () => {
    const states: ((tick: number) => Partial<TasksReading>)[] = [
      (tick) => ({ desired: 1, pending: [`probe${tick}`] }),
      () => ({ desired: 1, pending: ['probe'] }),
    ];
    for (const state of states) {
      let { memory, figures, decision } = deployed();
      expect(figures.revisionFailing).toBe(false);
      for (let tick = 2; tick <= 40; tick += 1) {
        ({ memory, figures, decision } = decide(
          signals({ tasks: at('second', state(tick)) }),
          memory,
          policy,
          tick * 10 * second,
        ));
        expect(decision.desired).toBe(1);
      }
      expect(figures.revisionFailing).toBe(true);
      const mended = { desired: 1, running: ['good'], pending: [] };
      const up = signals({ workers: [worker('good', 0)], tasks: at('third', mended) });
      expect(decide(up, memory, policy, 410 * second).figures.revisionFailing).toBe(false);
    }
  });

  test('gets no task if the owner allows none or has paused the pool', () => {
    for (const [with_, most] of [
      [{ ...policy, maxTasks: 0 }, 0],
      [{ ...policy, paused: true }, 0],
    ] as const) {
      const { memory } = decide(signals({ tasks: at('first') }), undefined, with_, 0);
      expect(decide(signals({ tasks: at('second') }), memory, with_, second).decision.desired).toBe(most);
    }
  });

  test('is not assumed without a memory', () => {
    expect(decide(signals({ tasks: at('any') }), undefined, policy, second).decision.desired).toBe(0);
  });
});
