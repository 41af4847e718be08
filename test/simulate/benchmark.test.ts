/** The policy keeps what the benchmark says of it, under every regime; and the document is of the policy as it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ABLATIONS } from '../../simulate/ablations.ts';
import { FINGERPRINT } from '../../simulate/benchmark-document.ts';
import { ablationRow, ablationTables, standingOf } from '../../simulate/benchmark-tables.ts';
import { runCells, type CellResult, type Version } from '../../simulate/cells.ts';
import { OURS } from '../../simulate/comparison.ts';
import { elastic, type Variant } from '../../simulate/elastic.ts';
import { fingerprint } from '../../simulate/fingerprint.ts';
import { DEFAULT_SETTINGS, simulate } from '../../simulate/model.ts';
import { differenceOf, isSure, marginOf } from '../../simulate/paired.ts';
import { bundlePolicy, decideOf } from '../../simulate/policy-variant.ts';
import { BASE, JUDGING_SEEDS, REGIMES, REPRESENTATIVE, TUNING_SEEDS } from '../../simulate/regimes.ts';
import { TRACES } from '../../simulate/traces.ts';

jest.setTimeout(300_000);

/** Of none of the benchmark's seeds. */
const UNSEEN_SEED = 201;

/** What our score and cost may be at the most: as measured, and a twelfth more. */
const MOST: Record<string, [score: number, cost: number]> = {
  base: [2.21, 1.32],
  'start-up 5–15 s': [1.5, 1.06],
  'start-up 180–300 s': [4.32, 2.21],
  'tick 2 s': [2.18, 1.32],
  'tick 5 s': [2.2, 1.36],
  'tick 30 s': [2.5, 1.41],
  'heartbeat 5 s': [2.25, 1.36],
  'heartbeat 60 s': [2.29, 1.39],
  'open polls': [2.27, 1.41],
  'no reports': [3.76, 3.55],
  unlisted: [2.19, 1.76],
  'eager starts': [2.17, 1.7],
  outage: [4.56, 2.22],
  'blind spells': [2.37, 1.58],
  deployments: [2.28, 1.89],
  bottleneck: [2.27, 1.87],
  'rate limit': [3.92, 1.41],
  'limited key': [3.32, 1.45],
  'dead tasks': [2.22, 1.77],
  'workflow tasks': [2.07, 1.8],
  'very short work': [1.27, 1.27],
};

/** In threads of their own, which are several times as fast as a test is. */
async function run(regimes: string[], versions: Version[] = []): Promise<CellResult[]> {
  const cells = regimes.flatMap((regime) =>
    Object.keys(regime === BASE ? REPRESENTATIVE : REGIMES[regime]!.loads).map((load) => ({
      regime,
      load,
      seed: UNSEEN_SEED,
    })),
  );
  return runCells(cells, { versions: [{ name: OURS }, ...versions] }, 2);
}

describe('score and cost are no worse than they were', () => {
  let results: CellResult[];
  beforeAll(async () => {
    results = await run(Object.keys(REGIMES));
  });

  test.each(Object.keys(REGIMES))('under %s', (name) => {
    const [score, cost] = MOST[name]!;
    const standing = standingOf(
      name,
      [],
      results.filter(({ regime }) => regime === name),
    );
    expect(standing.judging).toBeLessThanOrEqual(score);
    expect(standing.cost).toBeLessThanOrEqual(cost);
    expect(standing.killed).toBe(0);
  });
});

test('without the rule that infers the service time from the queue, workers that never report cost twice as much', async () => {
  const { draw, slots } = TRACES.steady!;
  const settings = { ...DEFAULT_SETTINGS, slots, seed: UNSEEN_SEED, neverReports: true };
  const work = draw(UNSEEN_SEED);
  const decide = await decideOf(await bundlePolicy(ABLATIONS['work-shown']!.replace));
  const costWith = (variant: Variant) => simulate(work, elastic(settings, variant), settings).billedSeconds;
  expect(costWith({ decide })).toBeGreaterThan(2 * costWith({}));
});

