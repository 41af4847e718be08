/** The scaler, its rights and what it sees; the ECS services; the alarms. */
import { DescribeServicesCommand, DescribeTasksCommand, type ECSClient, type Service } from '@aws-sdk/client-ecs';
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { METRICS } from '../../contract/metrics.ts';
import { chunks } from '../../contract/chunks.ts';
import { readDrained, readOverrides } from '../../scaler/overrides.ts';
import { known } from '../../scaler/policy.ts';
import { EcsServices, taskIdOf } from '../../scaler/signals/ecs.ts';
import { readAlarms, readPoolState, readScaler, SILENT_AFTER_SECONDS } from '../pool-state.ts';
import { complaintsIn, readLines } from '../scaler-log.ts';
import { count, duration } from '../shell.ts';
import { reasonOf, type Stack } from '../stacks.ts';
import { ok, refused, unseen, wrong, type Check } from './check.ts';
import { checkZones } from './deployment.ts';

/** The tasks of a pool, by their ids; undefined when ECS did not tell. */
export interface Fleet {
  desired: number;
  running: string[];
  pending: string[];
  /** Since when each running task runs, in epoch milliseconds. */
  startedAt: Map<string, number>;
  /** Tasks by their private address. */
  addresses: Map<string, string>;
}

export type Fleets = Map<string, Fleet | undefined>;

const TASKS_A_CALL = 100;
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
      matters: 'the scaler leaves such a pool out: its fleet stands still',
      mend: `deploy the stack again; it writes the parameters below ${config.poolsPath}`,
    });
  }
  if (pools.length > 0) return ok('pool settings', `${count(pools.length, 'pool')} below ${config.poolsPath}`);
  return wrong('pool settings', `there is no pool below ${config.poolsPath}`, {
    matters: 'the scaler has nothing to scale',
    mend: 'deploy the stack again',
  });
}

async function checkSchedule(stack: Stack, now: number): Promise<Check> {
  const { scalerFunction, scalerLogGroup, stateTable } = stack.config;
  const why = {
    matters: 'fleets stand still, and no worker is told to leave',
    mend:
      `see whether it is invoked and what it says: aws logs tail ${scalerLogGroup} --since 10m; then the schedule's state ` +
      `(aws scheduler list-schedules) and the function's concurrency (aws lambda get-function-concurrency --function-name ${scalerFunction})`,
  };
  try {
    const scaler = await readScaler(stack);
    if (scaler === undefined)
      return wrong('schedule', 'the scaler has never ticked (it does within two minutes of its deployment)', why);
    const seconds = Math.max(0, (now - scaler.tickAt) / 1000);
    if (seconds <= SILENT_AFTER_SECONDS) return ok('schedule', `the scaler ticked ${duration(seconds)} ago`);
    return wrong('schedule', `the scaler is silent: it last ticked ${duration(seconds)} ago`, why);
  } catch (error) {
    return refused('schedule', reasonOf(error), `dynamodb:GetItem on the table ${stateTable}`);
  }
}

