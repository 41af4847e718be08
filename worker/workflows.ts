/** The workflows, as bundled for the sandbox. The name of an export is the workflow's type name. */
import { ActivityFailure, ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type * as activities from './activities.ts';
import type { ProcessorConfig, StrategyResult } from './types.ts';

const { executeStrategyDirectly } = proxyActivities<typeof activities>({
  startToCloseTimeout: '1 hour',
  // How soon the work of a worker that died is given to another one.
  heartbeatTimeout: '30 seconds',
  // An activity handed over eagerly never enters the task queue, so it is missing from the backlog the fleet is sized by.
  allowEagerDispatch: false,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: 10 },
});

async function genericStrategyWorkflow(
  strategy: string,
  input: unknown,
  processorConfig: ProcessorConfig = {},
): Promise<StrategyResult> {
  try {
    return await executeStrategyDirectly(strategy, input, processorConfig);
  } catch (error) {
    // The strategy's own message shall be what the failed workflow says, not "Activity task failed".
    if (error instanceof ActivityFailure && error.cause instanceof ApplicationFailure) throw error.cause;
    throw error;
  }
}

export { genericStrategyWorkflow as GenericStrategyWorkflow };
