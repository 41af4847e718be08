import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { presetOf, settingsOf } from '../../infra/presets.ts';
import type { WorkerPoolProps } from '../../infra/index.ts';
import { standingCost, totalOf, type StandingCostInput } from '../../infra/standing-cost.ts';
import { synthesize } from './synthesize.ts';

const input = (pools: Partial<WorkerPoolProps>[], changes: Partial<StandingCostInput> = {}): StandingCostInput => ({
  ...presetOf({}, 'eu-west-1'),
  pools: pools.map((pool, index) => ({
    name: `p${index}`,
    settings: settingsOf({ taskQueue: `q${index}`, ...pool }, presetOf({}, 'eu-west-1')),
    publicAddress: true,
  })),
  tickSeconds: 10,
  ...changes,
});

test('each line equals its own arithmetic', () => {
  const lines = standingCost(input([{ minTasks: 2, cpu: 512, memory: 1024 }, {}], { tracing: true, metrics: 'full' }));
  expect(lines.map(({ what }) => what)).toEqual([
    'scaler',
    'scaler log',
    'state table',
    'metrics, full',
    'alarms',
    'dashboard',
    'pool p0',
  ]);
  const [, , , metrics, alarms, , pool] = lines;
  expect(metrics?.dollars).toBeCloseTo(26 * 0.3 + (43_800 * 5 * 0.01) / 1000);
  expect(alarms?.dollars).toBeCloseTo(12 * 0.1);
  expect(pool?.dollars).toBeCloseTo(2 * 730 * (0.5 * 0.04048 + 1 * 0.004445 + 0.005));
});

test('a pool at zero costs only its metrics and alarms', () => {
  const one = totalOf(standingCost(input([{}])));
  const two = totalOf(standingCost(input([{}, {}])));
  expect(two - one).toBeGreaterThan(8 * 0.3 + 6 * 0.1);
  expect(two - one).toBeLessThan(4);
});

test('Spot and Arm cost less; a capacity provider’s instances are not included', () => {
  const cost = (pool: Partial<WorkerPoolProps>) => totalOf(standingCost(input([pool])));
  const base = cost({ minTasks: 10 });
  expect(cost({ minTasks: 10, spot: true, onDemandBase: 1 })).toBeLessThan(base * 0.5);
  expect(cost({ minTasks: 10, cpuArchitecture: CpuArchitecture.ARM64 })).toBeLessThan(base);
  const onInstances = standingCost(input([{ minTasks: 10, gpu: 1, capacityProvider: 'gpus' }]));
  expect(onInstances.at(-1)?.arithmetic).toBe('instances of the capacity provider are not included');
});

test('the standing cost is a stack output, and a note during synthesis', () => {
  const { stack, template } = synthesize();
  const [output] = Object.values(template.findOutputs('*'));
  const total = /^[\d.]+ USD per month/.exec(output?.Value)?.[0];
  expect(output?.Value).toMatch(/^[\d.]+ USD per month: scaler [\d.]+; .*pool slow [\d.]+$/);
  const notes = stack.node.findChild('Workers').node.metadata.filter(({ type }) => type === 'aws:cdk:info');
  expect(notes).toHaveLength(1);
  expect(notes[0]?.data).toContain(total);
  expect(notes[0]?.data).toContain('dashboard: 1 dashboard x 3');
});

test('docs/construct.md shows the same figures', () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/construct.md'), 'utf8');
  const cell = (pools: number, metrics: 'essential' | 'full') =>
    totalOf(
      standingCost(
        input(
          Array.from({ length: pools }, () => ({})),
          { metrics },
        ),
      ),
    ).toFixed(2);
  for (const pools of [1, 3, 10]) {
    expect(document).toMatch(
      new RegExp(`\\| ${pools} +\\| ${cell(pools, 'essential')} +\\| ${cell(pools, 'full')} +\\|`),
    );
  }
});

test('decision 7 states the scaler’s current memory and cost', () => {
  const file = '../../docs/decisions/0007-a-loop-of-ticks-in-a-lambda-function.md';
  const document = readFileSync(join(import.meta.dirname, file), 'utf8').replaceAll(/\s+/g, ' ');
  const [scaler] = standingCost(input([]));
  expect(document).toContain(
    `${Math.round(scaler!.dollars)} dollars a month at ${presetOf({}, 'eu-west-1').scalerMemory} MiB`,
  );
});
