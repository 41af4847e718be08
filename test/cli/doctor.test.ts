/** The doctor finds each fault of a stack, all of them produced for real. */
import { DeleteServiceCommand } from '@aws-sdk/client-ecs';
import { client, deploy, examine, serve, stacks, startStacks, stopStacks, wrong } from './doctor-under-test.ts';

jest.setTimeout(180_000);

beforeAll(startStacks);
afterAll(stopStacks);

test('a stack that is well has nothing wrong', async () => {
  await serve('well-queue');
  await deploy('well');
  const examined = await examine('well');
  expect(wrong(examined)).toEqual([]);
  expect(examined.code).toBe(0);
  expect(examined.checks.map(({ check }) => check).toSorted()).toEqual(
    [
      'ECS service',
      'alarms',
      'heartbeats',
      'namespace',
      'pool settings',
      'queue names',
      'rights',
      'scaler',
      'schedule',
      'server',
      'signals',
      'versions',
      'workers',
      'zone rebalancing',
    ].toSorted(),
  );
  expect(examined.text).toMatch(/^✓ workers \(well-pool\): 1 worker polling 'well-queue'; nothing waits$/m);
  expect(examined.text).toMatch(/^✓ versions \(well-pool\): all workers run temporal-typescript \d/m);
  expect(examined.text).toMatch(/^All 14 checks passed\.$/m);
});

test('tasks that run, but poll another queue', async () => {
  await deploy('unpolled');
  const examined = await examine('unpolled');
  expect(examined.code).toBe(1);
  expect(wrong(examined)).toMatchObject([
    {
      check: 'workers',
      says: "1 task of the pool is running, but no worker polls the task queue 'unpolled-queue'; nothing waits",
      mend: expect.stringContaining('TEMPORAL_TASK_QUEUE'),
    },
  ]);
});

test('workflows on a queue that no worker polls, with the name that was probably meant', async () => {
  await serve('orders-queue');
  await deploy('orders');
  const handle = await client.workflow.start('order', { taskQueue: 'Orders_queue', workflowId: 'lost-order' });
  const found = await stacks.eventually(
    async () => wrong(await examine('orders')),
    ({ length }) => length > 0,
  );
  await handle.terminate();
  expect(found).toMatchObject([
    {
      check: 'queue names',
      says: "workflows run on task queues without pollers: 1 workflow on 'Orders_queue' (such as lost-order, order): did you mean 'orders-queue'?",
      matters: expect.stringContaining('they wait forever'),
    },
  ]);
});

test('a service that was deleted', async () => {
  await serve('gone-queue');
  await deploy('gone');
  await stacks.ecs.send(new DeleteServiceCommand({ cluster: 'cluster', service: 'gone-gone-pool', force: true }));
  expect(wrong(await examine('gone'))).toMatchObject([
    {
      check: 'ECS service',
      says: expect.stringMatching(/^gone-gone-pool in cluster cluster is (INACTIVE|MISSING|DRAINING)$/),
    },
  ]);
});

test('tasks that cannot be placed, and a deployment that failed', async () => {
  await serve('full-queue');
  await deploy('full');
  const message = '(service full) was unable to place a task. Reason: Capacity is unavailable at this time.';
  const aws = await stacks.awsBut((operation, answer) => {
    const body = JSON.parse(answer);
    if (operation === 'DescribeServices') {
      body.services[0].events = [{ id: '1', createdAt: Date.now() / 1000, message }];
      body.services[0].deployments[0] = {
        rolloutState: 'FAILED',
        rolloutStateReason: 'ECS deployment circuit breaker.',
      };
    }
    return { status: 200, body: JSON.stringify(body) };
  });
  const examined = await examine('full', { AWS_ENDPOINT_URL_ECS: aws.url });
  await aws.stop();
  expect(wrong(examined)).toMatchObject([
    {
      check: 'ECS service',
      says: expect.stringMatching(
        /1 desired.+; a deployment failed: ECS deployment circuit breaker\.; .+unable to place a task/,
      ),
      mend: expect.stringContaining('--desired-status STOPPED'),
    },
  ]);
});

test('a queue without pollers is no fault while it is unknown whether a task is running', async () => {
  await deploy('unknown');
  const { checks } = await examine('unknown', { AWS_ENDPOINT_URL_ECS: 'http://127.0.0.1:1' });
  expect(checks.filter(({ ok }) => ok !== true)).toMatchObject([
    { check: 'workers', ok: null, says: expect.stringContaining('ECS could not be asked whether a task is running') },
    { check: 'ECS service', ok: null },
  ]);
});

