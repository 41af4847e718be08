/**
 * Where Temporal is, as the stack has configured it for the scaler. Temporal's standard variables in the environment of
 * whoever runs the command take precedence, because a laptop may reach the server by another address and with another key.
 */
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { PoolConfig } from '../contract/pool-config.ts';
import { variablesIn, type SecretReader } from '../contract/temporal-access.ts';
import type { TemporalPlace } from '../scaler/read/temporal-connection.ts';
import type { Aws, Stack } from './stacks.ts';

type Environment = Record<string, string | undefined>;

export type PlacedPool = PoolConfig & { temporal: TemporalPlace };

export interface Places {
  /** Every pool with its place. */
  pools: PlacedPool[];
  readSecret: SecretReader;
}

/** Stands for the secret of a place that has none, when the environment has settings for it. */
const ENVIRONMENT = 'TEMPORAL_… variables of the environment';

export function placesOf({ pools, config, aws }: Pick<Stack, 'pools' | 'config' | 'aws'>, env: Environment): Places {
  const { placed, readSecret } = placing(env, aws);
  return {
    pools: pools.map((pool) => ({
      ...pool,
      temporal: placed(pool.temporal ?? config.temporal) as PlacedPool['temporal'],
    })),
    readSecret,
  };
}

/** The place as reached from here, and a function that reads its secret. */
export function placing(env: Environment, aws: Pick<Aws, 'secrets'>) {
  const own = variablesOf(env);
  return {
    placed: (place: TemporalPlace): TemporalPlace => ({
      address: own.TEMPORAL_ADDRESS ?? place.address,
      namespace: own.TEMPORAL_NAMESPACE ?? place.namespace,
      tls: place.tls,
      ...(Object.keys(own).length > 0 && { secret: ENVIRONMENT }),
      ...(place.secret !== undefined && { secret: place.secret }),
    }),
    readSecret: async (secret: string): Promise<string> => {
      const read = secret === ENVIRONMENT ? '{}' : await readSecret(aws, secret);
      return Object.keys(own).length === 0 ? read : JSON.stringify({ ...variablesIn(secret, read), ...own });
    },
  };
}

/** Temporal's own variables, recognized by their form; an empty one counts as not set. */
function variablesOf(env: Environment): Record<string, string> {
  const entries = Object.entries(env).filter(([name, value]) => /^TEMPORAL_[A-Z_]+$/.test(name) && value);
  return Object.fromEntries(entries.filter(([name]) => name !== 'TEMPORAL_CLI')) as Record<string, string>;
}

async function readSecret({ secrets }: Pick<Aws, 'secrets'>, secret: string): Promise<string> {
  const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId: secret }));
  if (!SecretString) throw new Error('it contains no text');
  return SecretString;
}
