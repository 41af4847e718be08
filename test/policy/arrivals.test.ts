/** The arrival rate that a queue reports. */
import { decide } from '../../scaler/policy.ts';
import { experienced, policy, queue, running, second, signals } from './fixtures.ts';

/** A queue that was empty for minutes, and now reports 80 arrivals per second while ten pieces of work wait. */
function reporting(seconds: number) {
  let memory = experienced(10, -700 * second);
  let desired = 0;
  for (let at = -690; at <= seconds; at += 10) {
    const activityQueue = at < 0 ? queue(0) : { ...queue(10), addRate: 80 };
    const read = signals({ activityQueue, tasks: running() });
    const outcome = decide(read, memory, policy, at * second);
    ({ memory } = outcome);
    ({ desired } = outcome.decision);
  }
  return desired;
}

test('the first rates of a queue that was silent are ignored', () => {
  for (const seconds of [0, 10, 20, 30]) expect([seconds, reporting(seconds)]).toEqual([seconds, 1]);
});

test('a rate that is reported for longer counts', () => {
  expect(reporting(60)).toBeGreaterThan(50);
});
