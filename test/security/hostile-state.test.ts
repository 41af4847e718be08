/** Anyone with permission to write the state table can write anything: no item stops the scaler, or lifts a limit. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { poolKey } from '../../contract/state-table.ts';
import { decide, DEFAULT_POLICY, type Signals } from '../../scaler/policy.ts';
import { OtherScalerError } from '../../scaler/act/state.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';
import { startStrictTable, type StrictTable } from './strict-table.ts';

jest.setTimeout(120_000);

const NOW = 1_800_000_000_000;
const queue = { backlog: 3, ageSeconds: 9, addRate: 1, dispatchRate: 1, rateLimited: false };
const worker = { key: 'w', task: 't1', ageSeconds: 1, usedSlots: 2, slots: 5, processed: 9, failed: 1 };
const signals: Signals = {
  activityQueue: queue,
  workflowQueue: { ...queue, backlog: 0 },
  workers: [worker],
  tasks: { desired: 2, running: ['t1', 't2'], pending: [], cordoned: [], outdated: [] },
};
const record: TickRecord = { v: 1, pool: 'a', now: NOW, policy: {}, ...signals } as TickRecord;
const policy = { ...DEFAULT_POLICY, minTasks: 1, maxTasks: 20 };

describe('a forged memory', () => {
  const learned = [0, 10, 20].reduce<unknown>(
    (memory, seconds) => decide(signals, memory, policy, NOW + seconds * 1000).memory,
    undefined,
  );
  const places = pathsOf(learned);
  const anything = fc.oneof(
    fc.constantFrom(-1e308, -1, 0, 1e9, 1e15, 1e308, NaN, Infinity, -Infinity),
    fc.constantFrom<unknown>(null, '', '1', true, [], {}, [[]], 'x'.repeat(1000), { __proto__: null, at: 1 }),
  );

  test('leads to a decision within the limits, and in time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...places), anything), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const hostile = structuredClone(learned);
          for (const [path, value] of changes) put(hostile, path, value);
          let memory: unknown = hostile;
          for (const seconds of [30, 40, 50]) {
            const { decision, memory: next } = decide(signals, memory, policy, NOW + seconds * 1000);
            expect(Number.isInteger(decision.desired)).toBe(true);
            expect(decision.desired).toBeGreaterThanOrEqual(policy.minTasks);
            expect(decision.desired).toBeLessThanOrEqual(policy.maxTasks);
            memory = JSON.parse(JSON.stringify(next));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const within = Object.entries(value).flatMap(([name, each]) => pathsOf(each, [...path, name]));
  return path.length > 0 ? [path, ...within] : within;
}

function put(target: unknown, path: string[], value: unknown): void {
  let at = target as Record<string, unknown>;
  for (const name of path.slice(0, -1)) {
    if (typeof at[name] !== 'object' || at[name] === null) return;
    at = at[name] as Record<string, unknown>;
  }
  at[path.at(-1) as string] = value;
}

describe('a forged item', () => {
  let strict: StrictTable;

  beforeAll(async () => (strict = await startStrictTable()));
  afterAll(() => strict.stop());

  test.each<[string, Record<string, AttributeValue>]>([
    ['a version that is a string', { version: { S: 'x' } }],
    ['a version that is too large', { version: { N: '99999999999999999999' } }],
    ['a version below zero', { version: { N: '-1' } }],
    [
      'a number that JavaScript cannot represent',
      { version: { N: '3' }, memory: { M: { at: { N: '12345678901234567890.5' } } } },
    ],
    ['a list instead of a memory', { version: { N: '3' }, memory: { L: [] } }],
    ['tasks without a usable name', { decision: { M: { cordon: { L: [{ M: { toString: { S: 'x' } } }] } } } }],
    ['keys that every object has', { memory: { M: { ['__proto__']: { S: 'x' }, constructor: { NULL: true } } } }],
  ])('with %s is overwritten, without effect on other pools', async (_, item) => {
    await strict.put({ id: { S: poolKey('a') }, ...item });
    const states = await strict.table.load(['a', 'b']);
    expect(states.get('b')).toEqual({ version: 0, memory: undefined, decision: undefined });
    const state = states.get('a');
    if (state === undefined) throw new Error('not loaded');
    const { decision, memory } = decide(signals, state.memory, policy, NOW);
    expect(decision.desired).toBeLessThanOrEqual(policy.maxTasks);
    expect(state.decision).toBeUndefined();
    await expect(strict.table.save('a', { version: state.version, decision, memory }, record)).resolves.toBe(
      state.version + 1,
    );
  });

  test('of another scaler with a valid version is left alone', async () => {
    await strict.put({ id: { S: poolKey('c') }, version: { N: '7' } });
    const next = { version: 6, memory: {}, decision: undefined };
    await expect(strict.table.save('c', next, record)).rejects.toThrow(OtherScalerError);
  });
});

describe('the scaler’s own item', () => {
  let strict: StrictTable;

  beforeAll(async () => (strict = await startStrictTable()));
  afterAll(() => strict.stop());

  test('can be stored after weeks in which learned values have decayed', async () => {
    const memory = { gaps: [1e-200, -1e-131, 5e-324, 0.5], attempts: Math.exp(-400) };
    await expect(strict.table.save('a', { version: 0, memory, decision: undefined }, record)).resolves.toBe(1);
    expect((await strict.table.load(['a'])).get('a')?.memory).toEqual({ gaps: [0, 0, 0, 0.5], attempts: 0 });
  });

  test('can be stored for the largest possible fleet', async () => {
    const ids = Array.from({ length: 5000 }, (_, index) => index.toString(16).padStart(32, '0'));
    const workers = ids.map((task) => ({ ...worker, key: `${task}-key`, task }));
    const tasks = { desired: 5000, running: ids, pending: [], cordoned: [], outdated: [] };
    const large = { ...record, workers, tasks };
    const { decision, memory } = decide(large, undefined, { ...policy, maxTasks: 5000 }, NOW);
    await expect(strict.table.save('large', { version: 0, memory, decision }, large)).resolves.toBe(1);
  });
});
