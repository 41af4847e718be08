/** Workers and servers can report anything: no value stops the scaler, floods it, or makes a fleet scale in. */
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { decide, DEFAULT_POLICY, known } from '../../scaler/policy.ts';
import { TemporalReader } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import type { Ports } from '../../scaler/ports.ts';
import { tick } from '../../scaler/tick.ts';
import { tickRecordSchema, type TickRecord } from '../../scaler/report/tick-record.ts';
import { queue, startHostileServer, workers, type Heartbeat, type HostileServer } from './hostile-server.ts';
import { startStrictTable, type StrictTable } from './strict-table.ts';

jest.setTimeout(120_000);

const NOW = 1_800_000_000_000;
const MOST = 2n ** 63n - 1n;
const LEAST = -(2n ** 63n);

let server: HostileServer;
let reader: TemporalReader;

beforeEach(async () => {
  server = await startHostileServer();
  reader = new TemporalReader({ address: server.address, namespace: 'default', tls: false });
});

afterEach(async () => {
  await reader.close();
  server.stop();
});

async function read(answers: HostileServer['answers']) {
  server.answers = { DescribeTaskQueue: () => queue({}), ...answers };
  const signals = (await reader.read([{ pool: 'a', taskQueue: 'q' }], NOW)).get('a');
  if (signals === undefined) throw new Error('not read');
  return signals;
}

async function readWorkers(...heartbeats: Heartbeat[]): Promise<ReportedWorker[]> {
  const { workers: reported } = await read({ ListWorkers: () => workers(heartbeats) });
  if (!known(reported)) throw new Error(reported.unknown);
  return reported;
}

const tasks = { desired: 3, running: ['t1', 't2', 't3'], pending: [], cordoned: [], outdated: [] };

function recordOf(signals: Awaited<ReturnType<typeof read>>): TickRecord {
  return { v: 1, pool: 'a', now: NOW, policy: {}, ...signals, tasks };
}

describe('a queue’s figures', () => {
  test.each([
    ['a count below zero', { backlog: -5n }],
    ['the lowest possible count', { backlog: LEAST }],
    ['a rate that is not a number', { addRate: NaN }],
    ['an infinite rate', { addRate: Infinity }],
    ['a rate below zero', { addRate: -1 }],
    ['a count that is too large', { backlog: MOST }],
    ['a rate that is too large', { addRate: 3e38 }],
    ['an age that is too large', { ageSeconds: MOST }],
    ['a rate limit that is not a number', { rateLimit: NaN }],
    ['a rate limit below zero', { rateLimit: -1 }],
    ['an infinite rate limit', { rateLimit: Infinity }],
  ])('are unknown if they are invalid: %s', async (_, stats) => {
    const signals = await read({ DescribeTaskQueue: () => queue(stats) });
    expect(signals.activityQueue).toEqual({ unknown: expect.stringContaining('is not valid') });
    const { decision } = decide(recordOf(signals), undefined, DEFAULT_POLICY, NOW);
    expect(decision).toMatchObject({ desired: 3, cordon: [], reason: 'unknown' });
  });

  test('with an age below zero, caused by clock differences, count as age zero', async () => {
    const { activityQueue } = await read({ DescribeTaskQueue: () => queue({ backlog: 1n, ageSeconds: -3n }) });
    expect(activityQueue).toMatchObject({ backlog: 1, ageSeconds: 0 });
  });
});

