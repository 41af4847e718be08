/**
 * The models by id, `provider:model`: the embedded one, Bedrock's, and those of any other AI SDK provider whose package is
 * installed. Each call can be cancelled, and its failures tell Temporal whether another attempt makes sense. The AI SDK's own
 * retries never begin, because it does not recognize these failures.
 */
import type { LanguageModelV4, LanguageModelV4GenerateResult, ProviderV4 } from '@ai-sdk/provider';
import { asyncLocalStorage } from '@temporalio/activity';
import { createProviderRegistry, wrapLanguageModel } from 'ai';
import { DEFAULT_MODEL } from '../strategies/processor-config.ts';
import { InvalidRequestError } from '../strategies/strategy.ts';
import { bytesOf, megabytes, MOST_BYTES } from '../strategies/size.ts';
import { tracedModelCall } from '../tracing/model-call.ts';
import { modelFailure } from './failures.ts';
import { offlineModel } from './offline.ts';

export interface ModelOptions {
  /** The model to call when none is named. */
  defaultModel?: string;
  /** Providers in addition to the known ones, or instead of them. */
  providers?: Record<string, ProviderV4>;
  /** Endpoint of Bedrock's runtime, instead of AWS's own in the region. */
  bedrockUrl?: string;
}

const OFFLINE_MODEL = 'offline:';

/** Provider names and the package of each, which exports the provider under that name. */
const PACKAGES: Record<string, string> = {
  anthropic: '@ai-sdk/anthropic',
  azure: '@ai-sdk/azure',
  cohere: '@ai-sdk/cohere',
  deepseek: '@ai-sdk/deepseek',
  google: '@ai-sdk/google',
  groq: '@ai-sdk/groq',
  mistral: '@ai-sdk/mistral',
  openai: '@ai-sdk/openai',
  vertex: '@ai-sdk/google-vertex',
  xai: '@ai-sdk/xai',
};

export function createModels({
  defaultModel = OFFLINE_MODEL,
  providers = {},
  bedrockUrl,
}: ModelOptions = {}): ProviderV4 {
  const others = Object.keys(PACKAGES).map((name) => [name, providerOf((id) => loaded(name, id))]);
  const registry = createProviderRegistry<Record<string, ProviderV4>>({
    offline: providerOf(offlineModel),
    bedrock: providerOf(fromBedrock(bedrockUrl)),
    ...(Object.fromEntries(others) as Record<string, ProviderV4>),
    ...providers,
  });
  return providerOf((asked) => {
    const id = asked === DEFAULT_MODEL ? defaultModel : asked;
    return guarded(id, () => registry.languageModel(id as `${string}:${string}`));
  });
}

/** A provider of language models only, whose package may have to be loaded first. */
function providerOf(find: (modelId: string) => LanguageModelV4 | Promise<LanguageModelV4>): ProviderV4 {
  const none = () => {
    throw new InvalidRequestError('Only language models are available by id.');
  };
  return {
    specificationVersion: 'v4',
    languageModel: (modelId) => ({
      specificationVersion: 'v4',
      provider: 'elastic-workers',
      modelId,
      supportedUrls: {},
      doGenerate: async (call) => (await find(modelId)).doGenerate(call),
      doStream: async (call) => (await find(modelId)).doStream(call),
    }),
    embeddingModel: none,
    imageModel: none,
  };
}

async function loaded(name: string, modelId: string): Promise<LanguageModelV4> {
  const file = PACKAGES[name]!;
  const module = (await import(file).catch((error: unknown) => {
    if (!/MODULE_NOT_FOUND/.test((error as { code?: string }).code ?? '')) throw error;
    throw new InvalidRequestError(
      `The model "${name}:${modelId}" needs the package ${file}, which is not installed: run npm install ${file}, and rebuild the worker.`,
    );
  })) as Record<string, ProviderV4>;
  return module[name]!.languageModel(modelId);
}

/** Uses the AWS SDK's usual credentials, which in a task are its role's: by itself the provider only supports environment variables. */
function fromBedrock(baseURL?: string): (modelId: string) => Promise<LanguageModelV4> {
  let bedrock: Promise<ProviderV4> | undefined;
  const load = async () => {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
    const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
    const { credentials, region } = new DynamoDBClient({}).config;
    return createAmazonBedrock({
      region: await region(),
      credentialProvider: () => credentials(),
      ...(baseURL && { baseURL }),
    });
  };
  return async (modelId) => {
    bedrock ??= load();
    bedrock.catch(() => (bedrock = undefined));
    return (await bedrock).languageModel(modelId);
  };
}

function guarded(id: string, find: () => LanguageModelV4): LanguageModelV4 {
  const attempt = async <T>(work: () => PromiseLike<T>) => {
    try {
      return await work();
    } catch (error) {
      throw modelFailure(id, error, Date.now());
    }
  };
  let model: LanguageModelV4;
  try {
    model = find();
  } catch (error) {
    throw modelFailure(id, error, Date.now());
  }
  return wrapLanguageModel({
    model,
    middleware: {
      transformParams: async ({ params }) => {
        const abortSignal = params.abortSignal ?? asyncLocalStorage.getStore()?.cancellationSignal;
        return { ...params, ...(abortSignal && { abortSignal }) };
      },
      wrapGenerate: ({ doGenerate, params }) =>
        attempt(() => tracedModelCall(id, params, async () => lean(id, await doGenerate()))),
      wrapStream: ({ doStream }) => attempt(doStream),
    },
  });
}

/** Removes the copies of request and answer, which would fill a workflow's history, and rejects an answer too large for one. */
function lean(id: string, result: LanguageModelV4GenerateResult): LanguageModelV4GenerateResult {
  const { request: _, response, ...rest } = result;
  const { headers: _headers, body: _body, ...about } = response ?? {};
  const bytes = bytesOf(rest);
  if (bytes > MOST_BYTES) {
    throw new InvalidRequestError(
      `The answer of the model "${id}" is ${megabytes(bytes)}; Temporal's limit is ${megabytes(MOST_BYTES)}: ask for less at once.`,
    );
  }
  return { ...rest, response: about };
}
