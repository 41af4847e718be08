/** Symptoms in docs/troubleshooting.md that the scaler shows: with real workers, the real server, the scaler's ticks. */
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { fleetOfOurs } from '../scaler/fleet.ts';

jest.setTimeout(600_000);

const fleet = fleetOfOurs({ maxTasks: 1 });

beforeAll(() => fleet.start(), 120_000);
afterAll(() => fleet.stop(), 60_000);

const last = (count: number) => fleet.decisions.slice(-count);

test('a count set from outside is reset each time, always with the same reason', async () => {
  await fleet.until('the fleet is at zero', () => last(1)[0]?.desired === 0);
  for (let round = 0; round < 3; round += 1) {
    const before = fleet.decisions.length;
    await fleet.setDesired(1);
    const isUndone = async () => {
      const since = fleet.decisions.slice(before);
      return since.some(({ reason }) => reason === 'scale-in') && (await fleet.service()).desiredCount === 0;
    };
    await fleet.until('the scaler has seen it and put it back', isUndone, 150);
    const reasons = new Set(fleet.decisions.slice(before).map(({ reason }) => reason));
    expect([...reasons].filter((reason) => !['idle', 'steady', 'cooling', 'scale-in'].includes(reason))).toEqual([]);
  }
});

test('a pool with more work than its largest fleet can do stays at its maximum, says so, and loses nothing', async () => {
  const results: Promise<unknown>[] = [];
  const ask = () =>
    results.push(
      fleet.client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
        taskQueue: fleet.taskQueue,
        workflowId: `much-${results.length}`,
        args: ['sequential', { task: 'x', steps: ['Answer'] }, { offlineModel: { secondsPerAsk: 1 } }],
      }),
    );
  for (let first = 0; first < 12; first += 1) ask();
  // As fast as one task works, so that it never catches up.
  const asking = setInterval(ask, 1000);
  try {
    await fleet.until('five decisions at the maximum', () => {
      return fleet.decisions.filter(({ reason }) => reason === 'maximum').length >= 5;
    });
  } finally {
    clearInterval(asking);
  }
  await Promise.all(results);
  expect(Math.max(...fleet.decisions.map(({ desired }) => desired))).toBe(1);
});
