/**
 * The worker's configuration, parsed once from the environment. All problems are reported together, each with the value found
 * and how to fix it; an unknown name with our prefix is a problem too.
 *
 * `ELASTIC_WORKERS_PROFILE` chooses a set of defaults (PROFILES below); each of them can be overridden with a variable of its
 * own. How to reach Temporal is set with Temporal's own variables: see credentials.ts.
 */
import type { Slots } from '../contract/slots.ts';
import {
  workerVariables,
  type LogLevelName,
  type Profile,
  type WorkerVariables,
} from '../contract/worker-environment.ts';
import { ConfigError } from './errors.ts';

const PREFIX = 'ELASTIC_WORKERS_';

interface ProfileDefaults {
  /** Undefined: one per whole vCPU of the task, as far as its memory and slots allow. */
  processes: number | undefined;
  logLevel: LogLevelName;
  drainGraceSeconds: number;
  drainSeconds: number;
  bindAddress: string;
}

/**
 * `development` is one process on a developer's machine, which stops quickly and listens only locally; `staging` is `production`
 * with more logging.
 */
const PROFILES = {
  development: {
    processes: 1,
    logLevel: 'debug',
    drainGraceSeconds: 5,
    drainSeconds: 8,
    bindAddress: '127.0.0.1',
  },
  staging: {
    processes: undefined,
    logLevel: 'debug',
    drainGraceSeconds: 90,
    drainSeconds: 100,
    bindAddress: '0.0.0.0',
  },
  production: {
    processes: undefined,
    logLevel: 'info',
    drainGraceSeconds: 90,
    drainSeconds: 100,
    bindAddress: '0.0.0.0',
  },
} as const satisfies Record<Profile, ProfileDefaults>;

export interface WorkerConfig {
  profile: Profile;
  taskQueue: string;
  /** The id of the stack that deployed it. Undefined: none did. */
  stack: string | undefined;
  pool: string;
  logLevel: LogLevelName;
  /** Undefined: depends on the task's size. */
  processes: number | undefined;
  /** Of the whole task. Undefined: depends on the task's size. */
  maxConcurrentActivities: Slots | undefined;
  /** Of one process. */
  maxConcurrentWorkflowTasks: number;
  /** Of one process. Undefined: depends on its memory. */
  maxCachedWorkflows: number | undefined;
  heartbeatSeconds: number;
  heartbeatThrottleSeconds: number;
  maxHeartbeatThrottleSeconds: number;
  shutdownGraceSeconds: number;
  shutdownForceSeconds: number;
  stopTimeoutSeconds: number;
  /** A process whose event loop has been blocked for this long, and whose work is lost, ends. */
  hungSeconds: number;
  /** A Secrets Manager secret, by ARN or name, with those of Temporal's settings that are secret. */
  temporalSecret: string | undefined;
  credentialsPollSeconds: number;
  /** Undefined: not served. 0: any free port. */
  metricsPort: number | undefined;
  healthPort: number | undefined;
  bindAddress: string;
  cloudwatch: boolean;
  /** The model for workflows that name none. Undefined: the embedded one. */
  model: string | undefined;
  /** File for traces of the mode `local`. Undefined: they go to OpenTelemetry's endpoint. */
  traceFile: string | undefined;
  ecs: { agentUri?: string; metadataUri?: string };
  /** Absent: the scale-in protocol is off, and the worker polls until it is told to stop. */
  scaleIn?: {
    agentUri: string;
    stateTable: string;
    taskRoleId: string;
    pollSeconds: number;
    scalerGoneSeconds: number;
  };
}