test('a check that needs a missing permission is no fault of the stack, but not passed either', async () => {
  await serve('veiled-queue');
  await deploy('veiled');
  const aws = await stacks.awsBut(() => ({
    status: 400,
    body: JSON.stringify({ __type: 'AccessDeniedException', message: 'You are not authorized' }),
  }));
  const examined = await examine('veiled', { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: aws.url });
  await aws.stop();
  expect(wrong(examined)).toEqual([]);
  expect(examined.code).toBe(1);
  expect(examined.text).toMatch(
    /^\? rights: could not check: AccessDeniedException: .+; this needs logs:FilterLogEvents on veiled-scaler-log$/m,
  );
});

test('a scaler that is silent, and one that never ticked', async () => {
  await serve('silent-queue');
  // Sixty minutes, rounded, for all of the minute from now on.
  await deploy('silent', {}, Date.now() - 3_572_000);
  expect(wrong(await examine('silent'))).toMatchObject([
    {
      check: 'schedule',
      says: 'the scaler is silent: it last ticked 60 min ago',
      mend: expect.stringContaining('aws logs tail silent-scaler-log'),
    },
  ]);
  await stacks.deploy('unborn', { pools: [{ pool: 'unborn-pool', taskQueue: 'silent-queue' }] });
  await stacks.alarm('unborn', 'unborn-pool');
  expect(wrong(await examine('unborn'))).toMatchObject([
    { check: 'schedule', says: expect.stringContaining('the scaler has never ticked') },
  ]);
});

test('permissions that the scaler lacks, and its other errors', async () => {
  await serve('denied-queue');
  await deploy('denied');
  await stacks.log('denied', [
    '{"level":"error","message":"metrics not sent: AccessDenied: User: scaler is not authorized to perform: cloudwatch:PutMetricData"}',
    '2026-11-23T12:00:00.000Z 1 Task timed out after 60.00 seconds',
  ]);
  expect(wrong(await examine('denied'))).toMatchObject([
    { check: 'rights', says: expect.stringContaining('not authorized to perform: cloudwatch:PutMetricData') },
    { check: 'scaler', says: expect.stringContaining('Task timed out') },
  ]);
});

test('alarms that are missing, notify nobody, or are firing', async () => {
  await serve('alarms-queue');
  const pools = [{ pool: 'alarms-pool' }];
  await stacks.deploy('alarms', { pools });
  await stacks.tick('alarms', { pools });
  expect(wrong(await examine('alarms'))).toMatchObject([
    { check: 'alarms', says: 'there is no alarm on WorkersDown, Backlog, ErrorRate, DesiredTasks, PinnedAtMax' },
  ]);
  await stacks.alarm('alarms', 'alarms-pool', []);
  expect(wrong(await examine('alarms'))).toMatchObject([
    {
      check: 'alarms',
      says: '5 of 5 alarms have no action, or their actions are turned off',
      mend: expect.stringContaining('alarmTopics'),
    },
  ]);
  await stacks.alarm('alarms', 'alarms-pool');
  await stacks.setAlarm('alarms-pool-Backlog', 'ALARM');
  expect(wrong(await examine('alarms'))).toMatchObject([
    {
      check: 'alarms',
      says: expect.stringMatching(/^in ALARM: Backlog \(/),
      mend: 'alarms-pool: the runbook of Backlog.',
    },
  ]);
});

test('workers without heartbeats', async () => {
  await deploy('mute', { pools: [{ pool: 'mute-pool', taskQueue: 'mute-queue' }] });
  const ended = new AbortController();
  const poll = {
    namespace: 'default',
    taskQueue: { name: 'mute-queue', kind: 1 },
    identity: 'old-sdk@host',
  };
  const polling = client.connection.withAbortSignal(ended.signal, () =>
    client.connection.withDeadline(Date.now() + 60_000, () => client.workflowService.pollWorkflowTaskQueue(poll)),
  );
  const found = await stacks.eventually(
    async () => wrong(await examine('mute')),
    (checks) => checks.some(({ check }) => check === 'heartbeats'),
  );
  ended.abort();
  await expect(polling).rejects.toThrow('CANCELLED');
  expect(found).toMatchObject([
    { check: 'heartbeats', says: "workers poll 'mute-queue', but none has sent a heartbeat (old-sdk@host)" },
  ]);
});

test('tags and settings that make no sense', async () => {
  await serve('odd-queue');
  await deploy('odd');
  await stacks.tag('odd-odd-pool', { 'elastic-workers:min-tasks': 'many' });
  await stacks.put('/elastic-workers/odd/broken', { pool: 'broken' });
  expect(wrong(await examine('odd'))).toMatchObject([
    { check: 'pool settings', says: expect.stringContaining('/elastic-workers/odd/broken') },
    { check: 'tags', says: expect.stringContaining('"many"') },
  ]);
});
