/** Runs a strategy in one go, in this process, with a model at hand: inside an activity, in a test, or in a script. */
import type { Model } from '../model.ts';
import type { StrategyResult } from '../types.ts';
import { strategyNamed } from './registry.ts';

export interface DirectRun {
  model: Model;
  signal?: AbortSignal;
  /** Told after each answer how many there were. */
  onAnswer?: (asks: number) => void;
}

export async function runDirectly(name: string, input: unknown, run: DirectRun): Promise<StrategyResult> {
  const strategy = strategyNamed(name);
  let asks = 0;
  const output = await strategy(input, {
    async ask(prompt, options) {
      const answer = await run.model.ask(prompt, { ...options, ...(run.signal && { signal: run.signal }) });
      asks += 1;
      run.onAnswer?.(asks);
      return answer;
    },
  });
  return { strategy: name, output, asks };
}
