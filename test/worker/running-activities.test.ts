import type { Context } from '@temporalio/activity';
import { RunningActivities } from '../../worker/temporal/running-activities.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

/** When running work is lost, for activities with these timeouts that started now. */
function lostAt(...timeouts: Partial<Context['info']>[]): number {
  const begun: number[] = [];
  const running = new RunningActivities({ now: () => NOW, onBegin: (at) => begun.push(at) });
  for (const each of timeouts) {
    const info = { isLocal: false, scheduledTimestampMs: NOW - MINUTE, scheduleToCloseTimeoutMs: 0, ...each };
    const { inbound } = running.keep({ info } as Context);
    void inbound!.execute!({ args: [], headers: {} }, () => new Promise(() => undefined));
  }
  // Each also notifies at its start.
  expect(Math.max(0, ...begun)).toBe(running.lostAt(NOW));
  return running.lostAt(NOW) - NOW;
}

test('running work of a silent worker counts as lost once the server has given up the last attempt', () => {
  expect(lostAt()).toBe(-NOW);
  expect(lostAt({ startToCloseTimeoutMs: 3 * MINUTE }, { startToCloseTimeoutMs: 5 * MINUTE })).toBe(5 * MINUTE);
  expect(lostAt({ startToCloseTimeoutMs: 5 * MINUTE, scheduleToCloseTimeoutMs: 5 * MINUTE })).toBe(4 * MINUTE);
  expect(lostAt({ startToCloseTimeoutMs: 60 * MINUTE, heartbeatTimeoutMs: MINUTE })).toBe(2 * MINUTE);
  expect(lostAt({ startToCloseTimeoutMs: 5 * MINUTE, isLocal: true })).toBe(5 * MINUTE);
  expect(lostAt({ startToCloseTimeoutMs: 5 * MINUTE }, { startToCloseTimeoutMs: 0 })).toBe(Infinity);
});
