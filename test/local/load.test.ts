import fc from 'fast-check';
import { drawRequests, jobsOf, send } from '../../local/load.ts';
import { parseTrace } from '../../simulate/trace-file.ts';
import type { LoadProfile } from '../../local/load.ts';
import profile from '../../simulate/azure-llm-conv-2023.profile.json' with { type: 'json' };

const anySeed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyProfile: fc.Arbitrary<LoadProfile> = fc.record({
  source: fc.constant('made up'),
  arrivalsPer10Seconds: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 30 }),
  serviceSecondsQuantiles40: fc
    .array(fc.integer({ min: 1, max: 5000 }), { minLength: 41, maxLength: 41 })
    .map((hundredths) => hundredths.map((each) => each / 100).sort((a, b) => a - b)),
});

describe('requests generated from a profile', () => {
  test('are the same for the same seed, and different for another', () => {
    const drawn = drawRequests(profile, { seed: 1, minutes: 2 });
    expect(drawRequests(profile, { seed: 1, minutes: 2 })).toEqual(drawn);
    expect(drawRequests(profile, { seed: 2, minutes: 2 })).not.toEqual(drawn);
  });

  test('start the same for any number of minutes', () => {
    const two = drawRequests(profile, { seed: 3, minutes: 2 });
    expect(drawRequests(profile, { seed: 3, minutes: 4 }).slice(0, two.length)).toEqual(two);
  });

  test('arrive in order, within the time, with service times from the profile', () => {
    fc.assert(
      fc.property(anyProfile, anySeed, fc.integer({ min: 1, max: 6 }), (drawnFrom, seed, minutes) => {
        const requests = drawRequests(drawnFrom, { seed, minutes });
        const quantiles = drawnFrom.serviceSecondsQuantiles40;
        const arrivals = requests.map(({ arrivalSeconds }) => arrivalSeconds);
        expect(arrivals).toEqual([...arrivals].sort((a, b) => a - b));
        expect(arrivals.every((arrival) => arrival >= 0 && arrival < minutes * 60)).toBe(true);
        expect(
          requests.every(
            ({ serviceSeconds }) => serviceSeconds >= quantiles[0]! && serviceSeconds <= quantiles.at(-1)!,
          ),
        ).toBe(true);
      }),
    );
  });

  test('match the profile’s counts and mean service time within random variation', () => {
    fc.assert(
      fc.property(anySeed, (seed) => {
        const requests = drawRequests(profile, { seed, minutes: 60 });
        const expected = sum(profile.arrivalsPer10Seconds);
        const firstHalf = requests.filter(({ arrivalSeconds }) => arrivalSeconds < 1800).length;
        const expectedFirstHalf = sum(profile.arrivalsPer10Seconds.slice(0, 180));
        const mean = sum(requests.map(({ serviceSeconds }) => serviceSeconds)) / requests.length;
        // Six standard deviations of a Poisson count: one run in a billion would be outside.
        expect(Math.abs(requests.length - expected)).toBeLessThan(6 * Math.sqrt(expected));
        expect(Math.abs(firstHalf - expectedFirstHalf)).toBeLessThan(6 * Math.sqrt(expectedFirstHalf));
        expect(Math.abs(mean - 7.68)).toBeLessThan(0.3);
      }),
      { numRuns: 20 },
    );
  });

  test('are absent in a quiet period of the profile', () => {
    const quiet = { ...profile, arrivalsPer10Seconds: [50, 0, 50] };
    const inside = drawRequests(quiet, { seed: 1, minutes: 1 }).map(({ arrivalSeconds }) =>
      Math.floor(arrivalSeconds / 10),
    );
    expect(new Set(inside)).toEqual(new Set([0, 2]));
  });
});

