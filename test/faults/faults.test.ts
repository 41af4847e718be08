/**
 * The built scaler and workers while Temporal and AWS fail around them: no busy task is removed, the scaler's loop
 * continues, and two ticks after the cause has ended all readings are known again.
 */
import { known, type WorkerReading } from '../../scaler/policy.ts';
import type { AwsFault, AwsService, TemporalFault } from './fronts.ts';
import { FaultyStack, type TickLine } from './faulty-stack.ts';

jest.setTimeout(300_000);

const POOL = 'pool';
const TASKS = 2;
const faulty = new FaultyStack([{ name: POOL, policy: { slotsPerTask: 1, maxTasks: TASKS } }]);

beforeAll(() => faulty.start());
afterAll(() => faulty.stop());

test('an attempt whose worker was killed is retried after its heartbeat timeout, on an existing or a new task', async () => {
  const work = await start('killed', { seconds: 10, heartbeatTimeout: '10 seconds' });
  const task = await faulty.until('it runs', async () => (await work.describe()).lastWorkerIdentity);
  await faulty.until('its worker is killed', () => faulty.kill(task));
  await work.result();
  expect(await work.describe()).toMatchObject({ attempt: 2 });
  expect((await work.describe()).lastWorkerIdentity).not.toBe(task);
});

/** What fails, whether the failure shows in ticks or only in the log, and how it starts and ends. */
const CAUSES: [title: string, seen: 'in ticks' | 'in the log', fail: (on: boolean) => void][] = [
  ['Temporal is unreachable', 'in ticks', temporal('unreachable')],
  ['Temporal is slow', 'in ticks', temporal('slow')],
  ['Temporal resets its connections', 'in ticks', temporal('reset')],
  ['ECS is throttling', 'in ticks', aws('throttled', 'ecs')],
  ['ECS answers with errors', 'in ticks', aws('failing', 'ecs')],
  ['ECS hangs', 'in ticks', aws('late', 'ecs')],
  [
    'ECS denies access, and DynamoDB answers with errors',
    'in ticks',
    both(aws('denied', 'ecs'), aws('failing', 'dynamodb')),
  ],
  ['DynamoDB resets its connections', 'in ticks', aws('reset', 'dynamodb')],
  ['CloudWatch and SSM are throttling', 'in the log', aws('throttled', 'monitoring', 'ssm')],
];

describe('no task is removed, the loop continues, and all readings are known again two ticks later', () => {
  /** Work that outlasts all faults, on any machine. */
  const work: Awaited<ReturnType<typeof start>>[] = [];
  let tasks: string[] = [];

  beforeAll(async () => {
    await faulty.hold(POOL, TASKS);
    for (let number = 1; number <= TASKS; number += 1) work.push(await start(`long-${number}`, { seconds: 900 }));
    await faulty.until('both tasks are busy', () => runningIds().length === TASKS && runningIds().every(isBusy));
    // From here on only the work keeps them.
    await faulty.release(POOL);
    await faulty.until('the limit is gone', () => faulty.lines.at(-1)?.policy.minTasks === undefined);
    tasks = runningIds();
  });

  /** Nothing else ends the work, and the next test needs a worker. */
  afterAll(async () => {
    for (const task of tasks) await faulty.kill(task);
    await faulty.until('another worker has reported', () =>
      reported().some(({ task }) => task !== null && !tasks.includes(task) && runningIds().includes(task)),
    );
  });

  test.each(CAUSES)('while %s', async (_title, seen, fail) => {
    const [from, complaints] = [faulty.lines.length, faulty.complaints.length];
    fail(true);
    await faulty.until('it is noticed', () =>
      seen === 'in ticks' ? troubled(from).length >= 1 : faulty.complaints.length > complaints,
    );
    fail(false);
    const endedAt = Date.now();
    const begunAfter = () => faulty.lines.filter(({ now }) => now > endedAt);
    await faulty.until('two ticks after the end', () => begunAfter().length >= 3);

    expect(begunAfter().slice(2).flatMap(troublesOf)).toEqual([]);
    expect(faulty.lines.slice(from).flatMap(({ cordon }) => cordon)).toEqual([]);
    expect((await faulty.service(POOL)).desiredCount).toBe(TASKS);
    expect(runningIds()).toEqual(tasks);
    for (const each of work) expect(await each.describe()).toMatchObject({ attempt: 1, status: 'RUNNING' });
    expect(faulty.scalerEnd).toBeUndefined();
  });
});

test('after Temporal restarts with empty state the loop continues, and new work is done', async () => {
  await faulty.restartTemporal();
  const again = await faulty.until('work is taken', () => start('after', { seconds: 0.1 }).catch(() => undefined));
  await again.result();
  const from = faulty.lines.length;
  await faulty.until('three ticks', () => faulty.lines.length >= from + 3);
  expect(troublesOf(faulty.lines.at(-1)!)).toEqual([]);
  expect(faulty.scalerEnd).toBeUndefined();
});

function start(id: string, { seconds, heartbeatTimeout }: { seconds: number; heartbeatTimeout?: '10 seconds' }) {
  return faulty.client.activity.start('executeStrategyDirectly', {
    id,
    taskQueue: POOL,
    args: ['sequential', { task: id, steps: ['Answer'] }, { offlineModel: { secondsPerAsk: seconds } }],
    startToCloseTimeout: '20 minutes',
    ...(heartbeatTimeout && { heartbeatTimeout }),
  });
}

function troubled(from: number): TickLine[] {
  return faulty.lines.slice(from).filter((line) => troublesOf(line).length > 0);
}

function troublesOf({ activityQueue, workflowQueue, workers, tasks, errors }: TickLine): string[] {
  const unknown = [activityQueue, workflowQueue, workers, tasks].filter((reading) => !known<object>(reading));
  return [...unknown.map((reading) => JSON.stringify(reading)), ...errors];
}

function runningIds(): string[] {
  return faulty
    .running(POOL)
    .map(({ taskId }) => taskId)
    .toSorted();
}

/** According to its own worker: a killed one stays listed for minutes, with its last report. */
function isBusy(taskId: string): boolean {
  return reported().some(({ task, usedSlots }) => task === taskId && usedSlots > 0);
}

function reported(): WorkerReading[] {
  const { workers } = faulty.lines.at(-1) ?? {};
  return Array.isArray(workers) ? workers : [];
}

function temporal(fault: TemporalFault): (on: boolean) => void {
  return (on) => faulty.temporalFront.fail(on ? fault : undefined);
}

function aws(fault: AwsFault, ...services: AwsService[]): (on: boolean) => void {
  return (on) => services.forEach((service) => faulty.aws.fail(service, on ? fault : undefined));
}

function both(...causes: ((on: boolean) => void)[]): (on: boolean) => void {
  return (on) => causes.forEach((cause) => cause(on));
}
