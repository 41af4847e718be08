/**
 * The worker's configuration, parsed once from the environment. All problems are reported together, each with the value found
 * and how to fix it; an unknown name with our prefix is a problem too.
 *
 * `ELASTIC_WORKERS_PROFILE` chooses a set of defaults (PROFILES below); each of them can be overridden with a variable of its
 * own. How to reach Temporal is set with Temporal's own variables: see credentials.ts.
 */
import { z } from 'zod';
import { MODEL_ID } from '../contract/model-id.ts';
import { ConfigError } from './errors.ts';
import { parseSlots, type Slots } from '../contract/slots.ts';

const PREFIX = 'ELASTIC_WORKERS_';

/** Fargate kills a task at the latest this long after SIGTERM; our stack sets this value. */
const LONGEST_STOP_TIMEOUT_SECONDS = 120;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevelName = (typeof LOG_LEVELS)[number];

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
export const PROFILES = {
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
} as const satisfies Record<string, ProfileDefaults>;

export type Profile = keyof typeof PROFILES;

const variables = z.object({
  TEMPORAL_ADDRESS: text({ pattern: /^[^\s/]+:\d{1,5}$/, form: 'be host:port' }).optional(),
  TEMPORAL_NAMESPACE: text().optional(),
  TEMPORAL_TASK_QUEUE: text(),
  // The SDK takes any other word for "no": a mistyped "yes" would send the API key unencrypted.
  TEMPORAL_TLS: oneOf(['true', 'false', '1', '0']).optional(),
  LOG_LEVEL: oneOf(LOG_LEVELS).optional(),
  ELASTIC_WORKERS_PROFILE: oneOf(Object.keys(PROFILES) as [Profile, ...Profile[]]).default('production'),
  ELASTIC_WORKERS_STACK: text().optional(),
  ELASTIC_WORKERS_POOL: text().optional(),
  ELASTIC_WORKERS_PROCESSES: wholeNumber(1, 64).optional(),
  ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: slots().optional(),
  ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS: wholeNumber(2, 10_000).default(40),
  ELASTIC_WORKERS_MAX_CACHED_WORKFLOWS: wholeNumber(0, 1_000_000).optional(),
  ELASTIC_WORKERS_HEARTBEAT_SECONDS: wholeNumber(1, 60).default(5),
  ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS: wholeNumber(1, 3600).default(30),
  ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS: wholeNumber(1, 3600).default(60),
  ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: wholeNumber(1, 86_400).optional(),
  ELASTIC_WORKERS_DRAIN_SECONDS: wholeNumber(1, 86_400).optional(),
  ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: wholeNumber(2, 86_400).default(LONGEST_STOP_TIMEOUT_SECONDS),
  ELASTIC_WORKERS_STATE_TABLE: text().optional(),
  ELASTIC_WORKERS_TASK_ROLE_ID: text().optional(),
  ELASTIC_WORKERS_HUNG_SECONDS: wholeNumber(5, 86_400).default(120),
  ELASTIC_WORKERS_CORDON_POLL_SECONDS: wholeNumber(1, 60).default(3),
  // The scaler writes once a minute: with a shorter time a slow invocation would count as gone.
  ELASTIC_WORKERS_SCALER_GONE_SECONDS: wholeNumber(120, 86_400).default(300),
  ELASTIC_WORKERS_TEMPORAL_SECRET: text().optional(),
  // Each reading of a secret is a paid request; a rotated one usually stays valid for much longer than an hour.
  ELASTIC_WORKERS_CREDENTIALS_POLL_SECONDS: wholeNumber(1, 3600).default(300),
  ELASTIC_WORKERS_METRICS_PORT: port().default(8000),
  ELASTIC_WORKERS_HEALTH_PORT: port().default(8080),
  ELASTIC_WORKERS_BIND_ADDRESS: text({ pattern: /^[\da-fA-F.:]+$/, form: 'be an IP address' }).optional(),
  ELASTIC_WORKERS_MODEL: text({ pattern: MODEL_ID, form: 'be a model id, provider:model' }).optional(),
  ELASTIC_WORKERS_TRACE_FILE: text().optional(),
  ELASTIC_WORKERS_CLOUDWATCH: oneOf(['on', 'off']).optional(),
  ECS_AGENT_URI: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
  ECS_CONTAINER_METADATA_URI_V4: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
});

type Variables = z.output<typeof variables>;

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
  const parsed = variables.safeParse(env);
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

function configFrom(values: Variables): WorkerConfig {
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

function scaleInOf(values: Variables): WorkerConfig['scaleIn'] {
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
function drainOf(values: Variables): { shutdownGraceSeconds: number; shutdownForceSeconds: number } {
  const defaults = PROFILES[values.ELASTIC_WORKERS_PROFILE];
  const { ELASTIC_WORKERS_DRAIN_SECONDS: force, ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: grace } = values;
  return {
    shutdownGraceSeconds: grace ?? (force === undefined ? defaults.drainGraceSeconds : force * 0.9),
    shutdownForceSeconds: force ?? defaults.drainSeconds,
  };
}

function timeProblems(values: Variables): string[] {
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
  const known = Object.keys(variables.shape);
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name))
    .map((name) => `${name} is not a known variable: did you mean ${nearest(name, known)}? Otherwise remove it.`);
}

function describe(name: string, env: Record<string, string | undefined>, message: string): string {
  const value = env[name];
  return value === undefined ? `${name} is not set: set it.` : `${name}=${JSON.stringify(value)} ${message}.`;
}

function text({ pattern = /\S/, form = 'not be empty' }: { pattern?: RegExp; form?: string } = {}) {
  return z.string().refine((value) => pattern.test(value), { error: `must ${form}: correct it or remove it` });
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: `must be one of ${values.join(', ')}: correct it, or unset it for the default` });
}

function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}: correct it, or unset it for the default`;
  return z
    .string()
    .regex(/^\d{1,9}$/, { error, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error });
}

function slots() {
  const error =
    'must be a whole number from 1 to 10000, or a range such as 5..200: correct it, or unset it for the default';
  return z
    .string()
    .transform((value) => parseSlots(value))
    .refine((value) => value !== undefined, { error, abort: true })
    .transform((value) => value!)
    .refine((value) => isWithin(typeof value === 'number' ? { min: value, max: value } : value), { error });
}

function isWithin({ min, max }: { min: number; max: number }): boolean {
  return min >= 1 && min <= max && max <= 10_000;
}

function port() {
  const error = 'must be a port from 1 to 65535, 0 for any free one, or off: correct it, or unset it for the default';
  return z
    .string()
    .regex(/^(off|\d{1,5})$/, { error, abort: true })
    .transform((value) => (value === 'off' ? 'off' : Number(value)))
    .refine((value) => value === 'off' || value <= 65_535, { error });
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
