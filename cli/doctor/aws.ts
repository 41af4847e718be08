/** Checks the scaler, its permissions and its signals, the ECS services, and the alarms. */
import { DescribeServicesCommand, DescribeTasksCommand, type ECSClient, type Service } from '@aws-sdk/client-ecs';
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { SILENT_AFTER_SECONDS } from '../../contract/invocation.ts';
import { METRICS } from '../../contract/metrics.ts';
import { chunks, TASKS_A_CALL } from '../../contract/chunks.ts';
import { readDrained, readOverrides } from '../../scaler/read/overrides.ts';
import { known } from '../../scaler/policy.ts';
import { EcsServices, taskIdOf } from '../../scaler/read/ecs.ts';
import { readAlarms, readPoolState, readScaler } from '../../deployed/pool-item.ts';
import { complaintsIn, readLines } from '../../deployed/scaler-log.ts';
import { count, duration } from '../../deployed/words.ts';
import { reasonOf, type Stack } from '../../deployed/stacks.ts';
import { ok, refused, unseen, wrong, type Check } from './check.ts';
import { checkZones } from './deployment.ts';

/** The tasks of a pool, by id; undefined if ECS could not be read. */
export interface Fleet {
  desired: number;
  running: string[];
  pending: string[];
  /** When each running task started, in epoch milliseconds. */
  startedAt: Map<string, number>;
  /** Tasks by their private address. */
  addresses: Map<string, string>;
}

export type Fleets = Map<string, Fleet | undefined>;

const LOG_MINUTES = 10;
const EVENT_MINUTES = 30;

export async function examineAws(stack: Stack, now: number): Promise<{ checks: Check[]; fleets: Fleets }> {
  const [settings, schedule, log, fleets, services, signals, alarms] = await Promise.all([
    checkSettings(stack),
    checkSchedule(stack, now),
    checkLog(stack, now),
    readFleets(stack),
    Promise.all(stack.pools.map((pool) => checkService(stack, pool, now))),
    Promise.all(stack.pools.map(({ pool }) => checkSignals(stack, pool))),
    checkAlarms(stack),
  ]);
  return { checks: [settings, schedule, ...log, ...services.flat(), ...signals, ...alarms], fleets };
}

function checkSettings({ pools, problems, config }: Stack): Check {
  if (problems.length > 0) {
    return wrong('pool settings', problems.join('; '), {
      matters: 'the scaler skips such a pool: its fleet stays the same size',
      mend: `redeploy the stack, which writes the parameters below ${config.poolsPath}`,
    });
  }
  if (pools.length > 0) return ok('pool settings', `${count(pools.length, 'pool')} below ${config.poolsPath}`);
  return wrong('pool settings', `there is no pool below ${config.poolsPath}`, {
    matters: 'the scaler has nothing to scale',
    mend: 'redeploy the stack',
  });
}

async function checkSchedule(stack: Stack, now: number): Promise<Check> {
  const { scalerFunction, scalerLogGroup, stateTable } = stack.config;
  const why = {
    matters: 'fleets stay the same size, and no task is removed',
    mend:
      `check whether it is invoked and what it logs: aws logs tail ${scalerLogGroup} --since 10m; then check the schedule's state ` +
      `(aws scheduler list-schedules) and the function's concurrency (aws lambda get-function-concurrency --function-name ${scalerFunction})`,
  };
  try {
    const scaler = await readScaler(stack);
    if (scaler === undefined)
      return wrong('schedule', 'the scaler has never ticked (it should within two minutes of its deployment)', why);
    const seconds = Math.max(0, (now - scaler.tickAt) / 1000);
    if (seconds <= SILENT_AFTER_SECONDS) return ok('schedule', `the scaler ticked ${duration(seconds)} ago`);
    return wrong('schedule', `the scaler is silent: it last ticked ${duration(seconds)} ago`, why);
  } catch (error) {
    return refused('schedule', reasonOf(error), `dynamodb:GetItem on the table ${stateTable}`);
  }
}

