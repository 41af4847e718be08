/**
 * The strategies as a Temporal plugin: their activities, heartbeats, tracing, and what the workflow bundle needs. Pass the same
 * plugin to `Worker.create` and to `bundleWorkflowCode`.
 */
import { join } from 'node:path';
import type { Context } from '@temporalio/activity';
import { SimplePlugin } from '@temporalio/plugin';
import {
  Runtime,
  type ActivityInterceptors,
  type BundleOptions,
  type Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { createActivities } from './strategies/activities.ts';
import { hide } from '../contract/shown.ts';
import type { ModelOptions } from './models/models.ts';
import { strategyNames } from './strategies/index.ts';
import type { TracingOptions } from './tracing/exporting.ts';
import { createTracing, type Tracing } from './tracing/tracing.ts';
import { EXECUTE_STRATEGY_DIRECTLY, GENERIC_STRATEGY_WORKFLOW } from './strategies/types.ts';

export interface StrategiesOptions extends ModelOptions {
  tracing?: TracingOptions;
}

/** The worker's settings (docs/worker.md) for models and traces. */
export function strategiesOptionsFrom(env: Record<string, string | undefined>): StrategiesOptions {
  const { LANGFUSE_PUBLIC_KEY: publicKey, LANGFUSE_SECRET_KEY: secretKey, LANGFUSE_BASE_URL: baseUrl } = env;
  const { ELASTIC_WORKERS_MODEL: defaultModel, ELASTIC_WORKERS_TRACE_FILE: file } = env;
  const bedrockUrl = env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME ?? env.AWS_ENDPOINT_URL;
  hide(secretKey === undefined ? [] : [secretKey]);
  return {
    ...(defaultModel !== undefined && { defaultModel }),
    ...(bedrockUrl && { bedrockUrl }),
    tracing: {
      ...(file !== undefined && { file }),
      ...(publicKey && secretKey && { langfuse: { publicKey, secretKey, ...(baseUrl && { baseUrl }) } }),
      warn: (message) => Runtime.instance().logger.warn(message),
    },
  };
}

/** Far below any sensible heartbeat timeout; the SDK sends only as many of them as the timeout needs. */
const HEARTBEAT_EVERY_MS = 1000;

export class StrategiesPlugin extends SimplePlugin {
  readonly #tracing: Tracing;
  readonly #defaultModel: string | undefined;
  #told = false;

  constructor({ tracing: tracingOptions, ...models }: StrategiesOptions = {}) {
    const tracing = createTracing(tracingOptions);
    super({
      name: 'elastic-workers-strategies',
      activities: createActivities(models),
      workerInterceptors: {
        activity: [tracing.activity, heartbeating],
        workflowModules: [sandboxModule('tracing/workflow-interceptors')],
      },
      runContext: (next) => next().finally(() => tracing.flush()),
    });
    this.#tracing = tracing;
    this.#defaultModel = models.defaultModel;
  }

  override runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    if (!this.#told) tellStrategies(this.#defaultModel);
    this.#told = true;
    return super.runWorker(worker, next);
  }

  override configureWorker(options: WorkerOptions): WorkerOptions {
    return super.configureWorker({ ...options, sinks: { ...options.sinks, ...this.#tracing.sinks } });
  }

  override configureBundler(options: BundleOptions): BundleOptions {
    const { preloadModules = [], ...configured } = super.configureBundler(options);
    return { ...configured, preloadModules: [...preloadModules, sandboxModule('strategies/shared-modules')] };
  }
}

/** The source, or what the library has of it for the workflows' bundle. */
function sandboxModule(name: string): string {
  const here = import.meta.dirname;
  return import.meta.filename.endsWith('.ts') ? join(here, `${name}.ts`) : join(here, 'sandbox', `${name}.js`);
}

function tellStrategies(model: string | undefined): void {
  const { logger } = Runtime.instance();
  const served = { workflow: GENERIC_STRATEGY_WORKFLOW, activity: EXECUTE_STRATEGY_DIRECTLY };
  logger.info('Strategies', { strategies: strategyNames(), ...served, model });
  if (model !== undefined) return;
  logger.warn(
    'ELASTIC_WORKERS_MODEL is not set: if a workflow names no model, the embedded one answers, which makes up its answers',
  );
}

/** While it waits for a model, an activity has nothing to report except that it is still waiting. */
function heartbeating(context: Context): ActivityInterceptors {
  if (context.info.heartbeatTimeoutMs === undefined) return {};
  return {
    inbound: {
      async execute(input, next) {
        const heartbeats = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
        try {
          return await next(input);
        } finally {
          clearInterval(heartbeats);
        }
      },
    },
  };
}
