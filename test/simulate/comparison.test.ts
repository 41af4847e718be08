import { benchmarkDocument } from '../../simulate/benchmark-document.ts';
import { compare, dominates, totalsOf, type Total } from '../../simulate/comparison.ts';
import { dollarsOf, geometricMean, quantile, type Summary } from '../../simulate/score.ts';
import { TRACES } from '../../simulate/traces.ts';

const work = TRACES['trickle']!.draw(1);

function summariesOf(seed: number): Summary[] {
  return compare(work, { settings: { seed }, peers: ['formula'] }).runs.map(({ summary }) => summary);
}

test('a comparison lists ours first, then the requested peers, against one reference', () => {
  const { runs, referenceSeconds } = compare(work, { settings: {}, peers: ['formula', 'keda'] });
  expect(runs.map(({ summary }) => summary.controller)).toEqual(['elastic', 'formula', 'keda']);
  for (const { result, summary } of runs) {
    const { billedSeconds, waits } = result;
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    expect(summary.costRatio).toBeCloseTo(billedSeconds / referenceSeconds);
    expect(summary.score).toBeCloseTo(summary.costRatio + mean / 30);
    expect(summary.waitP50).toBeLessThanOrEqual(summary.waitP95);
    expect(summary.waitP95).toBeLessThanOrEqual(summary.waitMax);
  }
});

test('an unknown peer is refused with the names of the known ones', () => {
  expect(() => compare(work, { settings: {}, peers: ['kda'] })).toThrow(/no peer 'kda'; there are .*keda/);
});

test("a task-hour of 1 vCPU and 2 GB costs Fargate's price", () => {
  expect(dollarsOf(3600, { vcpu: 1, gigabytes: 2 })).toBeCloseTo(0.04937, 8);
});

test('a quantile is the value at its rank', () => {
  const tenths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  expect([0, 0.5, 0.95, 1].map((share) => quantile(tenths, share))).toEqual([1, 5, 10, 10]);
  expect(quantile([], 0.5)).toBe(0);
  expect(geometricMean([1, 4])).toBeCloseTo(2);
});

test('a controller dominates another only if it is both cheaper and faster', () => {
  const [cheap, fast] = [
    { costRatio: 1, waitMean: 9 },
    { costRatio: 2, waitMean: 1 },
  ];
  expect(dominates(cheap, fast)).toBe(false);
  expect(dominates({ costRatio: 0.9, waitMean: 0.5 }, fast)).toBe(true);
  expect(dominates(fast, fast)).toBe(false);
});

test('totals average the figures and add up the counts', () => {
  const runs = [1, 2].flatMap((seed) => summariesOf(seed));
  const [ours, formula] = totalsOf(runs);
  expect(ours!.runs).toBe(2);
  expect(ours!.costRatio).toBeCloseTo((runs[0]!.costRatio + runs[2]!.costRatio) / 2);
  expect(formula!.killed).toBe(runs[1]!.killed + runs[3]!.killed);
});

test('the document names the traces where a peer has the lower score, and says so when there is none', () => {
  const [run] = totalsOf(summariesOf(1).slice(0, 1));
  const ours = { ...run!, controller: 'elastic', score: 2, costRatio: 1.5, waitMean: 15 };
  const better = { ...ours, controller: 'formula', score: 1.5, costRatio: 1.4 };
  const worse = { ...ours, controller: 'formula', score: 2.5, costRatio: 2.4 };
  const document = (totals: Total[]) =>
    benchmarkDocument(
      { rows: [{ trace: 'trickle', totals, bound: 1 }], standings: [], ablations: [] },
      { tuning: [1], judging: [2], fingerprint: '' },
    );
  const lost = document([ours, better]);
  expect(lost).toMatch(/\| trickle \| formula \| cheaper +\| 1\.40 : 1\.50/);
  const won = document([ours, worse]);
  expect(won).toContain('Nowhere');
});
