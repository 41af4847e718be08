/** The activities: the parts of a strategy that reach outside the workflow. */
import type { ProviderV4 } from '@ai-sdk/provider';
import { asyncLocalStorage } from '@temporalio/activity';
import type { ModelOptions } from '../models/models.ts';
import type { ProcessorConfig, StrategyResult } from './types.ts';

interface Loaded {
  models: ProviderV4;
  temporals: { invokeModel(args: unknown): Promise<unknown>; invokeModelStreaming(args: unknown): Promise<unknown> };
}

export interface Activities {
  executeStrategyDirectly(strategy: string, input: unknown, config?: ProcessorConfig): Promise<StrategyResult>;
  invokeModel(args: unknown): Promise<unknown>;
  invokeModelStreaming(args: unknown): Promise<unknown>;
}

/** The AI SDK is loaded with the first activity, so that a worker polls before that, not after. */
export function createActivities(options: ModelOptions = {}): Activities {
  let loading: Promise<Loaded> | undefined;
  const loaded = () => {
    loading ??= load(options);
    // A failed load fails only the attempts that needed it, not all later ones.
    loading.catch(() => (loading = undefined));
    return loading;
  };
  return {
    executeStrategyDirectly: async (strategy, input, config) =>
      executeStrategyDirectly(strategy, input, config, { models: (await loaded()).models }),
    invokeModel: async (args) => (await loaded()).temporals.invokeModel(args),
    invokeModelStreaming: async (args) => (await loaded()).temporals.invokeModelStreaming(args),
  };
}

/** Runs a whole strategy in one go: as an activity, in a test, or from a script without Temporal. */
export async function executeStrategyDirectly(
  strategy: string,
  input: unknown,
  processorConfig: ProcessorConfig = {},
  { models, signal }: { models?: ProviderV4; signal?: AbortSignal } = {},
): Promise<StrategyResult> {
  const [{ createModels }, { failureOf, runStrategy }, { modelIdIn, readProcessorConfig }] = await Promise.all([
    import('../models/models.ts'),
    import('./run.ts'),
    import('./processor-config.ts'),
  ]);
  try {
    const config = readProcessorConfig(processorConfig);
    const provider = models ?? createModels();
    const until = signal ?? asyncLocalStorage.getStore()?.cancellationSignal;
    return await runStrategy(strategy, input, {
      model: (id = modelIdIn(config)) => provider.languageModel(id),
      ...(until && { signal: until }),
    });
  } catch (error) {
    throw failureOf(strategy, error);
  }
}

async function load(options: ModelOptions): Promise<Loaded> {
  // One after the other: Temporal's package requires `ai`, which Node rejects while it is still being imported.
  const { createModels } = await import('../models/models.ts');
  const { createActivities } = await import('@temporalio/ai-sdk');
  const models = createModels(options);
  return { models, temporals: createActivities(models) as Loaded['temporals'] };
}
