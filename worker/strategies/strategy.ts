/**
 * A strategy is a function of its input and of a context through which it calls models. It must be deterministic except for
 * the context's answers, and must not import from Node, so that one definition can run in a workflow's sandbox, in one go in an
 * activity, or without Temporal. Everything in the AI SDK that takes a model (`generateText`, tools, `Output`) works with the
 * context's models.
 */
import type { LanguageModelV4 } from '@ai-sdk/provider';
import type { FlexibleSchema } from 'ai';

export interface AskOptions {
  /** Instructions for the answer, apart from the prompt: the model's role, the form to keep. */
  system?: string;
  /** The model to call, if not the one of the processorConfig. */
  model?: string;
}

export interface StrategyContext {
  /** A model by its id (`bedrock:…`), or the one of the processorConfig. Temporal retries its calls: set `maxRetries: 0`. */
  model(id?: string): LanguageModelV4;
  ask(prompt: string, options?: AskOptions): Promise<string>;
  /** Returns the answer as data in the schema's form (Zod or JSON schema). */
  ask<T>(prompt: string, options: AskOptions & { schema: FlexibleSchema<T> }): Promise<T>;
  /** Applies `work` to all items, at most `width` of them concurrently; results are in the items' order. */
  map<Item, Result>(
    items: readonly Item[],
    width: number,
    work: (item: Item, index: number) => Promise<Result>,
  ): Promise<Result[]>;
}

export type Strategy<Input = unknown, Output = unknown> = (input: Input, context: StrategyContext) => Promise<Output>;

/** Thrown when a request can never succeed as it is (bad input, unknown strategy), so retrying is useless. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
}

/** Lets a strategy check its input: `form` describes what it needs, as its user would write it. */
export function requireInput(sound: boolean, strategy: string, form: string, input: unknown): asserts sound {
  if (sound) return;
  const got = JSON.stringify(input)?.slice(0, 200);
  throw new InvalidRequestError(`The strategy "${strategy}" needs an input ${form}, got ${got}.`);
}