/** Rights are judged by what the scaler was refused: nothing else is as true as that. */
async function checkLog(stack: Stack, now: number): Promise<Check[]> {
  const group = stack.config.scalerLogGroup;
  try {
    const lines = await readLines(stack, { from: now - LOG_MINUTES * 60_000, to: now });
    // Silence is the schedule's matter; of rights it says nothing.
    if (lines.length === 0) return [unseen('rights', `not seen: ${group} has nothing of the last ${LOG_MINUTES} min`)];
    const complaints = [...new Set(lines.flatMap(complaintsIn))];
    const denied = complaints.filter((complaint) => DENIED.test(complaint));
    const others = complaints.filter((complaint) => !DENIED.test(complaint));
    return [
      denied.length === 0
        ? ok('rights', `the scaler was refused nothing in the last ${LOG_MINUTES} min`)
        : wrong('rights', `the scaler was refused: ${some(denied)}`, {
            matters: 'what it may not read is unknown to it, and what it may not do does not happen',
            mend: `deploy the stack again, which restores the role's policy; if it persists, a permissions boundary, a service control policy or a key's policy denies it`,
          }),
      others.length === 0
        ? ok('scaler', `no errors in the last ${LOG_MINUTES} min of ${group}`)
        : wrong('scaler', `errors in the last ${LOG_MINUTES} min: ${some(others)}`, {
            matters: 'a tick in which something failed does less than it should',
            mend: `the errors' own words say what to mend; all of them: aws logs tail ${group} --since ${LOG_MINUTES}m`,
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

/** Undefined when ECS did not tell. */
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
      matters: 'there is nothing the scaler could give tasks to: work of this pool is not done',
      mend: 'deploy the stack again',
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
      matters: 'tasks that do not come up do no work, whatever the scaler orders',
      mend:
        `the newest stopped task says why: aws ecs list-tasks --cluster ${cluster} --service-name ${service} --desired-status STOPPED, ` +
        `then aws ecs describe-tasks (stoppedReason); no capacity: other zones or less Spot; no image or secret: the execution role`,
    },
    pool,
  );
}

function checkTags({ pool, cluster, service }: PoolConfig, { tags = [] }: Service): Check[] {
  const { problems, policy } = readOverrides(tags);
  if (problems.length > 0) {
    const matters = 'what somebody has said by it does not hold';
    const mend = `elastic-workers set ${pool} --min … --max …, or --reset (tags of service ${service}, cluster ${cluster})`;
    return [wrong('tags', problems.join('; '), { matters, mend }, pool)];
  }
  const set = [
    ...Object.entries(policy).map(([name, value]) => `${name} ${String(value)}`),
    ...readDrained(tags).map((task) => `task ${task} is drained`),
  ];
  return set.length === 0 ? [] : [ok('tags', `overruled by hand: ${set.join(', ')}`, pool)];
}

/** What is well from here may be out of the scaler's reach: it is somewhere else, and somebody else. */
async function checkSignals(stack: Stack, pool: string): Promise<Check> {
  try {
    const state = await readPoolState(stack, pool);
    if (state === undefined) return unseen('signals', 'the scaler has not written anything of this pool yet', pool);
    const { activityQueue, workflowQueue, workers, tasks } = state.record;
    const unknown = Object.entries({ activityQueue, workflowQueue, workers, tasks }).flatMap(([name, reading]) =>
      known<unknown>(reading) ? [] : [`${name}: ${(reading as { unknown: string }).unknown}`],
    );
    if (unknown.length === 0) return ok('signals', 'the scaler reads queues, workers and tasks', pool);
    return wrong(
      'signals',
      `the scaler could not read ${unknown.join('; ')}`,
      {
        matters: 'a pool that is not seen does not shrink, and grows by what is left to see',
        mend: `where it is well from here, the scaler's network, address or credentials differ: compare the environment of ${stack.config.scalerFunction}`,
      },
      pool,
    );
  } catch (error) {
    return refused('signals', reasonOf(error), `dynamodb:GetItem on the table ${stack.config.stateTable}`, pool);
  }
}

/** One alarm a meaning; the latency alarm stands on one metric or another. */
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
  const nobody = 'when the pool breaks, nobody is told';
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
    const says = `${silent.length} of ${count(alarms.length, 'alarm')} have no action, or it is switched off`;
    const mend =
      'give the construct alarmTopics (or alarmActions) and deploy; switched off: aws cloudwatch enable-alarm-actions';
    return wrong('alarms', says, { matters: nobody, mend }, pool);
  }
  const ringing = alarms.filter(({ StateValue }) => StateValue === 'ALARM');
  if (ringing.length === 0) return ok('alarms', `${alarms.length} alarms with actions, none in ALARM`, pool);
  return wrong(
    'alarms',
    `in ALARM: ${ringing.map(({ MetricName, StateReason }) => `${MetricName} (${StateReason})`).join('; ')}`,
    {
      matters: 'what the alarm was made for has come about',
      mend: ringing.map(({ AlarmDescription }) => AlarmDescription).join(' '),
    },
    pool,
  );
}