/** Judges permissions by what AWS denied the scaler, which is the only reliable check. */
async function checkLog(stack: Stack, now: number): Promise<Check[]> {
  const group = stack.config.scalerLogGroup;
  try {
    const lines = await readLines(stack, { from: now - LOG_MINUTES * 60_000, to: now });
    // Silence is a matter of the schedule, and says nothing about permissions.
    if (lines.length === 0)
      return [unseen('rights', `could not check: ${group} has no lines of the last ${LOG_MINUTES} min`)];
    const complaints = [...new Set(lines.flatMap(complaintsIn))];
    const denied = complaints.filter((complaint) => DENIED.test(complaint));
    const others = complaints.filter((complaint) => !DENIED.test(complaint));
    return [
      denied.length === 0
        ? ok('rights', `AWS denied the scaler nothing in the last ${LOG_MINUTES} min`)
        : wrong('rights', `AWS denied the scaler: ${some(denied)}`, {
            matters: 'what the scaler may not read is unknown to it, and what it may not do does not happen',
            mend: `redeploy the stack, which restores the role's policy; if the error persists, a permissions boundary, a service control policy or a key's policy denies access`,
          }),
      others.length === 0
        ? ok('scaler', `no errors in the last ${LOG_MINUTES} min of ${group}`)
        : wrong('scaler', `errors in the last ${LOG_MINUTES} min: ${some(others)}`, {
            matters: 'a tick with errors does less than it should',
            mend: `each error says what to fix; to see all of them: aws logs tail ${group} --since ${LOG_MINUTES}m`,
          }),
    ];
  } catch (error) {
    return [refused('rights', reasonOf(error), `logs:FilterLogEvents on ${group}`)];
  }
}

const DENIED = /AccessDenied|not authorized|UnauthorizedOperation|explicit deny/i;

function some(texts: string[]): string {
  const shown = texts.slice(0, 3).join('; ');
  return texts.length > 3 ? `${shown}; and ${texts.length - 3} more` : shown;
}

async function readFleets({ aws, pools }: Stack): Promise<Fleets> {
  const read = await new EcsServices(aws.ecs).read(pools);
  const fleets = pools.map(async ({ pool, cluster }): Promise<[string, Fleet | undefined]> => {
    const { tasks, addresses } = read.get(pool)!;
    if (!known(tasks)) return [pool, undefined];
    const startedAt = await readStarts(aws.ecs, cluster, tasks.running);
    return [pool, startedAt && { ...tasks, addresses, startedAt }];
  });
  return new Map(await Promise.all(fleets));
}

/** Undefined if ECS could not be read. */
async function readStarts(ecs: ECSClient, cluster: string, ids: string[]): Promise<Map<string, number> | undefined> {
  try {
    const requests = chunks(ids, TASKS_A_CALL).map((tasks) => ecs.send(new DescribeTasksCommand({ cluster, tasks })));
    const described = (await Promise.all(requests)).flatMap(({ tasks = [] }) => tasks);
    return new Map(
      described.flatMap(({ taskArn, startedAt }) => (startedAt ? [[taskIdOf(taskArn), startedAt.getTime()]] : [])),
    );
  } catch {
    return undefined;
  }
}

async function checkService({ aws }: Stack, pool: PoolConfig, now: number): Promise<Check[]> {
  try {
    const { services = [], failures = [] } = await aws.ecs.send(
      new DescribeServicesCommand({ cluster: pool.cluster, services: [pool.service], include: ['TAGS'] }),
    );
    const [service] = services;
    const state = service?.status ?? failures[0]?.reason ?? 'MISSING';
    if (service === undefined || state !== 'ACTIVE') return [missing(pool, state)];
    return [stateOf(pool, service, now), ...checkZones(pool, service), ...checkTags(pool, service)];
  } catch (error) {
    const reason = reasonOf(error);
    if (/ClusterNotFound|ServiceNotFound/.test(reason)) return [missing(pool, reason)];
    return [refused('ECS service', reason, 'ecs:DescribeServices', pool.pool)];
  }
}

function missing({ pool, service, cluster }: PoolConfig, state: string): Check {
  return wrong(
    'ECS service',
    `${service} in cluster ${cluster} is ${state}`,
    {
      matters: 'the scaler has no service to scale: work of this pool is not done',
      mend: 'redeploy the stack',
    },
    pool,
  );
}

const TROUBLE = /unable|fail|unhealthy|blocked|rolling back|insufficient|error/i;

function stateOf({ pool, service, cluster }: PoolConfig, found: Service, now: number): Check {
  const { desiredCount = 0, runningCount = 0, pendingCount = 0, deployments = [], events = [] } = found;
  const counts = `${desiredCount} desired, ${runningCount} running, ${pendingCount} starting`;
  const failed = deployments.filter(({ rolloutState }) => rolloutState === 'FAILED');
  const recent = events.filter(({ createdAt }) => now - (createdAt?.getTime() ?? 0) < EVENT_MINUTES * 60_000);
  const troubles = [
    ...failed.map(({ rolloutStateReason }) => `a deployment failed: ${rolloutStateReason ?? 'no reason given'}`),
    ...new Set(recent.flatMap(({ message = '' }) => (TROUBLE.test(message) ? [message] : []))),
  ];
  const starting = deployments.find(({ failedTasks = 0 }) => failedTasks > 0);
  if (starting) troubles.push(`${count(starting.failedTasks ?? 0, 'task')} of the deployment failed to start`);
  if (troubles.length === 0) return ok('ECS service', `${service} is ACTIVE: ${counts}`, pool);
  return wrong(
    'ECS service',
    `${service}: ${counts}; ${some(troubles)}`,
    {
      matters: 'tasks that do not start do no work, however many the scaler orders',
      mend:
        `the newest stopped task says why: aws ecs list-tasks --cluster ${cluster} --service-name ${service} --desired-status STOPPED, ` +
        `then aws ecs describe-tasks (stoppedReason); if it is capacity, use other zones or less Spot; if it is an image or secret, check the execution role`,
    },
    pool,
  );
}

