/** The scaler's environment: the stack writes it with `scalerEnvironment`, and the scaler reads it with `scalerVariables`. */
import { z } from 'zod';
import { textsOf, type Some } from './environment.ts';
import { DEFAULT_TICK_SECONDS } from './invocation.ts';
import { METRIC_SETS } from './metrics.ts';

export const scalerVariables = z.object({
  TEMPORAL_ADDRESS: z.string().min(1),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_TLS: z.enum(['true', 'false']).optional(),
  ELASTIC_WORKERS_TEMPORAL_SECRET: z.string().min(1).optional(),
  ELASTIC_WORKERS_STATE_TABLE: z.string().min(1),
  ELASTIC_WORKERS_POOLS_PATH: z.string().startsWith('/'),
  ELASTIC_WORKERS_TICK_SECONDS: z.coerce.number().min(1).max(60).default(DEFAULT_TICK_SECONDS),
  ELASTIC_WORKERS_MODE: z.enum(['act', 'observe']).default('act'),
  ELASTIC_WORKERS_METRICS: z.enum(METRIC_SETS).default('essential'),
});

type ScalerVariables = z.output<typeof scalerVariables>;

export function scalerEnvironment(values: Some<ScalerVariables>): Record<string, string> {
  return textsOf(values);
}
