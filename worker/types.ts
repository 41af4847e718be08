/**
 * What goes into a workflow and comes out of it: plain JSON types, shared by those who start workflows, by the workflow's
 * sandbox and by the activities. Nothing here exists at run time but the names.
 */

/** The workflow's type name, as clients start it: `GenericStrategyWorkflow(strategy, input, processorConfig)`. */
export const GENERIC_STRATEGY_WORKFLOW = 'GenericStrategyWorkflow';

/** How a strategy's work is to be processed, apart from what the work is. */
export interface ProcessorConfig {
  /** Who asks, as it shall appear in logs and traces. */
  serviceName?: string;
  /** The embedded model: the same prompt always gives the same answer, after so many seconds. */
  offlineModel?: { secondsPerAsk: number };
}

export interface SequentialInput {
  task: string;
  /** Each step is asked with the answer of the one before it. */
  steps: string[];
}

export interface SequentialOutput {
  answer: string;
  steps: { step: string; answer: string }[];
}

export interface StrategyResult {
  strategy: string;
  output: unknown;
  /** How many times a model was asked. */
  asks: number;
}