function checkTags({ pool, cluster, service }: PoolConfig, { tags = [] }: Service): Check[] {
  const { problems, policy } = readOverrides(tags);
  if (problems.length > 0) {
    const matters = 'the override has no effect';
    const mend = `elastic-workers set ${pool} --min … --max …, or --reset (tags of service ${service}, cluster ${cluster})`;
    return [wrong('tags', problems.join('; '), { matters, mend }, pool)];
  }
  const set = [
    ...Object.entries(policy).map(([name, value]) => `${name} ${String(value)}`),
    ...readDrained(tags).map((task) => `task ${task} is drained`),
  ];
  return set.length === 0 ? [] : [ok('tags', `overridden by hand: ${set.join(', ')}`, pool)];
}

/** What can be read from here may be out of the scaler's reach: it has another network and other credentials. */
async function checkSignals(stack: Stack, pool: string): Promise<Check> {
  try {
    const state = await readPoolState(stack, pool);
    if (state === undefined) return unseen('signals', 'the scaler has not reported on this pool yet', pool);
    const { activityQueue, workflowQueue, workers, tasks } = state.record;
    const unknown = Object.entries({ activityQueue, workflowQueue, workers, tasks }).flatMap(([name, reading]) =>
      known<unknown>(reading) ? [] : [`${name}: ${(reading as { unknown: string }).unknown}`],
    );
    if (unknown.length === 0) return ok('signals', 'the scaler reads queues, workers and tasks', pool);
    return wrong(
      'signals',
      `the scaler could not read ${unknown.join('; ')}`,
      {
        matters: 'the pool does not shrink, and grows only by the signals that can be read',
        mend: `if the other checks pass, the scaler's network, address or credentials differ from yours: compare the environment of ${stack.config.scalerFunction}`,
      },
      pool,
    );
  } catch (error) {
    return refused('signals', reasonOf(error), `dynamodb:GetItem on the table ${stack.config.stateTable}`, pool);
  }
}

/** One metric per alarm; the latency alarm uses one metric or another. */
const ALARMED = [
  METRICS.workersDown,
  METRICS.backlog,
  METRICS.errorRate,
  METRICS.desiredTasks,
  METRICS.pinnedAtMax,
].map(({ name }) => name as string);

async function checkAlarms(stack: Stack): Promise<Check[]> {
  try {
    const alarms = await readAlarms(stack);
    return stack.pools.map(({ pool }) => checkAlarmsOf(pool, alarms.get(pool) ?? []));
  } catch (error) {
    return [refused('alarms', reasonOf(error), 'cloudwatch:DescribeAlarms')];
  }
}

function checkAlarmsOf(pool: string, alarms: MetricAlarm[]): Check {
  const nobody = 'when the pool breaks, nobody is notified';
  const absent = ALARMED.filter((metric) => !alarms.some(({ MetricName }) => MetricName === metric));
  if (absent.length > 0) {
    const says = `there is no alarm on ${absent.join(', ')}`;
    return wrong(
      'alarms',
      says,
      { matters: nobody, mend: "deploy with alarms: true (the preset 'development' has none)" },
      pool,
    );
  }
  const silent = alarms.filter(({ ActionsEnabled, AlarmActions = [] }) => !ActionsEnabled || AlarmActions.length === 0);
  if (silent.length > 0) {
    const says = `${silent.length} of ${count(alarms.length, 'alarm')} have no action, or their actions are turned off`;
    const mend =
      'set alarmTopics (or alarmActions) on the construct and deploy; if actions are turned off: aws cloudwatch enable-alarm-actions';
    return wrong('alarms', says, { matters: nobody, mend }, pool);
  }
  const ringing = alarms.filter(({ StateValue }) => StateValue === 'ALARM');
  if (ringing.length === 0) return ok('alarms', `${alarms.length} alarms with actions, none in ALARM`, pool);
  return wrong(
    'alarms',
    `in ALARM: ${ringing.map(({ MetricName, StateReason }) => `${MetricName} (${StateReason})`).join('; ')}`,
    {
      matters: 'the problem that the alarm watches for has occurred',
      mend: ringing.map(({ AlarmDescription }) => AlarmDescription).join(' '),
    },
    pool,
  );
}
