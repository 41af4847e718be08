import { figuresOf, type AttemptLine } from '../../bench/peers/attempts.ts';
import { scalerSettings } from '../../bench/peers/wci.ts';
import { offBy, realPeersSection, withSection, type RealRun, type RealRuns } from '../../simulate/real-peers.ts';

const run: RealRun = {
  load: 'trickle',
  seed: 1,
  policy: 'ours',
  billedSeconds: 250,
  waitMean: 14,
  waitP50: 12,
  waitP95: 40,
  killed: 0,
  undone: 0,
  peakTasks: 1,
  zeroSeconds: 20,
  loadAverage: 2.5,
  isLate: false,
};
const measured = (runs: RealRun[]): RealRuns => ({ date: '2026-01-31', processors: 2, versions: { KEDA: 'v1' }, runs });

describe('the section on real peers', () => {
  test('starts with the peers that are cheaper or faster than ours, and at what cost', () => {
    const section = realPeersSection(
      measured([run, { ...run, policy: 'keda-tuned', billedSeconds: 200, waitMean: 12, killed: 3 }]),
    );
    expect(section.indexOf('### Where ours loses')).toBeLessThan(section.indexOf('### trickle'));
    expect(section).toContain('| trickle | KEDA, tuned | **cheaper and faster** | 200 : 250 | 12.0 : 14.0 | 3 |');
  });

  test('says so if no peer is better', () => {
    const section = realPeersSection(measured([run, { ...run, policy: 'keda', billedSeconds: 900, waitMean: 30 }]));
    expect(section).toContain('No peer was cheaper or faster than ours on any of these loads.');
  });

  test('a fleet that was still up at the end is never at zero', () => {
    expect(realPeersSection(measured([{ ...run, zeroSeconds: null }]))).toMatch(/\| ours \|.*\| > 300 \|/);
  });

  test('a load has no table if the machine was too slow for all of its runs', () => {
    const section = realPeersSection(
      measured([
        { ...run, isLate: true },
        { ...run, load: 'ramp' },
      ]),
    );
    expect(section).toContain('Not measured: the machine was too slow for all 1 runs.');
    expect(section.match(/\| ours \|/g)).toHaveLength(2);
  });

  test('leaves out runs for which the machine was too slow, and says so', () => {
    const late = { ...run, seed: 2, isLate: true, billedSeconds: 9999 };
    const other = { ...run, policy: 'keda' };
    const section = realPeersSection(measured([run, late, other, { ...other, seed: 2 }]));
    expect(section).toContain('(1 of 2 runs)');
    expect(section).not.toContain('9999');
  });

  test('sums up the loads: score, cost relative to ours, mean wait, and what was lost', () => {
    const keda = { ...run, policy: 'keda', billedSeconds: 500, waitMean: 7, killed: 2 };
    const section = realPeersSection(measured([run, keda, { ...run, load: 'ramp' }, { ...keda, load: 'ramp' }]));
    expect(section).toMatch(/^\| ours \| [\d.]+ \| 1\.00 \| 14\.0 \| 0 \|$/m);
    expect(section).toMatch(/^\| KEDA \| [\d.]+ \| 2\.00 \| 7\.0 \| 4 \|$/m);
  });

  test('replaces its old version, and leaves other sections alone', () => {
    const document = '# A\n\n## Beside the real peers\n\nold\n\n### of old\n\nold\n\n## In the model\n\nkept\n';
    const written = withSection(document, realPeersSection(measured([run])));
    expect(written).not.toContain('old');
    expect(written).toContain('## In the model\n\nkept');
  });

  test('comes before all others if there was none', () => {
    const written = withSection('# A\n\nintro\n\n## In the model\n\nkept\n', realPeersSection(measured([run])));
    expect(written).toMatch(/^# A\n\nintro\n\n## Beside the real peers[^]*\n\n## In the model\n\nkept\n$/);
  });
});

test('a model agrees within a quarter, or says by how much it differs', () => {
  const real = { billedSeconds: 1000, waitMean: 20 };
  expect(offBy(real, { billedSeconds: 1240, waitMean: 16 })).toBe('');
  expect(offBy(real, { billedSeconds: 500, waitMean: 30 })).toBe('cost −50 %, wait +50 %');
});

test('a difference of two seconds in wait is attributed to the tick’s timing', () => {
  expect(offBy({ billedSeconds: 1000, waitMean: 1 }, { billedSeconds: 1000, waitMean: 2.9 })).toBe('');
});

describe('from what workers logged about their attempts', () => {
  const work = [
    { arrivalSeconds: 0, serviceSeconds: 5 },
    { arrivalSeconds: 10, serviceSeconds: 5 },
    { arrivalSeconds: 20, serviceSeconds: 5 },
  ];
  const at = (seconds: number) => 1_000_000 + seconds * 1000;
  const lines: AttemptLine[] = [
    { work: 0, attempt: 1, begun: at(30) },
    { work: 0, attempt: 1, done: at(35) },
    { work: 1, attempt: 1, begun: at(31) },
    { work: 1, attempt: 2, begun: at(50) },
    { work: 1, attempt: 2, done: at(55) },
  ];
  const figures = figuresOf(work, lines, at(0), at(100));

  test('work waits until the attempt that completed it, or to the end if none did', () => {
    expect(figures.waitMean).toBeCloseTo((30 + 40 + 80) / 3);
    expect(figures.undone).toBe(1);
  });

  test('an attempt that started and did not complete was killed', () => {
    expect(figures.killed).toBe(1);
  });

  test('an attempt that is still running was not killed', () => {
    expect(figuresOf(work, [...lines, { work: 2, attempt: 1, begun: at(99) }], at(0), at(100)).killed).toBe(1);
  });
});

test("Temporal's controller gets its settings under its own names, in milliseconds", () => {
  expect(scalerSettings({ minTasks: 0, maxTasks: 8 }, { pollSeconds: 30, mostMore: 8 })).toEqual({
    min_count: 0,
    max_count: 8,
    metrics_poll_interval_ms: 30_000,
    max_scale_up_step: 8,
  });
});
