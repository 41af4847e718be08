/**
 * What a strategy is: a function of its input and of a context through which it asks a model. It must be deterministic
 * but for the context's answers, and must not import from Node, so that one definition can run in a workflow's sandbox
 * as well as in one go in an activity or with no Temporal at all.
 */

export interface AskOptions {
  /** Instructions that hold for the answer, apart from the prompt: who the model shall be, what form to keep. */
  system?: string;
}

export interface StrategyContext {
  ask(prompt: string, options?: AskOptions): Promise<string>;
}

export type Strategy<Input = unknown, Output = unknown> = (input: Input, context: StrategyContext) => Promise<Output>;

/** Thrown when a request can never succeed as it is (bad input, unknown strategy): retrying it is of no use. */
export class InvalidRequestError extends Error {
  override readonly name = 'InvalidRequestError';
}
