/**
 * The worker's configuration, parsed once from the environment. Everything wrong with it is reported together, each
 * problem with the value found and how to mend it; a name under our prefix that we do not know is a problem too.
 */
import { z } from 'zod';

const PREFIX = 'ELASTIC_WORKERS_';

const variables = z.object({
  TEMPORAL_ADDRESS: text({ pattern: /^[^\s/]+:\d{1,5}$/, form: 'be host:port' }).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: text().default('default'),
  TEMPORAL_TASK_QUEUE: text(),
  ELASTIC_WORKERS_POOL: text().optional(),
  ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: wholeNumber(1, 10_000).default(20),
  ELASTIC_WORKERS_STATE_TABLE: text().optional(),
  ELASTIC_WORKERS_TASK_ROLE_ID: text().optional(),
  ELASTIC_WORKERS_HEARTBEAT_SECONDS: wholeNumber(1, 60).default(5),
  ELASTIC_WORKERS_CORDON_POLL_SECONDS: wholeNumber(1, 60).default(3),
  // Fargate kills a task 120 seconds after SIGTERM at the latest.
  ELASTIC_WORKERS_DRAIN_SECONDS: wholeNumber(1, 119).default(100),
  // The scaler writes once a minute: a shorter time would take a slow invocation for its end.
  ELASTIC_WORKERS_SCALER_GONE_SECONDS: wholeNumber(120, 86_400).default(300),
  ECS_AGENT_URI: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
  ECS_CONTAINER_METADATA_URI_V4: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
});

type Variables = z.output<typeof variables>;

export interface WorkerConfig {
  address: string;
  namespace: string;
  taskQueue: string;
  pool: string;
  maxConcurrentActivities: number;
  heartbeatSeconds: number;
  drainSeconds: number;
  ecs: { agentUri?: string; metadataUri?: string };
  /** Absent: the scale-in protocol is off, and the worker just polls until it is told to stop. */
  scaleIn?: {
    agentUri: string;
    stateTable: string;
    taskRoleId: string;
    pollSeconds: number;
    scalerGoneSeconds: number;
  };
}

/** Thrown when the environment cannot be used; the message lists every problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The worker's configuration has ${problems.length} problem(s):\n${problems.map((p) => `- ${p}`).join('\n')}`);
    this.problems = problems;
  }
}

export function readConfig(env: Record<string, string | undefined>): WorkerConfig {
  const parsed = variables.safeParse(env);
  const problems = [
    ...(parsed.error?.issues ?? []).map((issue) => describe(String(issue.path[0]), env, issue.message)),
    ...unknownNames(env),
    ...crossChecks(env),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return configFrom(parsed.data);
}

function configFrom(values: Variables): WorkerConfig {
  const { ECS_AGENT_URI: agentUri, ECS_CONTAINER_METADATA_URI_V4: metadataUri } = values;
  const { ELASTIC_WORKERS_STATE_TABLE: stateTable, ELASTIC_WORKERS_TASK_ROLE_ID: taskRoleId } = values;
  return {
    address: values.TEMPORAL_ADDRESS,
    namespace: values.TEMPORAL_NAMESPACE,
    taskQueue: values.TEMPORAL_TASK_QUEUE,
    pool: values.ELASTIC_WORKERS_POOL ?? values.TEMPORAL_TASK_QUEUE,
    maxConcurrentActivities: values.ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES,
    heartbeatSeconds: values.ELASTIC_WORKERS_HEARTBEAT_SECONDS,
    drainSeconds: values.ELASTIC_WORKERS_DRAIN_SECONDS,
    ecs: { ...(agentUri && { agentUri }), ...(metadataUri && { metadataUri }) },
    ...(stateTable &&
      taskRoleId &&
      agentUri && {
        scaleIn: {
          agentUri,
          stateTable,
          taskRoleId,
          pollSeconds: values.ELASTIC_WORKERS_CORDON_POLL_SECONDS,
          scalerGoneSeconds: values.ELASTIC_WORKERS_SCALER_GONE_SECONDS,
        },
      }),
  };
}

function crossChecks(env: Record<string, string | undefined>): string[] {
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
    .map(
      (name) => `${name} is not a variable of the worker: did you mean ${nearest(name, known)}? Otherwise remove it.`,
    );
}

function describe(name: string, env: Record<string, string | undefined>, message: string): string {
  const value = env[name];
  return value === undefined ? `${name} is not set: set it.` : `${name}=${JSON.stringify(value)} ${message}.`;
}

function text({ pattern = /\S/, form = 'not be empty' }: { pattern?: RegExp; form?: string } = {}) {
  return z.string().refine((value) => pattern.test(value), { error: `must ${form}: correct it or remove it` });
}

function wholeNumber(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}: correct it, or unset it for the default`;
  return z
    .string()
    .regex(/^\d{1,9}$/, { error, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error });
}

function nearest(name: string, known: string[]): string {
  return known.reduce((best, candidate) => (distance(name, candidate) < distance(name, best) ? candidate : best));
}

/** The edits (insert, delete, replace one character) that make one name of the other. */
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
