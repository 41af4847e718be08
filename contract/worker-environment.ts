/**
 * The worker's environment: every variable, how it is read, and its default. The stack writes some with `workerEnvironment`, people
 * set others (docs/worker.md), and the worker reads all with `workerVariables`.
 */
import { z } from 'zod';
import { LONGEST_STOP_TIMEOUT_SECONDS } from './deployment.ts';
import { textsOf, type Some } from './environment.ts';
import { MODEL_ID } from './model-id.ts';
import { MOST_SLOTS, parseSlots } from './slots.ts';
import { CORDON_POLL_SECONDS, SCALER_GONE_SECONDS } from './state-table.ts';

const PROFILES = ['development', 'staging', 'production'] as const;

export type Profile = (typeof PROFILES)[number];

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevelName = (typeof LOG_LEVELS)[number];

/** Where the worker listens unless its environment says otherwise. The image exposes these ports. */
export const DEFAULT_PORTS = { ELASTIC_WORKERS_HEALTH_PORT: '8080', ELASTIC_WORKERS_METRICS_PORT: '8000' };

export const workerVariables = z.object({
  TEMPORAL_ADDRESS: text({ pattern: /^[^\s/]+:\d{1,5}$/, form: 'be host:port' }).optional(),
  TEMPORAL_NAMESPACE: text().optional(),
  TEMPORAL_TASK_QUEUE: text(),
  // The SDK takes any other word for "no": a mistyped "yes" would send the API key unencrypted.
  TEMPORAL_TLS: oneOf(['true', 'false', '1', '0']).optional(),
  LOG_LEVEL: oneOf(LOG_LEVELS).optional(),
  ELASTIC_WORKERS_PROFILE: oneOf(PROFILES).default('production'),
  ELASTIC_WORKERS_STACK: text().optional(),
  ELASTIC_WORKERS_POOL: text().optional(),
  ELASTIC_WORKERS_PROCESSES: wholeNumber(1, 64).optional(),
  ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: slots().optional(),
  ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS: wholeNumber(2, MOST_SLOTS).default(40),
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
  ELASTIC_WORKERS_CORDON_POLL_SECONDS: wholeNumber(1, 60).default(CORDON_POLL_SECONDS),
  // The scaler writes once a minute: with a shorter time a slow invocation would count as gone.
  ELASTIC_WORKERS_SCALER_GONE_SECONDS: wholeNumber(120, 86_400).default(SCALER_GONE_SECONDS),
  ELASTIC_WORKERS_TEMPORAL_SECRET: text().optional(),
  // Each reading of a secret is a paid request; a rotated one usually stays valid for much longer than an hour.
  ELASTIC_WORKERS_CREDENTIALS_POLL_SECONDS: wholeNumber(1, 3600).default(300),
  ELASTIC_WORKERS_METRICS_PORT: port().prefault(DEFAULT_PORTS.ELASTIC_WORKERS_METRICS_PORT),
  ELASTIC_WORKERS_HEALTH_PORT: port().prefault(DEFAULT_PORTS.ELASTIC_WORKERS_HEALTH_PORT),
  ELASTIC_WORKERS_BIND_ADDRESS: text({ pattern: /^[\da-fA-F.:]+$/, form: 'be an IP address' }).optional(),
  ELASTIC_WORKERS_MODEL: text({ pattern: MODEL_ID, form: 'be a model id, provider:model' }).optional(),
  ELASTIC_WORKERS_TRACE_FILE: text().optional(),
  ELASTIC_WORKERS_CLOUDWATCH: oneOf(['on', 'off']).optional(),
  ECS_AGENT_URI: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
  ECS_CONTAINER_METADATA_URI_V4: text({ pattern: /^https?:\/\//, form: 'be an http URL' }).optional(),
});

export type WorkerVariables = z.output<typeof workerVariables>;

export function workerEnvironment(values: Some<WorkerVariables>): Record<string, string> {
  return textsOf(values);
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
  const error = `must be a whole number from 1 to ${MOST_SLOTS}, or a range such as 5..200: correct it, or unset it for the default`;
  return z
    .string()
    .transform((value) => parseSlots(value))
    .refine((value) => value !== undefined, { error, abort: true })
    .transform((value) => value!)
    .refine((value) => isWithin(typeof value === 'number' ? { min: value, max: value } : value), { error });
}

function isWithin({ min, max }: { min: number; max: number }): boolean {
  return min >= 1 && min <= max && max <= MOST_SLOTS;
}

function port() {
  const error = 'must be a port from 1 to 65535, 0 for any free one, or off: correct it, or unset it for the default';
  return z
    .string()
    .regex(/^(off|\d{1,5})$/, { error, abort: true })
    .transform((value) => (value === 'off' ? 'off' : Number(value)))
    .refine((value) => value === 'off' || value <= 65_535, { error });
}
