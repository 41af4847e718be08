/**
 * The scaler's configuration: its own settings from the environment, the pools' from SSM parameters written by the stack.
 * Everything is checked before anything runs. An invalid pool is reported and skipped; the others continue.
 */
import { paginateGetParametersByPath, type SSMClient } from '@aws-sdk/client-ssm';
import { z } from 'zod';
import type { MetricSet } from '../contract/metrics.ts';
import { poolConfigSchema, type PoolConfig } from '../contract/pool-config.ts';
import { scalerVariables } from '../contract/scaler-environment.ts';
import { stackIdIn } from '../contract/stack-config.ts';
import type { TemporalPlace } from './read/temporal-connection.ts';

/** Thrown if the environment is not what the stack writes; the message lists every problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export interface ScalerConfig {
  /** The Temporal of pools that name none. */
  temporal: TemporalPlace;
  stateTable: string;
  poolsPath: string;
  /** The stack's id. */
  stack: string;
  tickSeconds: number;
  mode: 'act' | 'observe';
  metrics: MetricSet;
}

export function readScalerConfig(environment: Record<string, string | undefined>): ScalerConfig {
  const parsed = scalerVariables.safeParse(environment);
  if (!parsed.success)
    throw new ConfigError(`the scaler's environment is not valid:\n${z.prettifyError(parsed.error)}`);
  const values = parsed.data;
  return {
    temporal: {
      address: values.TEMPORAL_ADDRESS,
      namespace: values.TEMPORAL_NAMESPACE,
      ...(values.TEMPORAL_TLS !== undefined && { tls: values.TEMPORAL_TLS === 'true' }),
      ...(values.ELASTIC_WORKERS_TEMPORAL_SECRET !== undefined && { secret: values.ELASTIC_WORKERS_TEMPORAL_SECRET }),
    },
    stateTable: values.ELASTIC_WORKERS_STATE_TABLE,
    poolsPath: values.ELASTIC_WORKERS_POOLS_PATH,
    stack: stackIdIn(values.ELASTIC_WORKERS_POOLS_PATH),
    tickSeconds: values.ELASTIC_WORKERS_TICK_SECONDS,
    mode: values.ELASTIC_WORKERS_MODE,
    metrics: values.ELASTIC_WORKERS_METRICS,
  };
}

export interface Pools {
  pools: PoolConfig[];
  /** One message for each parameter that could not be parsed. */
  problems: string[];
}

/** Keeps the pools across invocations: while they cannot be read, the scaler continues with the last ones. */
export class PoolReader {
  readonly #client: SSMClient;
  readonly #path: string;
  #last: PoolConfig[] | undefined;

  constructor(client: SSMClient, path: string) {
    this.#client = client;
    this.#path = path;
  }

  /** Throws if they cannot be read and never have been. */
  async read(): Promise<Pools> {
    try {
      const read = await readPools(this.#client, this.#path);
      this.#last = read.pools;
      return read;
    } catch (error) {
      if (this.#last === undefined) throw error;
      return {
        pools: this.#last,
        problems: [`cannot read the pools, continuing with the last known ones: ${String(error)}`],
      };
    }
  }
}

/** Reads all pools under the path. Throws if SSM cannot be read. */
export async function readPools(client: SSMClient, path: string): Promise<Pools> {
  const pools: PoolConfig[] = [];
  const problems: string[] = [];
  for await (const page of paginateGetParametersByPath({ client }, { Path: path, MaxResults: 10 })) {
    for (const { Name, Value } of page.Parameters ?? []) {
      const parsed = parsePool(Value ?? '');
      if (parsed.success) pools.push(parsed.data);
      else problems.push(`pool parameter ${Name}: ${z.prettifyError(parsed.error)}`);
    }
  }
  return { pools, problems };
}

const poolTextSchema = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      context.addIssue({ code: 'custom', message: `not JSON: ${String(error)}` });
      return z.NEVER;
    }
  })
  .pipe(poolConfigSchema);

function parsePool(text: string): z.ZodSafeParseResult<PoolConfig> {
  return poolTextSchema.safeParse(text);
}
