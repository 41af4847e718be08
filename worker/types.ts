/**
 * What goes into a workflow and comes out of it: plain JSON types, shared by those who start workflows, by the workflow's
 * sandbox and by the activities. Nothing here exists at run time but the names.
 */

/** The workflow's type name, as clients start it: `GenericStrategyWorkflow(strategy, input, processorConfig)`. */
export const GENERIC_STRATEGY_WORKFLOW = 'GenericStrategyWorkflow';

/** `BatchStrategyWorkflow(strategy, items, processorConfig, options)`: one strategy over many inputs. */
export const BATCH_STRATEGY_WORKFLOW = 'BatchStrategyWorkflow';

/** The activity that runs a whole strategy: `executeStrategyDirectly(strategy, input, processorConfig)`. */
export const EXECUTE_STRATEGY_DIRECTLY = 'executeStrategyDirectly';

/** How a strategy's work is to be processed, apart from what the work is. */
export interface ProcessorConfig {
  /** Who asks, as it shall appear in traces. */
  serviceName?: string;
  /**
   * `durable` (the default): the strategy runs in the workflow, and each ask is an activity of its own, retried alone and
   * spread over the fleet. `direct`: all of it runs in one activity, which is cheaper and starts over when it fails.
   */
  execution?: 'durable' | 'direct';
  /** The model a strategy asks when it names none, such as `bedrock:…`; the worker's own default (ELASTIC_WORKERS_MODEL) unless given. */
  model?: string;
  /** Instead of `model`, the embedded one: the same prompt always gives the same answer, after so many seconds. */
  offlineModel?: { secondsPerAsk: number };
  /** Where traces go: nowhere (the default), to the worker's file or OTLP endpoint, or to Langfuse. */
  langfuseMode?: 'off' | 'local' | 'cloud';
  /** Whether traces hold prompts and answers, which may be confidential; only figures and names unless asked for. */
  traceContent?: boolean;
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

export interface SpecialistInput {
  task: string;
  /** What it is an expert of, or all of its instructions; a general one unless given. */
  expertise?: string;
}

export interface SpecialistOutput {
  answer: string;
}

export interface RouterInput {
  task: string;
  /** By name, what each specialist is an expert of. */
  specialists: Record<string, string>;
}

export interface RouterOutput {
  specialist: string;
  answer: string;
}

export interface MapReduceInput {
  task: string;
  /** The parts, or one text that is split at blank lines into parts of at most `partCharacters`. */
  parts?: string[];
  text?: string;
  partCharacters?: number;
  /** How many parts are asked about side by side. */
  width?: number;
}

export interface MapReduceOutput {
  answer: string;
  parts: number;
}

export interface StrategyResult {
  strategy: string;
  output: unknown;
  /** How many times a model was asked. */
  asks: number;
}

export interface BatchOptions {
  /** How many items are worked on side by side. */
  width?: number;
  /** After how many items the workflow continues as new, so that its history stays short. */
  continueAfterItems?: number;
  /** Where the items' workflows run; unless given, where the batch does. */
  taskQueue?: string;
}

/** Each item's own result is that of the workflow `<workflow id of the batch>/<index of the item>`. */
export interface BatchResult {
  items: number;
  succeeded: number;
  failed: number;
  /** The first of the failures. */
  failures: { index: number; message: string }[];
}
