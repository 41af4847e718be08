/** Models that answer like the offline one, or as configured, and record their prompts. */
import type { LanguageModelV4, LanguageModelV4CallOptions, ProviderV4 } from '@ai-sdk/provider';
import { offlineModel } from '../../worker/models/offline.ts';

interface Heard {
  modelId: string;
  prompt: string;
  system: string;
}

export function listening({ answers = [], secondsPerAsk = 0 }: { answers?: string[]; secondsPerAsk?: number } = {}) {
  const heard: Heard[] = [];
  const left = [...answers];
  let running = 0;
  let most = 0;
  const offline = offlineModel(`${secondsPerAsk}`);
  const languageModel = (modelId: string): LanguageModelV4 => ({
    ...offline,
    modelId,
    async doGenerate(call) {
      heard.push({ modelId, ...partsOf(call) });
      most = Math.max(most, ++running);
      const result = await offline.doGenerate(call);
      running -= 1;
      const text = left.shift();
      return text === undefined ? result : { ...result, content: [{ type: 'text', text }] };
    },
  });
  return { models: { specificationVersion: 'v4', languageModel } as ProviderV4, heard, most: () => most };
}

function partsOf({ prompt }: LanguageModelV4CallOptions) {
  const parts = { prompt: '', system: '' };
  for (const message of prompt) {
    if (message.role === 'system') parts.system += message.content;
    else for (const part of message.content) if (part.type === 'text') parts.prompt += part.text;
  }
  return parts;
}
