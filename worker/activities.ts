/** The activities: everything of a strategy that touches the world outside the workflow. */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { modelFor } from './model.ts';
import { runDirectly } from './strategies/direct.ts';
import { InvalidRequestError } from './strategies/strategy.ts';
import type { ProcessorConfig, StrategyResult } from './types.ts';

/** Far below any sensible heartbeat timeout; the SDK sends only as many of them as the timeout needs. */
const HEARTBEAT_EVERY_MS = 1000;

/** Runs a whole strategy in one go, heartbeating while it waits for the model. */
export async function executeStrategyDirectly(
  strategy: string,
  input: unknown,
  processorConfig: ProcessorConfig = {},
): Promise<StrategyResult> {
  const context = Context.current();
  let asks = 0;
  const heartbeats = setInterval(() => context.heartbeat({ asks }), HEARTBEAT_EVERY_MS);
  try {
    return await runDirectly(strategy, input, {
      model: modelFor(processorConfig),
      signal: context.cancellationSignal,
      onAnswer: (count) => (asks = count),
    });
  } catch (error) {
    if (error instanceof InvalidRequestError) throw invalidRequest(error);
    throw error;
  } finally {
    clearInterval(heartbeats);
  }
}

function invalidRequest(cause: InvalidRequestError): ApplicationFailure {
  return ApplicationFailure.create({ message: cause.message, type: cause.name, nonRetryable: true });
}
