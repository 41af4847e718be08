/**
 * The settings with which Temporal's Serverless Workers do best on the loads of `npm run bench:peers`, in the model: one set for all
 * loads, by cost beside ours and waits, as the benchmark scores. Prints the best few; the first is RATE_BASED_TUNED.
 */
import { OURS_REAL, modelOf } from '../../simulate/real-peers.ts';
import { PEER_LOADS } from '../../simulate/peer-loads.ts';
import { serverlessWorkers, TUNED_GRACE_SECONDS, type RateBasedSettings } from '../../simulate/peers.ts';
import { geometricMean, scoreOf } from '../../simulate/score.ts';

const CHOICES: { [Setting in keyof RateBasedSettings]?: RateBasedSettings[Setting][] } = {
  // The least that the controller takes.
  pollSeconds: [30],
  downCooldownSeconds: [30],
  smoothing: [0.45, 1],
  initialRatePerTask: [0.5, 1, 2],
  drainRate: [0.5, 1, 2],
  materialBacklog: [5, 50],
  utilization: [0.8, 1],
  halfinWhittBeta: [0, 0.5],
  upCooldownSeconds: [2, 10],
  quietSeconds: [0, 30, 90],
};
const SHOWN = 5;

const cells = Object.keys(PEER_LOADS).map((load) => [1, 2, 3].map((seed) => ({ load, seed })));
const ours = cells.map((ofLoad) => modelOf(OURS_REAL, ofLoad));
const best = combinations()
  .map((settings) => ({ settings, score: scoreWith(settings) }))
  .toSorted((a, b) => a.score - b.score)
  .slice(0, SHOWN);
for (const { settings, score } of best) console.log(score.toFixed(3), JSON.stringify(settings));

function scoreWith(settings: Partial<RateBasedSettings>): number {
  const scores = cells.map((ofLoad, index) => {
    const { billedSeconds, waitMean } = modelOf('serverless-workers', ofLoad, () => (limits) => ({
      ...serverlessWorkers('search', limits, settings),
      stopGraceSeconds: TUNED_GRACE_SECONDS,
    }));
    return scoreOf(billedSeconds / ours[index]!.billedSeconds, waitMean);
  });
  return geometricMean(scores);
}

function combinations(): Partial<RateBasedSettings>[] {
  return Object.entries(CHOICES).reduce<Partial<RateBasedSettings>[]>(
    (all, [name, values]) => all.flatMap((settings) => values.map((value) => ({ ...settings, [name]: value }))),
    [{}],
  );
}
