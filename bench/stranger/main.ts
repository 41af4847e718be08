/**
 * `npm run bench:stranger`: a load that was made for others, against the demo's pools: the repository's stack as the CDK deploys it,
 * on this machine. Ends with 0 only if nothing was lost, no alarm fired, and each pool went back to zero for reasons that fit.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { alarmsFired } from '../../local/run.ts';
import { Observer } from '../../local/observe.ts';
import { readOutcomes } from '../../local/outcomes.ts';
import { startPlant, type Plant } from '../../local/plant.ts';
import { ensureTools } from '../../local/tools.ts';
import type { Reason } from '../../scaler/policy.ts';
import { GENERIC_STRATEGY_WORKFLOW } from '../../worker/strategies/types.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

/** What a load may do to a pool that is in order. */
const FITTING = new Set<Reason>([
  'idle',
  'steady',
  'backlog',
  'busy',
  'expected',
  'minimum',
  'cooling',
  'scale-in',
  'deploying',
  'maximum',
]);
const START_DELAY = { min: 2, max: 5 };
const AT_ZERO_WITHIN_SECONDS = 240;
const SEED = 1;

const tell = (line: string) => console.error(line);
const stopping = new AbortController();
const closers: (() => Promise<void>)[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
try {
  const tools = await ensureTools({ onProgress: tell });
  const options = { tools, seed: SEED, startDelay: START_DELAY, onProgress: tell, signal: stopping.signal, closers };
  process.exitCode = (await judge(await startPlant(options))) ? 0 : 1;
} finally {
  for (const close of closers.toReversed()) await close();
}

async function judge(plant: Plant): Promise<boolean> {
  const watch = watchReasons(plant);
  tell('Waiting for the pools to be at zero');
  await untilAtZero(plant);
  watch.reasons.clear();
  const from = Date.now();
  let started = 0;
  for (const scenario of SCENARIOS) started += await play(plant, scenario);
  const outcomes = await readOutcomes(plant.client, GENERIC_STRATEGY_WORKFLOW);
  const lost = outcomes.flatMap(({ lostAttempts }) => lostAttempts);
  const alarms = await alarmsFired(plant.emulatorUrl, from);
  await watch.stop();
  const unfit = [...watch.reasons.keys()].filter((reason) => !FITTING.has(reason));
  const checks = [
    {
      what: 'workflows completed',
      holds: completed(outcomes) === started,
      seen: `${completed(outcomes)} of ${started}`,
    },
    { what: 'attempts lost', holds: lost.length === 0, seen: `${lost.length} ${[...new Set(lost)].join('; ')}` },
    { what: 'alarms fired', holds: alarms.length === 0, seen: alarms.join('; ') || 'none' },
    { what: 'reasons', holds: unfit.length === 0, seen: sharesOf(watch.reasons) },
  ];
  console.table(checks);
  return checks.every(({ holds }) => holds);
}

function completed(outcomes: { end: string }[]): number {
  return outcomes.filter(({ end }) => end === 'completed').length;
}

async function play(plant: Plant, { name, run }: Scenario): Promise<number> {
  tell(`${name}: begins`);
  const started = await run(plant.client);
  tell(`${name}: ${started} workflows have ended; the pools go back to zero`);
  await untilAtZero(plant);
  return started;
}

async function untilAtZero({ fargate, pools }: Plant): Promise<void> {
  const deadline = Date.now() + AT_ZERO_WITHIN_SECONDS * 1000;
  for (;;) {
    const present = fargate.tasks().filter(({ lastStatus }) => lastStatus !== 'STOPPED').length;
    if (present === 0 && pools.length > 0) return;
    stopping.signal.throwIfAborted();
    if (Date.now() > deadline) {
      throw new Error(
        `${present} tasks are still there ${AT_ZERO_WITHIN_SECONDS} s after the work: see the scaler's log in .local/logs.`,
      );
    }
    await wait(1000);
  }
}

/** How often each reason was seen, over all pools. */
function watchReasons({ stacks, temporal, fargate, emulatorUrl }: Plant) {
  const reasons = new Map<Reason, number>();
  const ended = new AbortController();
  const observers = stacks.map(
    ({ stateTable, pools }) => new Observer({ temporal, ecsUrl: fargate.url, emulatorUrl, stateTable, pools }),
  );
  const look = async () => {
    while (!ended.signal.aborted) {
      const read = await Promise.all(observers.map((observer) => observer.read(Date.now())));
      for (const { decision } of read.flat()) {
        if (decision !== undefined) reasons.set(decision.reason, (reasons.get(decision.reason) ?? 0) + 1);
      }
      await wait(2000, undefined, { signal: ended.signal }).catch(() => undefined);
    }
    await Promise.all(observers.map((observer) => observer.close()));
  };
  const looking = look();
  const stop = async () => {
    ended.abort();
    await looking;
  };
  closers.push(stop);
  return { reasons, stop };
}

function sharesOf(reasons: Map<Reason, number>): string {
  const all = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  return [...reasons]
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${((100 * count) / all).toFixed(0)} %`)
    .join(', ');
}
