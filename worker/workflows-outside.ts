/**
 * `temporal-elastic-workers/workflows` outside the sandbox (a worker's entry, a client, a test): registers strategies and names
 * workflows. It does not load the AI SDK, so that a worker polls before that is loaded.
 */
import type * as workflows from './workflows.ts';

export { registerStrategy } from './strategies/index.ts';
export { InvalidRequestError } from './strategies/strategy.ts';

export const GenericStrategyWorkflow = named('GenericStrategyWorkflow') as typeof workflows.GenericStrategyWorkflow;
export const BatchStrategyWorkflow = named('BatchStrategyWorkflow') as typeof workflows.BatchStrategyWorkflow;

/** A client starts a workflow by its function's name. */
function named(name: string): unknown {
  const outside = () => {
    throw new Error(`${name} is a workflow: start it with a Temporal client.`);
  };
  return Object.defineProperty(outside, 'name', { value: name });
}