describe('a worker’s report', () => {
  test('with negative numbers does not reduce what others report', async () => {
    const all = await readWorkers(
      { key: 'a', taskQueue: 'q', used: -1_000_000n, available: -1n, processed: -9n, failed: -9n },
      { key: 'b', taskQueue: 'q', used: 3n },
    );
    expect(all.map(({ usedSlots, slots, processed, failed }) => [usedSlots, slots, processed, failed])).toEqual([
      [0, 0, 0, 0],
      [3, 3, 0, 0],
    ]);
    expect(
      all.map(({ workflowTasks, nexusTasks, localActivities }) => [workflowTasks, nexusTasks, localActivities]),
    ).toEqual([
      [undefined, undefined, undefined],
      [{ usedSlots: 3, slots: 3, processed: 0 }, { usedSlots: 3, slots: 3, processed: 0 }, 3],
    ]);
  });

  test('from the future or the distant past has an age that the record can hold', async () => {
    for (const at of [MOST, LEAST, 0n]) {
      const [worker] = await readWorkers({ taskQueue: 'q', at });
      expect(worker?.ageSeconds).toBeGreaterThanOrEqual(0);
      expect(worker?.ageSeconds).toBeLessThanOrEqual(1e9);
    }
  });

  test('with names of 20 KB is shortened to valid names, and the pool’s item stays small', async () => {
    const long = '@#'.repeat(10_000);
    const many = Array.from({ length: 30 }, (_, index) => ({
      key: `${index}${long}`,
      identity: `x${long}`,
      host: `h${long}`,
      taskQueue: 'q',
    }));
    const reported = await readWorkers(...many);
    expect(new Set(reported.map(({ key }) => key)).size).toBe(30);
    const record = recordOf({ activityQueue: NONE, workflowQueue: NONE, workers: reported });
    const { memory } = decide(record, undefined, DEFAULT_POLICY, NOW);
    expect(JSON.stringify({ record, memory }).length).toBeLessThan(40_000);
  });

  test('with a name of 10 MB makes the reading unknown', async () => {
    const { workers: reported } = await read({ ListWorkers: () => workers([{ taskQueue: 'q'.repeat(10_000_000) }]) });
    expect(reported).toEqual({ unknown: expect.stringContaining('larger than max') });
  });

  test.each(['__proto__', 'constructor', 'toString', 'length', ''])(
    'with the key %j, even twice, does not corrupt the memory',
    async (key) => {
      let memory: unknown;
      for (const tick of [0, 1, 2, 3]) {
        const processed = BigInt(10 * tick);
        const reported = await readWorkers(
          { key: tick === 0 ? 'another' : key, taskQueue: 'q', used: 1n, processed, at: BigInt(NOW / 1000) },
          { key: tick === 0 ? 'another' : key, taskQueue: 'q', used: 2n, processed: 0n, at: BigInt(NOW / 1000) },
        );
        const outcome = decide(recordOf({ ...QUIET, workers: reported }), memory, DEFAULT_POLICY, NOW + tick * 10_000);
        expect(outcome.decision).toMatchObject({
          desired: expect.any(Number),
          reason: expect.not.stringContaining('unknown'),
        });
        expect(outcome.decision.desired).toBeGreaterThan(0);
        ({ memory } = outcome);
        // Invalid numbers in it would be null now.
        expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
      }
    },
  );

  test('of too many slots keeps the fleet at its limit, and no higher', async () => {
    const at = BigInt(NOW / 1000);
    const reported = await readWorkers({ taskQueue: 'q', used: 2n ** 31n - 1n, available: 2n ** 31n - 1n, at });
    const record = recordOf({ ...QUIET, workers: reported });
    const { decision } = decide(record, undefined, { ...DEFAULT_POLICY, maxTasks: 7 }, NOW);
    expect(decision).toMatchObject({ desired: expect.any(Number), cordon: [] });
    expect(decision.desired).toBeLessThanOrEqual(7);
  });

  test('of another queue, or without a queue, belongs to no pool', async () => {
    expect(await readWorkers({ taskQueue: 'another' }, { taskQueue: '' })).toEqual([]);
  });
});

const NONE = { unknown: 'not read' };
const NO_QUEUE = { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false };
const QUIET = { activityQueue: NO_QUEUE, workflowQueue: NO_QUEUE };

describe('a listing', () => {
  test('of more workers than a fleet can have makes only this queue’s workers unknown', async () => {
    const crowd = Array.from({ length: 10_001 }, (_, index) => ({ key: String(index), taskQueue: 'q' }));
    server.answers = {
      DescribeTaskQueue: () => queue({}),
      ListWorkers: () => workers([...crowd, { taskQueue: 'other' }]),
    };
    const pools = ['q', 'other'].map((taskQueue) => ({ pool: taskQueue, taskQueue }));
    const signals = await reader.read(pools, NOW);
    expect(signals.get('q')?.workers).toEqual({ unknown: expect.stringContaining('more than 10000 workers') });
    expect(signals.get('other')?.workers).toHaveLength(1);
  });

  const page = Array.from({ length: 1000 }, (_, index) => ({ key: String(index), taskQueue: 'q' }));

  test('of 100,000 workers is abandoned in time', async () => {
    let pages = 0;
    const { workers: reported } = await read({ ListWorkers: () => workers(page, (pages += 1) < 100 ? 'more' : '') });
    expect(reported).toEqual({ unknown: expect.stringMatching(/more than 10000 workers|no answer within/) });
  });

  test('without an end is abandoned in time, and its next pages are not requested', async () => {
    let [given, asked] = [false, 0];
    const listing = (request: Buffer) => {
      const goesOn = request.includes('more');
      if (given && goesOn) asked += 1;
      return given && !goesOn ? workers([]) : workers(page, 'more');
    };
    const { workers: reported } = await read({ ListWorkers: listing });
    expect(reported).toEqual({ unknown: expect.stringContaining('no answer within') });
    given = true;
    for (let times = 0; times < 20; times += 1) await read({ ListWorkers: listing });
    // One request may have been in flight.
    expect(asked).toBeLessThanOrEqual(1);
  });
});

