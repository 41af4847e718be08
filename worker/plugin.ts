/**
 * What makes a Worker ours, as a plugin of Temporal's: the activities, their heartbeats, tracing, and what the workflows' bundle
 * needs. The same plugin goes to `Worker.create` and to `bundleWorkflowCode`.
 */
import { join } from 'node:path';
import type { Context } from '@temporalio/activity';
import { SimplePlugin } from '@temporalio/plugin';
import type { ActivityInterceptors, BundleOptions, WorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities.ts';
import type { ModelOptions } from './models/models.ts';
import type { TracingOptions } from './tracing/exporting.ts';
import { createTracing, type Tracing } from './tracing/tracing.ts';

export interface PluginOptions extends ModelOptions {
  tracing?: TracingOptions;
}

/** Far below any sensible heartbeat timeout; the SDK sends only as many of them as the timeout needs. */
const HEARTBEAT_EVERY_MS = 1000;

export function workerPlugins(options: PluginOptions = {}): StrategiesPlugin[] {
  return [new StrategiesPlugin(options)];
}

class StrategiesPlugin extends SimplePlugin {
  readonly #tracing: Tracing;

  constructor({ tracing: tracingOptions, ...models }: PluginOptions) {
    const tracing = createTracing(tracingOptions);
    super({
      name: 'elastic-workers-strategies',
      activities: createActivities(models),
      workerInterceptors: {
        activity: [tracing.activity, heartbeating],
        workflowModules: [join(import.meta.dirname, 'tracing/workflow-interceptors.ts')],
      },
      runContext: (next) => next().finally(() => tracing.flush()),
    });
    this.#tracing = tracing;
  }

  override configureWorker(options: WorkerOptions): WorkerOptions {
    return super.configureWorker({ ...options, sinks: { ...options.sinks, ...this.#tracing.sinks } });
  }

  override configureBundler(options: BundleOptions): BundleOptions {
    const { preloadModules = [], ...configured } = super.configureBundler(options);
    const shared = join(import.meta.dirname, 'strategies/shared-modules.ts');
    return { ...configured, preloadModules: [...preloadModules, shared] };
  }
}

/** Whoever waits for a model has nothing to report but that it still waits. */
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