/** `others`: problems found elsewhere, to be reported with those of the environment. */
export function readConfig(env: Record<string, string | undefined>, others: string[] = []): WorkerConfig {
  const parsed = workerVariables.safeParse(env);
  const problems = [
    ...others,
    ...(parsed.error?.issues ?? []).map((issue) => describe(String(issue.path[0]), env, issue.message)),
    ...unknownNames(env),
    ...scaleInProblems(env),
    ...(parsed.success ? timeProblems(parsed.data) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return configFrom(parsed.data);
}

function configFrom(values: WorkerVariables): WorkerConfig {
  const defaults = PROFILES[values.ELASTIC_WORKERS_PROFILE];
  const { ECS_AGENT_URI: agentUri, ECS_CONTAINER_METADATA_URI_V4: metadataUri } = values;
  const scaleIn = scaleInOf(values);
  return {
    profile: values.ELASTIC_WORKERS_PROFILE,
    taskQueue: values.TEMPORAL_TASK_QUEUE,
    stack: values.ELASTIC_WORKERS_STACK,
    pool: values.ELASTIC_WORKERS_POOL ?? values.TEMPORAL_TASK_QUEUE,
    logLevel: values.LOG_LEVEL ?? defaults.logLevel,
    processes: values.ELASTIC_WORKERS_PROCESSES ?? defaults.processes,
    maxConcurrentActivities: values.ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES,
    maxConcurrentWorkflowTasks: values.ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS,
    maxCachedWorkflows: values.ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS,
    heartbeatSeconds: values.ELASTIC_WORKERS_HEARTBEAT_SECONDS,
    heartbeatThrottleSeconds: values.ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS,
    maxHeartbeatThrottleSeconds: values.ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS,
    ...drainOf(values),
    stopTimeoutSeconds: values.ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS,
    hungSeconds: values.ELASTIC_WORKERS_HUNG_SECONDS,
    temporalSecret: values.ELASTIC_WORKERS_TEMPORAL_SECRET,
    credentialsPollSeconds: values.ELASTIC_WORKERS_CREDENTIALS_POLL_SECONDS,
    metricsPort: unlessOff(values.ELASTIC_WORKERS_METRICS_PORT),
    healthPort: unlessOff(values.ELASTIC_WORKERS_HEALTH_PORT),
    bindAddress: values.ELASTIC_WORKERS_BIND_ADDRESS ?? defaults.bindAddress,
    // With a stack's table, there is an account whose alarms depend on these metrics.
    cloudwatch: (values.ELASTIC_WORKERS_CLOUDWATCH ?? (scaleIn ? 'on' : 'off')) === 'on',
    model: values.ELASTIC_WORKERS_MODEL,
    traceFile: values.ELASTIC_WORKERS_TRACE_FILE,
    ecs: { ...(agentUri && { agentUri }), ...(metadataUri && { metadataUri }) },
    ...(scaleIn && { scaleIn }),
  };
}

function scaleInOf(values: WorkerVariables): WorkerConfig['scaleIn'] {
  const { ELASTIC_WORKERS_STATE_TABLE: stateTable, ELASTIC_WORKERS_TASK_ROLE_ID: taskRoleId } = values;
  const { ECS_AGENT_URI: agentUri } = values;
  if (!stateTable || !taskRoleId || !agentUri) return undefined;
  return {
    agentUri,
    stateTable,
    taskRoleId,
    pollSeconds: values.ELASTIC_WORKERS_CORDON_POLL_SECONDS,
    scalerGoneSeconds: values.ELASTIC_WORKERS_SCALER_GONE_SECONDS,
  };
}

/** If only the length of the drain is set, the usual tenth of it remains for saving progress. */
function drainOf(values: WorkerVariables): { shutdownGraceSeconds: number; shutdownForceSeconds: number } {
  const defaults = PROFILES[values.ELASTIC_WORKERS_PROFILE];
  const { ELASTIC_WORKERS_DRAIN_SECONDS: force, ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: grace } = values;
  return {
    shutdownGraceSeconds: grace ?? (force === undefined ? defaults.drainGraceSeconds : force * 0.9),
    shutdownForceSeconds: force ?? defaults.drainSeconds,
  };
}

function timeProblems(values: WorkerVariables): string[] {
  const { shutdownGraceSeconds: grace, shutdownForceSeconds: force } = drainOf(values);
  const stop = values.ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS;
  const { ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS: throttle } = values;
  const maxThrottle = values.ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS;
  const problems: string[] = [];
  if (grace >= force) {
    problems.push(
      `ELASTIC_WORKERS_DRAIN_GRACE_SECONDS (${grace}) must be less than ELASTIC_WORKERS_DRAIN_SECONDS (${force}): ` +
        `between the two, activities are canceled and save their progress.`,
    );
  }
  if (force >= stop) {
    problems.push(
      `ELASTIC_WORKERS_DRAIN_SECONDS (${force}) must be less than ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS (${stop}), at ` +
        `which the platform kills the worker: shorten the drain, or set it to the platform's true stop timeout.`,
    );
  }
  if (throttle > maxThrottle) {
    problems.push(
      `ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS (${throttle}) must be at most ` +
        `ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS (${maxThrottle}): lower the former or raise the latter.`,
    );
  }
  return problems;
}

function scaleInProblems(env: Record<string, string | undefined>): string[] {
  const { ELASTIC_WORKERS_STATE_TABLE: table, ELASTIC_WORKERS_TASK_ROLE_ID: role } = env;
  if (table === undefined && role === undefined) return [];
  const problems: string[] = [];
  if (table === undefined || role === undefined) {
    const [missing, given] =
      table === undefined
        ? ['ELASTIC_WORKERS_STATE_TABLE', 'ELASTIC_WORKERS_TASK_ROLE_ID']
        : ['ELASTIC_WORKERS_TASK_ROLE_ID', 'ELASTIC_WORKERS_STATE_TABLE'];
    problems.push(`${missing} is not set while ${given} is: set both, or neither to run without scale-in protection.`);
  }
  for (const name of ['ECS_AGENT_URI', 'ECS_CONTAINER_METADATA_URI_V4']) {
    if (env[name] === undefined) {
      problems.push(
        `${name} is not set, but scale-in protection needs it: ECS sets it in each task; outside ECS unset ` +
          `ELASTIC_WORKERS_STATE_TABLE and ELASTIC_WORKERS_TASK_ROLE_ID.`,
      );
    }
  }
  return problems;
}

function unknownNames(env: Record<string, string | undefined>): string[] {
  const known = Object.keys(workerVariables.shape);
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((name) => `${name} is not a known variable: did you mean ${nearest(name, known)}? Otherwise remove it.`);
}

function describe(name: string, env: Record<string, string | undefined>, message: string): string {
  const value = env[name];
  return value === undefined ? `${name} is not set: set it.` : `${name}=${JSON.stringify(value)} ${message}.`;
}

function unlessOff(value: number | 'off'): number | undefined {
  return value === 'off' ? undefined : value;
}

function nearest(name: string, known: string[]): string {
  return known.reduce((best, candidate) => (distance(name, candidate) < distance(name, best) ? candidate : best));
}

/** The number of edits (insert, delete or replace one character) that turn one name into the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, character] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (character === other ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length]!;
}
