/** `temporal-elastic-workers/worker`: run your own workflows and activities as an elastic worker, with everything or with single parts. */
import type { BundlerPlugin, WorkerPlugin } from '@temporalio/worker';
import { StrategiesPlugin, strategiesOptionsFrom, type StrategiesOptions } from './plugin.ts';

export { executeStrategyDirectly } from './strategies/activities.ts';
export type { Logger } from './observability/logging.ts';
export { TemporalWorkerManager } from './temporal/manager.ts';
export type { WorkerManagerOptions } from './temporal/manager-options.ts';
export { PersistentWorkerPool, type PoolStatus, type WorkerPoolOptions } from './processes/pool.ts';
export { runElasticWorker, type WorkerEnd } from './run.ts';
export { registerStrategy } from './strategies/index.ts';
export { InvalidRequestError, type AskOptions, type Strategy, type StrategyContext } from './strategies/strategy.ts';
export type * from './strategies/types.ts';
export type { RunElasticWorkerOptions } from './worker-options.ts';
export type { Health, Stopped, Workforce } from './workforce.ts';
export type { StrategiesOptions };

/** The strategies as a plugin, for a worker whose workflows re-export theirs. Options default to the environment's settings. */
export function strategies(options: StrategiesOptions = {}): WorkerPlugin & BundlerPlugin {
  return new StrategiesPlugin({ ...strategiesOptionsFrom(process.env), ...options });
}
