/** The commands as processes, against the emulator and the Temporal server. */
import { Client, Connection } from '@temporalio/client';
import { ServedStacks, runCli, type Ran } from './served-stacks.ts';

jest.setTimeout(180_000);

const stacks = new ServedStacks();
const pools = [
  { pool: 'fast', taskQueue: 'fast-queue' },
  { pool: 'slow', taskQueue: 'slow-queue', policy: { minTasks: 1, maxTasks: 4, taskDollarsPerHour: 0.5 } },
];
let client: Client;

beforeAll(async () => {
  await stacks.start();
  await stacks.deploy('shop', { pools });
  await stacks.alarm('shop', 'fast');
  client = new Client({ connection: await Connection.connect({ address: stacks.temporal.address }) });
  for (const workflowId of ['one', 'two', 'three']) {
    await client.workflow.start('order', { taskQueue: 'fast-queue', workflowId });
  }
  await stacks.queued('fast-queue', 3);
  await stacks.tick('shop', { pools }, Date.now() - 20_000);
});

afterAll(async () => {
  await client?.connection.close();
  await stacks.stop();
});

async function tagsOf(service: string): Promise<Record<string, string>> {
  const { tags = [] } = await stacks.service(service);
  return Object.fromEntries(tags.map(({ key = '', value = '' }) => [key, value]));
}

describe('eval', () => {
  test('reads and decides with the shipped code, and changes nothing', async () => {
    await stacks.cli('set', 'fast', '--min', '2');
    const before = await stacks.cli('status', '--json');
    const { code, stdout } = await stacks.cli('eval', 'fast', '--json');
    expect({ code, evaluated: JSON.parse(stdout) }).toMatchObject({
      code: 0,
      evaluated: [{ record: { pool: 'fast', workflowQueue: { backlog: 3 } }, decision: { desired: 2 }, errors: [] }],
    });
    const after = await stacks.cli('status', '--json');
    await stacks.cli('set', 'fast', '--reset');
    const withoutAge = (ran: Ran) => ran.stdout.replaceAll(/"seenSecondsAgo":[\d.]+/g, '');
    expect(withoutAge(after)).toBe(withoutAge(before));
    expect(await stacks.service('shop-fast')).toMatchObject({ desiredCount: 1 });
  });

  test('prints the decision of each pool, its meaning and its numbers', async () => {
    const { code, stdout } = await stacks.cli('eval');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^fast: desired 1 to 1, [a-z-]+: .+\n {2}busy .+ queued 3 /m);
    expect(stdout).toMatch(/^slow: desired 1 to 1, /m);
  });

  test('connects to another Temporal by its standard variables, and says what could not be read', async () => {
    const { code, stdout } = await stacks.cliWith(
      { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } },
      'eval',
      'fast',
      '--json',
    );
    expect({ code, evaluated: JSON.parse(stdout) }).toMatchObject({
      code: 1,
      evaluated: [{ record: { workflowQueue: { unknown: expect.any(String) } }, decision: { reason: 'unknown' } }],
    });
  });
});

describe('status', () => {
  test('shows the scaler’s last record of each pool, and its age', async () => {
    const { code, stdout } = await stacks.cli('status', '--json');
    const { stack, pools: shown } = JSON.parse(stdout);
    expect({ code, stack }).toEqual({ code: 0, stack: 'shop' });
    expect(shown).toMatchObject([
      { pool: 'fast', backlog: 3, busySlots: 0, desired: 1, running: 1, starting: 0, cordoned: 0, alarms: [] },
      { pool: 'slow', alarms: [] },
    ]);
    expect(shown[0].seenSecondsAgo).toBeGreaterThan(19);
  });

  test('prints a table without colors when the output is not a terminal', async () => {
    const { stdout } = await stacks.cli('status');
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('Stack shop');
    expect(lines[2]).toMatch(/^pool +backlog +age +slots +desired +running +starting +cordoned +reason +seen +alarms$/);
    expect(lines[3]).toMatch(/^fast +3 +\d+ (s|min) +0\/0 +1 +1 +0 +0 +[a-z-]+ +\d+ (s|min) ago +none$/);
    // eslint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/\u001b/);
  });

  test('names the metric of a firing alarm, and exits with 1', async () => {
    await stacks.setAlarm('fast-Backlog', 'ALARM');
    const { code, stdout } = await stacks.cli('status');
    await stacks.setAlarm('fast-Backlog', 'OK');
    expect(stdout).toMatch(/^fast .* Backlog$/m);
    expect(code).toBe(1);
  });

  test('says how long the scaler has been silent, and exits with 1', async () => {
    await stacks.deploy('silent', { pools: [{ pool: 'quiet' }] });
    // Ten minutes, rounded, for all of the minute from now on.
    await stacks.tick('silent', { pools: [{ pool: 'quiet' }] }, Date.now() - 572_000);
    const { code, stdout } = await stacks.cli('status', '--stack', 'silent');
    expect(code).toBe(1);
    expect(stdout).toContain('quiet: the scaler has reported nothing for 10 min');
  });

  test('ignores the alarms of a pool with the same name in another stack', async () => {
    await stacks.deploy('twin', { pools: [{ pool: 'fast' }] });
    const alarmsOf = async (stack: string) =>
      JSON.parse((await stacks.cli('status', '--stack', stack, '--json')).stdout).pools[0].alarms as string[];
    await stacks.setAlarm('fast-Backlog', 'ALARM');
    const firing = { shop: await alarmsOf('shop'), twin: await alarmsOf('twin') };
    await stacks.setAlarm('fast-Backlog', 'OK');
    expect(firing).toEqual({ shop: ['Backlog'], twin: [] });
  });
});

