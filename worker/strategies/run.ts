/**
 * Runs a strategy with the available models, and returns its output or a failure that says why there is none. The same function
 * runs in a workflow, in an activity and without Temporal; only where the models are called differs.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { ActivityFailure, ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { generateText, Output, wrapLanguageModel, type FlexibleSchema } from 'ai';
import type { StrategyResult } from './types.ts';
import { strategyNamed } from './index.ts';
import { bytesOf, megabytes, MOST_BYTES } from './size.ts';
import { type AskOptions, InvalidRequestError, type StrategyContext } from './strategy.ts';

const LONGEST_MESSAGE = 4000;

interface StrategyRun {
  model: (id?: string) => LanguageModelV4;
  signal?: AbortSignal;
}

export async function runStrategy(name: string, input: unknown, run: StrategyRun): Promise<StrategyResult> {
  try {
    const strategy = strategyNamed(name);
    let asks = 0;
    const output = await strategy(
      input,
      contextOf(run, () => (asks += 1)),
    );
    requireFitting(name, output);
    return { strategy: name, output, asks };
  } catch (error) {
    throw failureOf(name, error);
  }
}

/**
 * The failed workflow must report the strategy's own error, and only a model's failures are worth another attempt: a strategy
 * that failed by itself would fail again.
 */
export function failureOf(strategy: string, error: unknown): unknown {
  // A model call that failed as an activity: use its own message, not "Activity task failed".
  if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) return error.cause;
  if (error instanceof TemporalFailure) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  if (error instanceof InvalidRequestError) return nonRetryable(error.name, error.message);
  const message = error instanceof Error ? error.message : String(error);
  return nonRetryable('StrategyFailed', `The strategy "${strategy}" failed: ${message}`, error);
}

function nonRetryable(type: string, message: string, cause?: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message: message.slice(0, LONGEST_MESSAGE),
    nonRetryable: true,
    ...(cause instanceof Error && cause.message.length <= LONGEST_MESSAGE && { cause }),
  });
}

function contextOf({ model, signal }: StrategyRun, counted: () => void): StrategyContext {
  const modelOf = (id?: string) => watched(model(id), counted);
  const ask = async <T>(
    prompt: string,
    { system, model: id, schema }: AskOptions & { schema?: FlexibleSchema<T> } = {},
  ) => {
    const { text, output } = await generateText({
      model: modelOf(id),
      prompt,
      maxRetries: 0,
      ...(system !== undefined && { instructions: system }),
      ...(signal !== undefined && { abortSignal: signal }),
      ...(schema !== undefined && { output: Output.object({ schema }) }),
    });
    return schema === undefined ? text : output;
  };
  return { model: modelOf, ask: ask as StrategyContext['ask'], map: mapped };
}

/** Counts the calls, and rejects one that is too large before it is passed to Temporal. */
function watched(model: LanguageModelV4, counted: () => void): LanguageModelV4 {
  const before = (call: LanguageModelV4CallOptions) => {
    const bytes = bytesOf(call);
    if (bytes > MOST_BYTES) {
      throw new InvalidRequestError(
        `A prompt of ${megabytes(bytes)} is too large: the limit per model call is ${megabytes(MOST_BYTES)}. Split it into smaller prompts.`,
      );
    }
    counted();
  };
  return wrapLanguageModel({
    model,
    middleware: {
      wrapGenerate: ({ doGenerate, params }) => (before(params), doGenerate()),
      wrapStream: ({ doStream, params }) => (before(params), doStream()),
    },
  });
}

async function mapped<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  if (!(Number.isInteger(width) && width >= 1)) {
    throw new InvalidRequestError(`The width of a map must be a whole number of at least 1, got ${width}.`);
  }
  const results: Result[] = Array.from({ length: items.length });
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

function requireFitting(strategy: string, output: unknown): void {
  if (output === undefined) {
    throw new InvalidRequestError(`The strategy "${strategy}" returned nothing: it must return its output.`);
  }
  const bytes = bytesOf(output, `The output of the strategy "${strategy}"`);
  if (bytes <= MOST_BYTES) return;
  throw new InvalidRequestError(
    `The output of the strategy "${strategy}" is ${megabytes(bytes)}; Temporal's limit is ${megabytes(MOST_BYTES)}: ` +
      `store it elsewhere and return a reference instead.`,
  );
}
