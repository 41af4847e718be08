/** Checks a processorConfig, which comes from whoever starts a workflow, and reports all problems at once. */
import { z } from 'zod';
import { MODEL_ID } from '../../contract/model-id.ts';
import { InvalidRequestError } from './strategy.ts';
import type { ProcessorConfig } from './types.ts';

/** Beyond a day Node's timers would fire immediately. */
export const MOST_SECONDS_PER_ASK = 86_400;

const secondsPerAsk = z.number().min(0).max(MOST_SECONDS_PER_ASK);

const processorConfig = z
  .strictObject({
    serviceName: z.string().min(1).optional(),
    execution: z.enum(['durable', 'direct']).optional(),
    model: z.string().regex(MODEL_ID, 'must be of the form provider:model').optional(),
    offlineModel: z.strictObject({ secondsPerAsk }).optional(),
    langfuseMode: z.enum(['off', 'local', 'cloud']).optional(),
    traceContent: z.boolean().optional(),
  })
  .refine(({ model, offlineModel }) => model === undefined || offlineModel === undefined, {
    error: 'model and offlineModel exclude each other: use one of them',
  });

export function readProcessorConfig(value: unknown): ProcessorConfig {
  const parsed = processorConfig.safeParse(value ?? {});
  if (parsed.success) return (value as ProcessorConfig) ?? {};
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${['processorConfig', ...path].join('.')}: ${message}`,
  );
  throw new InvalidRequestError(`${problems.join('; ')}. Got ${JSON.stringify(value).slice(0, 200)}.`);
}

/** The id of the worker's default model. */
export const DEFAULT_MODEL = 'default:';

export function modelIdIn({ model, offlineModel }: ProcessorConfig): string {
  return model ?? (offlineModel === undefined ? DEFAULT_MODEL : `offline:${offlineModel.secondsPerAsk}`);
}