describe('explain', () => {
  test('groups ticks with the same decision, newest last, with their numbers', async () => {
    await stacks.tick('shop', { pools }, Date.now() - 10_000);
    await stacks.tick('shop', { pools: pools.map((pool) => ({ ...pool, policy: { minTasks: 3, maxTasks: 5 } })) });
    // Another stack may write to the same log group, of a pool of the same name.
    await stacks.tick('twin', { pools: [{ pool: 'fast' }], config: { scalerLogGroup: 'shop-scaler-log' } });
    const { code, stdout } = await stacks.cli('explain', 'fast', '--stack', 'shop');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /minimum: more tasks, only to reach minTasks\n {2}desired 3\n {2}busy .+\(3\.\.5\), 1 to 3; unknown: 1 task without a report\n$/,
    );
  });

  test('prints as many decisions as requested', async () => {
    const { stdout } = await stacks.cli('explain', 'fast', '--last', '1', '--stack', 'shop', '--json');
    expect(JSON.parse(stdout)).toMatchObject([{ pool: 'fast', ticks: 1, reason: 'minimum', desired: 3 }]);
  });

  test('says what to do when there is no decision', async () => {
    await stacks.deploy('fresh', { pools: [{ pool: 'new' }] });
    const { code, stderr } = await stacks.cli('explain', 'new', '--stack', 'fresh');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('run elastic-workers doctor') });
  });
});

describe('pause, resume and set', () => {
  const shop = ['--stack', 'shop'];

  test('pause sets a tag that the scaler honors, and resume removes it', async () => {
    const paused = await stacks.cli('pause', 'slow', ...shop);
    expect(paused.stdout).toContain(
      'slow: 1 to 4 tasks, not paused (no tags)\n    → 1 to 4 tasks, paused (by elastic-workers:paused=true)',
    );
    expect(await tagsOf('shop-slow')).toEqual({ 'elastic-workers:paused': 'true' });
    expect((await stacks.cli('eval', 'slow', ...shop)).stdout).toContain('paused: the pool is paused');

    const resumed = await stacks.cli('resume', 'slow', ...shop, '--json');
    expect(JSON.parse(resumed.stdout)).toMatchObject({ before: { paused: true }, after: { paused: false, tags: {} } });
    expect(await tagsOf('shop-slow')).toEqual({});
  });

  test('set overrides one limit or both, and --reset removes the overrides', async () => {
    const { stdout } = await stacks.cli('set', 'slow', '--min', '6', ...shop, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      before: { minTasks: 1, maxTasks: 4 },
      after: { minTasks: 6, maxTasks: 6, tags: { minTasks: '6' } },
    });
    expect(await tagsOf('shop-slow')).toEqual({ 'elastic-workers:min-tasks': '6' });
    await stacks.cli('set', 'slow', '--reset', ...shop);
    expect(await tagsOf('shop-slow')).toEqual({});
  });

  test('refuse a value that contradicts an existing tag, and change nothing', async () => {
    await stacks.cli('set', 'slow', '--max', '3', ...shop);
    const { code, stderr } = await stacks.cli('set', 'slow', '--min', '5', ...shop);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('minTasks would be 5 and maxTasks 3'),
    });
    expect(await tagsOf('shop-slow')).toEqual({ 'elastic-workers:max-tasks': '3' });
    await stacks.cli('set', 'slow', '--reset', ...shop);
  });

  test('list all problems with the input at once', async () => {
    const { code, stderr } = await stacks.cli('set', 'slo', '--min', 'five', '--max', '0', ...shop);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'error: 3 problems:\n' +
        "  - --min must be a whole number from 0 to 5000, got 'five'\n" +
        "  - --max must be a whole number from 1 to 5000, got '0'\n" +
        "  - there is no pool 'slo'; pools: fast, slow\n",
    });
    const contradictory = await stacks.cli('set', 'slow', '--min', '5', '--max', '2', '--reset', '--json', ...shop);
    expect(JSON.parse(contradictory.stderr)).toEqual({
      problems: ['--min 5 is more than --max 2', '--reset removes both overrides: leave --min and --max out'],
    });
  });
});