describe('a trace file', () => {
  test('with arrival and service times is read unchanged', () => {
    expect(parseTrace('arrival_s,service_s\n0,1.5\n2.25,3\n', 't.csv')).toEqual([
      { arrivalSeconds: 0, serviceSeconds: 1.5 },
      { arrivalSeconds: 2.25, serviceSeconds: 3 },
    ]);
  });

  test('in the Azure format gets its service times from its tokens, and its first arrival at 0', () => {
    const text =
      'TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.6805900,1000,100';
    const requests = parseTrace(text, 't.csv');
    expect(requests.map(({ arrivalSeconds }) => arrivalSeconds)).toEqual([0, 4]);
    expect(requests[0]!.serviceSeconds).toBeCloseTo(1 + 1.32 + 0.0748);
    expect(requests[1]!.serviceSeconds).toBeCloseTo(1 + 3 + 0.2);
  });

  test('that is not in order is sorted', () => {
    const requests = parseTrace('arrival_s,service_s\n30,1\n10,2\n20,3\n', 't.csv');
    expect(requests.map(({ arrivalSeconds, serviceSeconds }) => [arrivalSeconds, serviceSeconds])).toEqual([
      [0, 2],
      [10, 3],
      [20, 1],
    ]);
  });

  test.each([
    ['', /^t\.csv:1: the header must be 'arrival_s,service_s' or 'TIMESTAMP,.*got ''/],
    ['time,duration\n1,2\n', /^t\.csv:1: the header must be .*got 'time,duration'/],
    ['arrival_s,service_s\n', /^t\.csv: there is no work after the header/],
    ['arrival_s,service_s\n1,2\n\n3\n', /^t\.csv:4: 2 fields expected \(arrival_s,service_s\), got '3'/],
    ['arrival_s,service_s\n1,2\nsoon,2\n', /^t\.csv:3: arrival_s must be .*got 'soon'/],
    ['arrival_s,service_s\n1,-2\n', /^t\.csv:2: service_s must be .*got '-2'/],
    ['arrival_s,service_s\n1,\n', /^t\.csv:2: service_s must be .*got ''/],
    ['arrival_s,service_s\n1,Infinity\n', /^t\.csv:2: service_s must be .*got 'Infinity'/],
    ['TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,2\n', /^t\.csv:2: TIMESTAMP must be .*got 'yesterday'/],
    ['TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,x,2\n', /^t\.csv:2: .*got 'x,2'/],
  ])('is refused with the number of the wrong line: %j', (text, message) => {
    expect(() => parseTrace(text, 't.csv')).toThrow(message);
  });
});

test('a job is its request at the given speed, and counts as long by its actual duration', () => {
  const requests = [
    { arrivalSeconds: 4, serviceSeconds: 6 },
    { arrivalSeconds: 10, serviceSeconds: 7 },
  ];
  expect(jobsOf(requests, 2)).toEqual([
    { atSeconds: 2, workSeconds: 3, isLong: false },
    { atSeconds: 5, workSeconds: 3.5, isLong: true },
  ]);
});

describe('sending work', () => {
  const atOnce = (count: number) =>
    Array.from({ length: count }, () => ({ atSeconds: 0, workSeconds: 4, isLong: false }));
  const never = new AbortController().signal;

  test('continues after a failed start, and reports it', async () => {
    const seen: number[] = [];
    const failures: unknown[] = [];
    await send(atOnce(3), {
      start: async (_, index) => {
        if (index === 1) throw new Error('refused');
        seen.push(index);
      },
      onFailed: (error) => failures.push(error),
      signal: never,
    });
    expect({ seen, failures }).toEqual({ seen: [0, 2], failures: [new Error('refused')] });
  });

  test('does not wait for a slow start before the next one, up to the limit', async () => {
    let running = 0;
    let most = 0;
    await send(atOnce(10), {
      concurrency: 4,
      start: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise(setImmediate);
        running -= 1;
      },
      onFailed: () => {},
      signal: never,
    });
    expect(most).toBe(4);
  });

  test('stops when aborted', async () => {
    const abort = new AbortController();
    const sending = send([...atOnce(1), { atSeconds: 3600, workSeconds: 1, isLong: false }], {
      start: async () => abort.abort(),
      onFailed: () => {},
      signal: abort.signal,
    });
    await expect(sending).rejects.toThrow(/abort/);
  });
});

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
