/**
 * The models a strategy can ask. The offline model is embedded, so that demo and tests need no key and no network: its
 * answer is a function of the prompt alone, and it takes as long as it is told to.
 */
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProcessorConfig } from './types.ts';
import { type AskOptions, InvalidRequestError } from './strategies/strategy.ts';

export interface Model {
  ask(prompt: string, options?: AskOptions & { signal?: AbortSignal }): Promise<string>;
}

export function modelFor(config: ProcessorConfig): Model {
  return offlineModel(config.offlineModel);
}

/** `secondsPerAsk` is bounded by a day, beyond which Node's timers would fire at once. */
export function offlineModel({ secondsPerAsk = 0 }: { secondsPerAsk?: number } = {}): Model {
  if (!(secondsPerAsk >= 0 && secondsPerAsk <= 86_400)) {
    throw new InvalidRequestError(
      `processorConfig.offlineModel.secondsPerAsk must be a number from 0 to 86400, got ${JSON.stringify(secondsPerAsk)}.`,
    );
  }
  return {
    async ask(prompt, { system = '', signal } = {}) {
      signal?.throwIfAborted();
      if (secondsPerAsk > 0) await wait(secondsPerAsk * 1000, undefined, { ...(signal && { signal }) });
      return answerTo(system, prompt);
    },
  };
}

const openings = ['In short', 'On balance', 'As asked', 'Looking closer', 'Step by step', 'To begin with'];
const verdicts = ['proceed', 'revise', 'escalate', 'merge', 'wait', 'split the work', 'ask the owner'];

function answerTo(system: string, prompt: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([system, prompt]))
    .digest();
  const pick = (words: string[], at: number) => words[hash.readUInt16BE(at) % words.length];
  return `${pick(openings, 0)}: ${pick(verdicts, 2)} (${hash.toString('hex', 4, 10)}).`;
}