describe('drain', () => {
  const crowd = [{ pool: 'crowded' }];
  const taskIds = async () =>
    (await stacks.tasks('crowd-crowded')).map((arn) => arn.split('/').at(-1) ?? '').toSorted();

  beforeAll(async () => {
    await stacks.deploy('crowd', { pools: crowd });
    // Of 17 ids, two start with the same of sixteen digits.
    await stacks.scale('crowd-crowded', 17);
    await stacks.eventually(taskIds, (ids) => ids.length === 17);
  });

  test('accepts the beginning of a task’s id, and lists the tasks when none or several match', async () => {
    const ids = await taskIds();
    const none = await stacks.cli('drain', 'no-such-task', '--stack', 'crowd');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining(`begins with 'no-such-task'; tasks: `) });
    expect(none.stderr).toContain(`${ids[0]} (crowded)`);
    const digit = ids.map(([first]) => first).find((first, index, all) => all.indexOf(first) !== index) ?? '';
    const several = await stacks.cli('drain', digit, '--stack', 'crowd');
    expect(several).toMatchObject({ code: 2, stderr: expect.stringMatching(/matches \d+ tasks, give more of the id/) });
  });

  test('refuses when no scaler would cordon the task, and changes nothing', async () => {
    const [id = ''] = await taskIds();
    const silent = await stacks.cli('drain', id, '--stack', 'crowd');
    expect(silent).toMatchObject({ code: 1, stderr: expect.stringContaining('The scaler is silent') });
    await stacks.tick('crowd', { pools: crowd });
    const observing = await stacks.cli('drain', id, '--stack', 'crowd');
    expect(observing).toMatchObject({ code: 1, stderr: expect.stringContaining('The scaler only observes') });
    expect(await tagsOf('crowd-crowded')).toEqual({});
  });
});

describe('cost', () => {
  test('multiplies task-hours by the price, and says what is unknown', async () => {
    const { code, stdout } = await stacks.cli('cost', '--hours', '2', '--stack', 'shop', '--json');
    const { pools: costs } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(costs).toMatchObject([
      { pool: 'fast', by: 'DesiredTasks', priced: false, taskDollarsPerHour: 0.04937 },
      { pool: 'slow', by: 'DesiredTasks', priced: true, taskDollarsPerHour: 0.5 },
    ]);
    for (const { taskHours, dollars, taskDollarsPerHour, knownHours, monthDollars } of costs) {
      expect(taskHours).toBeGreaterThan(0);
      expect(dollars).toBeCloseTo(taskHours * taskDollarsPerHour);
      expect(monthDollars).toBeCloseTo((dollars / knownHours) * 730);
    }
    const text = (await stacks.cli('cost', '--hours', '2', '--stack', 'shop')).stdout;
    expect(text).toMatch(/slow: 0\.[12] of 2 h are known; the cost of the rest is unknown, not zero\./);
  });

  test('is unknown without the pool’s own metrics, even if a pool of the same name has some, and exits with 1', async () => {
    await stacks.deploy('unseen', { pools: [{ pool: 'fast' }] });
    const { code, stdout } = await stacks.cli('cost', '--stack', 'unseen');
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('fast: there is no metric') });
  });
});

describe('replay and simulate', () => {
  const record = (backlog: number) => ({
    v: 1,
    pool: 'a',
    now: 1_763_860_000_000,
    activityQueue: { backlog, ageSeconds: 1, addRate: 0, dispatchRate: 0, rateLimited: false },
    workflowQueue: { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false },
    workers: [],
    tasks: { desired: 0, running: [], pending: [], cordoned: [] },
  });

  test('replay repeats the decisions under another policy', async () => {
    const input = `START of a log\n${JSON.stringify(record(50))}\n`;
    const { code, stdout } = await runCli(['replay', '--policy', '{"maxTasks":1,"slotsPerTask":1}'], { input });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ pool: 'a', desired: 1, reason: 'maximum' });
  });

  test('replay exits with 1 for a record it cannot read, and with 2 for an invalid policy', async () => {
    expect((await runCli(['replay'], { input: '{"v":1,"pool":"a"}\n' })).code).toBe(1);
    const { code, stderr } = await runCli(['replay', '--policy', '{"minTasks":5,"maxTasks":2}']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('minTasks must be at most maxTasks') });
  });

  test('simulate runs the simulator', async () => {
    const { code, stdout } = await runCli(['simulate', '--trace', 'trickle', '--no-peers', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).queues).toMatchObject([{ trace: 'trickle' }]);
    expect(await runCli(['simulate', '--trace', 'nope'])).toMatchObject({ code: 2 });
  });
});

describe('any command', () => {
  test('asks for --stack when there are several stacks, and lists their names', async () => {
    const { code, stderr } = await stacks.cli('status');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/choose one with --stack: crowd, fresh, shop, /),
    });
    const unknown = await stacks.cli('status', '--stack', 'shopp');
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--stack must be one of crowd, fresh, shop'),
    });
  });

  test('exits with 2 for an unknown command or option, and suggests the right one', async () => {
    expect(await stacks.cli('statsu')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean status?'),
    });
    expect(await stacks.cli('status', '--jsn')).toMatchObject({ code: 2, stderr: expect.stringContaining('--json') });
  });

  test('says what to do when AWS does not answer', async () => {
    const { code, stderr } = await stacks.cliWith({ env: { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' } }, 'status');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('AWS_PROFILE and AWS_REGION choose') });
  });
});
