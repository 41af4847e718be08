/**
 * The inputs and outputs of workflows: plain JSON types, shared by clients, the workflow sandbox and activities. Only the names
 * exist at run time.
 */

/** The workflow's type name, for clients that start it: `GenericStrategyWorkflow(strategy, input, processorConfig)`. */
export const GENERIC_STRATEGY_WORKFLOW = 'GenericStrategyWorkflow';

/** `BatchStrategyWorkflow(strategy, items, processorConfig, options)`: one strategy over many inputs. */
export const BATCH_STRATEGY_WORKFLOW = 'BatchStrategyWorkflow';

/** The activity that runs a whole strategy: `executeStrategyDirectly(strategy, input, processorConfig)`. */
export const EXECUTE_STRATEGY_DIRECTLY = 'executeStrategyDirectly';

/** How to process a strategy's work, apart from the work itself. */
export interface ProcessorConfig {
  /** The name of the caller in traces. */
  serviceName?: string;
  /**
   * `durable` (the default): the strategy runs in the workflow, and each model call is an activity of its own, retried separately
   * and spread over the fleet. `direct`: everything runs in one activity, which is cheaper and starts over when it fails.
   */
  execution?: 'durable' | 'direct';
  /** The model for a strategy that names none, such as `bedrock:…` (default: the worker's own, ELASTIC_WORKERS_MODEL). */
  model?: string;
  /** Uses the embedded model instead of `model`: the same prompt always gives the same answer, after this many seconds. */
  offlineModel?: { secondsPerAsk: number };
  /** Where traces are sent: nowhere (the default), to the worker's file or OTLP endpoint, or to Langfuse. */
  langfuseMode?: 'off' | 'local' | 'cloud';
  /** Whether traces contain prompts and answers, which may be confidential (default: only figures and names). */
  traceContent?: boolean;
}

export interface SequentialInput {
  task: string;
  /** Each step gets the answer of the previous one. */
  steps: string[];
}

export interface SequentialOutput {
  answer: string;
  steps: { step: string; answer: string }[];
}

export interface SpecialistInput {
  task: string;
  /** Its field of expertise, or all of its instructions (default: a general one). */
  expertise?: string;
}

export interface SpecialistOutput {
  answer: string;
}

export interface RouterInput {
  task: string;
  /** Each specialist's field of expertise, by name. */
  specialists: Record<string, string>;
}

export interface RouterOutput {
  specialist: string;
  answer: string;
}

export interface MapReduceInput {
  task: string;
  /** The parts; or `text`, which is split at blank lines into parts of at most `partCharacters`. */
  parts?: string[];
  text?: string;
  partCharacters?: number;
  /** How many parts are processed concurrently. */
  width?: number;
}

export interface MapReduceOutput {
  answer: string;
  parts: number;
}

export interface StrategyResult {
  strategy: string;
  output: unknown;
  /** The number of model calls. */
  asks: number;
}

export interface BatchOptions {
  /** How many items are processed concurrently. */
  width?: number;
  /** The number of items after which the workflow continues as new, to keep its history short. */
  continueAfterItems?: number;
  /** The task queue of the items' workflows (default: the batch's own). */
  taskQueue?: string;
}

/** Each item's result is that of the workflow `<workflow id of the batch>/<index of the item>`. */
export interface BatchResult {
  items: number;
  succeeded: number;
  failed: number;
  /** The first of the failures. */
  failures: { index: number; message: string }[];
}
