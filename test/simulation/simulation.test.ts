import type { FaultKind } from './faults.ts';
import type { Rule } from './rules.ts';
import { REQUESTS } from './lambda.ts';
import { simulateWorld } from './world.ts';
import { MUTANTS, type WorldOptions, type WorldResult } from './world-options.ts';

jest.setTimeout(120_000);

async function brokenIn(options: WorldOptions): Promise<string[]> {
  const { violations } = await simulateWorld({ ...options, untilBroken: true });
  const faults = options.faults ? ` --faults ${options.faults.join(',')}` : '';
  const two = options.twoScalers ? ' --two-scalers' : '';
  const replay = `node test/simulation/run.ts --runs 1 --seed ${options.seed} --world-hours ${options.hours}${faults}${two} --trace`;
  return violations.map(({ rule, pool, detail }) => `${rule} in ${pool}: ${detail}; again: ${replay}`);
}

async function brokenInAny(seeds: number[], options: Omit<WorldOptions, 'seed'>): Promise<string[]> {
  const broken: string[] = [];
  for (const seed of seeds) broken.push(...(await brokenIn({ ...options, seed })));
  return broken;
}

/** Each world's faults, by title; the promises are the same in all. */
const WORLDS: [title: string, faults: FaultKind[]][] = [
  ['without faults: work arrives at any time, in fan-outs without a backlog, and the fleet scales out and in', []],
  [
    'whose Temporal is unreachable, is slow, refuses reads, or is down for all',
    ['temporal.unreachable', 'temporal.down', 'temporal.slow', 'temporal.limited'],
  ],
  ['whose Temporal restarts with empty state', ['temporal.restartsEmpty']],
  ['whose Temporal restarts, and queues work in flight again', ['temporal.restarts']],
  [
    'whose queue is shared with other services, and has a rate-limited key',
    ['temporal.foreignWorkers', 'temporal.limitedKey'],
  ],
  [
    'whose heartbeats are missing or stale, and whose worker list omits half of the workers',
    ['temporal.noHeartbeats', 'temporal.staleHeartbeats', 'temporal.forgetsWorkers'],
  ],
  ['whose backlog counts dead work, and whose queue is rate limited', ['temporal.deadWork', 'temporal.rateLimited']],
  [
    'whose scaler crashes at every step of a tick, and is duplicated, late and absent',
    ['scaler.diesInMidTick', 'scaler.twice', 'scaler.late', 'scaler.absent'],
  ],
  ['whose scaler’s clock jumps, and whose table has damaged items', ['scaler.clockJumps', 'table.itemDamaged']],
  [
    'whose ECS throttles, fails, denies access and answers partially',
    ['ecs.throttled', 'ecs.down', 'ecs.denied', 'ecs.partial'],
  ],
  ['whose responses get lost', ['ecs.answersLost', 'table.answersLost', 'ecs.agentDown']],
  [
    'without capacity for an hour, where tasks stop or are never placed, and with an image that crashes',
    ['ecs.noCapacity', 'ecs.neverPlaces', 'ecs.badImage'],
  ],
  [
    'with deployments: several in a row, broken ones, and some that reset the count',
    ['ecs.deployment', 'ecs.fiveDeployments', 'ecs.badDeployment', 'ecs.deploymentResetsCount'],
  ],
  [
    'with deployments of the same task definition, and an ECS that rebalances availability zones',
    ['ecs.forcedDeployment', 'ecs.rebalances'],
  ],
  ['with an activity of nine hours, while the rest of the fleet scales in', ['work.nineHours']],
  [
    'in which people change counts, stop tasks and delete services',
    ['ecs.countByHand', 'ecs.taskStoppedByHand', 'ecs.serviceDeleted'],
  ],
  [
    'in which tasks are interrupted or crash, some because of their work',
    ['ecs.spot', 'ecs.crash', 'work.poisoned', 'work.failing'],
  ],
  [
    'whose state table throttles and fails, whose CloudWatch is down, and whose parameters are damaged',
    ['table.throttled', 'table.down', 'cloudwatch.down', 'ssm.down', 'ssm.parameterDamaged'],
  ],
];

describe('the scaler and its workers keep their promises in a world', () => {
  test.each(WORLDS)('%s', async (_title, faults) => {
    expect(await brokenInAny([1], { hours: 1.5, faults })).toEqual([]);
  });

  test('whose ECS occasionally omits a service, some tasks or a page of them', async () => {
    expect(await brokenInAny([2, 6], { hours: 1.5, faults: ['ecs.partial'] })).toEqual([]);
  });

  test.each([[[]], [['scaler.diesInMidTick', 'table.throttled']]] as [FaultKind[]][])(
    'with two scalers that tick all the time without knowing of each other, with faults %j',
    async (faults) => {
      expect(await brokenInAny([1, 2, 3], { hours: 1.5, faults, twoScalers: true })).toEqual([]);
    },
  );

  test('with all faults at once', async () => {
    expect(await brokenInAny([6, 7], { hours: 2 })).toEqual([]);
  });
});

describe('the simulation', () => {
  test('has the same history for the same seed, to the last step', async () => {
    const [once, again, other] = [
      await simulateWorld({ seed: 2, hours: 1 }),
      await simulateWorld({ seed: 2, hours: 1 }),
      await simulateWorld({ seed: 3, hours: 1 }),
    ];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
  });

  test('lets the scaler crash before and after every request that it makes', async () => {
    const wanted = new Set<string>(REQUESTS.flatMap((request) => [`${request}, before`, `${request}, after`]));
    for (let seed = 1; seed <= 10 && wanted.size > 0; seed += 1) {
      const deadly = { hours: 2, faults: ['scaler.diesInMidTick'] as FaultKind[], minutesBetweenFaults: 1 };
      const { deaths } = await simulateWorld({ ...deadly, seed });
      for (const at of Object.keys(deaths)) wanted.delete(at);
    }
    expect([...wanted]).toEqual([]);
  });

  test.each(MUTANTS)('notices when %s', async (mutant) => {
    let found: WorldResult['violations'] = [];
    const faults = SHOWN_BY[mutant];
    for (let seed = 1; seed <= 10 && found.length === 0; seed += 1) {
      const world = faults ? { hours: 0.7, minutesBetweenFaults: 4, faults } : { hours: 4 };
      found = (await simulateWorld({ seed, mutant, untilBroken: true, ...world })).violations;
    }
    expect(NOTICED_AS[mutant]).toContain(found[0]?.rule);
  });
});

/** Any fault may reveal a missing guard, except for these. */
const SHOWN_BY: Partial<Record<(typeof MUTANTS)[number], FaultKind[]>> = {
  'a deployment is identified by its task definition only': ['ecs.forcedDeployment'],
  'a worker without a report counts as idle': ['temporal.forgetsWorkers'],
  'an invocation does not wait for the previous one': [],
  'an invocation ends with its minute': [],
};

const NOTICED_AS: Record<(typeof MUTANTS)[number], Rule[]> = {
  'ECS ignores protection': ['killed'],
  'a worker lifts its protection without looking at its work': ['killed'],
  'cordons are written late': ['uncordoned'],
  'the memory is written without its condition': ['overtaken'],
  'a listing ends after its first page': ['uncordoned', 'notAtMinimum'],
  'unknown readings count as zero': ['blind'],
  'an order adds to the count': ['limits', 'unneeded', 'keptIdle'],
  'a deployment is identified by its task definition only': ['notAtMinimum'],
  'a worker without a report counts as idle': ['unreported'],
  'an invocation does not wait for the previous one': ['lostTick'],
  'an invocation ends with its minute': ['blindGap'],
};
