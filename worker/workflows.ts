/** The workflows, as bundled for the sandbox. The name of an export is the workflow's type name. */
import './strategies/sandbox-globals.ts';
import { TemporalProvider } from '@temporalio/ai-sdk/workflow';
import {
  type ActivityOptions,
  ApplicationFailure,
  ChildWorkflowFailure,
  continueAsNew,
  executeChild,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from './strategies/activities.ts';
import { modelIdIn, readProcessorConfig } from './strategies/processor-config.ts';
import { failureOf, runStrategy } from './strategies/run.ts';
import {
  type BatchOptions,
  type BatchResult,
  GENERIC_STRATEGY_WORKFLOW,
  type ProcessorConfig,
  type StrategyResult,
} from './strategies/types.ts';

const activityOptions: ActivityOptions = {
  // How soon the work of a dead worker is given to another one.
  heartbeatTimeout: '30 seconds',
  // An eager activity never enters the task queue, so it would be missing from the backlog that the fleet is sized by.
  allowEagerDispatch: false,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute', maximumAttempts: 10 },
};

const { executeStrategyDirectly } = proxyActivities<Activities>({ ...activityOptions, startToCloseTimeout: '1 hour' });

/** Its model calls are activities. */
const models = new TemporalProvider({ languageModel: { ...activityOptions, startToCloseTimeout: '30 minutes' } });

async function genericStrategyWorkflow(
  strategy: string,
  input: unknown,
  processorConfig?: ProcessorConfig,
): Promise<StrategyResult> {
  try {
    const config = readProcessorConfig(processorConfig);
    if (config.execution === 'direct') return await executeStrategyDirectly(strategy, input, config);
    return await runStrategy(strategy, input, { model: (id = modelIdIn(config)) => models.languageModel(id) });
  } catch (error) {
    // Any error other than a Temporal failure would fail the workflow task instead of the workflow, and be retried forever.
    throw failureOf(strategy, error);
  }
}

const DEFAULT_BATCH = { width: 10, continueAfterItems: 1000, taskQueue: undefined };
/** A history's hard limit is 50 MB; it contains the items' results. */
const LARGE_HISTORY_BYTES = 10 * 1024 * 1024;
const FAILURES_TOLD = 20;

/** Each item is a workflow of its own, so that a failure affects no other item and each keeps its own result. */
async function batchStrategyWorkflow(
  strategy: string,
  items: unknown[],
  processorConfig: ProcessorConfig = {},
  options: BatchOptions = {},
  before: BatchResult = { items: 0, succeeded: 0, failed: 0, failures: [] },
): Promise<BatchResult> {
  const { width, continueAfterItems, taskQueue } = checkedBatch(items, options);
  const result: BatchResult = { ...before, failures: [...before.failures] };
  let taken = 0;
  const mayTake = () =>
    taken < Math.min(items.length, continueAfterItems) && workflowInfo().historySize < LARGE_HISTORY_BYTES;
  const lane = async () => {
    while (mayTake()) {
      const at = taken++;
      await runItem({ strategy, input: items[at], processorConfig, index: before.items + at, taskQueue }, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  result.items = before.items + taken;
  if (taken === items.length) return result;
  return continueAsNew<typeof batchStrategyWorkflow>(strategy, items.slice(taken), processorConfig, options, result);
}

interface Item {
  strategy: string;
  input: unknown;
  processorConfig: ProcessorConfig;
  index: number;
  taskQueue: string | undefined;
}

async function runItem(item: Item, result: BatchResult): Promise<void> {
  const { strategy, input, processorConfig, index, taskQueue } = item;
  try {
    await executeChild(GENERIC_STRATEGY_WORKFLOW, {
      workflowId: `${workflowInfo().workflowId}/${index}`,
      args: [strategy, input, processorConfig],
      ...(taskQueue !== undefined && { taskQueue }),
    });
    result.succeeded += 1;
  } catch (error) {
    if (isCancellation(error)) throw error;
    result.failed += 1;
    if (result.failures.length < FAILURES_TOLD) result.failures.push({ index, message: reasonOf(error) });
  }
}

function reasonOf(error: unknown): string {
  const reason = error instanceof ChildWorkflowFailure ? (error.cause ?? error) : error;
  return (reason instanceof Error ? reason.message : String(reason)).slice(0, 500);
}

type CheckedBatch = Required<Omit<BatchOptions, 'taskQueue'>> & Pick<BatchOptions, 'taskQueue'>;

function checkedBatch(items: unknown, options: BatchOptions): CheckedBatch {
  const { width, continueAfterItems, taskQueue } = { ...DEFAULT_BATCH, ...options };
  const isQueue = taskQueue === undefined || (typeof taskQueue === 'string' && taskQueue !== '');
  const wrong = !isQueue || [width, continueAfterItems].some((each) => !(Number.isInteger(each) && each >= 1));
  if (wrong || !Array.isArray(items)) {
    throw ApplicationFailure.nonRetryable(
      `A batch needs a list of items; its options width and continueAfterItems must be whole numbers of at least 1, and taskQueue a string, ` +
        `got ${JSON.stringify(items)?.slice(0, 100)} and ${JSON.stringify(options)}.`,
      'InvalidRequestError',
    );
  }
  return { width, continueAfterItems, taskQueue };
}

export { batchStrategyWorkflow as BatchStrategyWorkflow, genericStrategyWorkflow as GenericStrategyWorkflow };
export { registerStrategy } from './strategies/index.ts';
export { InvalidRequestError, type AskOptions, type Strategy, type StrategyContext } from './strategies/strategy.ts';
export type * from './strategies/types.ts';