test('an error from the server is shortened, and can be read back from the record', async () => {
  const signals = await read({ DescribeTaskQueue: () => `no\n\u001b[31m{"}${'x'.repeat(5000)}` });
  const { unknown } = signals.activityQueue as { unknown: string };
  expect(unknown.length).toBeLessThanOrEqual(500);
  expect(tickRecordSchema.safeParse(JSON.parse(JSON.stringify(recordOf(signals)))).success).toBe(true);
});

/** Pools of two servers in one tick, with the names that every object has. */
describe('the pools of a server', () => {
  const good = { pool: 'constructor', taskQueue: '__proto__' };
  let friendly: HostileServer;
  let strict: StrictTable;

  beforeAll(async () => {
    [friendly, strict] = await Promise.all([startHostileServer(), startStrictTable()]);
    friendly.answers = {
      DescribeTaskQueue: () => queue({ backlog: 500n, ageSeconds: 60n }),
      ListWorkers: () => workers([{ taskQueue: good.taskQueue, used: 5n, at: BigInt(NOW / 1000) }]),
    };
  });
  afterAll(async () => {
    friendly.stop();
    await strict.stop();
  });

  test.each<[string, HostileServer['answers']]>([
    ['never answers', { DescribeTaskQueue: () => undefined, ListWorkers: () => undefined }],
    ['returns impossible figures', { DescribeTaskQueue: () => queue({ backlog: LEAST }), ListWorkers: () => 'no' }],
    ['sends unreadable data', { DescribeTaskQueue: () => Buffer.alloc(99, 255), ListWorkers: () => Buffer.of(8) }],
    ['lists workers endlessly', { ListWorkers: () => workers([{ taskQueue: 'q' }], 'more') }],
  ])('that %s stay the same size, and other servers’ pools go on', async (_, answers) => {
    server.answers = { DescribeTaskQueue: () => queue({}), ...answers };
    const temporal = { address: friendly.address, namespace: 'default', tls: false };
    const pools = [
      { pool: '__proto__', taskQueue: 'q' },
      { ...good, temporal },
    ].map((pool) =>
      poolConfigSchema.parse({
        cluster: 'c',
        service: 's',
        taskRoleId: 'AROA',
        policy: { maxTasks: 9, slotsPerTask: 1 },
        ...pool,
      }),
    );
    const counts = new Map<string, number>();
    const outcomes = new Map<string, { reason: string; errors: string[] }>();
    await tick(pools, new Map(), portsOf(counts, outcomes), { mode: 'act', now: NOW, keeps: true });
    expect(outcomes.get('__proto__')).toEqual({ reason: 'unknown', errors: [] });
    expect(outcomes.get('constructor')).toEqual({ reason: 'maximum', errors: [] });
    expect(Object.fromEntries(counts)).toEqual({ constructor: 9 });
  });

  function portsOf(counts: Map<string, number>, outcomes: Map<string, { reason: string; errors: string[] }>): Ports {
    const reading = { tasks, addresses: new Map(), overrides: { policy: {}, problems: [] } };
    return {
      temporal: reader,
      ecs: { read: async (pools) => new Map(pools.map(({ pool }) => [pool, reading])) },
      setDesired: async ({ pool }, count) => void counts.set(pool, count),
      state: strict.table,
      telemetry: {
        report: (record, { decision }, errors) => void outcomes.set(record.pool, { reason: decision.reason, errors }),
      },
    };
  }
});
