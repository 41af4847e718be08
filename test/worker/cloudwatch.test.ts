import type { MetricDatum } from '@aws-sdk/client-cloudwatch';
import fc from 'fast-check';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { CloudWatchMetrics } from '../../worker/observability/cloudwatch.ts';

/** A CloudWatch that accepts data or fails, and its minute. */
class FakeCloudWatch {
  now = 1_800_000_000_000;
  failing = false;
  /** The number of calls that will still succeed. */
  callsLeft = Infinity;
  taken: MetricDatum[] = [];
  calls = 0;
  readonly namespaces = new Set<string>();
  said: string[] = [];
  readonly metrics = new CloudWatchMetrics({
    stack: 'blue',
    pool: 'agents',
    now: () => this.now,
    send: async (namespace, data) => {
      this.namespaces.add(namespace);
      this.calls += 1;
      if (this.failing || this.callsLeft-- <= 0) throw new Error('throttled');
      this.taken.push(...data);
    },
    log: {
      info: (_: object, text: string) => this.said.push(text),
      warn: (_: object, text: string) => this.said.push(text),
    } as never,
  });

  record(durationSeconds: number, scheduleToStartSeconds = 0.5): void {
    this.metrics.record({ activityType: 'a', outcome: 'succeeded', durationSeconds, scheduleToStartSeconds });
  }

  async minute(): Promise<void> {
    this.now += 60_000;
    await this.metrics.flush();
  }

  /** How often each value was accepted, in all minutes. */
  counts(name: string): Map<number, number> {
    const counts = new Map<number, number>();
    for (const { Values = [], Counts = [] } of this.taken.filter(({ MetricName }) => MetricName === name)) {
      Values.forEach((value, index) => counts.set(value, (counts.get(value) ?? 0) + Counts[index]!));
    }
    return counts;
  }
}

describe('metrics for CloudWatch', () => {
  it('are values with counts, for the stack’s pool and their own minute', async () => {
    const world = new FakeCloudWatch();
    const began = world.now;
    world.record(1.2345);
    world.record(1.2345);
    world.record(30);
    await world.minute();
    expect([...world.namespaces]).toEqual([METRIC_NAMESPACE]);
    expect(world.taken).toEqual([
      {
        MetricName: 'TaskDurationSeconds',
        Unit: 'Seconds',
        Timestamp: new Date(began),
        Dimensions: [
          { Name: 'Stack', Value: 'blue' },
          { Name: 'Pool', Value: 'agents' },
        ],
        Values: [1.23, 30],
        Counts: [2, 1],
      },
      expect.objectContaining({ MetricName: 'ScheduleToStartSeconds', Values: [0.5], Counts: [3] }),
    ]);
  });

  it('cause no call when nothing ran', async () => {
    const world = new FakeCloudWatch();
    await world.minute();
    expect(world.calls).toBe(0);
  });

  it('are kept with their minute during a failure, which is logged once, and are sent when CloudWatch is back', async () => {
    const world = new FakeCloudWatch();
    const began = world.now;
    world.failing = true;
    world.record(1);
    await world.minute();
    world.record(2);
    await world.minute();
    expect(world.taken).toEqual([]);
    world.failing = false;
    await world.minute();
    const durations = world.taken.filter(({ MetricName }) => MetricName === 'TaskDurationSeconds');
    expect(durations.map(({ Timestamp, Values }) => [Timestamp!.getTime() - began, Values])).toEqual([
      [0, [1]],
      [60_000, [2]],
    ]);
    expect(world.said).toEqual([
      'Cannot send metrics to CloudWatch: keeping them for the next attempt',
      'CloudWatch accepts metrics again: none were lost',
    ]);
  });

  it('never have more than 150 values in a datum', async () => {
    const world = new FakeCloudWatch();
    for (let value = 1; value <= 900; value++) world.record(value);
    await world.minute();
    expect(world.taken.every(({ Values }) => Values!.length <= 150)).toBe(true);
    expect(world.counts('TaskDurationSeconds').size).toBe(900);
  });

  it('are all delivered exactly once, whenever CloudWatch fails, even for hours', async () => {
    const minute = fc.record({
      values: fc.array(fc.integer({ min: 0, max: 999 }), { maxLength: 300 }),
      callsLeft: fc.constantFrom(0, 0, 1, 2, 100),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(minute, { maxLength: 150 }), async (minutes) => {
        const world = new FakeCloudWatch();
        const expected = new Map<number, number>();
        for (const { values, callsLeft } of minutes) {
          world.callsLeft = callsLeft;
          for (const value of values) {
            world.record(value);
            expected.set(value, (expected.get(value) ?? 0) + 1);
          }
          await world.minute();
        }
        world.callsLeft = Infinity;
        await world.minute();
        expect(world.counts('TaskDurationSeconds')).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });
});
