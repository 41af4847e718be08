import fc from 'fast-check';
import { parseTrace } from '../../simulate/trace-file.ts';
import { TRACES } from '../../simulate/traces.ts';

describe.each(Object.entries(TRACES))('the trace %s', (_name, trace) => {
  const work = trace.draw(1);

  test('is in order of arrival, and takes an hour or two', () => {
    const arrivals = work.map(({ arrivalSeconds }) => arrivalSeconds);
    expect(arrivals.every((arrival, index) => index === 0 || arrival >= arrivals[index - 1]!)).toBe(true);
    expect(arrivals[0]).toBeGreaterThanOrEqual(0);
    expect(arrivals.at(-1)).toBeGreaterThan(9 * 60);
    expect(arrivals.at(-1)).toBeLessThan(2.1 * 3600);
    expect(work.every(({ serviceSeconds }) => serviceSeconds > 0 && Number.isFinite(serviceSeconds))).toBe(true);
  });

  test('is the same for the same seed, and different for another', () => {
    expect(trace.draw(1).slice(0, 100)).toEqual(work.slice(0, 100));
    expect(trace.draw(2).slice(0, 100)).not.toEqual(work.slice(0, 100));
  });

  test('can be completed by a hundred tasks', () => {
    const busy = work.reduce((sum, { serviceSeconds }) => sum + serviceSeconds, 0) / work.at(-1)!.arrivalSeconds;
    expect(busy).toBeLessThan(80 * trace.slots);
  });
});

describe('a trace file', () => {
  test('with arrival and service times is read unchanged, its first arrival at 0', () => {
    expect(parseTrace('arrival_s,service_s\n10,1.5\n12.25,3\n', 't.csv')).toEqual([
      { arrivalSeconds: 0, serviceSeconds: 1.5 },
      { arrivalSeconds: 2.25, serviceSeconds: 3 },
    ]);
  });

  test('in the Azure format gets its service times from its tokens', () => {
    const text =
      'TIMESTAMP,ContextTokens,GeneratedTokens\r\n' +
      '2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.6805900,1000,100';
    const work = parseTrace(text, 't.csv');
    expect(work.map(({ arrivalSeconds }) => arrivalSeconds)).toEqual([0, 4]);
    expect(work[1]!.serviceSeconds).toBeCloseTo(1 + 3 + 0.2);
  });

  test('that is not in order is sorted', () => {
    const work = parseTrace('arrival_s,service_s\n30,1\n10,2\n20,3\n', 't.csv');
    expect(work.map(({ serviceSeconds }) => serviceSeconds)).toEqual([2, 3, 1]);
  });

  test.each([
    ['', "t.csv:1: the header must be 'arrival_s,service_s' or 'TIMESTAMP,ContextTokens,GeneratedTokens', got ''"],
    [
      'a,b\n1,2',
      "t.csv:1: the header must be 'arrival_s,service_s' or 'TIMESTAMP,ContextTokens,GeneratedTokens', got 'a,b'",
    ],
    ['arrival_s,service_s\n', 't.csv: there is no work after the header'],
    ['arrival_s,service_s\n1,2\n3', "t.csv:3: 2 fields expected (arrival_s,service_s), got '3'"],
    ['arrival_s,service_s\n1,2\n\n\nx,2', "t.csv:5: arrival_s must be a time or a number of at least 0, got 'x'"],
    ['arrival_s,service_s\n1,-2', "t.csv:2: service_s must be a time or a number of at least 0, got '-2'"],
    ['arrival_s,service_s\n1,', "t.csv:2: service_s must be a time or a number of at least 0, got ''"],
    ['arrival_s,service_s\n1,Infinity', "t.csv:2: service_s must be a time or a number of at least 0, got 'Infinity'"],
  ])('is refused, with the line and the reason: %j', (text, message) => {
    expect(() => parseTrace(text, 't.csv')).toThrow(message);
  });

  test('that was written can be read back', () => {
    const row = fc.tuple(fc.nat(100_000), fc.nat(10_000)).map(([arrival, service]) => [arrival / 100, service / 100]);
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 50 }), (rows) => {
        const text = ['arrival_s,service_s', ...rows.map((each) => each.join(','))].join('\n');
        const services = parseTrace(text, 't.csv').map(({ serviceSeconds }) => serviceSeconds);
        expect(services.toSorted()).toEqual(rows.map(([, service]) => service!).toSorted());
      }),
    );
  });
});
