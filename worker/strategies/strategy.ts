/**
 * What a strategy is: a function of its input and of a context through which it asks models. It must be deterministic
 * but for the context's answers, and must not import from Node, so that one definition can run in a workflow's sandbox
 * as well as in one go in an activity or with no Temporal at all. Everything of the AI SDK that takes a model (`generateText`,
 * tools, `Output`) works with the context's.
 */
import type { LanguageModelV4 } from '@ai-sdk/provider';
import type { FlexibleSchema } from 'ai';

export interface AskOptions {
  /** Instructions that hold for the answer, apart from the prompt: who the model shall be, what form to keep. */
  system?: string;
  /** Which model to ask, if not the one of the processorConfig. */
  model?: string;
}

export interface StrategyContext {
  /** A model by its id (`bedrock:…`), or the one of the processorConfig. Retrying it is Temporal's: give `maxRetries: 0`. */
  model(id?: string): LanguageModelV4;
  ask(prompt: string, options?: AskOptions): Promise<string>;
  /** The answer as data of the schema's form (Zod or JSON schema). */
  ask<T>(prompt: string, options: AskOptions & { schema: FlexibleSchema<T> }): Promise<T>;
  /** Applies `work` to all items, at most `width` of them side by side; results are in the items' order. */
  map<Item, Result>(
    items: readonly Item[],
    width: number,
    work: (item: Item, index: number) => Promise<Result>,
  ): Promise<Result[]>;
}

export type Strategy<Input = unknown, Output = unknown> = (input: Input, context: StrategyContext) => Promise<Output>;

/** Thrown when a request can never succeed as it is (bad input, unknown strategy): retrying it is of no use. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
}

/** For a strategy to check its input: `form` says what it needs, as its user would write it. */
export function requireInput(sound: boolean, strategy: string, form: string, input: unknown): asserts sound {
  if (sound) return;
  const got = JSON.stringify(input)?.slice(0, 200);
  throw new InvalidRequestError(`The strategy "${strategy}" needs an input ${form}, got ${got}.`);
}