test('the document is of the policy and the model as they are', async () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/benchmark.md'), 'utf8');
  const line = document.split('\n').find((each) => each.startsWith(FINGERPRINT)) ?? 'no fingerprint';
  const isCurrent = line === `${FINGERPRINT}${await fingerprint()}\``;
  expect(isCurrent ? 'current' : STALE).toBe('current');
});

const STALE =
  'docs/benchmark.md has the figures of an earlier policy or model. Run `npm run bench:policy -- --write`, which takes about' +
  ' half an hour on two cores, and commit what it writes.';

test('threads change nothing in the figures', async () => {
  const cells = ['trickle', 'heavy-tail', 'bursts'].map((load) => ({ regime: BASE, load, seed: UNSEEN_SEED }));
  const players = { versions: [{ name: OURS }], peers: ['formula'], bound: true };
  expect(await runCells(cells, players, 2)).toEqual(await runCells(cells, players, 1));
});

test('every rule can still be switched off, and the rest of the policy works', async () => {
  const decisions = await Promise.all(
    Object.values(ABLATIONS).map(async ({ replace }) => decideOf(await bundlePolicy(replace))),
  );
  expect(decisions.every((decide) => typeof decide === 'function')).toBe(true);
});

test('a rule that is not there any more is an error that says what to do', async () => {
  const gone = [{ from: 'const NO_SUCH_RULE = 1;', to: '' }];
  await expect(bundlePolicy(gone)).rejects.toThrow(/NO_SUCH_RULE.*0 times.*write there/);
});

test('seeds for judging are none of those for tuning', () => {
  expect(JUDGING_SEEDS.filter((seed) => TUNING_SEEDS.includes(seed))).toEqual([]);
  expect(Math.min(JUDGING_SEEDS.length, TUNING_SEEDS.length)).toBeGreaterThanOrEqual(10);
});

describe('a paired comparison', () => {
  test('sees a small difference that all seeds agree on, however much the seeds differ', () => {
    const ours = [1, 2, 4, 8];
    const difference = differenceOf(ours, [1.02, 2.03, 4.08, 8.19]);
    expect(difference.percent).toBeCloseTo(1.97, 1);
    expect(isSure(difference)).toBe(true);
  });

  test('takes a larger one for chance when the seeds do not agree', () => {
    expect(isSure(differenceOf([1, 1, 1, 1], [1.4, 0.8, 1.5, 0.7]))).toBe(false);
  });

  test('has the confidence interval of Student’s t', () => {
    // A standard deviation of 1, and 3 degrees of freedom: 3.182 / √4.
    expect(marginOf([-1, 1, -Math.SQRT1_2, Math.SQRT1_2])).toBeCloseTo(3.182 / 2, 3);
    const many = Array.from({ length: 31 }, (_, index) => (index % 2 === 0 ? 1 : -1));
    // 30 degrees of freedom: 2.042.
    expect(marginOf(many) / (Math.sqrt((31 - 1 / 31) / 30) / Math.sqrt(31))).toBeCloseTo(2.042, 3);
    expect(marginOf([1])).toBe(Infinity);
  });

  test('shows a sure difference with its interval, a dot for chance, and nothing where nothing changed', async () => {
    const results = await run(['very short work']);
    const [cell] = results;
    const score = (of: string, factor: number) => ({ ...cell!.summaries[0]!, controller: of, score: factor });
    const seeds = [1, 2, 3].map((seed) => ({
      ...cell!,
      seed,
      summaries: [
        score(OURS, 1),
        score('worse', 1.1 + seed / 1000),
        score('chance', 1 + (seed - 2) / 10),
        score('same', 1),
      ],
    }));
    const tables = ablationTables(['worse', 'chance', 'same'].map((name) => ablationRow(name, name, seeds)));
    expect(tables).toContain('| worse | +10.2 ± 0.2 |');
    expect(tables).toContain('| chance | · |');
    expect(tables).toContain('| same |  |');
  });
});
